//! Arrow, Parquet and capture files around the pure crates; knows no Python.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test may fail loudly

pub mod capture;
mod column_block;
mod columns;
pub mod container;
mod day_making;
mod day_parameters;
pub mod day_sections;
mod day_segment;
mod day_tables;
mod delta_page;
mod feed_order;
mod feed_shard;
mod field_days;
mod field_energy;
mod field_load;
pub mod field_parameters;
pub mod field_samples;
mod field_voltage;
mod field_voltage_loss;
mod finished;
mod joined_state;
mod joined_table;
mod kept_file;
mod month_kept;
pub mod month_limits;
mod month_pipeline;
pub mod month_stats;
mod month_tables;
mod named_columns;
mod parked_meters;
mod parquet_column;
mod parquet_file;
mod reading_batch;
pub mod readings;
mod row_window;
pub mod sample_pack;
mod scratch_file;
mod unbalance;
mod value_column;
mod whole_column;

pub use field_days::{DayJoin, Rules, What};
pub use field_energy::{Source, energy};
pub use field_load::load;
pub use field_voltage::voltage;
pub use field_voltage_loss::voltage_loss;
pub use unbalance::{Unbalance, unbalance};
