//! `keyacct stats` with kept states: what was computed before is joined with what is new.
//!
//! The folder holds a segment of day states for each sample file ([`crate::day_segment`]), and one joined state: every
//! meter after the last file, with the rows of all days and months that were complete by then. A file that comes behind
//! the known ones is read alone and joined; when an earlier one has changed, it is read alone and the segments are joined
//! again; with nothing new the rows are handed out as they lie. All sums are exact, so each way gives the same bits.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes as Shared;
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::month::{DayState, Kernel, Meter, MonthTally, Parts, Sink, Tally};
use keyacct_stats::state_bytes::Bytes;

use crate::day_segment::{Fingerprint, Segment, SegmentMeter, keep, kept_content, same_figures};
use crate::month_limits::Limits;
use crate::month_pipeline::Output;
use crate::month_stats::{Answer, Opened};
use crate::month_tables::{Batches, JoinedFile, Tables, parquet_bytes, unwritable};

const MAGIC: &[u8] = b"keyacct joined states 3\n";
const JOINED: &str = "joined.state";

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
#[derive(Default)]
struct Collected(Vec<(u32, DayState)>);

impl Output for Collected {
    fn part(&mut self, meter: u32, state: &DayState) {
        self.0.push((meter, state.clone()));
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

/// The joined state, as it is kept.
struct Joined {
    interval_ms: i64,
    files: Vec<Fingerprint>,
    rows: i64,
    unknown: Vec<String>,
    known: Vec<SegmentMeter>,
    /// Names of the kept tables: complete days and months, and those that the last reading of each meter ends.
    tables: [Vec<String>; 2],
    last: [String; 2],
    /// The meters after the last file, not yet read.
    meters: Vec<u8>,
}

impl Joined {
    fn load(folder: &Path) -> Option<Joined> {
        let bytes = std::fs::read(folder.join(JOINED)).ok()?;
        let from = &mut kept_content(&bytes, MAGIC)?;
        let (interval_ms, files) = (Bytes::read(from)?, Bytes::read(from)?);
        let (rows, unknown) = (Bytes::read(from)?, Bytes::read(from)?);
        let mut known = Vec::new();
        for _ in 0..i64::read(from)? {
            known.push(SegmentMeter { id: Bytes::read(from)?, parameters: Bytes::read(from)? });
        }
        let (tables, last) = (Bytes::read(from)?, Bytes::read(from)?);
        Some(Joined { interval_ms, files, rows, unknown, known, tables, last, meters: from.to_vec() })
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let mut to = Vec::with_capacity(self.meters.len() + 100 * self.known.len());
        self.interval_ms.write(&mut to);
        self.files.write(&mut to);
        self.rows.write(&mut to);
        self.unknown.write(&mut to);
        (self.known.len() as i64).write(&mut to);
        for meter in &self.known {
            meter.id.write(&mut to);
            meter.parameters.write(&mut to);
        }
        self.tables.write(&mut to);
        self.last.write(&mut to);
        to.extend(&self.meters);
        keep(&folder.join(JOINED), MAGIC, &to)
    }

    /// Whether it was made with these limits; `standards`: also those of the power factor.
    fn fits(&self, limits: &Limits, interval_ms: i64) -> bool {
        let same = |(n, meter): (usize, &SegmentMeter)| {
            meter.id == limits.ids[n]
                && meter.parameters.pf_standard == limits.parameters[n].pf_standard
                && same_figures(&meter.parameters, &limits.parameters[n])
        };
        self.interval_ms == interval_ms
            && self.known.len() == limits.ids.len()
            && self.known.iter().enumerate().all(same)
    }

    fn meters(&self, count: usize) -> Option<Vec<Option<Meter>>> {
        let mut meters: Vec<Option<Meter>> = (0..count).map(|_| None).collect();
        let from = &mut &self.meters[..];
        while !from.is_empty() {
            let number = usize::try_from(i64::read(from)?).ok()?;
            *meters.get_mut(number)? = Some(Meter::read(from)?);
        }
        Some(meters)
    }
}

/// The name of a kept table: its checksum and length.
fn rows_name(bytes: &[u8]) -> String {
    format!("rows-{:08x}-{}.parquet", crc32fast::hash(bytes), bytes.len())
}

type Interrupted<'a> = dyn FnMut() -> Result<()> + 'a;

impl Kept<'_> {
    /// Brings the tables and the states up to date.
    ///
    /// # Errors
    /// As [`crate::month_stats::month_stats`]; states and tables are then as they were, but for segments that are whole.
    pub fn run(&self, paths: &[PathBuf], interrupted: &mut Interrupted<'_>) -> Result<Answer> {
        std::fs::create_dir_all(self.state).map_err(|e| unwritable(&e, self.state))?;
        let files: Vec<Fingerprint> = paths.iter().map(|p| Fingerprint::of(p)).collect::<Result<_>>()?;
        let before = Joined::load(self.state)
            .filter(|joined| joined.fits(&self.limits, self.interval_ms) && files.starts_with(&joined.files))
            .and_then(|joined| Some((self.pieces(&joined.tables)?, joined)));
        let nobody = || (0..self.limits.ids.len()).map(|_| None).collect();
        let Some((mut pieces, joined)) = before else {
            return self.join(paths, files, None, nobody(), interrupted);
        };
        if joined.files.len() == files.len() {
            let last = joined.last.each_ref().map(|name| vec![name.clone()]);
            if let Some(last) = self.pieces(&last) {
                pieces.iter_mut().zip(last).for_each(|(pieces, last)| pieces.extend(last));
                return self.put_out(&pieces, joined.unknown, joined.rows);
            }
        }
        match joined.meters(self.limits.ids.len()) {
            Some(meters) => self.join(paths, files, Some((joined, pieces)), meters, interrupted),
            None => self.join(paths, files, None, nobody(), interrupted),
        }
    }

    /// Joins the files behind those of `before`, keeps the result and puts the tables out.
    fn join(
        &self,
        paths: &[PathBuf],
        files: Vec<Fingerprint>,
        before: Option<(Joined, [Vec<Shared>; 2])>,
        mut meters: Vec<Option<Meter>>,
        interrupted: &mut Interrupted<'_>,
    ) -> Result<Answer> {
        let mut complete = Tables::in_memory(self.limits.clone());
        let (mut tables, mut pieces, mut rows, mut unknown, done) = match before {
            Some((b, pieces)) => {
                (b.tables, pieces, b.rows, b.unknown.into_iter().collect::<HashSet<_>>(), b.files.len())
            }
            None => Default::default(),
        };
        for (path, of) in paths.iter().zip(&files).skip(done) {
            let segment = self.segment(path, of, interrupted)?;
            rows += segment.rows;
            unknown.extend(segment.unknown.iter().cloned());
            unknown.extend(segment.meters.iter().map(|meter| meter.id.clone()));
            self.absorb(&segment, &mut meters, &mut complete, path)?;
            complete.flush()?;
            interrupted()?;
        }
        let mut kept = Vec::new();
        let mut last = Tables::in_memory(self.limits.clone());
        for (number, meter) in meters.into_iter().enumerate() {
            let Some(meter) = meter else { continue };
            (number as i64).write(&mut kept);
            meter.write(&mut kept);
            let mut sink = Rows { tables: &mut last, meter: number as u32 };
            meter.finish(self.interval_ms, &self.limits.parameters[number], &mut sink);
        }
        let mut ends: [String; 2] = Default::default();
        for (n, (complete, last)) in complete.finish()?.into_iter().zip(last.finish()?).enumerate() {
            // The first piece is there in any case: it brings the schema.
            if tables[n].is_empty() || !complete.1.is_empty() {
                tables[n].push(self.keep_rows(&complete, &mut pieces[n])?);
            }
            ends[n] = self.keep_rows(&last, &mut pieces[n])?;
        }
        let mut unknown: Vec<String> =
            unknown.into_iter().filter(|id| !self.limits.number.contains_key(id)).collect();
        unknown.sort();
        let known = self.limits.ids.iter().zip(&self.limits.parameters);
        let known = known.map(|(id, p)| SegmentMeter { id: id.clone(), parameters: *p }).collect();
        let interval_ms = self.interval_ms;
        let joined = Joined { interval_ms, files, rows, unknown, known, tables, last: ends, meters: kept };
        interrupted()?;
        joined.save(self.state)?;
        self.sweep(&joined);
        self.put_out(&pieces, joined.unknown, joined.rows)
    }

    /// The segment of a file: as it is kept, with outdated meters made again, or new.
    fn segment(&self, path: &Path, of: &Fingerprint, interrupted: &mut Interrupted<'_>) -> Result<Segment> {
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
                    return Ok(kept.unwrap_or_else(fresh));
                }
                Arc::new(self.limits.only(outdated))
            }
        };
        let opened = Opened::new(&[path.to_owned()])?;
        let rows = opened.rows() as i64;
        let mut made = Collected::default();
        let unknown =
            opened.run::<Parts, _>(limits.clone(), self.interval_ms, self.workers, &mut made, interrupted)?;
        let mut segment = kept.unwrap_or_else(fresh);
        segment.rows = rows;
        segment.unknown = unknown.into_iter().filter(|id| !self.limits.number.contains_key(id)).collect();
        let mut wanted: Vec<u32> = limits.number.values().copied().collect();
        let seen: HashSet<u32> = made.0.iter().map(|(meter, _)| *meter).collect();
        wanted.retain(|number| seen.contains(number));
        wanted.sort_unstable();
        segment.replace(&wanted, made.0, &self.limits);
        segment.save(self.state)?;
        Ok(segment)
    }

    fn absorb(
        &self,
        segment: &Segment,
        meters: &mut [Option<Meter>],
        complete: &mut Tables,
        path: &Path,
    ) -> Result<()> {
        let number: Vec<Option<u32>> =
            segment.meters.iter().map(|m| self.limits.number.get(&m.id).copied()).collect();
        for (meter, state) in &segment.states {
            let Some(number) = number[*meter as usize] else { continue };
            let parameters = &self.limits.parameters[number as usize];
            let mut sink = Rows { tables: complete, meter: number };
            match &mut meters[number as usize] {
                Some(before) => {
                    before.absorb(state, self.interval_ms, parameters, &mut sink).map_err(|unsorted| {
                        let what = format!(
                            "time {} ms comes after {} ms of the same meter in an earlier file",
                            state.open.first_ts, unsorted.before
                        );
                        Error::new(ErrorCode::InputOrder, what)
                            .hint("name the files in the order of their times, or put a correction into the file of its day")
                            .in_file(path.display().to_string())
                            .at(|place| place.meter = Some(self.limits.ids[number as usize].clone()))
                    })?;
                }
                none => *none = Some(Meter::from_part(state.clone())),
            }
        }
        Ok(())
    }

    /// Keeps a table under the name of its content, and appends it to those that make up the result.
    fn keep_rows(&self, table: &Batches, pieces: &mut Vec<Shared>) -> Result<String> {
        let bytes = parquet_bytes(table)?;
        let name = rows_name(&bytes);
        let path = self.state.join(&name);
        if !std::fs::read(&path).is_ok_and(|there| there == bytes[..]) {
            let temporary = self.state.join(format!("{name}.{}.tmp", std::process::id()));
            let write = || -> std::io::Result<()> {
                use std::io::Write;
                let mut file = std::fs::File::create(&temporary)?;
                file.write_all(&bytes)?;
                file.sync_all()?;
                std::fs::rename(&temporary, &path)
            };
            write().map_err(|e| unwritable(&e, &path))?;
        }
        pieces.push(bytes);
        Ok(name)
    }

    /// Kept tables by their names, those of days and those of months; nothing when one is missing or damaged.
    fn pieces(&self, names: &[Vec<String>; 2]) -> Option<[Vec<Shared>; 2]> {
        let read = |name: &String| -> Option<Shared> {
            let bytes = std::fs::read(self.state.join(name)).ok()?;
            (*name == rows_name(&bytes)).then(|| bytes.into())
        };
        let table = |names: &Vec<String>| names.iter().map(read).collect::<Option<Vec<Shared>>>();
        Some([table(&names[0])?, table(&names[1])?])
    }

    fn put_out(&self, pieces: &[Vec<Shared>; 2], without_limits: Vec<String>, rows: i64) -> Result<Answer> {
        let [day, month] = Tables::in_memory(self.limits.clone()).finish()?;
        let written = [("day", &pieces[0]), ("month", &pieces[1])];
        let files: Vec<JoinedFile> = written
            .into_iter()
            .map(|(name, pieces)| JoinedFile::write(self.out, name, pieces))
            .collect::<Result<_>>()?;
        files.into_iter().try_for_each(JoinedFile::publish)?;
        let _ = std::fs::File::open(self.out).and_then(|folder| folder.sync_all());
        Ok(Answer { day, month, without_limits, rows: rows.max(0) as u64 })
    }

    /// Removes what no state names any more; what cannot be removed only takes room.
    fn sweep(&self, joined: &Joined) {
        let mut wanted: HashSet<String> =
            joined.tables.iter().flatten().chain(&joined.last).cloned().collect();
        wanted.extend(joined.files.iter().map(|of| format!("{}.days", of.name)));
        let Ok(entries) = std::fs::read_dir(self.state) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.ends_with(".days") || (name.starts_with("rows-") && name.ends_with(".parquet"));
            if ours && !wanted.contains(&name) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
