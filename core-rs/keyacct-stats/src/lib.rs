//! Statistics of interval samples: slices and numbers in, small structs out. No Arrow, no Python, no files.
//!
//! The accumulators ([`voltage`], [`power_factor`], [`load`], [`register`]) are the same for every rule set. What differs
//! is how long a value counts and for which civil time: in [`month`], the workload of `keyacct stats`, a reading stands
//! for the time that follows it; by the field's rules ([`weight`], [`field_voltage`], [`field_load`], [`field_energy`]) it
//! stands for the interval that ends at its stamp. What a meter gave in one civil day is kept ([`voltage_day`],
//! [`load_day`], [`energy_day`]) so that days join to the bits of one pass.

// A test may stop at the first value that is not as it should be.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod block_span;
pub mod calendar;
pub mod civil;
pub mod day_state;
pub mod decimal;
pub mod energy_day;
pub mod exact;
pub mod field_energy;
pub mod field_load;
pub mod field_voltage;
pub mod four;
pub mod level;
pub mod load;
pub mod load_day;
pub mod month;
pub mod power_factor;
pub mod reading_run;
pub mod register;
pub mod state_bytes;
pub mod tariff;
pub mod unbalance;
pub mod voltage;
pub mod voltage_day;
pub mod voltage_loss;
pub mod weight;
pub mod zone;
