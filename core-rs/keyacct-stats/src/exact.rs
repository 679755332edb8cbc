//! Sums that do not depend on the order of their parts: level × ms in whole units of 2^−40.
//!
//! A single-precision value of 2^−17 or more is a whole number of such units, and a double is cut to them (below 10^−12 of
//! a volt or kilowatt). Whole numbers add up to the same digits in any order and any split, so the states of parts of a
//! day, of days and of machines merge to the bits that one pass gives.

use crate::level::Level;
use crate::power_factor::Energy;

/// Units in 1.
const UNIT: f64 = (1_u64 << 40) as f64;
/// Scaled values below this are converted by one instruction.
const QUICK: f64 = (1_u64 << 62) as f64;
/// Scaled values are bounded here, so that no sum can overflow: about 10^15, which no quantity reaches.
const BOUND: f64 = (1_u128 << 90) as f64;

/// Value × ms in units of 2^−40.
#[inline(always)]
pub fn amount(value: f64, weight_ms: i64) -> i128 {
    let scaled = value * UNIT;
    if scaled.abs() < QUICK {
        i128::from(scaled as i64) * i128::from(weight_ms)
    } else {
        beyond(scaled, weight_ms)
    }
}

#[cold]
#[inline(never)]
fn beyond(scaled: f64, weight_ms: i64) -> i128 {
    (scaled.clamp(-BOUND, BOUND) as i128) * i128::from(weight_ms)
}

/// A sum as a floating number, rounded once.
pub fn total(sum: i128) -> f64 {
    sum as f64 / UNIT
}

/// A floating level whose sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Measured(pub f64);

impl Level for Measured {
    type Sum = i128;
    const LOWEST: Measured = Measured(f64::NEG_INFINITY);
    const HIGHEST: Measured = Measured(f64::INFINITY);
    #[inline(always)]
    fn over(self, weight_ms: i64) -> i128 {
        amount(self.0, weight_ms)
    }
    fn total(sum: i128) -> f64 {
        total(sum)
    }
    fn as_f64(self) -> f64 {
        self.0
    }
}

/// Active and reactive energy of the same time, as exact sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExactEnergy {
    /// Active energy of the import direction.
    pub active: i128,
    /// Sum of the amounts of reactive energy.
    pub reactive: i128,
}

impl ExactEnergy {
    /// Powers × ms, see [`amount`]: export counts nothing, reactive power by its size.
    #[inline(always)]
    pub fn of(active: i128, reactive: i128) -> Self {
        ExactEnergy { active: active.max(0), reactive: reactive.abs() }
    }

    /// Adds the energies of another time.
    pub fn merge(&mut self, other: &ExactEnergy) {
        self.active += other.active;
        self.reactive += other.reactive;
    }

    /// Both in kW·ms and kvar·ms.
    pub fn energy(&self) -> Energy {
        Energy { active: total(self.active), reactive: total(self.reactive) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_is_exact_and_order_does_not_matter() {
        let values = [0.1_f32, 230.7, 9.0e-6, 1234.56, -7.25].map(f64::from);
        let forward: i128 = values.iter().map(|&v| amount(v, 899_999)).sum();
        let backward: i128 = values.iter().rev().map(|&v| amount(v, 899_999)).sum();
        assert_eq!(forward, backward);
        // 9·10^−6 lies below 2^−16 but above 2^−17: still whole units.
        for v in values {
            assert_eq!(total(amount(v, 1)), v);
        }
    }

    #[test]
    fn values_beyond_the_quick_way_agree_with_it_and_absurd_ones_do_not_overflow() {
        assert_eq!(total(amount(8_388_608.0, 3)), 25_165_824.0);
        assert_eq!(total(amount(-1.0e9, 2)), -2.0e9);
        let most = amount(f64::MAX, 86_400_000);
        assert!(most > 0 && most.checked_mul(10_000).is_some() || most < i128::MAX / 1_000);
    }
}
