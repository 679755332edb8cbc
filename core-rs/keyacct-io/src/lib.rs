//! Arrow, Parquet and capture files around the pure crates. Knows no Python.

pub mod container;
