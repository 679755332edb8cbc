//! Quality bits of a reading.

use std::ops::{BitOr, BitOrAssign};

/// A set of quality bits; empty means good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Quality(pub u16);

impl Quality {
    /// Nothing to remark.
    pub const GOOD: Quality = Quality(0);
    /// The device says it has no such value (all F, all E, never recorded).
    pub const NO_DATA: Quality = Quality(1);
    /// A digit is no decimal digit, or a time is none of the calendar.
    pub const INVALID_DIGIT: Quality = Quality(1 << 1);
    /// The device's clock is doubtful.
    pub const CLOCK_SUSPECT: Quality = Quality(1 << 2);
    /// Estimated or replaced by the device.
    pub const SUBSTITUTED: Quality = Quality(1 << 3);
    /// Outside of what the quantity can be.
    pub const OUT_OF_RANGE: Quality = Quality(1 << 4);
    /// The time was given by `--assume-time`.
    pub const TIME_ASSUMED: Quality = Quality(1 << 5);
    /// The time is that of receipt on a live line.
    pub const TIME_OF_RECEIPT: Quality = Quality(1 << 6);
    /// The year was not sent and has been completed.
    pub const YEAR_ASSUMED: Quality = Quality(1 << 7);

    /// Every bit with its published name.
    pub const NAMES: &'static [(Quality, &'static str)] = &[
        (Quality::NO_DATA, "no_data"),
        (Quality::INVALID_DIGIT, "invalid_digit"),
        (Quality::CLOCK_SUSPECT, "clock_suspect"),
        (Quality::SUBSTITUTED, "substituted"),
        (Quality::OUT_OF_RANGE, "out_of_range"),
        (Quality::TIME_ASSUMED, "time_assumed"),
        (Quality::TIME_OF_RECEIPT, "time_of_receipt"),
        (Quality::YEAR_ASSUMED, "year_assumed"),
    ];

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Quality) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
    }
}

impl BitOr for Quality {
    type Output = Quality;
    fn bitor(self, other: Quality) -> Quality {
        Quality(self.0 | other.0)
    }
}

impl BitOrAssign for Quality {
    fn bitor_assign(&mut self, other: Quality) {
        self.0 |= other.0;
    }
}
