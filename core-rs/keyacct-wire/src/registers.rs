//! The catalogues that are built in, and those that a user adds.

use keyacct_model::{Error, ErrorCode};

use crate::catalogue::Catalogue;
use crate::modbus::{Model, comment};
use crate::protocol::Protocol;

/// Protocol, file name and text of every catalogue that is built in. `build.rs` parses each file of `registers/`, so a
/// wrong row never reaches a user.
pub const EMBEDDED: &[(Protocol, &str, &str)] = &[
    (Protocol::Dlt645_2007, "dlt645_2007.tsv", include_str!("../registers/dlt645_2007.tsv")),
    (Protocol::Dlt698_45, "dlt698_45.tsv", include_str!("../registers/dlt698_45.tsv")),
    (Protocol::Gdw1376_1, "gdw1376_1.tsv", include_str!("../registers/gdw1376_1.tsv")),
    (Protocol::Dlt645_1997, "dlt645_1997.tsv", include_str!("../registers/dlt645_1997.tsv")),
];

/// File name and text of the register map of every Modbus device that is built in.
pub const MODELS: &[(&str, &str)] = &[
    ("sdm630.tsv", include_str!("../registers/modbus/sdm630.tsv")),
    ("dtsu666.tsv", include_str!("../registers/modbus/dtsu666.tsv")),
    ("iem3000.tsv", include_str!("../registers/modbus/iem3000.tsv")),
    ("janitza_b.tsv", include_str!("../registers/modbus/janitza_b.tsv")),
    ("adw300.tsv", include_str!("../registers/modbus/adw300.tsv")),
];

/// The catalogues of all protocols, built in and added.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    catalogues: Vec<Catalogue>,
    models: Vec<Model>,
    chosen: Option<usize>,
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
        let mut registers = Registers { catalogues, models: Vec::new(), chosen: None };
        for (file, text) in MODELS {
            registers.add_model(file, text)?;
        }
        Ok(registers)
    }

    /// Adds a user's file. Its first comment line may name the protocol (`# protocol: dlt645-1997`); else it is
    /// DL/T 645-2007. A first comment `# model: NAME` makes it the register map of a Modbus device. A known key is an
    /// error, nothing is replaced in silence.
    ///
    /// # Errors
    /// `input.catalogue` with file and line.
    pub fn add(&mut self, file: &str, text: &str) -> Result<Protocol, Error> {
        if comment(text, "model").is_some() {
            self.add_model(file, text)?;
            return Ok(Protocol::ModbusRtu);
        }
        let named = comment(text, "protocol");
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

    fn add_model(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let name = comment(text, "model").unwrap_or_default();
        let at = self.models.iter().position(|model| model.name == name).unwrap_or_else(|| {
            self.models.push(Model::new(name));
            self.models.len() - 1
        });
        self.models[at].add(file, text)
    }

    /// The register maps of Modbus devices.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// Says which model the Modbus devices of a stream are.
    ///
    /// # Errors
    /// `usage.invalid` for a name that no model has.
    pub fn choose_model(&mut self, name: &str) -> Result<(), Error> {
        self.chosen = self.models.iter().position(|model| model.name == name);
        if self.chosen.is_none() {
            let known: Vec<_> = self.models.iter().map(|model| model.name.as_str()).collect();
            return Err(Error::new(ErrorCode::Usage, format!("{name:?} is no Modbus model"))
                .hint(format!("choose one of {}, or add a file with `# model: {name}`", known.join(", "))));
        }
        Ok(())
    }

    /// The model that was chosen.
    pub fn model(&self) -> Option<&Model> {
        self.chosen.map(|at| &self.models[at])
    }
}
