//! Arrow, Parquet and capture files around the pure crates; knows no Python.

pub mod capture;
pub mod container;
pub mod month_limits;
mod month_pipeline;
pub mod month_stats;
mod month_tables;
mod parquet_column;
mod parquet_file;
pub mod readings;
