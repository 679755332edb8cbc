//! Numbers in 16-bit registers, as Modbus devices keep them: `U16`, `I32.1`, `F32.3-CDAB`.
//!
//! | part | meaning |
//! |---|---|
//! | `U16 I16 U32 I32 U64 I64` | integer, unsigned or signed |
//! | `F32 F64` | IEEE 754 |
//! | `F32Q` | power factor in four-quadrant coding: beyond ±1 stands for ±(2 − x), capacitive |
//! | `.3` or `*10` | divided by 10³, multiplied by 10 |
//! | `-ABCD` (usual) `-CDAB` `-BADC` `-DCBA` | order of the bytes: words swapped, bytes of a word swapped, both |
//!
//! Not-a-number, infinity and the lowest number of a signed 64-bit integer are "no data".

use keyacct_model::{Decimal, Quality, Value};

/// What sort of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Unsigned integer.
    Unsigned,
    /// Two's complement.
    Signed,
    /// IEEE 754.
    Float,
    /// IEEE 754, four-quadrant power factor.
    Quadrant,
}

/// How a number lies in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterFormat {
    /// Bytes: 2, 4 or 8.
    pub bytes: u8,
    /// What sort of number.
    pub sort: Sort,
    /// Decimal places that are sent as whole digits.
    pub places: u8,
    /// What the number is multiplied with.
    pub factor: i32,
    /// Whether the lowest word is sent first.
    pub words_swapped: bool,
    /// Whether the low byte of a word is sent first.
    pub bytes_swapped: bool,
}

impl RegisterFormat {
    /// Reads a format's name.
    pub fn parse(text: &str) -> Option<RegisterFormat> {
        let (text, order) = text.split_once('-').unwrap_or((text, "ABCD"));
        let (words_swapped, bytes_swapped) = match order {
            "ABCD" => (false, false),
            "CDAB" => (true, false),
            "BADC" => (false, true),
            "DCBA" => (true, true),
            _ => return None,
        };
        let (text, factor) = match text.split_once('*') {
            Some((text, factor)) => (text, factor.parse().ok().filter(|n| (1..=1_000_000).contains(n))?),
            None => (text, 1),
        };
        let (name, places) = match text.split_once('.') {
            Some((name, places)) => (name, places.parse().ok().filter(|n| *n <= 9)?),
            None => (text, 0),
        };
        let (sort, bytes) = match name {
            "U16" => (Sort::Unsigned, 2),
            "U32" => (Sort::Unsigned, 4),
            "U64" => (Sort::Unsigned, 8),
            "I16" => (Sort::Signed, 2),
            "I32" => (Sort::Signed, 4),
            "I64" => (Sort::Signed, 8),
            "F32" => (Sort::Float, 4),
            "F64" => (Sort::Float, 8),
            "F32Q" => (Sort::Quadrant, 4),
            _ => return None,
        };
        Some(RegisterFormat { bytes, sort, places, factor, words_swapped, bytes_swapped })
    }

    /// Highest byte first, whatever the order on the wire; its own inverse.
    fn ordered(&self, bytes: &[u8]) -> Option<[u8; 8]> {
        let size = usize::from(self.bytes);
        let mut all = [0; 8];
        let whole = all.get_mut(8 - size..)?;
        if bytes.len() != size {
            return None;
        }
        whole.copy_from_slice(bytes);
        if self.words_swapped {
            whole.reverse();
        }
        if self.words_swapped != self.bytes_swapped {
            whole.chunks_exact_mut(2).for_each(|word| word.swap(0, 1));
        }
        Some(all)
    }

    /// The number in these bytes.
    pub fn read(&self, bytes: &[u8]) -> (Value, Quality) {
        let none = (Value::Null, Quality::NO_DATA);
        let Some(all) = self.ordered(bytes) else { return none };
        let plain = u64::from_be_bytes(all);
        let number = match (self.sort, self.bytes) {
            (Sort::Unsigned, _) => i64::try_from(plain).ok().map(Decimal::from),
            (Sort::Signed, 8) if plain == i64::MIN as u64 => return none,
            (Sort::Signed, size) => {
                let unused = 64 - 8 * u32::from(size);
                Some(Decimal::from(((plain << unused) as i64) >> unused))
            }
            (Sort::Float, 8) => match f64::from_bits(plain) {
                number if number.is_finite() => shortest(&number.to_string()),
                _ => return none,
            },
            (Sort::Float | Sort::Quadrant, _) => match f32::from_bits(plain as u32) {
                number if !number.is_finite() => return none,
                number => shortest(&number.to_string()).map(|digits| match self.sort {
                    Sort::Quadrant => unfold(digits),
                    _ => digits,
                }),
            },
        };
        match number.and_then(|number| self.scaled(number)) {
            Some(number) => (Value::Number(number), Quality::GOOD),
            None => (Value::Null, Quality::INVALID_DIGIT),
        }
    }

    fn scaled(&self, number: Decimal) -> Option<Decimal> {
        let digits = number.digits.checked_mul(i64::from(self.factor))?;
        let scale = number.scale + self.places;
        // Beyond 18 places nothing is left of what a device measures.
        Some(if scale > 18 {
            Decimal::new(digits / 10i64.checked_pow(u32::from(scale - 18))?, 18)
        } else {
            Decimal::new(digits, scale)
        })
    }

    /// The bytes of a number; none when it does not fit.
    pub fn write(&self, value: &Value, out: &mut Vec<u8>) -> Option<()> {
        let size = usize::from(self.bytes);
        let plain = match (value, self.sort) {
            (Value::Null, Sort::Float | Sort::Quadrant) if size == 4 => u64::from(f32::NAN.to_bits()),
            (Value::Null, Sort::Float) => f64::NAN.to_bits(),
            (Value::Number(number), Sort::Float | Sort::Quadrant) => {
                let number = number.to_f64() * 10f64.powi(self.places.into()) / f64::from(self.factor);
                if size == 4 { u64::from((number as f32).to_bits()) } else { number.to_bits() }
            }
            (Value::Number(number), sort) => {
                let scale = number.scale.checked_sub(self.places);
                let places = u32::from(self.places.saturating_sub(number.scale));
                let whole = match scale {
                    Some(cut) => {
                        let ten = 10i64.checked_pow(cut.into())?;
                        (number.digits % ten == 0).then_some(number.digits / ten)?
                    }
                    None => number.digits.checked_mul(10i64.checked_pow(places)?)?,
                };
                let factor = i64::from(self.factor);
                let whole = (whole % factor == 0).then_some(whole / factor)?;
                let bits = 8 * u32::from(self.bytes);
                let fits = match sort {
                    Sort::Unsigned => whole >= 0 && (bits == 64 || whole >> bits == 0),
                    _ => bits == 64 || (whole >> (bits - 1) == 0 || whole >> (bits - 1) == -1),
                };
                fits.then_some(whole as u64)?
            }
            _ => return None,
        };
        let sent = self.ordered(plain.to_be_bytes().get(8 - size..)?)?;
        out.extend_from_slice(sent.get(8 - size..)?);
        Some(())
    }
}

/// The exact digits of a printed number: the shortest decimal that is this float and no other. Places that do not fit
/// are cut off.
fn shortest(text: &str) -> Option<Decimal> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.get(..part.len().min(18))?;
    let mut part = part.trim_end_matches('0');
    loop {
        if let Ok(digits) = format!("{whole}{part}").parse() {
            return Some(Decimal::new(digits, part.len() as u8));
        }
        part = part.get(..part.len().checked_sub(1)?)?;
    }
}

/// Four quadrants in one number: up to ±1 the factor itself, beyond it ±(2 − x).
fn unfold(number: Decimal) -> Decimal {
    let one = 10i64.saturating_pow(number.scale.into());
    if number.digits.saturating_abs() <= one {
        return number;
    }
    let two = one.saturating_mul(2) * number.digits.signum();
    Decimal { digits: two.saturating_sub(number.digits), scale: number.scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, bytes: &[u8]) -> Value {
        RegisterFormat::parse(format).map_or(Value::Null, |f| f.read(bytes).0)
    }

    fn number(digits: i64, scale: u8) -> Value {
        Value::Number(Decimal::new(digits, scale))
    }

    #[test]
    fn the_vendors_voltage_is_read_in_every_order() {
        // Eastron SDM630 manual: 43 66 33 34 is 230.2 V.
        assert_eq!(read("F32", &[0x43, 0x66, 0x33, 0x34]), number(23_020_001, 5));
        assert_eq!(read("F32-CDAB", &[0x33, 0x34, 0x43, 0x66]), number(23_020_001, 5));
        assert_eq!(read("F32-BADC", &[0x66, 0x43, 0x34, 0x33]), number(23_020_001, 5));
        assert_eq!(read("F32-DCBA", &[0x34, 0x33, 0x66, 0x43]), number(23_020_001, 5));
    }

    #[test]
    fn integers_keep_their_sign_and_their_places() {
        assert_eq!(read("U16.1", &[0x09, 0x01]), number(2305, 1));
        assert_eq!(read("I16", &[0xFF, 0xFE]), number(-2, 0));
        assert_eq!(read("I32.3", &[0xFF, 0xFF, 0xFF, 0x9C]), number(-100, 3));
        assert_eq!(read("I32.3-CDAB", &[0xFF, 0x9C, 0xFF, 0xFF]), number(-100, 3));
        assert_eq!(read("I64.3", &[0, 0, 0, 0, 0, 1, 0, 0]), number(65_536, 3));
        assert_eq!(read("U16*10", &[0, 7]), number(70, 0));
    }

    #[test]
    fn what_is_no_number_is_no_data() {
        let float = RegisterFormat::parse("F32");
        assert_eq!(float.map(|f| f.read(&[0xFF, 0xC0, 0, 0])), Some((Value::Null, Quality::NO_DATA)));
        assert_eq!(read("I64", &[0x80, 0, 0, 0, 0, 0, 0, 0]), Value::Null);
        assert_eq!(read("F32", &[0x7F, 0x7F, 0xFF, 0xFF]), Value::Null); // greater than any meter counts
        assert_eq!(RegisterFormat::parse("F16"), None);
        assert_eq!(RegisterFormat::parse("F32-ACBD"), None);
    }

    #[test]
    fn a_power_factor_beyond_one_is_folded_back() {
        assert_eq!(read("F32Q", &1.25f32.to_be_bytes()), number(75, 2));
        assert_eq!(read("F32Q", &(-1.25f32).to_be_bytes()), number(-75, 2));
        assert_eq!(read("F32Q", &(-0.5f32).to_be_bytes()), number(-5, 1));
    }
}
