//! Arrow, Parquet and capture files around the pure crates; knows no Python.

pub mod container;
pub mod month_limits;
mod month_pipeline;
pub mod month_stats;
mod month_tables;
mod parquet_column;
mod parquet_file;
