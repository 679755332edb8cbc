#![no_main]

use keyacct_fuzz::{registers, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("registers"), |input: &[u8]| registers::run(input));
