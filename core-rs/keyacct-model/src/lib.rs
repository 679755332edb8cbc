//! The vocabulary of keyacct: the one place where quantities, units, phases, tariffs, times, quality bits,
//! readings and errors are named. No dependencies.

pub mod error;

pub use error::{Error, ErrorCode, ErrorKind, Place, Result};
