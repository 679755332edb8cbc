//! The vocabulary of keyacct: the one place where quantities, units, phases, tariffs, times, quality bits,
//! readings and errors are named. No dependencies.

pub mod decimal;
pub mod error;
pub mod kind;
pub mod phase;
pub mod quality;
pub mod quantity;
pub mod reading;
pub mod time;
pub mod unit;

pub use decimal::Decimal;
pub use error::{Error, ErrorCode, ErrorKind, Place, Result};
pub use kind::Kind;
pub use phase::{Phase, Tariff};
pub use quality::Quality;
pub use quantity::Quantity;
pub use reading::{Reading, Value};
pub use time::{ClockState, Stamp};
pub use unit::Unit;
