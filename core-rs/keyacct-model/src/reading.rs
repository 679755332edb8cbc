//! A reading: what a device said, in its own words.

use crate::{Decimal, Kind, Phase, Quality, Quantity, Stamp, Tariff, Unit};

/// The value of a reading.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    /// The device has no value, or sent none that can be one; the quality says which.
    #[default]
    Null,
    /// A number.
    Number(Decimal),
    /// A civil time, often in part.
    Time(Stamp),
    /// Anything that is no number: an address, a version, a bit string in hex.
    Text(String),
}

/// One value that a device sent, before any ratio or limit is applied.
///
/// The device itself and the byte offset belong to the frame and are kept once per frame by the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What was measured or set.
    pub quantity: Quantity,
    /// Where.
    pub phase: Phase,
    /// Tariff, 0 the total.
    pub tariff: Tariff,
    /// Which of the last n (settlement, freeze, event record) or which order of a harmonic; 0 the present one.
    pub index: u8,
    /// What sort of statement.
    pub kind: Kind,
    /// The value.
    pub value: Value,
    /// Its unit; none for texts and times.
    pub unit: Unit,
    /// Quality bits.
    pub quality: Quality,
    /// The device's own stamp of this value.
    pub time: Option<Stamp>,
}
