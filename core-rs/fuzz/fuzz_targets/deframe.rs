#![no_main]

use keyacct_fuzz::{deframe, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("deframe"), |input: &[u8]| deframe::run(input));
