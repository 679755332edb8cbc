#![no_main]

use keyacct_fuzz::{decode_dlt698_45, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("decode_dlt698_45"), |input: &[u8]| decode_dlt698_45::run(input));
