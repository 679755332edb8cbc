//! keyacct-wire
