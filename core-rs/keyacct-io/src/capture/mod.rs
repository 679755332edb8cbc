//! Captures: files of bytes that went over a line, and what is in them.
//!
//! A [`Source`] gives chunks of bytes in order, each with what the file says about it; [`replay`] turns them into
//! readings. A further kind of file is a further source.

mod dump;
mod line;
mod replay;
mod sort;
mod source;
mod text;

pub use replay::{Cause, Clock, Outcome, Spot, Tally, replay, stream};
pub use source::{Capture, Chunk, Packets, Side, Source, Step, Written};
pub use text::TextLog;
