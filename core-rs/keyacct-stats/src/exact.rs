//! Sums that do not depend on the order of their parts: level × ms in whole units of 2^−40.
//!
//! A single-precision value of 2^−17 or more is a whole number of such units, and a double is rounded to them (below 10^−12
//! of a volt or kilowatt; half a unit to the even one). Whole numbers add up to the same digits in any order and any split, so the states of parts of a
//! day, of days and of machines merge to the bits that one pass gives.

use crate::level::Level;
use crate::power_factor::Energy;

/// Units in 1.
const UNIT: f64 = (1_u64 << 40) as f64;
/// Scaled values below this are converted by one instruction.
const QUICK: f64 = (1_u64 << 62) as f64;
/// Scaled values are bounded here, so that no sum can overflow: about 10^15, which no quantity reaches.
const BOUND: f64 = (1_u128 << 90) as f64;

/// The whole number nearest to a number below 2^52, which adding 2^52 leaves no room for a fraction; larger ones are whole.
#[inline(always)]
fn nearest(number: f64) -> f64 {
    const WHOLE: f64 = (1_u64 << 52) as f64;
    if number.abs() < WHOLE {
        let whole = WHOLE.copysign(number);
        (number + whole) - whole
    } else {
        number
    }
}

/// Value × ms in units of 2^−40.
#[inline(always)]
pub fn amount(value: f64, weight_ms: i64) -> i128 {
    let scaled = nearest(value * UNIT);
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

/// A value in whole units, cut into two whole numbers: those of 2^−12 and what is left in those of 2^−40. Adding a number
/// that leaves no room for smaller digits rounds, and the sum's bits are the whole number: two additions each, side by side
/// for many values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    high: i64,
    low: i64,
}

impl Cut {
    /// Values from here on are not cut.
    pub const BELOW: f64 = (1_u64 << 38) as f64;
    /// Values from here on have no [`units`](Cut::units): a hundred of them could overflow.
    pub const UNITS_BELOW: f64 = (1_u64 << 15) as f64;
    pub(crate) const HIGH: f64 = (3_u64 << 39) as f64;
    pub(crate) const LOW: f64 = (3_u64 << 11) as f64;

    /// From whole numbers of 2^−12 and of 2^−40.
    pub(crate) fn new(high: i64, low: i64) -> Cut {
        Cut { high, low }
    }

    /// Of a value below [`Cut::BELOW`] in size; of another, or NaN, anything.
    #[inline(always)]
    pub fn of(value: f64) -> Cut {
        let high = value + Self::HIGH;
        let low = (value - (high - Self::HIGH)) + Self::LOW;
        let whole = |number: f64, of: f64| (number.to_bits() as i64).wrapping_sub(of.to_bits() as i64);
        Cut { high: whole(high, Self::HIGH), low: whole(low, Self::LOW) }
    }

    /// Adds another; 2^12 values do not overflow.
    #[inline(always)]
    pub fn add(&mut self, other: Cut) {
        self.high = self.high.wrapping_add(other.high);
        self.low = self.low.wrapping_add(other.low);
    }

    /// In units of 2^−40, for values below [`Cut::UNITS_BELOW`] in size.
    #[inline(always)]
    pub fn units(self) -> i64 {
        (self.high << 28).wrapping_add(self.low)
    }

    /// In units of 2^−40, × ms.
    #[inline(always)]
    pub fn over(self, weight_ms: i64) -> i128 {
        ((i128::from(self.high) << 28) + i128::from(self.low)) * i128::from(weight_ms)
    }
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
    /// No energy.
    pub const ZERO: ExactEnergy = ExactEnergy { active: 0, reactive: 0 };

    /// Powers × ms, see [`amount`]: export counts nothing, reactive power by its size.
    #[inline(always)]
    pub fn of(active: i128, reactive: i128) -> Self {
        ExactEnergy { active: active.max(0), reactive: reactive.abs() }
    }

    /// Adds the energies of another time.
    #[inline(always)]
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
    fn a_value_that_is_cut_has_the_units_that_it_has_whole() {
        let unit = 1.0 / UNIT;
        let mut values = vec![0.0, -0.0, 0.1, 230.7, 8_200.0, 32_767.9, 6.0e-13, 9.0e-13];
        // Half units and their neighbours, and halves of what the first cut rounds to.
        for n in [1.0, 3.0, 5.0, 268_435_456.0, 805_306_368.0] {
            values.extend([n * unit / 2.0, (n / 2.0 + 1e-6) * unit, (n / 2.0 + 7.0) * unit]);
        }
        for value in values.iter().flat_map(|v| [*v, -v]) {
            assert_eq!(Cut::of(value).over(1), amount(value, 1), "{value}");
            assert_eq!(i128::from(Cut::of(value).units()), amount(value, 1), "{value}");
        }
        values.extend([220e3 * 1.15, 2.7e11]);
        let mut sum = Cut::default();
        values.iter().for_each(|v| sum.add(Cut::of(*v)));
        assert_eq!(sum.over(900_000), values.iter().map(|v| amount(*v, 900_000)).sum::<i128>());
    }

    #[test]
    fn values_beyond_the_quick_way_agree_with_it_and_absurd_ones_do_not_overflow() {
        assert_eq!(total(amount(8_388_608.0, 3)), 25_165_824.0);
        assert_eq!(total(amount(-1.0e9, 2)), -2.0e9);
        let most = amount(f64::MAX, 86_400_000);
        assert!(most > 0 && most.checked_mul(10_000).is_some() || most < i128::MAX / 1_000);
    }
}
