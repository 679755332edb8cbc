//! Captures: files of bytes that went over a line, and what is in them.
//!
//! A [`Source`] gives chunks of bytes in order, each with what the file says about it; [`replay`] turns them into
//! readings. A further kind of file is a further source.

mod replay;
mod source;
mod stream;
mod text;

pub use replay::{Clock, Outcome, Tally, replay};
pub use source::{Capture, Chunk, Packets, Side, Source, Step, Written};
pub use stream::{stream, stream_file};
pub use text::TextLog;
