#![no_main]

use keyacct_fuzz::{replay, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("replay"), |input: &[u8]| replay::run(input));
