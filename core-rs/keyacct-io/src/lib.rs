//! keyacct-io
