//! Reads a capture and prints its streams, its tally and the rate: `cargo run --release --example container -- FILE`.

use std::path::Path;
use std::time::Instant;

use keyacct_io::container::{Event, Limits, open};
use keyacct_model::{Error, ErrorCode, Result};

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            std::process::ExitCode::from(e.code.kind().exit_code())
        }
    }
}

fn run() -> Result<()> {
    let file = std::env::args().nth(1);
    let file = file.ok_or_else(|| Error::new(ErrorCode::Usage, "a capture file is needed"))?;
    let start = Instant::now();
    let mut container = open(Path::new(&file), Limits::default())?;
    let mut failure = None;
    for event in container.by_ref() {
        match event {
            Ok(Event::End(stream)) if stream.index < 20 => println!("{} {stream}", stream.index),
            Ok(_) => {}
            Err(e) => failure = Some(e),
        }
    }
    let tally = container.tally();
    let seconds = start.elapsed().as_secs_f64();
    println!("{:?} {tally:#?}", container.kind());
    println!("{:.2} s, {:.0} MB/s", seconds, tally.content_bytes as f64 / 1e6 / seconds);
    failure.map_or(Ok(()), Err)
}
