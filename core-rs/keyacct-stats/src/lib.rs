//! Statistics of interval samples: slices and numbers in, small structs out. No Arrow, no Python, no files.
//!
//! The accumulators ([`voltage`], [`power_factor`], [`load`], [`register`]) are the same for every rule set. What differs
//! is how long a value counts and for which civil time ([`month`]: the workload of `keyacct stats`, where a reading
//! stands for the time that follows it).

pub mod civil;
pub mod level;
pub mod load;
pub mod month;
pub mod power_factor;
pub mod register;
pub mod tariff;
pub mod voltage;
