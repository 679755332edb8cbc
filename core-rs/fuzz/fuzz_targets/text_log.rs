#![no_main]

use keyacct_fuzz::{text_log, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("text_log"), |input: &[u8]| text_log::run(input));
