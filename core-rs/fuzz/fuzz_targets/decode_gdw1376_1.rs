#![no_main]

use keyacct_fuzz::{decode_gdw1376_1, write_seeds};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: write_seeds("decode_gdw1376_1"), |input: &[u8]| decode_gdw1376_1::run(input));
