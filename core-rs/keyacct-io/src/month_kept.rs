//! `keyacct stats` with kept states: what was computed before is joined with what is new.
//!
//! The folder holds a segment of day states for each sample file ([`crate::day_segment`]), and one joined state: every
//! meter after the last file, with the rows of all days and months that were complete by then. A file that comes behind
//! the known ones is read alone and joined; when an earlier one has changed, it is read alone and the segments are joined
//! again; with nothing new the rows are handed out as they lie. All sums are exact, so each way gives the same bits.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{ScopedJoinHandle, scope};

use bytes::Bytes as Shared;
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::month::{DayState, Kernel, Meter, MonthTally, Parts, Sink, Tally};

use crate::day_segment::{Fingerprint, Segment};
use crate::joined_state::{Joined, KeptMeters, METERS, ROWS, limits_bytes};
use crate::joined_table::JoinedFile;
use crate::kept_file::KeptWriter;
use crate::month_limits::Limits;
use crate::month_pipeline::Output;
use crate::month_stats::{Answer, Opened};
use crate::month_tables::{Batches, Tables, parquet_bytes, unwritable};

/// A run with kept states.
pub struct Kept<'a> {
    /// Folder of the states.
    pub state: &'a Path,
    /// Folder of the tables.
    pub out: &'a Path,
    /// The meters.
    pub limits: Arc<Limits>,
    /// Nominal interval.
    pub interval_ms: i64,
    /// Workers.
    pub workers: usize,
}

/// States that a run over one file gives.
struct Collected(Vec<(u32, Box<DayState>)>);

impl Output for Collected {
    fn part(&mut self, meter: u32, state: Box<DayState>) {
        self.0.push((meter, state));
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Hands rows of one meter on to the tables.
struct Rows<'a> {
    tables: &'a mut Tables,
    meter: u32,
}

impl Sink for Rows<'_> {
    fn day(&mut self, day: i64, tally: &Tally) {
        self.tables.day(self.meter, day, tally);
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        self.tables.month(self.meter, day, tally);
    }
}

type Interrupted<'a> = dyn FnMut() -> Result<()> + 'a;
/// The tables of a result being put together: days and months.
type Out = [JoinedFile; 2];

/// The meters after the files that were joined so far.
enum Meters {
    Kept(KeptMeters),
    Here(Vec<Option<Meter>>),
}

impl Meters {
    /// All of them, by their numbers; nothing when the kept ones are not of their form.
    fn here(&mut self, count: usize) -> Option<&mut Vec<Option<Meter>>> {
        if let Meters::Kept(kept) = self {
            *self = Meters::Here((0..count).map(|number| kept.take(number as u32)).collect::<Option<_>>()?);
        }
        match self {
            Meters::Here(meters) => {
                meters.resize_with(count, || None);
                Some(meters)
            }
            Meters::Kept(_) => None,
        }
    }

    /// The meter of a number, in ascending order; nothing when the kept ones are not of their form.
    fn take(&mut self, number: u32) -> Option<Option<Meter>> {
        match self {
            Meters::Kept(kept) => kept.take(number),
            Meters::Here(meters) => Some(meters.get_mut(number as usize).and_then(Option::take)),
        }
    }
}

/// What the last file left: the rows as if every meter had had its last reading, and the meters, yet to be closed.
struct Ends {
    rows: [Batches; 2],
    meters: KeptWriter,
}

/// Where joining stands.
struct Stand {
    meters: Meters,
    ends: Option<Ends>,
    /// The result with the rows that were kept before, once there are some.
    out: Option<Out>,
    complete: Tables,
    rows: i64,
    unknown: HashSet<String>,
}

fn ended<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "a thread ended early")))
}

fn lost() -> Error {
    Error::new(ErrorCode::Internal, "states that were not asked for are missing")
}

/// Ends both tables; the disk takes them at the same time.
fn close([days, months]: &mut Out) -> Result<()> {
    scope(|threads| {
        let closing = threads.spawn(|| days.close());
        months.close().and(ended(closing))
    })
}

impl Kept<'_> {
    /// Brings the tables and the states up to date.
    ///
    /// # Errors
    /// As [`crate::month_stats::month_stats`]; states and tables are then as they were, but for segments that are whole.
    pub fn run(&self, paths: &[PathBuf], interrupted: &mut Interrupted<'_>) -> Result<Answer> {
        std::fs::create_dir_all(self.state).map_err(|e| unwritable(&e, self.state))?;
        let files: Vec<Fingerprint> = paths.iter().map(|p| Fingerprint::of(p)).collect::<Result<_>>()?;
        let known = limits_bytes(&self.limits);
        let before = Joined::load(self.state)
            .filter(|joined| joined.fits(&known, self.interval_ms))
            .filter(|joined| files.starts_with(&joined.files));
        if let Some(joined) = before {
            let answer = if joined.files.len() == files.len() {
                self.as_it_lies(&joined)?
            } else {
                self.join(paths, &files, &known, Some(joined), interrupted)?
            };
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        let answer = self.join(paths, &files, &known, None, interrupted)?;
        answer.ok_or_else(lost)
    }

    /// The result of kept rows alone; nothing when one of them is missing or damaged.
    fn as_it_lies(&self, joined: &Joined) -> Result<Option<Answer>> {
        let Some(mut out) = self.begin(&joined.tables)? else { return Ok(None) };
        for (table, name) in out.iter_mut().zip(&joined.last) {
            if !table.append_kept(ROWS, self.state, name)? {
                return Ok(None);
            }
        }
        close(&mut out)?;
        self.publish(out, joined).map(Some)
    }

    /// The tables with kept rows; nothing when some are missing or damaged.
    fn begin(&self, names: &[Vec<String>; 2]) -> Result<Option<Out>> {
        let mut out = [JoinedFile::begin(self.out, "day")?, JoinedFile::begin(self.out, "month")?];
        for (table, names) in out.iter_mut().zip(names) {
            for name in names {
                if !table.append_kept(ROWS, self.state, name)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(out))
    }

    /// What was joined before; nothing when some of it is missing or damaged.
    fn start(&self, before: &Joined) -> Result<Option<(Meters, Out)>> {
        let Some(meters) = before.meters(self.state).map(Meters::Kept) else { return Ok(None) };
        let Some(out) = self.begin(&before.tables)? else { return Ok(None) };
        // The disk has most of the result while samples are still read.
        out[0].settle()?;
        Ok(Some((meters, out)))
    }

    /// Joins the files behind those of `before`, keeps the result and puts the tables out; nothing when `before` is not
    /// whole.
    fn join(
        &self,
        paths: &[PathBuf],
        files: &[Fingerprint],
        known: &[u8],
        before: Option<Joined>,
        interrupted: &mut Interrupted<'_>,
    ) -> Result<Option<Answer>> {
        let Some(stand) = self.take(paths, files, before.as_ref(), interrupted)? else { return Ok(None) };
        let mut tables = before.map(|b| b.tables).unwrap_or_default();
        let wanted = tables.each_ref().map(Vec::is_empty);
        let Ends { rows: last_rows, meters } = stand.ends.ok_or_else(lost)?;
        let complete = stand.complete.finish()?;
        let (made, ends, meters) = scope(|threads| {
            let complete = threads.spawn(|| {
                // The first piece is there in any case: it brings the schema.
                let keep = |n: usize| {
                    (wanted[n] || !complete[n].1.is_empty()).then(|| self.keep_rows(&complete[n])).transpose()
                };
                Ok([keep(0)?, keep(1)?])
            });
            let ends = last_rows.map(|table| threads.spawn(move || self.keep_rows(&table)));
            let meters = meters.close_named(METERS)?;
            let [days, months] = ends.map(ended);
            Ok::<_, Error>((ended(complete)?, [days?, months?], meters))
        })?;
        let mut out = match stand.out {
            Some(out) => out,
            None => self.begin(&Default::default())?.ok_or_else(lost)?,
        };
        let mut last: [String; 2] = Default::default();
        for (n, (made, (name, end))) in made.into_iter().zip(ends).enumerate() {
            if let Some((name, bytes)) = made {
                out[n].append(&bytes)?;
                tables[n].push(name);
            }
            out[n].append(&end)?;
            last[n] = name;
        }
        let mut unknown: Vec<String> =
            stand.unknown.into_iter().filter(|id| !self.limits.number.contains_key(id.as_str())).collect();
        unknown.sort();
        let (interval_ms, files, rows) = (self.interval_ms, files.to_vec(), stand.rows);
        let known = known.to_vec();
        let joined = Joined { interval_ms, files, rows, unknown, known, tables, last, meters };
        interrupted()?;
        scope(|threads| {
            let closing = threads.spawn(|| close(&mut out));
            // What it names is on the disk by now.
            joined.save(self.state).and(ended(closing))
        })?;
        self.sweep(&joined);
        self.publish(out, &joined).map(Some)
    }

    /// Takes the states of all files behind those of `before`, which is read meanwhile; nothing when it is not whole.
    fn take(
        &self,
        paths: &[PathBuf],
        files: &[Fingerprint],
        before: Option<&Joined>,
        interrupted: &mut Interrupted<'_>,
    ) -> Result<Option<Stand>> {
        let mut stand = Stand {
            meters: Meters::Here(Vec::new()),
            ends: None,
            out: None,
            complete: Tables::in_memory(self.limits.clone()),
            rows: before.map_or(0, |b| b.rows),
            unknown: before.iter().flat_map(|b| b.unknown.iter().cloned()).collect(),
        };
        let done = before.map_or(0, |b| b.files.len());
        scope(|threads| {
            let mut starting = before.map(|before| threads.spawn(|| self.start(before)));
            for (n, (path, of)) in paths.iter().zip(files).enumerate().skip(done) {
                let (segment, fresh) = self.segment(path, of, interrupted)?;
                if let Some(thread) = starting.take() {
                    let Some((meters, out)) = ended(thread)? else { return Ok(None) };
                    (stand.meters, stand.out) = (meters, Some(out));
                }
                let whole = scope(|threads| {
                    let saving = fresh.then(|| threads.spawn(|| segment.save(self.state)));
                    let absorbed = match n + 1 == files.len() {
                        true => self.end(&segment, &mut stand, path),
                        false => self.absorb(&segment, &mut stand, path),
                    };
                    saving.map_or(Ok(()), ended).and(absorbed)
                })?;
                if whole.is_none() {
                    return Ok(None);
                }
                interrupted()?;
            }
            Ok(Some(stand))
        })
    }

    /// The segment of a file, and whether it must be kept yet: as it is kept, with outdated meters made again, or new.
    fn segment(
        &self,
        path: &Path,
        of: &Fingerprint,
        interrupted: &mut Interrupted<'_>,
    ) -> Result<(Segment, bool)> {
        let fresh = || Segment {
            of: of.clone(),
            interval_ms: self.interval_ms,
            rows: 0,
            unknown: Vec::new(),
            meters: Vec::new(),
            states: Vec::new(),
        };
        let kept = Segment::load(self.state, of, self.interval_ms);
        let limits = match &kept {
            None => self.limits.clone(),
            Some(segment) => {
                let outdated = segment.outdated(&self.limits);
                if outdated.is_empty() {
                    return Ok((kept.unwrap_or_else(fresh), false));
                }
                Arc::new(self.limits.only(outdated))
            }
        };
        let opened = Opened::new(&[path.to_owned()])?;
        let rows = opened.rows() as i64;
        let mut made = Collected(Vec::with_capacity(limits.number.len()));
        let unknown = opened.run::<Parts, _>(
            limits.clone(),
            self.interval_ms,
            self.workers,
            None,
            &mut made,
            interrupted,
        )?;
        let mut segment = kept.unwrap_or_else(fresh);
        segment.rows = rows;
        segment.unknown =
            unknown.into_iter().filter(|id| !self.limits.number.contains_key(id.as_str())).collect();
        segment.replace(made.0, &self.limits);
        Ok((segment, true))
    }

    /// The states of a segment with the numbers that their meters have in the limits; what else it says is noted.
    fn states<'s>(
        &self,
        segment: &'s Segment,
        stand: &mut Stand,
    ) -> impl Iterator<Item = (u32, &'s DayState)> + use<'s> {
        stand.rows += segment.rows;
        stand.unknown.extend(segment.unknown.iter().cloned());
        let number: Vec<Option<u32>> =
            segment.meters.iter().map(|m| self.limits.number.get(&m.id).copied()).collect();
        let strangers = segment.meters.iter().zip(&number).filter(|(_, number)| number.is_none());
        stand.unknown.extend(strangers.map(|(meter, _)| meter.id.to_string()));
        let known =
            move |(meter, state): &'s (u32, Box<DayState>)| Some((number[*meter as usize]?, &**state));
        segment.states.iter().filter_map(known)
    }

    /// Joins a file behind which others come; nothing when the kept meters are not of their form.
    fn absorb(&self, segment: &Segment, stand: &mut Stand, path: &Path) -> Result<Option<()>> {
        let states = self.states(segment, stand);
        let Some(meters) = stand.meters.here(self.limits.ids.len()) else { return Ok(None) };
        for (number, state) in states {
            self.add(&mut meters[number as usize], number, state, &mut stand.complete, path)?;
        }
        stand.complete.flush().map(Some)
    }

    /// Joins the last file, meter by meter: each comes from where it is kept and goes there again, and ends its rows.
    fn end(&self, segment: &Segment, stand: &mut Stand, path: &Path) -> Result<Option<()>> {
        let mut states: Vec<_> = self.states(segment, stand).collect();
        states.sort_by_key(|(number, _)| *number); // those of a meter stay in the order of time
        let mut states = states.into_iter().peekable();
        let mut kept = KeptWriter::begin(&self.state.join("meters"), &[])?;
        let mut last = Tables::in_memory(self.limits.clone());
        for (number, parameters) in self.limits.parameters.iter().enumerate() {
            let number = number as u32;
            let Some(mut meter) = stand.meters.take(number) else { return Ok(None) };
            while let Some((_, state)) = states.next_if(|(of, _)| *of == number) {
                self.add(&mut meter, number, state, &mut stand.complete, path)?;
            }
            let Some(meter) = meter else { continue };
            KeptMeters::write(number, &meter, &mut kept.buffer);
            kept.settle()?;
            let mut sink = Rows { tables: &mut last, meter: number };
            meter.finish(self.interval_ms, parameters, &mut sink);
            last.flush()?;
            stand.complete.flush()?;
        }
        stand.ends = Some(Ends { rows: last.finish()?, meters: kept });
        Ok(Some(()))
    }

    /// Adds a state of a file to its meter.
    fn add(
        &self,
        meter: &mut Option<Meter>,
        number: u32,
        state: &DayState,
        complete: &mut Tables,
        path: &Path,
    ) -> Result<()> {
        let Some(meter) = meter else {
            *meter = Some(Meter::from_part(state.clone()));
            return Ok(());
        };
        let mut sink = Rows { tables: complete, meter: number };
        let parameters = &self.limits.parameters[number as usize];
        meter.absorb(state, self.interval_ms, parameters, &mut sink).map_err(|unsorted| {
            let what = format!(
                "time {} ms comes after {} ms of the same meter in an earlier file",
                state.open.first_ts, unsorted.before
            );
            Error::new(ErrorCode::InputOrder, what)
                .hint("name the files in the order of their times, or put a correction into the file of its day")
                .in_file(path.display().to_string())
                .at(|place| place.meter = Some(self.limits.ids[number as usize].to_string()))
        })
    }

    /// Keeps a table under the name of its content.
    fn keep_rows(&self, table: &Batches) -> Result<(String, Shared)> {
        let bytes = parquet_bytes(table)?;
        Ok((ROWS.keep(self.state, &bytes)?, bytes))
    }

    fn publish(&self, out: Out, joined: &Joined) -> Result<Answer> {
        out.into_iter().try_for_each(JoinedFile::publish)?;
        let _ = std::fs::File::open(self.out).and_then(|folder| folder.sync_all());
        let [day, month] = Tables::in_memory(self.limits.clone()).finish()?;
        let without_limits = joined.unknown.clone();
        Ok(Answer { day, month, without_limits, rows: joined.rows.max(0) as u64 })
    }

    /// Removes what no state names any more; what cannot be removed only takes room.
    fn sweep(&self, joined: &Joined) {
        let mut wanted: HashSet<String> =
            joined.tables.iter().flatten().chain(&joined.last).cloned().collect();
        wanted.insert(joined.meters.clone());
        wanted.extend(joined.files.iter().map(|of| format!("{}.days", of.name)));
        let Ok(entries) = std::fs::read_dir(self.state) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.ends_with(".days") || ROWS.holds(&name) || METERS.holds(&name);
            if ours && !wanted.contains(&name) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
