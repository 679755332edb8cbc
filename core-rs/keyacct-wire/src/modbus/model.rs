//! What the registers of a device mean: a catalogue whose keys are function and address (`040000`).

use keyacct_model::{Error, ErrorCode};

use crate::catalogue::{Body, Catalogue, Row};
use crate::layout::{Item, fixed_size};

/// The register map of one sort of device.
#[derive(Clone, Debug)]
pub struct Model {
    /// Name by which it is chosen: `sdm630`.
    pub name: String,
    /// Its rows.
    pub catalogue: Catalogue,
}

/// The value behind `# key:` among the first comment lines.
pub fn comment<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    text.lines().take_while(|line| line.starts_with('#')).find_map(|line| {
        let (key, value) = line.trim_start_matches('#').split_once(':')?;
        (key.trim() == wanted).then(|| value.trim())
    })
}

/// Function and address of a key.
pub fn address_of(key: u64) -> (u8, u16) {
    ((key >> 16) as u8, key as u16)
}

impl Model {
    /// A model without rows.
    pub fn new(name: &str) -> Model {
        Model { name: name.to_owned(), catalogue: Catalogue::default() }
    }

    /// Adds the rows of a file.
    ///
    /// # Errors
    /// `input.catalogue` with file and line: as for every catalogue, and a key that is not function and address, or a
    /// row that does not fill whole registers.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Error> {
        self.catalogue.add(file, text)?;
        for row in self.catalogue.rows() {
            let function = (row.pattern.fixed >> 16) as u8;
            if row.pattern.digits != 6 || !matches!(function, 0x03 | 0x04) {
                return Err(wrong(row, "a key is the function 03 or 04 and the register, such as 040000"));
            }
            if registers(row).is_none() {
                return Err(wrong(row, "a row is one layout of whole registers, such as F32 or U16.1"));
            }
        }
        Ok(())
    }

    /// The row that begins at a register.
    pub fn row(&self, function: u8, address: u16) -> Option<(u64, &Row)> {
        // What is read together with a write are holding registers.
        let function = if function == 0x17 { 0x03 } else { function };
        let key = u64::from(function) << 16 | u64::from(address);
        self.catalogue.find(key).map(|(_, row)| (key, row))
    }
}

fn wrong(row: &Row, what: &str) -> Error {
    Error::new(ErrorCode::InputCatalogue, format!("{}: {what}", row.spelled[0]))
        .in_file(&row.place.0)
        .at(|place| place.line = Some(row.place.1))
}

/// How many registers a row fills, and its items.
pub fn registers(row: &Row) -> Option<(u16, &[Item])> {
    let Body::Layout(layout) = &row.body else { return None };
    let [items] = &layout.0[..] else { return None };
    let size = fixed_size(items).filter(|size| *size > 0 && size % 2 == 0)?;
    Some((u16::try_from(size / 2).ok()?, items))
}
