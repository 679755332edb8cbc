#![no_main]

use keyacct_fuzz::{assemble, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("assemble"), |input: &[u8]| assemble::run(input));
