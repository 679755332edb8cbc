//! Ratios and limits as exact decimals, so that a measured decimal is compared with a limit without rounding.

use crate::voltage::Band;

/// mantissa · 10^−scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Digits.
    pub mantissa: i128,
    /// Digits after the point.
    pub scale: u32,
}

const POWERS: usize = 39;
const TEN: [i128; POWERS] = {
    let mut table = [1_i128; POWERS];
    let mut n = 1;
    while n < POWERS {
        table[n] = table[n - 1] * 10;
        n += 1;
    }
    table
};

fn ten(power: u32) -> Option<i128> {
    TEN.get(power as usize).copied()
}

impl Decimal {
    /// The decimal that a number is written as: the shortest one that reads back as the same number.
    /// Nothing for NaN, infinities and numbers with too many digits.
    pub fn from_f64(value: f64) -> Option<Decimal> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if whole.len() + fraction.len() > 30 {
            return None;
        }
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        Some(Decimal { mantissa, scale: fraction.len() as u32 })
    }

    /// The exact product; nothing when it has too many digits.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        Some(Decimal { mantissa, scale: self.scale + other.scale })
    }

    /// self · 10^places ÷ divisor, rounded down and up to whole numbers (equal when it is whole).
    /// Nothing when the divisor is not above 0 or the numbers are too long.
    fn quotient(self, places: u32, divisor: Decimal) -> Option<(i128, i128)> {
        if divisor.mantissa <= 0 {
            return None;
        }
        let above = self.mantissa.checked_mul(ten(places + divisor.scale)?)?;
        let below = divisor.mantissa.checked_mul(ten(self.scale)?)?;
        let down = above.div_euclid(below);
        Some((down, if above.rem_euclid(below) == 0 { down } else { down + 1 }))
    }

    /// A whole number of 10^−places units times this ratio, as the nearest floating number.
    pub fn scaled(self, units: i128, places: u32) -> f64 {
        match (units.checked_mul(self.mantissa), ten(self.scale + places)) {
            (Some(product), Some(power)) => product as f64 / power as f64,
            _ => units as f64 / 10_f64.powi(places as i32) * self.as_f64(),
        }
    }

    /// The nearest whole number of 10^−places; the largest there is when it has too many digits.
    pub fn units(self, places: u32) -> i128 {
        let wide = |power| ten(power).unwrap_or(i128::MAX);
        if places >= self.scale {
            return self.mantissa.saturating_mul(wide(places - self.scale));
        }
        let below = wide(self.scale - places);
        let half = if self.mantissa < 0 { -below / 2 } else { below / 2 };
        self.mantissa.saturating_add(half) / below
    }

    /// The nearest floating number.
    pub fn as_f64(self) -> f64 {
        self.mantissa as f64 / 10_f64.powi(self.scale as i32)
    }
}

/// Limits in primary volts, any of which may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Nominal voltage, to which `floor_share` and `ceiling_share` refer.
    pub nominal_v: Option<f64>,
    /// Lower limit.
    pub lower_v: Option<f64>,
    /// Upper limit.
    pub upper_v: Option<f64>,
    /// Assessment floor as a share of nominal.
    pub floor_share: f64,
    /// Over-voltage as a share of nominal.
    pub ceiling_share: f64,
}

impl Limits {
    /// The limits as whole 10^−places V of the secondary side of a transformer with the ratio `pt`, such that a strict
    /// comparison of the measured whole number says what the exact comparison in primary volts says.
    /// A missing limit is never crossed. Nothing when a number cannot be used.
    pub fn secondary(&self, pt: Decimal, places: u32) -> Option<Band<i64>> {
        let clamp = |v: i128| v.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64;
        let limit = |volts: Option<f64>, share: Option<f64>, up: bool, none: i64| -> Option<i64> {
            let Some(volts) = volts else { return Some(none) };
            let mut volts = Decimal::from_f64(volts)?;
            if let Some(share) = share {
                volts = volts.times(Decimal::from_f64(share)?)?;
            }
            let (down, upward) = volts.quotient(places, pt)?;
            Some(clamp(if up { upward } else { down }))
        };
        Some(Band {
            floor: limit(self.nominal_v, Some(self.floor_share), true, i64::MIN)?,
            lower: limit(self.lower_v, None, true, i64::MIN)?,
            upper: limit(self.upper_v, None, false, i64::MAX)?,
            ceiling: limit(self.nominal_v, Some(self.ceiling_share), false, i64::MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(value: f64) -> Decimal {
        Decimal::from_f64(value).unwrap()
    }

    #[test]
    fn a_number_is_the_decimal_it_is_written_as() {
        assert_eq!(d(235.4), Decimal { mantissa: 2354, scale: 1 });
        assert_eq!(d(-0.07), Decimal { mantissa: -7, scale: 2 });
        assert_eq!(d(35_000.0), Decimal { mantissa: 35_000, scale: 0 });
        assert_eq!(Decimal::from_f64(f64::NAN), None);
        assert_eq!(Decimal::from_f64(1e300), None);
    }

    #[test]
    fn seventy_percent_of_220_is_154_exactly() {
        let limits = Limits {
            nominal_v: Some(220.0),
            lower_v: Some(198.0),
            upper_v: Some(235.4),
            floor_share: 0.7,
            ceiling_share: 1.2,
        };
        let band = limits.secondary(d(1.0), 3).unwrap();
        assert_eq!(band, Band { floor: 154_000, lower: 198_000, upper: 235_400, ceiling: 264_000 });
    }

    #[test]
    fn a_limit_between_two_secondary_steps_keeps_strict_comparisons_true() {
        // 10 000 V / 110 = 90.909… V: 90.909 V is under, 90.910 V is not; as an upper limit 90.909 V is not over.
        let limits = Limits { lower_v: Some(10_000.0), upper_v: Some(10_000.0), ..Limits::default() };
        let band = limits.secondary(d(110.0), 3).unwrap();
        assert!(90_909 < band.lower && 90_910 >= band.lower);
        assert!(90_909 <= band.upper && 90_910 > band.upper);
        assert_eq!((band.floor, band.ceiling), (i64::MIN, i64::MAX));
    }

    #[test]
    fn a_ratio_that_is_not_above_zero_gives_nothing() {
        let limits = Limits { upper_v: Some(1.0), ..Limits::default() };
        assert_eq!(limits.secondary(d(0.0), 3), None);
    }

    #[test]
    fn a_decimal_is_the_nearest_number_of_units() {
        assert_eq!([d(12.5).units(3), d(12.5).units(0), d(-12.5).units(0)], [12_500, 13, -13]);
        assert_eq!(d(33.333_333_333_333_336).units(2), 3333);
    }

    #[test]
    fn a_primary_value_is_rounded_once() {
        assert_eq!(d(100.0).scaled(57_700, 3), 5770.0);
        assert_eq!(d(0.1).scaled(3, 0), 0.3);
    }
}
