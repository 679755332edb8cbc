//! Any text as a user's register file, of a meter protocol or of a Modbus device: refused with a line, or usable.

use keyacct_wire::catalogue::Catalogue;
use keyacct_wire::modbus::{Model, comment};

/// The text of a file.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut catalogue = Catalogue::default();
    match catalogue.add("fuzz.tsv", text) {
        Ok(()) => {
            for row in catalogue.rows() {
                let _ = catalogue.key_of(&row.name);
                let _ = catalogue.find(row.pattern.fixed);
                let _ = row.name_of(row.pattern.fixed);
            }
        }
        Err(error) => assert!(error.to_string().contains("fuzz.tsv")),
    }
    let mut model = Model::new(comment(text, "model").unwrap_or_default());
    if model.add("fuzz.tsv", text).is_ok() {
        for address in 0..=u16::MAX {
            if let Some((key, _)) = model.row(4, address).or_else(|| model.row(3, address)) {
                assert_eq!(key & 0xFFFF, u64::from(address));
            }
        }
    }
}

/// The built-in files, a few rows each.
pub fn seeds() -> Vec<Vec<u8>> {
    crate::seeds::register_files()
}
