//! The joined state of `keyacct stats`: what all sample files gave so far, and the names of the files that hold it.

use std::path::Path;

use keyacct_model::Result;
use keyacct_stats::month::Meter;
use keyacct_stats::state_bytes::Bytes;

use crate::day_segment::{Fingerprint, SegmentMeter, same_figures};
use crate::kept_file::{Named, keep, kept_content};
use crate::month_limits::Limits;

const MAGIC: &[u8] = b"keyacct joined states 4\n";
const JOINED: &str = "joined.state";
/// Rows of complete days and months.
pub const ROWS: Named = Named { stem: "rows", suffix: ".parquet" };
/// The meters after the last file.
pub const METERS: Named = Named { stem: "meters", suffix: ".state" };

/// The joined state, as it is kept.
pub struct Joined {
    /// Nominal interval.
    pub interval_ms: i64,
    /// The files that were joined, in their order.
    pub files: Vec<Fingerprint>,
    /// Readings in them.
    pub rows: i64,
    /// Meters in them that had no limits.
    pub unknown: Vec<String>,
    /// The meters of the limits, in their order.
    pub known: Vec<SegmentMeter>,
    /// Names of the kept tables: complete days and months, and those that the last reading of each meter ends.
    pub tables: [Vec<String>; 2],
    pub last: [String; 2],
    /// Name of the file with the meters after the last file.
    pub meters: String,
}

impl Joined {
    /// Reads it; nothing when there is none, or none that is whole.
    pub fn load(folder: &Path) -> Option<Joined> {
        let bytes = std::fs::read(folder.join(JOINED)).ok()?;
        let from = &mut kept_content(&bytes, MAGIC)?;
        let (interval_ms, files) = (Bytes::read(from)?, Bytes::read(from)?);
        let (rows, unknown) = (Bytes::read(from)?, Bytes::read(from)?);
        let mut known = Vec::new();
        for _ in 0..i64::read(from)? {
            known.push(SegmentMeter { id: Bytes::read(from)?, parameters: Bytes::read(from)? });
        }
        let (tables, last, meters) = (Bytes::read(from)?, Bytes::read(from)?, Bytes::read(from)?);
        Some(Joined { interval_ms, files, rows, unknown, known, tables, last, meters })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// `write.*`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut to = Vec::with_capacity(100 * self.known.len());
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
        self.meters.write(&mut to);
        keep(&folder.join(JOINED), MAGIC, &to)
    }

    /// Whether it was made with these limits; `standards`: also those of the power factor.
    pub fn fits(&self, limits: &Limits, interval_ms: i64) -> bool {
        let same = |(n, meter): (usize, &SegmentMeter)| {
            meter.id == limits.ids[n]
                && meter.parameters.pf_standard == limits.parameters[n].pf_standard
                && same_figures(&meter.parameters, &limits.parameters[n])
        };
        self.interval_ms == interval_ms
            && self.known.len() == limits.ids.len()
            && self.known.iter().enumerate().all(same)
    }

    /// The meters after the last file; nothing when their file is missing or damaged.
    pub fn meters(&self, folder: &Path, count: usize) -> Option<Vec<Option<Meter>>> {
        let bytes = METERS.read(folder, &self.meters)?;
        let mut meters: Vec<Option<Meter>> = (0..count).map(|_| None).collect();
        let from = &mut &bytes[..];
        while !from.is_empty() {
            let number = usize::try_from(i64::read(from)?).ok()?;
            *meters.get_mut(number)? = Some(Meter::read(from)?);
        }
        Some(meters)
    }
}
