//! What a capture held, counted.

use std::collections::BTreeMap;

use keyacct_wire::{Fault, Protocol};

use crate::container;

/// What a capture held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes of the line.
    pub bytes: u64,
    /// Valid frames by the number of their protocol.
    pub frames: [u64; Protocol::ALL.len()],
    /// Bytes that belong to no frame.
    pub noise_bytes: u64,
    /// Offset in the file of the first byte that belongs to no frame.
    pub first_noise: Option<Spot>,
    /// Broken frames by the code of the cause.
    pub invalid: BTreeMap<&'static str, Cause>,
    /// Readings.
    pub readings: u64,
    /// Those of kind `event`.
    pub events: u64,
    /// Data identifiers that no catalogue knows.
    pub unknown: u64,
    /// Readings without any time; the store refuses them.
    pub undated: u64,
    /// Split answers whose rest did not come.
    pub incomplete: u64,
    /// Follow frames that belong to no answer, or had come before.
    pub stale: u64,
    /// What the container around the bytes counted; none for text and for bytes in memory.
    pub container: Option<container::Tally>,
}

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Line of a text log from 1; 0 where there are no lines.
    pub line: u64,
    /// Byte offset in the file: of the line of a log, of the packet, else of the byte itself.
    pub offset: u64,
}

/// Broken frames of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: Spot,
    /// What is wrong with it.
    pub fault: Fault,
}
