#![no_main]

use keyacct_fuzz::{container, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("container"), |input: &[u8]| container::run(input));
