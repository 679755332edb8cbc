//! Arrow, Parquet and capture files around the pure crates; knows no Python.

pub mod capture;
pub mod readings;
