//! Frames of meters and terminals: resynchronisation, headers, values. No Arrow, no Python, no I/O.
//!
//! The way of a byte: [`Deframer`] finds frames, [`decoder::Decoder`] walks a frame's data by the rows of a
//! [`catalogue::Catalogue`], a [`visit::Visitor`] takes what is met.

pub mod annex_a;
pub mod assemble;
pub mod carried;
pub mod catalogue;
pub mod checksum;
pub mod compose;
pub mod conversation;
pub mod cursor;
pub mod decoder;
pub mod deframe;
pub mod describe;
pub mod diagnose;
pub mod digits;
pub mod dlt645;
pub mod dlt698_45;
pub mod error;
pub mod format;
pub mod frame;
pub mod gdw1376_1;
pub mod given;
pub mod hex;
pub mod json;
pub mod layout;
pub mod modbus;
pub mod program;
pub mod protocol;
pub mod register;
pub mod registers;
mod running_fcs;
pub mod told;
pub mod visit;
pub mod walk;
pub mod write;

pub use deframe::{Deframer, Event};
pub use error::{Fault, WireError};
pub use frame::{Address, Direction, Frame, Probe};
pub use protocol::{Expect, Framing, Protocol};
