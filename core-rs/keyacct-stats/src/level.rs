//! The two kinds of numbers that are accumulated: `f64`, and integers of a fixed decimal scale, whose comparisons and
//! sums are exact.

use std::ops::AddAssign;

/// A measured level that stands for some time.
pub trait Level: Copy + PartialOrd {
    /// Sum of level × milliseconds.
    type Sum: Copy + Default + AddAssign + PartialEq + std::fmt::Debug;
    /// Below every level that occurs.
    const LOWEST: Self;
    /// Above every level that occurs.
    const HIGHEST: Self;
    /// Level × duration.
    fn over(self, weight_ms: i64) -> Self::Sum;
    /// A sum as a floating number, in units of the level × milliseconds.
    fn total(sum: Self::Sum) -> f64;
    /// The level as a floating number, in its own units.
    fn as_f64(self) -> f64;
}

impl Level for f64 {
    type Sum = f64;
    const LOWEST: f64 = f64::NEG_INFINITY;
    const HIGHEST: f64 = f64::INFINITY;
    #[inline(always)]
    fn over(self, weight_ms: i64) -> f64 {
        self * weight_ms as f64
    }
    fn total(sum: f64) -> f64 {
        sum
    }
    fn as_f64(self) -> f64 {
        self
    }
}

impl Level for i64 {
    type Sum = i128;
    const LOWEST: i64 = i64::MIN;
    const HIGHEST: i64 = i64::MAX;
    #[inline(always)]
    fn over(self, weight_ms: i64) -> i128 {
        i128::from(self) * i128::from(weight_ms)
    }
    fn total(sum: i128) -> f64 {
        sum as f64
    }
    fn as_f64(self) -> f64 {
        self as f64
    }
}
