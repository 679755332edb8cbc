//! Exact decimals as meters send them: whole digits and the number of places after the point.

use std::fmt;

/// `digits / 10^scale`. Meters send at most 15 significant digits, so [`Decimal::to_f64`] reads back as the same decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    /// All digits as a whole number, with the sign.
    pub digits: i64,
    /// Places after the decimal point, 0..=18.
    pub scale: u8,
}

/// Powers of ten that are exact in a double.
pub const POW10: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

impl Decimal {
    /// `digits / 10^scale`; a scale above 18 is taken as 18.
    pub const fn new(digits: i64, scale: u8) -> Self {
        Decimal { digits, scale: if scale > 18 { 18 } else { scale } }
    }

    /// The nearest double. For up to 15 digits it prints back as the same decimal.
    pub fn to_f64(self) -> f64 {
        self.digits as f64 / POW10[self.scale as usize]
    }
}

impl From<i64> for Decimal {
    fn from(digits: i64) -> Self {
        Decimal { digits, scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.digits);
        }
        let ten = 10u64.pow(u32::from(self.scale));
        let (sign, whole) = (if self.digits < 0 { "-" } else { "" }, self.digits.unsigned_abs());
        write!(f, "{sign}{}.{:0width$}", whole / ten, whole % ten, width = self.scale as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_place_the_meter_sends() {
        for (digits, scale, text) in [
            (26, 2, "0.26"),
            (-3, 3, "-0.003"),
            (230, 0, "230"),
            (0, 4, "0.0000"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            assert_eq!(Decimal::new(digits, scale).to_string(), text);
        }
    }

    #[test]
    fn the_double_reads_back_as_the_same_decimal() {
        for digits in [1i64, 999_999_999_999_999, 12_345_678, 799_999] {
            for scale in 0..=8 {
                let d = Decimal::new(digits, scale);
                assert_eq!(format!("{:.*}", scale as usize, d.to_f64()), d.to_string());
            }
        }
    }
}
