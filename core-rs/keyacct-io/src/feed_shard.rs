//! The meters of one shard, and how the readings of a batch reach them.

use std::sync::Arc;

use keyacct_model::{Error, ErrorCode};
use keyacct_stats::four::fetch;
use keyacct_stats::month::{Kernel, Reading};
use keyacct_stats::reading_run::{FEW, MOST, ReadingRun, Readings};

use crate::feed_order::{FeedOrder, OfMeter};
use crate::finished::Emitted;
use crate::month_limits::Limits;
use crate::parquet_column::Fault;

/// The rows of a batch that are a shard's.
pub(crate) struct Rows<'a> {
    /// Their places in the batch, ascending.
    pub(crate) of: &'a [u32],
    /// The meter of each row of the batch.
    pub(crate) number: &'a [u32],
    /// Rows of the data set before the batch.
    pub(crate) first: u64,
}

/// The columns of a batch.
pub(crate) struct Columns<'a, V> {
    pub(crate) times: &'a [i64],
    pub(crate) u: [&'a [V]; 3],
    pub(crate) p: &'a [V],
    pub(crate) q: &'a [V],
    pub(crate) ep: &'a [f64],
    pub(crate) eq: &'a [f64],
}

impl<'a, V: Copy> Columns<'a, V> {
    /// The rows from one on and before another.
    pub(crate) fn between(&self, from: usize, to: usize) -> Columns<'a, V> {
        Columns {
            times: &self.times[from..to],
            u: self.u.map(|u| &u[from..to]),
            p: &self.p[from..to],
            q: &self.q[from..to],
            ep: &self.ep[from..to],
            eq: &self.eq[from..to],
        }
    }
}

impl<V: Copy + Into<f64>> Readings for Columns<'_, V> {
    #[inline(always)]
    fn ts(&self, from: usize) -> impl Iterator<Item = i64> {
        self.times[from..].iter().copied()
    }
    #[inline(always)]
    fn u(&self, phase: usize, from: usize) -> impl Iterator<Item = f64> {
        self.u[phase][from..].iter().map(|u| (*u).into())
    }
    #[inline(always)]
    fn p(&self, from: usize) -> impl Iterator<Item = f64> {
        self.p[from..].iter().map(|p| (*p).into())
    }
    #[inline(always)]
    fn q(&self, from: usize) -> impl Iterator<Item = f64> {
        self.q[from..].iter().map(|q| (*q).into())
    }
    #[inline(always)]
    fn ep(&self, from: usize) -> impl Iterator<Item = f64> {
        self.ep[from..].iter().copied()
    }
    #[inline(always)]
    fn eq(&self, from: usize) -> impl Iterator<Item = f64> {
        self.eq[from..].iter().copied()
    }
    #[inline(always)]
    fn reading(&self, n: usize) -> Reading {
        Reading {
            ts: self.times[n],
            u: self.u.map(|u| u[n].into()),
            p: self.p[n].into(),
            q: self.q[n].into(),
            ep: self.ep[n],
            eq: self.eq[n],
        }
    }
}

/// A meter that has no state yet.
const NONE: u32 = u32::MAX;

/// The meters of one shard.
pub(crate) struct Shard<K> {
    limits: Arc<Limits>,
    interval_ms: i64,
    /// Place of each meter in `states`.
    place: Vec<u32>,
    states: Vec<(u32, K)>,
    run: Box<ReadingRun>,
}

impl<K: Kernel> Shard<K> {
    /// One of so many shards. States are large and growing would copy them, so there is room for all.
    pub(crate) fn new(limits: Arc<Limits>, interval_ms: i64, shards: usize) -> Self {
        let meters = limits.ids.len();
        Shard {
            limits,
            interval_ms,
            place: vec![NONE; meters],
            states: Vec::with_capacity(meters.div_ceil(shards)),
            run: Box::default(),
        }
    }

    /// Hands the readings of a batch to their meters.
    ///
    /// # Errors
    /// `input.order`, of the earliest row whose stamp falls.
    pub(crate) fn feed<V: Copy + Default + Into<f64>>(
        &mut self,
        rows: &Rows<'_>,
        columns: &Columns<'_, V>,
        order: &mut FeedOrder<V>,
        emitted: &mut Emitted,
    ) -> Result<(), Fault> {
        if let Some(meters) = order.of(rows.of, rows.number, columns) {
            // The earliest fault of all meters is told, not that of the first meter.
            let mut meters = meters.peekable();
            let mut fault: Option<Fault> = None;
            while let Some((meter, taken)) = meters.next() {
                if let Some((next, taken)) = meters.peek() {
                    self.fetch(*next, taken[0].ts);
                }
                let row = |n: usize| taken[n].row;
                let pushed = self.push(meter, taken.len(), &OfMeter(taken), row, rows.first, emitted);
                if let Err((row, error)) = pushed
                    && fault.as_ref().is_none_or(|(earliest, _)| row < *earliest)
                {
                    fault = Some((row, error));
                }
            }
            return fault.map_or(Ok(()), Err);
        }
        // Other shards' rows may lie between those of a meter.
        let beside = |a: &u32, b: &u32| *b == *a + 1 && rows.number[*a as usize] == rows.number[*b as usize];
        for of_meter in rows.of.chunk_by(beside) {
            let first = of_meter[0] as usize;
            let readings = columns.between(first, first + of_meter.len());
            let row = |n: usize| (first + n) as u32;
            self.push(rows.number[first], of_meter.len(), &readings, row, rows.first, emitted)?;
        }
        Ok(())
    }

    /// Has the state of a meter that comes next brought near the processor.
    #[inline(always)]
    fn fetch(&self, meter: u32, ts: i64) {
        fetch(&self.limits.parameters[meter as usize]);
        if let Some((_, state)) = self.states.get(self.place[meter as usize] as usize) {
            state.fetch(ts);
        }
    }

    /// Hands `len` readings of a meter to its state; `row` gives their places in the batch.
    #[inline(always)]
    fn push(
        &mut self,
        meter: u32,
        len: usize,
        readings: &impl Readings,
        row: impl Fn(usize) -> u32,
        first_row: u64,
        emitted: &mut Emitted,
    ) -> Result<(), Fault> {
        let parameters = &self.limits.parameters[meter as usize];
        let place = &mut self.place[meter as usize];
        let mut done = 0;
        if *place == NONE {
            *place = self.states.len() as u32;
            self.states.push((meter, K::new(readings.reading(0))));
            done = 1;
        }
        let state = &mut self.states[*place as usize].1;
        emitted.meter = meter;
        while done < len {
            let left = len - done;
            let laid = if left > FEW { left.min(MOST) } else { 0 };
            let (first, end) = (done, done + laid.max(1));
            self.run.fill(readings, done, laid);
            while done < end {
                done += state.take(&mut self.run, done - first, self.interval_ms, parameters);
                if done < end {
                    let (row, reading) = (row(done), readings.reading(done));
                    emitted.at = first_row + u64::from(row);
                    let pushed = state.push(reading, self.interval_ms, parameters, emitted);
                    pushed
                        .map_err(|e| (row as usize, unsorted(&self.limits, meter, reading.ts, e.before)))?;
                    done += 1;
                }
            }
        }
        Ok(())
    }

    /// Ends the meters below a number. They are ended from the highest number down, so that each leaves its memory.
    pub(crate) fn end(&mut self, below: u32, emitted: &mut Emitted) {
        let ascends = |pair: &[(u32, K)]| pair[0].0 < pair[1].0;
        if self.states.windows(2).any(ascends) {
            self.states.sort_unstable_by_key(|(meter, _)| std::cmp::Reverse(*meter));
        }
        while let Some((meter, state)) = self.states.pop_if(|(meter, _)| *meter < below) {
            (emitted.at, emitted.meter) = (u64::from(meter), meter);
            state.finish(self.interval_ms, &self.limits.parameters[meter as usize], emitted);
        }
        if self.states.len() * 2 < self.states.capacity() {
            self.states.shrink_to_fit();
        }
    }
}

#[cold]
fn unsorted(limits: &Limits, meter: u32, ts: i64, before: i64) -> Error {
    let id = &limits.ids[meter as usize];
    Error::new(ErrorCode::InputOrder, format!("time {ts} ms comes after {before} ms of the same meter"))
        .hint("sort the rows of each meter by time; file names and row order make the data set order")
        .at(|place| place.meter = Some(id.to_string()))
}
