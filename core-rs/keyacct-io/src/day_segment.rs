//! Day states of one sample file, kept beside each other in a file of their own.
//!
//! A segment says which file it was made of and by which parameters each of its meters was judged. It is a copy of
//! knowledge that can be made again: one that is missing, damaged or of another form is simply made anew.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyacct_model::Result;
use keyacct_stats::month::{DayState, Parameters};
use keyacct_stats::state_bytes::Bytes;

use crate::kept_file::{KeptWriter, kept_content};
use crate::month_limits::Limits;
use crate::parquet_file::unreadable;

/// Form of the segments; another form is not read.
const MAGIC: &[u8] = b"keyacct day states 4\n";

/// What tells whether a sample file is still the one that a segment was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// File name without folder.
    pub name: String,
    /// Length in bytes.
    pub length: i64,
    /// Time of the last change, nanoseconds.
    pub changed_ns: i128,
    /// CRC-32 of the end of the file, where Parquet keeps its footer.
    pub footer: i64,
}

impl Fingerprint {
    /// Looks at a file.
    ///
    /// # Errors
    /// `input.not_found`, `input.unreadable`.
    pub fn of(path: &Path) -> Result<Fingerprint> {
        const END: i64 = 65_536;
        let read = || -> std::io::Result<Fingerprint> {
            let mut file = std::fs::File::open(path)?;
            let about = file.metadata()?;
            let length = about.len() as i64;
            file.seek(SeekFrom::End(-length.min(END)))?;
            let mut end = Vec::new();
            file.take(END as u64).read_to_end(&mut end)?;
            let changed = about.modified()?.duration_since(std::time::UNIX_EPOCH);
            Ok(Fingerprint {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                length,
                changed_ns: changed.map_or(0, |time| time.as_nanos() as i128),
                footer: i64::from(crc32fast::hash(&end)),
            })
        };
        read().map_err(|e| unreadable(&e, path))
    }
}

impl Bytes for Fingerprint {
    fn write(&self, to: &mut Vec<u8>) {
        self.name.write(to);
        self.length.write(to);
        self.changed_ns.write(to);
        self.footer.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Fingerprint {
            name: Bytes::read(from)?,
            length: Bytes::read(from)?,
            changed_ns: Bytes::read(from)?,
            footer: Bytes::read(from)?,
        })
    }
}

/// A meter of a segment.
pub struct SegmentMeter {
    /// Its id.
    pub id: Arc<str>,
    /// What it was judged by.
    pub parameters: Parameters,
}

/// Day states of one sample file.
pub struct Segment {
    /// The file.
    pub of: Fingerprint,
    /// Nominal interval.
    pub interval_ms: i64,
    /// Readings in the file.
    pub rows: i64,
    /// Meters in it that had no limits.
    pub unknown: Vec<String>,
    /// Its meters.
    pub meters: Vec<SegmentMeter>,
    /// Number of the meter, and state; states of one meter in the order of time.
    pub states: Vec<(u32, Box<DayState>)>,
}

/// Whether two sets of parameters give the same figures. The standard of the power factor enters only the month's row.
pub fn same_figures(a: &Parameters, b: &Parameters) -> bool {
    let bits = |p: &Parameters| [p.pt, p.band.floor.0, p.band.lower.0, p.band.upper.0].map(f64::to_bits);
    bits(a) == bits(b) && a.tariff == b.tariff
}

impl Segment {
    /// Where the segment of a sample file lies.
    pub fn path(folder: &Path, of: &Fingerprint) -> PathBuf {
        folder.join(format!("{}.days", of.name))
    }

    /// Reads the segment of a sample file; nothing when there is none that fits.
    pub fn load(folder: &Path, of: &Fingerprint, interval_ms: i64) -> Option<Segment> {
        let bytes = std::fs::read(Self::path(folder, of)).ok()?;
        let mut from = kept_content(&bytes, MAGIC)?;
        let (found, interval) = (Fingerprint::read(&mut from)?, i64::read(&mut from)?);
        if found != *of || interval != interval_ms {
            return None;
        }
        let (rows, unknown) = (Bytes::read(&mut from)?, Bytes::read(&mut from)?);
        let mut meters = Vec::new();
        for _ in 0..i64::read(&mut from)? {
            meters.push(SegmentMeter { id: Bytes::read(&mut from)?, parameters: Bytes::read(&mut from)? });
        }
        let count = usize::try_from(i64::read(&mut from)?).ok()?;
        let mut states = Vec::with_capacity(count.min(from.len() / 100));
        for _ in 0..count {
            let meter = u32::try_from(i64::read(&mut from)?).ok().filter(|&m| (m as usize) < meters.len())?;
            states.push((meter, Box::new(DayState::read(&mut from)?)));
        }
        Some(Segment { of: found, interval_ms, rows, unknown, meters, states })
    }

    /// Keeps the segment.
    ///
    /// # Errors
    /// `write.*`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut file = KeptWriter::begin(&Self::path(folder, &self.of), MAGIC)?;
        let to = &mut file.buffer;
        self.of.write(to);
        self.interval_ms.write(to);
        self.rows.write(to);
        self.unknown.write(to);
        (self.meters.len() as i64).write(to);
        for meter in &self.meters {
            meter.id.write(to);
            meter.parameters.write(to);
        }
        (self.states.len() as i64).write(to);
        for (meter, state) in &self.states {
            i64::from(*meter).write(&mut file.buffer);
            state.write(&mut file.buffer);
            file.settle()?;
        }
        file.close()
    }

    /// Meters, by their numbers in the limits, whose states must be made again.
    pub fn outdated(&self, limits: &Limits) -> Vec<u32> {
        let changed = self.meters.iter().filter_map(|meter| {
            let number = *limits.number.get(&meter.id)?;
            let now = &limits.parameters[number as usize];
            (!same_figures(&meter.parameters, now)).then_some(number)
        });
        let found = self.unknown.iter().filter_map(|id| limits.number.get(id.as_str()).copied());
        changed.chain(found).collect()
    }

    /// Puts new states in the place of all old ones of their meters, which have their numbers in the limits here.
    pub fn replace(&mut self, made: Vec<(u32, Box<DayState>)>, limits: &Limits) {
        const NONE: u32 = u32::MAX;
        let mut place = vec![NONE; limits.ids.len()];
        for (n, meter) in self.meters.iter().enumerate() {
            if let Some(number) = limits.number.get(&meter.id) {
                place[*number as usize] = n as u32;
            }
        }
        let mut gone = vec![false; self.meters.len()];
        for &(number, _) in &made {
            let parameters = limits.parameters[number as usize];
            let at = &mut place[number as usize];
            if *at == NONE {
                *at = self.meters.len() as u32;
                self.meters.push(SegmentMeter { id: limits.ids[number as usize].clone(), parameters });
            } else if let Some(gone) = gone.get_mut(*at as usize) {
                self.meters[*at as usize].parameters = parameters;
                *gone = true;
            }
        }
        self.states.retain(|(meter, _)| !gone[*meter as usize]);
        self.states.extend(made.into_iter().map(|(number, state)| (place[number as usize], state)));
    }
}
