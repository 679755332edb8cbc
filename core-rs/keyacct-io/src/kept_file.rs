//! Files that are kept and may be made again: each whole or not there, and each able to tell whether it is whole.

use std::path::{Path, PathBuf};

use keyacct_model::Result;

use crate::month_tables::unwritable;

/// The content of a kept file between its mark and its checksum; nothing when it is not whole.
pub fn kept_content<'a>(bytes: &'a [u8], magic: &[u8]) -> Option<&'a [u8]> {
    let content = bytes.strip_prefix(magic)?;
    let (content, sum) = content.split_at_checked(content.len().checked_sub(4)?)?;
    (crc32fast::hash(content).to_le_bytes() == sum).then_some(content)
}

/// Writes a file with a mark and a checksum: whole or not at all, under its own name only when it is on the disk.
///
/// # Errors
/// `write.*`.
pub fn keep(path: &Path, magic: &[u8], content: &[u8]) -> Result<()> {
    whole(path, &[magic, content, &crc32fast::hash(content).to_le_bytes()])
}

fn whole(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        let mut file = std::fs::File::create(&temporary)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        unwritable(&e, path)
    })
}

/// A kind of files that are named by their content.
#[derive(Clone, Copy)]
pub struct Named {
    /// First part of the name.
    pub stem: &'static str,
    /// Last part of the name, with its dot.
    pub suffix: &'static str,
}

impl Named {
    /// The name of a content with this CRC-32 and length.
    pub fn name(&self, sum: u32, length: u64) -> String {
        format!("{}-{sum:08x}-{length}{}", self.stem, self.suffix)
    }

    /// Whether a file of this name is of this kind.
    pub fn holds(&self, name: &str) -> bool {
        name.strip_prefix(self.stem).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(self.suffix))
    }

    /// Keeps a content, on the disk when this is back; gives its name.
    ///
    /// # Errors
    /// `write.*`.
    pub fn keep(&self, folder: &Path, content: &[u8]) -> Result<String> {
        let name = self.name(crc32fast::hash(content), content.len() as u64);
        let path = folder.join(&name);
        if !std::fs::read(&path).is_ok_and(|there| there == content) {
            whole(&path, &[content])?;
        }
        Ok(name)
    }

    /// The content of a name; nothing when it is missing or damaged.
    pub fn read(&self, folder: &Path, name: &str) -> Option<Vec<u8>> {
        let content = std::fs::read(folder.join(name)).ok()?;
        (self.name(crc32fast::hash(&content), content.len() as u64) == name).then_some(content)
    }
}
