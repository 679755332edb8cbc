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
use keyacct_stats::month::{DayState, Kernel, MonthTally, Tally};

use crate::feed_shard::{Columns, FedFault, Lane, Rows, Shard};
use crate::finished::{Emitted, in_order};
use crate::month_limits::Limits;
use crate::parquet_column::{Batch, ColumnReader, Fault, MeterLookup, Meters, Plan};
use crate::parquet_file::guarded;
use crate::scratch_file::Scratch;
use crate::value_column::Values;

/// Columns of the data set, in the order of their readers.
pub const COLUMNS: [&str; 9] = ["meter_id", "ts", "ua", "ub", "uc", "p", "q", "ep", "eq"];
/// Meters that are ended at once: their figures are waiting for the output.
const END_METERS: usize = 4096;
/// Meters whose states stay in memory, two kilobytes each; of more, what is not at hand is put aside on the disk.
pub(crate) const METERS_IN_MEMORY: usize = 8192;
/// Rows that wait on the disk, at most, when they come in rounds of more meters: half a gigabyte.
const WAITING_ROWS: u64 = 1 << 23;

/// Takes finished figures in their final order.
pub trait Output: Send {
    /// A day of a meter (its number in the limits).
    fn day(&mut self, _meter: u32, _day: i64, _tally: &Tally) {}
    /// A month of a meter.
    fn month(&mut self, _meter: u32, _day: i64, _tally: &MonthTally) {}
    /// A day, or a part of one, whose last reading is still open.
    fn part(&mut self, _meter: u32, _state: Box<DayState>) {}
    /// Called from time to time: may write what has come together.
    ///
    /// # Errors
    /// When writing fails.
    fn flush(&mut self) -> Result<()>;
}

/// A shard, and the memory in which rows are laid out for it.
struct Feeder<K> {
    shard: Shard<K>,
    narrow: Lane<f32>,
    wide: Lane<f64>,
}

/// Batches that the output may be behind where what they finish is put aside.
const BEHIND: usize = 16;

/// A fault, and its batch and row.
type Placed = (usize, usize, Error);

struct Slot {
    meters: RwLock<Meters>,
    times: RwLock<Vec<i64>>,
    values: [RwLock<Values>; 7],
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
    scratch: Option<Scratch>,
    readers: Vec<Mutex<ColumnReader>>,
    lookup: Mutex<MeterLookup>,
    slots: Vec<Slot>,
    /// What the shards finished in each batch that the output has still to take.
    emitted: Vec<Mutex<Vec<Emitted>>>,
    shards: Vec<Mutex<Feeder<K>>>,
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
    /// Prepares a run. `readers` are those of [`COLUMNS`]; `wide` says that some file holds values as float64; `scratch`
    /// is where states and rows are put aside, or nothing to keep them in memory.
    ///
    /// # Errors
    /// `write.*`, when nothing can be put aside there.
    #[allow(clippy::too_many_arguments)] // it is the whole of a run
    pub fn new(
        plan: &'a Plan,
        limits: Arc<Limits>,
        readers: Vec<ColumnReader>,
        wide: bool,
        interval_ms: i64,
        workers: usize,
        scratch: Option<Scratch>,
        output: &'a mut O,
    ) -> Result<Self> {
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
        };
        let slots = workers.clamp(2, 4);
        let meters = limits.ids.len();
        let shard = |_| {
            Ok(Mutex::new(Feeder {
                shard: Shard::new(limits.clone(), interval_ms, workers, scratch.as_ref())?,
                narrow: Lane::new(meters, scratch.as_ref()),
                wide: Lane::new(meters, scratch.as_ref()),
            }))
        };
        Ok(Run {
            plan,
            readers: readers.into_iter().map(Mutex::new).collect(),
            lookup: Mutex::new(lookup),
            // Two batches keep two workers busy; what more of them finish may wait for the slowest a little longer.
            slots: (0..slots).map(|_| slot()).collect(),
            emitted: (0..scratch.as_ref().map_or(slots, |_| BEHIND)).map(|_| Mutex::default()).collect(),
            shards: (0..workers).map(shard).collect::<Result<_>>()?,
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
            scratch,
            wake: Condvar::new(),
            ended: Condvar::new(),
        })
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
        if let Some((at, error)) = lock(&self.schedule).fault.take() {
            return Err(self.earlier_fault(at).unwrap_or(error));
        }
        let unknown = lock(&self.lookup).unknown.clone();
        let mut unknown: Vec<String> = lock(&unknown).drain().collect();
        unknown.sort();
        Ok(unknown)
    }

    /// A fault of a row that was still waiting, before a known one.
    fn earlier_fault(&self, known: (usize, usize, usize)) -> Option<Error> {
        let mut faults = Vec::new();
        for feeder in &self.shards {
            let Feeder { shard, narrow, wide } = &mut *lock(feeder);
            let emitted = &mut Emitted::new(self.scratch.clone());
            faults.extend(shard.take_up(narrow, emitted).err());
            faults.extend(shard.take_up(wide, emitted).err());
        }
        let earlier = |(batch, row, _): &Placed| (*batch, *row, COLUMNS.len()) < known;
        let placed = faults.into_iter().map(|fault| self.placed(usize::MAX, fault)).filter(earlier);
        placed.min_by_key(|(batch, row, _)| (*batch, *row)).map(|(.., error)| error)
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
            let column = match task {
                Task::Decode { column, .. } => {
                    schedule.column_busy[column] = false;
                    schedule.column[column] += 1;
                    column
                }
                Task::Feed { shard, .. } => {
                    schedule.shard_busy[shard] = false;
                    schedule.shard[shard] += 1;
                    COLUMNS.len()
                }
                Task::Put { .. } => {
                    schedule.put_busy = false;
                    schedule.put += 1;
                    COLUMNS.len()
                }
            };
            if let Err((batch, row, error)) = result {
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
            _ if decoded == end => self.steps().min(s.put + self.slots.len()),
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
                !s.column_busy[n]
                    && s.column[n] < end
                    && s.column[n] < fed + self.slots.len()
                    && s.column[n] < s.put + self.emitted.len()
                    && s.column[n] <= last
            })
            .min_by_key(|&n| s.column[n])
            .map(|column| Task::Decode { column, batch: s.column[column] })
    }

    fn perform(&self, task: Task) -> std::result::Result<(), Placed> {
        let (Task::Decode { batch, .. } | Task::Feed { batch, .. } | Task::Put { batch }) = task;
        let name = match task {
            Task::Decode { .. } => {
                &self.plan.files[self.plan.groups[self.plan.batches[batch].group].file].name
            }
            _ => "keyacct",
        };
        let done = guarded(
            || match task {
                Task::Decode { column, batch } => {
                    self.decode(column, batch).map_err(|(row, error)| (batch, row, error))
                }
                Task::Feed { shard, batch } => self.feed(shard, batch),
                Task::Put { batch } => self.put(batch).map_err(|error| (batch, usize::MAX, error)),
            },
            name,
        );
        done.unwrap_or_else(|panic| {
            let internal = !matches!(task, Task::Decode { .. });
            Err((batch, 0, if internal { Error::new(ErrorCode::Internal, panic.message) } else { panic }))
        })
    }

    fn decode(&self, column: usize, number: usize) -> std::result::Result<(), Fault> {
        let batch = &self.plan.batches[number];
        let slot = &self.slots[number % self.slots.len()];
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

    fn feed(&self, shard: usize, number: usize) -> std::result::Result<(), Placed> {
        let mut state = lock(&self.shards[shard]);
        let slot = &self.slots[number % self.slots.len()];
        let of_batch = &self.emitted[number % self.emitted.len()];
        let mut emitted = Emitted::new(self.scratch.clone());
        let fed = match self.plan.batches.get(number) {
            None => {
                let first = (number - self.plan.batches.len()) * END_METERS;
                state.shard.end(first..first + END_METERS, &mut emitted).map_err(|error| (None, error))
            }
            Some(batch) => self.feed_batch(&mut state, slot, shard, (number, batch), &mut emitted),
        };
        let checked = fed.and_then(|()| emitted.checked().map_err(|error| (None, error)));
        lock(of_batch).push(checked.map_err(|fault| self.placed(number, fault))?);
        Ok(())
    }

    /// A fault with the batch that has its row, or the one in work.
    fn placed(&self, number: usize, (row, error): FedFault) -> Placed {
        let Some(row) = row else { return (number, usize::MAX, error) };
        let number = self.plan.batches.partition_point(|batch| batch.first_row <= row).saturating_sub(1);
        let batch = &self.plan.batches[number];
        let row = (row - batch.first_row) as usize;
        (number, row, self.plan.place(error, batch, Some(row)))
    }

    /// Whether the rows that wait are to be taken up after a batch.
    fn is_last_to_wait(&self, number: usize) -> bool {
        let span = |batch: &Batch| batch.first_row / WAITING_ROWS;
        let batches = &self.plan.batches;
        batches.get(number + 1).is_none_or(|next| span(next) != span(&batches[number]))
    }

    /// Batches, and steps of the end behind them.
    fn steps(&self) -> usize {
        self.plan.batches.len() + self.limits.ids.len().div_ceil(END_METERS).max(1)
    }

    fn feed_batch(
        &self,
        Feeder { shard: state, narrow, wide }: &mut Feeder<K>,
        slot: &Slot,
        shard: usize,
        (at, batch): (usize, &Batch),
        emitted: &mut Emitted,
    ) -> std::result::Result<(), FedFault> {
        let meters = slot.meters.read().unwrap_or_else(PoisonError::into_inner);
        let times = slot.times.read().unwrap_or_else(PoisonError::into_inner);
        let [a, b, c, p, q, ep, eq] =
            std::array::from_fn(|n| slot.values[n].read().unwrap_or_else(PoisonError::into_inner));
        let (Values::Wide(ep), Values::Wide(eq)) = (&*ep, &*eq) else {
            return Err((None, Error::new(ErrorCode::Internal, "registers are not in double precision")));
        };
        let rows = Rows { of: &meters.rows[shard], number: &meters.number, first: batch.first_row };
        let take_up = self.is_last_to_wait(at);
        match (&*a, &*b, &*c, &*p, &*q) {
            (
                Values::Narrow(a),
                Values::Narrow(b),
                Values::Narrow(c),
                Values::Narrow(p),
                Values::Narrow(q),
            ) => {
                let columns = Columns { times: &times, u: [a, b, c], p, q, ep, eq };
                state.feed(&rows, &columns, narrow, take_up, emitted)
            }
            (Values::Wide(a), Values::Wide(b), Values::Wide(c), Values::Wide(p), Values::Wide(q)) => {
                let columns = Columns { times: &times, u: [a, b, c], p, q, ep, eq };
                state.feed(&rows, &columns, wide, take_up, emitted)
            }
            _ => Err((None, Error::new(ErrorCode::Internal, "columns of mixed precision"))),
        }
    }

    fn put(&self, number: usize) -> Result<()> {
        let mut shards = std::mem::take(&mut *lock(&self.emitted[number % self.emitted.len()]));
        let mut output = lock(&self.output);
        // At most one meter has finished something at one row. At midnight a batch ends the days of all meters.
        let mut days: Vec<_> = shards.iter_mut().map(|shard| &mut shard.days).collect();
        in_order(&mut days, |meter, day, tally| {
            output.day(meter, day, tally);
            output.flush()
        })?;
        let mut months: Vec<_> = shards.iter_mut().map(|shard| &mut shard.months).collect();
        in_order(&mut months, |meter, day, tally| {
            output.month(meter, day, tally);
            output.flush()
        })?;
        let mut parts: Vec<_> = shards.iter_mut().flat_map(|shard| shard.parts.drain(..)).collect();
        parts.sort_by_key(|f| f.at);
        for f in parts {
            output.part(f.meter, f.figures);
        }
        output.flush()
    }
}
