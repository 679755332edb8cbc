//! The catalogues that are built in, and those that a user adds.

use keyacct_model::{Error, ErrorCode};

use crate::catalogue::Catalogue;
use crate::protocol::Protocol;

/// Protocol, file name and text of every catalogue that is built in. `build.rs` parses each file of `registers/`, so a
/// wrong row never reaches a user.
pub const EMBEDDED: &[(Protocol, &str, &str)] = &[
    (Protocol::Dlt645_2007, "dlt645_2007.tsv", include_str!("../registers/dlt645_2007.tsv")),
    (Protocol::Dlt698_45, "dlt698_45.tsv", include_str!("../registers/dlt698_45.tsv")),
    (Protocol::Gdw1376_1, "gdw1376_1.tsv", include_str!("../registers/gdw1376_1.tsv")),
];

/// The catalogues of all protocols, built in and added.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    catalogues: Vec<Catalogue>,
}

impl Registers {
    /// The built-in rows.
    ///
    /// # Errors
    /// `input.catalogue`; cannot happen with rows that `build.rs` has seen.
    pub fn embedded() -> Result<Registers, Error> {
        let mut catalogues = vec![Catalogue::default(); Protocol::ALL.len()];
        for (protocol, file, text) in EMBEDDED {
            catalogues[*protocol as usize].add(file, text)?;
        }
        Ok(Registers { catalogues })
    }

    /// Adds a user's file. Its first comment line may name the protocol (`# protocol: dlt645-1997`); else it is
    /// DL/T 645-2007. A known key is an error, nothing is replaced in silence.
    ///
    /// # Errors
    /// `input.catalogue` with file and line.
    pub fn add(&mut self, file: &str, text: &str) -> Result<Protocol, Error> {
        let named = text.lines().take_while(|l| l.starts_with('#')).find_map(|l| {
            let (key, value) = l.trim_start_matches('#').split_once(':')?;
            (key.trim() == "protocol").then(|| value.trim())
        });
        let protocol = match named {
            None => Protocol::Dlt645_2007,
            Some(name) => Protocol::ALL.iter().copied().find(|p| p.as_str() == name).ok_or_else(|| {
                let known: Vec<_> = Protocol::ALL.iter().map(|p| p.as_str()).collect();
                Error::new(ErrorCode::InputCatalogue, format!("{name:?} is no protocol"))
                    .in_file(file)
                    .hint(format!("choose one of {}", known.join(", ")))
            })?,
        };
        self.catalogues[protocol as usize].add(file, text)?;
        Ok(protocol)
    }

    /// The rows of a protocol.
    pub fn of(&self, protocol: Protocol) -> &Catalogue {
        &self.catalogues[protocol as usize]
    }
}
