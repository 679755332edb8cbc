//! Parses every register catalogue with the very code that reads it at run time: an unknown quantity, a unit that does
//! not fit, a format that cannot be read or a key that is there twice stops the build with file and line.

#![allow(dead_code, missing_docs)] // only the parser of these modules is used here

#[path = "src/annex_a.rs"]
mod annex_a;
#[path = "src/catalogue.rs"]
mod catalogue;
#[path = "src/format.rs"]
mod format;
#[path = "src/hex.rs"]
mod hex;
#[path = "src/layout.rs"]
mod layout;
#[path = "src/register.rs"]
mod register;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=registers");
    for module in ["annex_a", "catalogue", "format", "hex", "layout", "register"] {
        println!("cargo:rerun-if-changed=src/{module}.rs");
    }
    for folder in ["registers", "registers/modbus"] {
        let mut files: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        files.retain(|file| file.path().is_file());
        files.sort_by_key(std::fs::DirEntry::file_name);
        for file in files {
            let name = format!("{folder}/{}", file.file_name().to_string_lossy());
            let mut catalogue = catalogue::Catalogue::default();
            catalogue.add(&name, &std::fs::read_to_string(file.path())?)?;
        }
    }
    Ok(())
}
