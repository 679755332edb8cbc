#![no_main]

use keyacct_fuzz::{decode_modbus, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("decode_modbus"), |input: &[u8]| decode_modbus::run(input));
