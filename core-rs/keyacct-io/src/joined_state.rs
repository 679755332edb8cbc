//! The joined state of `keyacct stats`: what all sample files gave so far, and the names of the files that hold it.

use std::path::Path;

use keyacct_model::Result;
use keyacct_stats::month::Meter;
use keyacct_stats::state_bytes::Bytes;

use crate::day_segment::Fingerprint;
use crate::kept_file::{KeptReader, Named, keep, kept_content};
use crate::month_limits::Limits;

const MAGIC: &[u8] = b"keyacct joined states 5\n";
const JOINED: &str = "joined.state";
/// Rows of complete days and months.
pub const ROWS: Named = Named { stem: "rows", suffix: ".parquet" };
/// The meters after the last file.
pub const METERS: Named = Named { stem: "meters", suffix: ".state" };

/// Ids of all meters and what they are judged by, the standard of the power factor too.
pub fn limits_bytes(limits: &Limits) -> Vec<u8> {
    let mut to = Vec::with_capacity(100 * limits.ids.len());
    for (id, parameters) in limits.ids.iter().zip(&limits.parameters) {
        id.write(&mut to);
        parameters.write(&mut to);
    }
    to
}

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
    /// The meters of the limits and what they are judged by, as [`limits_bytes`].
    pub known: Vec<u8>,
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
        let length = usize::try_from(i64::read(from)?).ok()?;
        let (known, rest) = from.split_at_checked(length)?;
        *from = rest;
        let known = known.to_vec();
        let (tables, last, meters) = (Bytes::read(from)?, Bytes::read(from)?, Bytes::read(from)?);
        Some(Joined { interval_ms, files, rows, unknown, known, tables, last, meters })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// `write.*`.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut to = Vec::with_capacity(self.known.len() + 10_000);
        self.interval_ms.write(&mut to);
        self.files.write(&mut to);
        self.rows.write(&mut to);
        self.unknown.write(&mut to);
        (self.known.len() as i64).write(&mut to);
        to.extend_from_slice(&self.known);
        self.tables.write(&mut to);
        self.last.write(&mut to);
        self.meters.write(&mut to);
        keep(&folder.join(JOINED), MAGIC, &to)
    }

    /// Whether it was made with these limits ([`limits_bytes`]).
    pub fn fits(&self, limits: &[u8], interval_ms: i64) -> bool {
        self.interval_ms == interval_ms && self.known == limits
    }

    /// The meters after the last file; nothing when their file is missing or damaged.
    pub fn meters(&self, folder: &Path) -> Option<KeptMeters> {
        METERS.open(folder, &self.meters).map(KeptMeters)
    }
}

/// Meters as they are kept: each behind its number, in ascending order.
pub struct KeptMeters(KeptReader);

impl KeptMeters {
    /// Appends a meter.
    pub fn write(number: u32, meter: &Meter, to: &mut Vec<u8>) {
        i64::from(number).write(to);
        meter.write(to);
    }

    /// The meter of a number, which must be above those asked for before, if there is one; nothing when the bytes are not
    /// of this form.
    pub fn take(&mut self, number: u32) -> Option<Option<Meter>> {
        let front = self.0.front()?;
        let from = &mut &*front;
        if from.is_empty() {
            return Some(None);
        }
        let next = i64::read(from)?;
        if next > i64::from(number) {
            return Some(None);
        }
        let meter = Meter::read(from).filter(|_| next == i64::from(number))?;
        let length = front.len() - from.len();
        self.0.pass(length);
        Some(Some(meter))
    }
}
