#![no_main]

use keyacct_fuzz::{describe, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("describe"), |input: &[u8]| describe::run(input));
