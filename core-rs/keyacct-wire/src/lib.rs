//! Frames of meters and terminals: resynchronisation, headers, values. No Arrow, no Python, no I/O.
//!
//! The way of a byte: [`Deframer`] finds frames, [`decoder::Decoder`] walks a frame's data by the rows of a
//! [`catalogue::Catalogue`], a [`visit::Visitor`] takes what is met.

pub mod assemble;
pub mod catalogue;
pub mod checksum;
pub mod cursor;
pub mod decoder;
pub mod deframe;
pub mod describe;
pub mod dlt645;
pub mod error;
pub mod format;
pub mod frame;
pub mod hex;
pub mod json;
pub mod layout;
pub mod program;
pub mod protocol;
pub mod registers;
pub mod visit;
pub mod walk;

pub use deframe::{Deframer, Event};
pub use error::{Fault, WireError};
pub use frame::{Address, Direction, Frame, Probe};
pub use protocol::{Expect, Framing, Protocol};
