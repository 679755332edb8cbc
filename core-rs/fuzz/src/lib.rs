//! What is promised of every parser, as functions of any bytes: each `run` asserts the promises of one parser.
//!
//! libFuzzer drives them (`fuzz_targets/`), and `cargo test` replays the seeds, the regressions and mutations of them
//! where there is no libFuzzer. A further parser is a module here, a line in [`TARGETS`] and in `Cargo.toml`.

pub mod assemble;
pub mod container;
pub mod decode_dlt645;
pub mod decode_dlt698_45;
pub mod decode_gdw1376_1;
pub mod decode_modbus;
pub mod deframe;
pub mod describe;
pub mod registers;
pub mod replay;
pub mod seeds;
pub mod text_log;

use std::sync::LazyLock;

use keyacct_wire::registers::Registers;

/// A target: its name, its function, its seeds.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Every target.
pub const TARGETS: &[Target] = &[
    ("deframe", deframe::run, deframe::seeds),
    ("decode_dlt645", decode_dlt645::run, decode_dlt645::seeds),
    ("decode_dlt698_45", decode_dlt698_45::run, decode_dlt698_45::seeds),
    ("decode_gdw1376_1", decode_gdw1376_1::run, decode_gdw1376_1::seeds),
    ("decode_modbus", decode_modbus::run, decode_modbus::seeds),
    ("describe", describe::run, describe::seeds),
    ("assemble", assemble::run, assemble::seeds),
    ("container", container::run, container::seeds),
    ("text_log", text_log::run, text_log::seeds),
    ("replay", replay::run, replay::seeds),
    ("registers", registers::run, registers::seeds),
];

/// The built-in rows, with a Modbus model chosen.
pub static REGISTERS: LazyLock<Registers> = LazyLock::new(|| {
    let mut registers = Registers::embedded().expect("the built-in rows are checked at build time");
    registers.choose_model("sdm630").expect("a built-in model");
    registers
});

/// Writes the seeds of a target into `$KEYACCT_FUZZ_SEEDS/<target>/`, where that is set: before libFuzzer looks there.
pub fn write_seeds(target: &str) {
    let Some(folder) = std::env::var_os("KEYACCT_FUZZ_SEEDS") else { return };
    let folder = std::path::Path::new(&folder).join(target);
    std::fs::create_dir_all(&folder).expect("a folder for seeds");
    for (_, _, seeds) in TARGETS.iter().filter(|(name, ..)| *name == target) {
        for (number, seed) in seeds().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed).expect("a seed is written");
        }
    }
}
