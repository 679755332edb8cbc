//! The meters of one shard, and how the readings of a batch reach them.
//!
//! Up to some thousand meters all states stay in memory. Of more, those whose readings are not at hand are put aside
//! ([`ParkedMeters`]), and readings that come in rounds of all meters wait until there are many of each ([`RowWindow`]); so
//! the memory hardly grows with the number of meters, and the figures and their order are the same.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::four::fetch;
use keyacct_stats::month::{Kernel, Reading};
use keyacct_stats::reading_run::{FEW, MOST, ReadingRun, Readings};

use crate::feed_order::{FeedOrder, OfBatch, OfMeter, Source, by_meter};
use crate::finished::Emitted;
use crate::month_limits::Limits;
use crate::parked_meters::ParkedMeters;
use crate::row_window::{RowWindow, Value};
use crate::scratch_file::Scratch;

/// Batches after which a meter that has met none of its readings is put aside.
const IDLE: u32 = 8;

/// A fault and the row of the data set that has it, if it is of a row.
pub(crate) type FedFault = (Option<u64>, Error);

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

/// A meter that has no state in memory.
const NONE: u32 = u32::MAX;

/// A meter in work.
struct Held<K> {
    meter: u32,
    /// The batch that it met last.
    fed: u32,
    state: K,
}

/// The meters of one shard.
pub(crate) struct Shard<K> {
    limits: Arc<Limits>,
    interval_ms: i64,
    /// Place of each meter in `held`.
    place: Vec<u32>,
    held: Vec<Held<K>>,
    /// The batch in work.
    batch: u32,
    /// Where states are put aside; nothing while all of them stay in memory.
    parked: Option<ParkedMeters>,
    run: Box<ReadingRun>,
}

/// Memory in which rows of one precision are laid out, and where they wait.
pub(crate) struct Lane<V> {
    order: FeedOrder<V>,
    window: Option<RowWindow<V>>,
}

impl<V: Value> Lane<V> {
    /// For a data set of so many meters; rows wait where there is a place for them.
    pub(crate) fn new(meters: usize, scratch: Option<&Scratch>) -> Self {
        let window = scratch.map(|scratch| RowWindow::new(scratch, meters));
        Lane { order: FeedOrder::new(meters), window }
    }
}

impl<K: Kernel> Shard<K> {
    /// One of so many shards. States are large and growing would copy them, so there is room for all that stay in memory.
    ///
    /// # Errors
    /// `write.*`, when there is no place for those that are to be put aside.
    pub(crate) fn new(
        limits: Arc<Limits>,
        interval_ms: i64,
        shards: usize,
        scratch: Option<&Scratch>,
    ) -> Result<Self> {
        let meters = limits.ids.len();
        let room = if scratch.is_some() { 0 } else { meters.div_ceil(shards) };
        Ok(Shard {
            parked: scratch.map(|scratch| ParkedMeters::new(scratch, meters)).transpose()?,
            limits,
            interval_ms,
            place: vec![NONE; meters],
            held: Vec::with_capacity(room),
            batch: 0,
            run: Box::default(),
        })
    }

    /// Hands the readings of a batch to their meters, at once or when the rows that wait are taken up, which `take_up`
    /// asks for.
    ///
    /// # Errors
    /// `input.order`, of the earliest row whose stamp falls; `write.*`.
    pub(crate) fn feed<V: Value>(
        &mut self,
        rows: &Rows<'_>,
        columns: &Columns<'_, V>,
        lane: &mut Lane<V>,
        take_up: bool,
        emitted: &mut Emitted,
    ) -> std::result::Result<(), FedFault> {
        self.batch += 1;
        let batch = OfBatch { rows: rows.of, number: rows.number, columns };
        // All shards judge the batch as a whole, so that all take up their rows in the same batch.
        if by_meter(rows.number) {
            self.take_up(lane, emitted)?;
            // Other shards' rows may lie between those of a meter.
            let beside =
                |a: &u32, b: &u32| *b == *a + 1 && rows.number[*a as usize] == rows.number[*b as usize];
            for of_meter in rows.of.chunk_by(beside) {
                let first = of_meter[0] as usize;
                let readings = columns.between(first, first + of_meter.len());
                let row = |n: usize| (first + n) as u32;
                self.push(rows.number[first], of_meter.len(), &readings, row, rows.first, emitted)?;
            }
            return self.park_idle().map_err(|error| (None, error));
        }
        match &mut lane.window {
            None => self.feed_in_order(&batch, &mut lane.order, rows.first, emitted),
            Some(window) => {
                window.add(&batch, rows.first).map_err(|error| (None, error))?;
                if take_up { self.take_up(lane, emitted) } else { Ok(()) }
            }
        }
    }

    /// Hands the rows that wait to their meters.
    ///
    /// # Errors
    /// As [`Shard::feed`].
    pub(crate) fn take_up<V: Value>(
        &mut self,
        lane: &mut Lane<V>,
        emitted: &mut Emitted,
    ) -> std::result::Result<(), FedFault> {
        let Some(window) = &mut lane.window else { return Ok(()) };
        let Some(first_row) = window.first_row() else { return Ok(()) };
        let mut earliest: Option<FedFault> = None;
        for part in 0..window.parts() {
            let rows = window.part(part).map_err(|error| (None, error))?;
            let fed = self.feed_in_order(&rows, &mut lane.order, first_row, emitted);
            keep_earliest(&mut earliest, fed);
            self.park(0).map_err(|error| (None, error))?;
        }
        window.clear();
        earliest.map_or(Ok(()), Err)
    }

    /// Hands rows to their meters, meter by meter.
    fn feed_in_order<V: Value>(
        &mut self,
        rows: &impl Source<V>,
        order: &mut FeedOrder<V>,
        first_row: u64,
        emitted: &mut Emitted,
    ) -> std::result::Result<(), FedFault> {
        // The earliest fault of all meters is told, not that of the first meter.
        let mut earliest: Option<FedFault> = None;
        let mut meters = order.of(rows).peekable();
        while let Some((meter, taken)) = meters.next() {
            if let Some((next, taken)) = meters.peek() {
                self.fetch(*next, taken[0].ts);
            }
            let row = |n: usize| taken[n].row;
            keep_earliest(
                &mut earliest,
                self.push(meter, taken.len(), &OfMeter(taken), row, first_row, emitted),
            );
        }
        earliest.map_or(Ok(()), Err)
    }

    /// From time to time puts the meters aside that have met none of their readings for a while.
    fn park_idle(&mut self) -> Result<()> {
        if self.batch.is_multiple_of(IDLE) { self.park(IDLE) } else { Ok(()) }
    }

    /// Puts the meters aside that have met none of their readings for some batches.
    fn park(&mut self, batches: u32) -> Result<()> {
        let Some(parked) = &mut self.parked else { return Ok(()) };
        let mut at = 0;
        while let Some(Held { meter, fed, state }) = self.held.get(at) {
            if self.batch - fed < batches {
                at += 1;
                continue;
            }
            parked.park(*meter, state)?;
            self.place[*meter as usize] = NONE;
            self.held.swap_remove(at);
            if let Some(moved) = self.held.get(at) {
                self.place[moved.meter as usize] = at as u32;
            }
        }
        Ok(())
    }

    /// Has the state of a meter that comes next brought near the processor.
    #[inline(always)]
    fn fetch(&self, meter: u32, ts: i64) {
        fetch(&self.limits.parameters[meter as usize]);
        if let Some(held) = self.held.get(self.place[meter as usize] as usize) {
            held.state.fetch(ts);
        }
    }

    /// Brings the state of a meter into memory and gives how many readings it has taken by that: the first, if it is new.
    fn hold(&mut self, meter: u32, first: impl FnOnce() -> Reading) -> Result<usize> {
        let parked = self.parked.as_mut().map_or(Ok(None), |parked| parked.take(meter))?;
        let taken = usize::from(parked.is_none());
        self.place[meter as usize] = self.held.len() as u32;
        self.held.push(Held { meter, fed: self.batch, state: parked.unwrap_or_else(|| K::new(first())) });
        Ok(taken)
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
    ) -> std::result::Result<(), FedFault> {
        let mut done = 0;
        if self.place[meter as usize] == NONE {
            done = self.hold(meter, || readings.reading(0)).map_err(|error| (None, error))?;
        }
        let parameters = &self.limits.parameters[meter as usize];
        let held = &mut self.held[self.place[meter as usize] as usize];
        held.fed = self.batch;
        let state = &mut held.state;
        emitted.meter = meter;
        while done < len {
            let left = len - done;
            let laid = if left > FEW { left.min(MOST) } else { 0 };
            let (first, end) = (done, done + laid.max(1));
            self.run.fill(readings, done, laid);
            while done < end {
                done += state.take(&mut self.run, done - first, self.interval_ms, parameters);
                if done < end {
                    let reading = readings.reading(done);
                    emitted.at = first_row + u64::from(row(done));
                    let pushed = state.push(reading, self.interval_ms, parameters, emitted);
                    pushed.map_err(|e| {
                        (Some(emitted.at), unsorted(&self.limits, meter, reading.ts, e.before))
                    })?;
                    done += 1;
                }
            }
        }
        Ok(())
    }

    /// Ends the meters of a range of numbers; the ranges follow each other.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn end(&mut self, meters: Range<usize>, emitted: &mut Emitted) -> Result<()> {
        if self.parked.is_some() {
            self.park(0)?;
        }
        // The first to be ended lie at the end, so that each leaves its memory.
        if self.held.windows(2).any(|pair| pair[0].meter < pair[1].meter) {
            self.held.sort_unstable_by_key(|held| Reverse(held.meter));
        }
        for meter in meters.start..meters.end.min(self.limits.ids.len()) {
            let meter = meter as u32;
            let state = match &mut self.parked {
                Some(parked) => parked.take(meter)?,
                None => self.held.pop_if(|held| held.meter == meter).map(|held| held.state),
            };
            if let Some(state) = state {
                (emitted.at, emitted.meter) = (u64::from(meter), meter);
                state.finish(self.interval_ms, &self.limits.parameters[meter as usize], emitted);
            }
        }
        if self.held.len() * 2 < self.held.capacity() {
            self.held.shrink_to_fit();
        }
        Ok(())
    }
}

/// Of faults of rows the earliest is told; one that is of no row comes first.
fn keep_earliest(earliest: &mut Option<FedFault>, fed: std::result::Result<(), FedFault>) {
    if let Err((row, error)) = fed
        && earliest.as_ref().is_none_or(|(before, _)| row < *before)
    {
        *earliest = Some((row, error));
    }
}

#[cold]
fn unsorted(limits: &Limits, meter: u32, ts: i64, before: i64) -> Error {
    let id = &limits.ids[meter as usize];
    Error::new(ErrorCode::InputOrder, format!("time {ts} ms comes after {before} ms of the same meter"))
        .hint("sort the rows of each meter by time; file names and row order make the data set order")
        .at(|place| place.meter = Some(id.to_string()))
}
