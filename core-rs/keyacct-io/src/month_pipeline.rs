//! The run of `keyacct stats` over the cores.
//!
//! Work is cut into small tasks that any worker may take: decode the next batch of one column, feed a decoded batch to
//! one shard of the meters, hand the figures that a batch finished to the output. Columns and shards go through the
//! batches in order, each on its own; a ring of batches bounds how far decoding may run ahead, and so the memory. A meter
//! belongs to one shard and meets its readings in data set order, and figures are put out in the order of the rows that
//! finished them, so the result does not depend on the number of workers or on who was faster.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::month::{DayState, Kernel, MonthTally, Reading, Sink, Tally};

use crate::feed_order::{Columns, FeedOrder};
use crate::month_limits::Limits;
use crate::parquet_column::{Batch, ColumnReader, Fault, MeterLookup, Meters, Plan};
use crate::parquet_file::guarded;
use crate::value_column::Values;

/// Columns of the data set, in the order of their readers.
pub const COLUMNS: [&str; 9] = ["meter_id", "ts", "ua", "ub", "uc", "p", "q", "ep", "eq"];
/// Meters that are ended at once: their figures are waiting for the output.
const END_METERS: usize = 4096;
/// Batches that may be in work at once.
const RING: usize = 6;

/// Figures that were finished, with the row of the data set (or, at the end, the meter) that finished them.
struct Finished<T> {
    at: u64,
    meter: u32,
    day: i64,
    figures: T,
}

/// Days and months that a batch finished in one shard.
#[derive(Default)]
struct Emitted {
    at: u64,
    meter: u32,
    days: Vec<Finished<Tally>>,
    months: Vec<Finished<MonthTally>>,
    parts: Vec<Finished<DayState>>,
}

impl Sink for Emitted {
    fn day(&mut self, day: i64, tally: &Tally) {
        self.days.push(Finished { at: self.at, meter: self.meter, day, figures: *tally });
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        self.months.push(Finished { at: self.at, meter: self.meter, day, figures: *tally });
    }
    fn part(&mut self, state: &DayState) {
        let day = state.open.day;
        self.parts.push(Finished { at: self.at, meter: self.meter, day, figures: state.clone() });
    }
}

/// What all shards have finished, in the order of the rows. The figures are large and stay where they are.
fn in_order<T>(shards: &[Emitted], list: impl Fn(&Emitted) -> &Vec<Finished<T>>) -> Vec<&Finished<T>> {
    let mut all: Vec<&Finished<T>> = shards.iter().flat_map(list).collect();
    all.sort_by_key(|f| f.at);
    all
}

/// Takes finished figures in their final order.
pub trait Output: Send {
    /// A day of a meter (its number in the limits).
    fn day(&mut self, _meter: u32, _day: i64, _tally: &Tally) {}
    /// A month of a meter.
    fn month(&mut self, _meter: u32, _day: i64, _tally: &MonthTally) {}
    /// A day, or a part of one, whose last reading is still open.
    fn part(&mut self, _meter: u32, _state: &DayState) {}
    /// Called from time to time: may write what has come together.
    ///
    /// # Errors
    /// When writing fails.
    fn flush(&mut self) -> Result<()>;
}

/// The meters of one shard.
struct Shard<K> {
    local: Vec<u32>,
    meters: Vec<(u32, K)>,
    narrow: FeedOrder<f32>,
    wide: FeedOrder<f64>,
}

const NONE: u32 = u32::MAX;

struct Slot {
    meters: RwLock<Meters>,
    times: RwLock<Vec<i64>>,
    values: [RwLock<Values>; 7],
    emitted: Mutex<Vec<Emitted>>,
}

#[derive(Clone, Copy)]
enum Task {
    Decode { column: usize, batch: usize },
    Feed { shard: usize, batch: usize },
    Put { batch: usize },
}

/// Who is where. A number is the next batch that the column, shard or output takes.
struct Schedule {
    column: [usize; COLUMNS.len()],
    column_busy: [bool; COLUMNS.len()],
    shard: Vec<usize>,
    shard_busy: Vec<bool>,
    put: usize,
    put_busy: bool,
    running: usize,
    workers: usize,
    stop: bool,
    /// The earliest fault met so far: batch, row within it, column; tasks beyond it are not started.
    fault: Option<((usize, usize, usize), Error)>,
}

/// A run of a kernel over a data set.
pub struct Run<'a, O: Output, K: Kernel> {
    plan: &'a Plan,
    limits: Arc<Limits>,
    interval_ms: i64,
    readers: Vec<Mutex<ColumnReader>>,
    lookup: Mutex<MeterLookup>,
    slots: Vec<Slot>,
    shards: Vec<Mutex<Shard<K>>>,
    output: Mutex<&'a mut O>,
    schedule: Mutex<Schedule>,
    wake: Condvar,
    ended: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a task is caught and ends the run, so what a poisoned lock guards is not used for results.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, O: Output, K: Kernel> Run<'a, O, K> {
    /// Prepares a run. `readers` are those of [`COLUMNS`]; `wide` says that some file holds values as float64.
    pub fn new(
        plan: &'a Plan,
        limits: Arc<Limits>,
        readers: Vec<ColumnReader>,
        wide: bool,
        interval_ms: i64,
        workers: usize,
        output: &'a mut O,
    ) -> Self {
        let lookup = MeterLookup::new(limits.clone(), workers);
        let slot = || Slot {
            meters: RwLock::default(),
            times: RwLock::default(),
            values: std::array::from_fn(|n| {
                // Registers are long numbers and always kept in double precision.
                RwLock::new(if wide || n >= 5 {
                    Values::Wide(Vec::new())
                } else {
                    Values::Narrow(Vec::new())
                })
            }),
            emitted: Mutex::default(),
        };
        let shard = || {
            Mutex::new(Shard {
                local: vec![NONE; limits.ids.len()],
                meters: Vec::new(),
                narrow: FeedOrder::new(workers),
                wide: FeedOrder::new(workers),
            })
        };
        Run {
            plan,
            interval_ms,
            readers: readers.into_iter().map(Mutex::new).collect(),
            lookup: Mutex::new(lookup),
            slots: (0..RING).map(|_| slot()).collect(),
            shards: (0..workers).map(|_| shard()).collect(),
            output: Mutex::new(output),
            schedule: Mutex::new(Schedule {
                column: [0; COLUMNS.len()],
                column_busy: [false; COLUMNS.len()],
                shard: vec![0; workers],
                shard_busy: vec![false; workers],
                put: 0,
                put_busy: false,
                running: 0,
                workers,
                stop: false,
                fault: None,
            }),
            limits,
            wake: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Runs to the end. `interrupted` is asked on the calling thread about ten times a second.
    /// Gives the meters that had readings but no limits, sorted.
    ///
    /// # Errors
    /// The first fault in data set order, or what `interrupted` says.
    pub fn run(self, interrupted: &mut dyn FnMut() -> Result<()>) -> Result<Vec<String>> {
        let workers = lock(&self.schedule).workers;
        let mut stopped = Ok(());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work());
            }
            let mut schedule = lock(&self.schedule);
            while schedule.workers > 0 {
                let wait = self.ended.wait_timeout(schedule, Duration::from_millis(100));
                schedule = wait.unwrap_or_else(PoisonError::into_inner).0;
                if stopped.is_ok() && schedule.workers > 0 {
                    drop(schedule);
                    stopped = interrupted();
                    schedule = lock(&self.schedule);
                    if stopped.is_err() {
                        schedule.stop = true;
                        self.wake.notify_all();
                    }
                }
            }
        });
        stopped?;
        if let Some((_, error)) = lock(&self.schedule).fault.take() {
            return Err(error);
        }
        let unknown = lock(&self.lookup).unknown.clone();
        let mut unknown: Vec<String> = lock(&unknown).drain().collect();
        unknown.sort();
        Ok(unknown)
    }

    fn work(&self) {
        let mut schedule = lock(&self.schedule);
        loop {
            if schedule.stop {
                break;
            }
            let Some(task) = self.pick(&schedule) else {
                if schedule.running == 0 {
                    break;
                }
                schedule = self.wake.wait(schedule).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            schedule.running += 1;
            match task {
                Task::Decode { column, .. } => schedule.column_busy[column] = true,
                Task::Feed { shard, .. } => schedule.shard_busy[shard] = true,
                Task::Put { .. } => schedule.put_busy = true,
            }
            drop(schedule);
            let result = self.perform(task);
            schedule = lock(&self.schedule);
            schedule.running -= 1;
            let (batch, column) = match task {
                Task::Decode { column, batch } => {
                    schedule.column_busy[column] = false;
                    schedule.column[column] += 1;
                    (batch, column)
                }
                Task::Feed { shard, batch } => {
                    schedule.shard_busy[shard] = false;
                    schedule.shard[shard] += 1;
                    (batch, COLUMNS.len())
                }
                Task::Put { batch } => {
                    schedule.put_busy = false;
                    schedule.put += 1;
                    (batch, COLUMNS.len())
                }
            };
            if let Err((row, error)) = result {
                let at = (batch, row, column);
                if schedule.fault.as_ref().is_none_or(|(known, _)| at < *known) {
                    schedule.fault = Some((at, error));
                }
            }
            self.wake.notify_all();
        }
        schedule.workers -= 1;
        self.wake.notify_all();
        self.ended.notify_all();
    }

    /// The next task. What frees a batch comes first, then what lies furthest behind.
    fn pick(&self, s: &Schedule) -> Option<Task> {
        // After the last batch every shard finishes its meters.
        let end = self.plan.batches.len();
        let last = s.fault.as_ref().map_or(self.steps() - 1, |((batch, _, _), _)| *batch);
        let fed = s.shard.iter().copied().min().unwrap_or(0);
        if !s.put_busy && s.put < fed && s.put <= last {
            return Some(Task::Put { batch: s.put });
        }
        let decoded = s.column.iter().copied().min().unwrap_or(0);
        let ready = match &s.fault {
            // A batch with a column that could not be decoded is fed to nobody.
            Some(((batch, _, column), _)) if *column < COLUMNS.len() => decoded.min(*batch),
            _ if decoded == end => self.steps().min(s.put + RING),
            _ => decoded,
        };
        let behind = (0..s.shard.len())
            .filter(|&n| !s.shard_busy[n] && s.shard[n] < ready && s.shard[n] <= last)
            .min_by_key(|&n| s.shard[n]);
        if let Some(shard) = behind {
            return Some(Task::Feed { shard, batch: s.shard[shard] });
        }
        (0..COLUMNS.len())
            .filter(|&n| {
                !s.column_busy[n] && s.column[n] < end && s.column[n] < s.put + RING && s.column[n] <= last
            })
            .min_by_key(|&n| s.column[n])
            .map(|column| Task::Decode { column, batch: s.column[column] })
    }

    fn perform(&self, task: Task) -> std::result::Result<(), Fault> {
        let name = match task {
            Task::Decode { batch, .. } => {
                &self.plan.files[self.plan.groups[self.plan.batches[batch].group].file].name
            }
            _ => "keyacct",
        };
        let done = guarded(
            || match task {
                Task::Decode { column, batch } => self.decode(column, batch),
                Task::Feed { shard, batch } => self.feed(shard, batch),
                Task::Put { batch } => self.put(batch),
            },
            name,
        );
        done.unwrap_or_else(|panic| {
            let internal = !matches!(task, Task::Decode { .. });
            Err((0, if internal { Error::new(ErrorCode::Internal, panic.message) } else { panic }))
        })
    }

    fn decode(&self, column: usize, number: usize) -> std::result::Result<(), Fault> {
        let batch = &self.plan.batches[number];
        let slot = &self.slots[number % RING];
        let mut reader = lock(&self.readers[column]);
        match column {
            0 => {
                let mut meters = slot.meters.write().unwrap_or_else(PoisonError::into_inner);
                reader.meters(self.plan, batch, &mut lock(&self.lookup), &mut meters)
            }
            1 => reader.times(
                self.plan,
                batch,
                &mut slot.times.write().unwrap_or_else(PoisonError::into_inner),
            ),
            n => {
                let form = self.plan.forms[self.plan.groups[batch.group].file][n - 2];
                let mut values = slot.values[n - 2].write().unwrap_or_else(PoisonError::into_inner);
                reader.values(self.plan, batch, form, &mut values)
            }
        }
    }

    fn feed(&self, shard: usize, number: usize) -> std::result::Result<(), Fault> {
        let mut state = lock(&self.shards[shard]);
        let slot = &self.slots[number % RING];
        let mut emitted = Emitted::default();
        let result = match self.plan.batches.get(number) {
            None => {
                self.end(&mut state, number - self.plan.batches.len(), &mut emitted);
                Ok(())
            }
            Some(batch) => self.feed_batch(&mut state, slot, shard, batch, &mut emitted),
        };
        lock(&slot.emitted).push(emitted);
        result
    }

    /// Ends some of the meters of a shard, from the highest number down so that each leaves its memory.
    fn end(&self, state: &mut Shard<K>, step: usize, emitted: &mut Emitted) {
        if step == 0 {
            state.meters.sort_unstable_by_key(|(meter, _)| std::cmp::Reverse(*meter));
        }
        let to = ((step + 1) * END_METERS) as u32;
        while let Some((meter, of)) = state.meters.pop_if(|(meter, _)| *meter < to) {
            (emitted.at, emitted.meter) = (u64::from(meter), meter);
            of.finish(self.interval_ms, &self.limits.parameters[meter as usize], emitted);
        }
        if state.meters.len() * 2 < state.meters.capacity() {
            state.meters.shrink_to_fit();
        }
    }

    /// Batches, and steps of the end behind them.
    fn steps(&self) -> usize {
        self.plan.batches.len() + self.limits.ids.len().div_ceil(END_METERS).max(1)
    }

    fn feed_batch(
        &self,
        state: &mut Shard<K>,
        slot: &Slot,
        shard: usize,
        batch: &Batch,
        emitted: &mut Emitted,
    ) -> std::result::Result<(), Fault> {
        let meters = slot.meters.read().unwrap_or_else(PoisonError::into_inner);
        let times = slot.times.read().unwrap_or_else(PoisonError::into_inner);
        let [a, b, c, p, q, ep, eq] =
            std::array::from_fn(|n| slot.values[n].read().unwrap_or_else(PoisonError::into_inner));
        let (Values::Wide(ep), Values::Wide(eq)) = (&*ep, &*eq) else {
            return Err((0, Error::new(ErrorCode::Internal, "registers are not in double precision")));
        };
        let at = |(row, error): Fault| (row, self.plan.place(error, batch, Some(row)));
        let rows = (&meters.rows[shard][..], &meters.number[..]);
        let Shard { local, meters: known, narrow, wide } = state;
        let states = (&mut local[..], known);
        match (&*a, &*b, &*c, &*p, &*q) {
            (
                Values::Narrow(a),
                Values::Narrow(b),
                Values::Narrow(c),
                Values::Narrow(p),
                Values::Narrow(q),
            ) => {
                let columns = Columns { times: &times, u: [a, b, c], p, q, ep, eq };
                self.push_rows(states, narrow, rows, &columns, batch, emitted).map_err(at)
            }
            (Values::Wide(a), Values::Wide(b), Values::Wide(c), Values::Wide(p), Values::Wide(q)) => {
                let columns = Columns { times: &times, u: [a, b, c], p, q, ep, eq };
                self.push_rows(states, wide, rows, &columns, batch, emitted).map_err(at)
            }
            _ => Err((0, Error::new(ErrorCode::Internal, "columns of mixed precision"))),
        }
    }

    fn push_rows<V: Copy + Default + Into<f64>>(
        &self,
        (local, known): (&mut [u32], &mut Vec<(u32, K)>),
        order: &mut FeedOrder<V>,
        rows: (&[u32], &[u32]),
        columns: &Columns<'_, V>,
        batch: &Batch,
        emitted: &mut Emitted,
    ) -> std::result::Result<(), (usize, Error)> {
        let (rows, number) = rows;
        let Some(taken) = order.of(rows, number, self.limits.ids.len(), columns) else {
            for &row in rows {
                let n = row as usize;
                let of = (row, number[n]);
                self.push(local, known, of, columns.reading(n), batch, emitted).map_err(|e| (n, e))?;
            }
            return Ok(());
        };
        // The earliest fault of all meters is told, not that of the first meter.
        let mut fault: Option<(usize, Error)> = None;
        for taken in taken {
            let row = taken.row as usize;
            if fault.as_ref().is_none_or(|(earliest, _)| row < *earliest)
                && let Err(error) =
                    self.push(local, known, (taken.row, taken.meter), taken.reading(), batch, emitted)
            {
                fault = Some((row, error));
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Hands a reading to its meter; `row` and `meter` say where it stands.
    #[inline(always)]
    fn push(
        &self,
        local: &mut [u32],
        known: &mut Vec<(u32, K)>,
        (row, meter): (u32, u32),
        reading: Reading,
        batch: &Batch,
        emitted: &mut Emitted,
    ) -> Result<()> {
        let place = local[meter as usize];
        if place == NONE {
            local[meter as usize] = known.len() as u32;
            known.push((meter, K::new(reading)));
            return Ok(());
        }
        (emitted.at, emitted.meter) = (batch.first_row + u64::from(row), meter);
        let parameters = &self.limits.parameters[meter as usize];
        let state = &mut known[place as usize].1;
        state
            .push(reading, self.interval_ms, parameters, emitted)
            .map_err(|unsorted| self.unsorted(meter, reading.ts, unsorted.before))
    }

    #[cold]
    fn unsorted(&self, meter: u32, ts: i64, before: i64) -> Error {
        let id = &self.limits.ids[meter as usize];
        Error::new(ErrorCode::InputOrder, format!("time {ts} ms comes after {before} ms of the same meter"))
            .hint("sort the rows of each meter by time; file names and row order make the data set order")
            .at(|place| place.meter = Some(id.clone()))
    }

    fn put(&self, number: usize) -> std::result::Result<(), Fault> {
        let shards = std::mem::take(&mut *lock(&self.slots[number % RING].emitted));
        let mut output = lock(&self.output);
        let unwritten = |e| (usize::MAX, e);
        // At most one meter has finished something at one row.
        for f in in_order(&shards, |shard| &shard.days) {
            output.day(f.meter, f.day, &f.figures);
            output.flush().map_err(unwritten)?; // at midnight a batch ends the days of all meters
        }
        for f in in_order(&shards, |shard| &shard.months) {
            output.month(f.meter, f.day, &f.figures);
        }
        for f in in_order(&shards, |shard| &shard.parts) {
            output.part(f.meter, &f.figures);
        }
        output.flush().map_err(unwritten)
    }
}
