//! keyacct-stats
