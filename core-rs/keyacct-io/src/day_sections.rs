//! Files of kept day states: sections of one civil day, each of one meter at one point, with what it was made by.
//!
//! A file is named by its content and never changed, so that any number of processes may write at once; what is of
//! another form, of other samples, or damaged, is not read, and made again. Nothing is synced to the disk: a file that a
//! crash tore fails its checksum.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyacct_model::Result;
use keyacct_stats::state_bytes::Bytes;

use crate::month_tables::unwritable;

const MAGIC: &[u8] = b"keyacct field day states 1\n";
const SUFFIX: &str = ".state";
/// With more files of a day they are written anew as one.
const MOST_FILES: usize = 8;
/// A file on its way that is older was left behind.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// A civil day of which states are kept.
#[derive(Clone, Debug)]
pub struct DayAt {
    /// Its first instant.
    pub start_ms: i64,
    /// Its end; a sample stamped there belongs to it, one stamped at the start does not.
    pub end_ms: i64,
    /// Folder of its files.
    pub folder: PathBuf,
    /// Digest of the samples and settings that hold for all its meters.
    pub made_of: String,
}

/// Meter at a point: (point, meter).
pub type Pair = (String, String);

/// A kept state and what it depends on beside the samples.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Parameters of the meter.
    pub key: Vec<u8>,
    /// The state.
    pub body: Vec<u8>,
}

fn write_raw(bytes: &[u8], to: &mut Vec<u8>) {
    (bytes.len() as i64).write(to);
    to.extend(bytes);
}

fn read_raw(from: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(i64::read(from)?).ok()?;
    let (raw, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(raw.to_vec())
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// States by pair; of one pair several may be kept, by different parameters, the newest last.
pub type Sections = HashMap<Pair, Vec<Section>>;

fn parse(mut bytes: &[u8], made_of: &str, into: &mut Sections) -> Option<()> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if crc(body).to_le_bytes() != sum {
        return None;
    }
    bytes = body.strip_prefix(MAGIC)?;
    if String::read(&mut bytes)? != made_of {
        return None;
    }
    while !bytes.is_empty() {
        let pair = Pair::read(&mut bytes)?;
        let section = Section { key: read_raw(&mut bytes)?, body: read_raw(&mut bytes)? };
        into.entry(pair).or_default().push(section);
    }
    Some(())
}

impl DayAt {
    /// The states that hold, and the files that hold some; all others are of no use.
    fn read(&self) -> (Sections, Vec<PathBuf>) {
        let mut names: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        names.retain(|path| path.to_string_lossy().ends_with(SUFFIX));
        names.sort_by_cached_key(|path| {
            (std::fs::metadata(path).and_then(|of| of.modified()).ok(), path.clone())
        });
        let mut sections = HashMap::new();
        names.retain(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            parse(&bytes, &self.made_of, &mut sections).is_some()
        });
        (sections, names)
    }

    /// The states that are kept of this day, of these samples and settings.
    pub fn sections(&self) -> Sections {
        self.read().0
    }

    /// Keeps states, and removes what is of no use any more.
    ///
    /// # Errors
    /// `write.*`.
    pub fn keep(&self, mut made: HashMap<Pair, Section>) -> Result<()> {
        let (known, files) = self.read();
        let together = files.len() >= MOST_FILES;
        if together {
            for (pair, mut sections) in known {
                if let Some(newest) = sections.pop() {
                    made.entry(pair).or_insert(newest);
                }
            }
        }
        let mut pairs: Vec<(Pair, Section)> = made.into_iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut bytes = MAGIC.to_vec();
        self.made_of.write(&mut bytes);
        for (pair, section) in &pairs {
            pair.write(&mut bytes);
            write_raw(&section.key, &mut bytes);
            write_raw(&section.body, &mut bytes);
        }
        let sum = crc(&bytes);
        bytes.extend(sum.to_le_bytes());
        let path = self.folder.join(format!("{sum:08x}-{}{SUFFIX}", bytes.len()));
        let staged = self.folder.join(format!("{sum:08x}.{}.tmp", std::process::id()));
        let put = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            std::fs::write(&staged, &bytes)?;
            std::fs::rename(&staged, &path)
        };
        put().map_err(|e| {
            let _ = std::fs::remove_file(&staged);
            unwritable(&e, &path)
        })?;
        self.sweep(&path, if together { &[] } else { &files });
        Ok(())
    }

    /// Removes files that hold nothing; what cannot be removed only takes room.
    fn sweep(&self, new: &Path, useful: &[PathBuf]) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = path.to_string_lossy();
            let abandoned = || {
                let changed = entry.metadata().and_then(|about| about.modified()).ok();
                changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > ABANDONED)
            };
            let useless = if name.ends_with(SUFFIX) {
                path != new && !useful.contains(&path)
            } else {
                name.ends_with(".tmp") && abandoned()
            };
            if useless {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
