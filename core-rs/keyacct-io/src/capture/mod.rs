//! Captures: files of bytes that went over a line, and what is in them.
//!
//! A [`Source`] gives chunks of bytes in order, each with what the file says about it; [`replay`] turns them into
//! readings. A further kind of file is a further source.

mod dump;
mod line;
mod line_time;
mod replay;
mod sort;
mod source;
mod stream;
mod tally;
mod text;

pub use replay::{Clock, Outcome, replay};
pub use source::{Capture, Chunk, Packets, Side, Source, Step, Written};
pub use stream::{stream, stream_file};
pub use tally::{Cause, Spot, Tally};
pub use text::TextLog;
