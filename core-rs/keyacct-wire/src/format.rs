//! Printed formats as the standards spell them (`XXX.X`, `YYMMDDhhmm`, `ASCII32`), read from and written to bytes.
//!
//! | spelling | bytes on the wire |
//! |---|---|
//! | `XXX.X`, `NNNN` | BCD, lowest pair first; `S` in front: the top bit is a minus sign |
//! | `YYMMDDhhmmss`, any part, `WW` weekday | BCD pairs, the last printed one first; year 20YY |
//! | `ASCII8` / `TEXT8` | characters, last one first / in order; 00H, FFH and blanks around are padding |
//! | `BCD6` / `HEX4` / `RAW4` | digits / bytes in reading order (lowest first on the wire) / bytes as sent |
//! | `BIN2`, `INT2` | unsigned, signed integer, low byte first; `BIN2.1` has one decimal |
//! | `F32`, `U16.1`, `I32.3-CDAB` | a number in 16-bit registers: [`crate::register`] |
//! | `BITS2(1:name,8-9:name.A)` | bit string, low byte first, with the named bits |
//! | `NBIN2` | `BIN2` in which all F and all E mean "no data" |
//! | `MASK8` | bytes as sent, whatever they are: all F is a value here |
//! | `IP4`, `PHONE8`, `DADT` | an IPv4 address; digits as sent up to the padding F; points and functions (Q/GDW 1376.1) |
//! | `A1` … `A27` | the data formats of Q/GDW 1376.1 annex A; [`crate::layout`] gives them in the spelling above |
//!
//! A length in brackets (`ASCII[n]`) is that of a field read before. All F or all E is "no data"; another digit above
//! 9 is an invalid digit. Both give null, with the quality bit that says which.

use crate::annex_a;
use keyacct_model::{Decimal, Phase, Quality, Quantity, Stamp, Value};

use crate::register::RegisterFormat;

/// How many bytes a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Always as many.
    Fixed(u8),
    /// As the slot of this number says, less so many.
    Slot(u8, u8),
    /// All that are left.
    Rest,
}

/// One named bit, or run of bits, of a bit string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bit {
    /// Lowest bit, from 0.
    pub low: u8,
    /// Highest bit.
    pub high: u8,
    /// What it says.
    pub quantity: Quantity,
    /// Of which phase; none takes the row's.
    pub phase: Option<Phase>,
}

/// Parts of a time in printed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Year without century.
    Year,
    /// Month.
    Month,
    /// Month in the low five bits, day of the week above it: 1 is Monday, 0 none (A.1 of Q/GDW 1376.1).
    WeekdayMonth,
    /// Day of the month.
    Day,
    /// Day of the week, 0 is Sunday.
    Weekday,
    /// Hour.
    Hour,
    /// Minute.
    Minute,
    /// Second.
    Second,
}

/// How a field is written on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Decimal digits.
    Bcd {
        /// Bytes.
        bytes: u8,
        /// Places after the point.
        scale: u8,
        /// Whether the top bit is a minus sign.
        signed: bool,
    },
    /// A civil time.
    Time(Vec<Part>),
    /// Characters.
    Text {
        /// Length.
        size: Size,
        /// Whether the last character is sent first.
        reversed: bool,
    },
    /// Digits of a number that is a name, in reading order.
    Digits(u8),
    /// Opaque bytes as hex.
    Hex {
        /// Length.
        size: Size,
        /// Whether the lowest byte is sent first.
        reversed: bool,
    },
    /// A binary integer, low byte first.
    Binary {
        /// Bytes, 1..=8.
        bytes: u8,
        /// Two's complement.
        signed: bool,
        /// Places after the point.
        scale: u8,
        /// Whether all F and all E mean "no data".
        nullable: bool,
    },
    /// Bytes as sent, whatever they are.
    Mask(Size),
    /// An IPv4 address.
    Ip4,
    /// Digits of a telephone number as sent, F behind the last one.
    Phone(u8),
    /// DA and DT: points and functions (Q/GDW 1376.1).
    PointFunction,
    /// Three digits, a sign and a power of ten (A.2).
    Power10,
    /// Seven digits, a sign and a flag "thousands" (A.3), with so many places after the point without the flag.
    Thousands {
        /// Places after the point.
        scale: u8,
    },
    /// A bit string, low byte first.
    Bits {
        /// Bytes, 1..=8.
        bytes: u8,
        /// The bits that have a name.
        bits: Vec<Bit>,
    },
    /// A number in 16-bit registers (Modbus).
    Register(RegisterFormat),
}

/// Digits of every byte, or 255 where a nibble is no digit.
static DIGITS: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 100 {
        table[((value / 10) << 4) | (value % 10)] = value as u8;
        value += 1;
    }
    table
};

/// Two decimal digits of a byte.
pub fn bcd(byte: u8) -> Option<u8> {
    let value = DIGITS[usize::from(byte)];
    (value < 100).then_some(value)
}

/// The byte of two decimal digits.
pub const fn to_bcd(value: u8) -> u8 {
    ((value / 10 % 10) << 4) | (value % 10)
}

/// Whether the bytes say "no data": all F or all E (terminals also send EFH).
pub fn is_no_data(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|first| matches!(first, 0xFF | 0xEE | 0xEF) && bytes.iter().all(|byte| byte == first))
}

/// Why digits cannot be read: terminals fill the places that a meter did not give with EEH, also in part of a field.
pub fn not_digits(bytes: &[u8]) -> Quality {
    if is_no_data(bytes) || bytes.contains(&0xEE) { Quality::NO_DATA } else { Quality::INVALID_DIGIT }
}

/// A decimal from BCD bytes, lowest pair first.
#[inline]
pub fn read_bcd(bytes: &[u8], scale: u8, signed: bool) -> (Value, Quality) {
    let (mut digits, mut bad) = (0i64, 0u8);
    let mut negative = false;
    for (n, byte) in bytes.iter().rev().enumerate() {
        let mut byte = *byte;
        if signed && n == 0 {
            negative = byte & 0x80 != 0;
            byte &= 0x7F;
        }
        let pair = DIGITS[usize::from(byte)];
        bad |= u8::from(pair == 255);
        digits = digits.wrapping_mul(100).wrapping_add(i64::from(pair));
    }
    if bad == 0 {
        return (
            Value::Number(Decimal { digits: if negative { -digits } else { digits }, scale }),
            Quality::GOOD,
        );
    }
    (Value::Null, not_digits(bytes))
}

/// A civil time from BCD pairs, last printed part first. All zero, all F and all E mean "none recorded".
/// Gives the weekday beside the stamp where the format has one.
pub fn read_time(bytes: &[u8], parts: &[Part]) -> (Option<Stamp>, Option<u8>, Quality) {
    let clock_parts = parts.iter().all(|p| matches!(p, Part::Hour | Part::Minute | Part::Second));
    if is_no_data(bytes) || (!clock_parts && bytes.iter().all(|b| *b == 0)) {
        return (None, None, Quality::NO_DATA);
    }
    let mut stamp = Stamp::default();
    let mut weekday = None;
    for (part, byte) in parts.iter().zip(bytes.iter().rev()) {
        let day = *byte >> 5;
        let plain = if *part == Part::WeekdayMonth { *byte & 0x1F } else { *byte };
        let Some(value) = bcd(plain).filter(|_| *byte != 0xEE) else {
            return (None, None, not_digits(bytes));
        };
        match part {
            Part::Year => stamp.year = Some(2000 + u16::from(value)),
            Part::Month => stamp.month = Some(value),
            Part::WeekdayMonth => {
                stamp.month = Some(value);
                weekday = (day > 0).then_some(day);
            }
            Part::Day => stamp.day = Some(value),
            Part::Weekday => weekday = Some(value),
            Part::Hour => stamp.hour = Some(value),
            Part::Minute => stamp.minute = Some(value),
            Part::Second => stamp.second = Some(value),
        }
    }
    if stamp.is_valid() {
        (Some(stamp), weekday, Quality::GOOD)
    } else {
        (None, weekday, Quality::INVALID_DIGIT)
    }
}

/// BCD pairs of a time; none when a part that the format has is missing.
pub fn write_time(stamp: &Stamp, weekday: u8, parts: &[Part], out: &mut Vec<u8>) -> Option<()> {
    for part in parts.iter().rev() {
        let value = match part {
            Part::Year => u8::try_from(stamp.year?.checked_sub(2000)?).ok().filter(|y| *y < 100)?,
            Part::Month => stamp.month?,
            Part::WeekdayMonth => {
                out.push(to_bcd(stamp.month?) | weekday << 5);
                continue;
            }
            Part::Day => stamp.day?,
            Part::Weekday => weekday,
            Part::Hour => stamp.hour?,
            Part::Minute => stamp.minute?,
            Part::Second => stamp.second?,
        };
        out.push(to_bcd(value));
    }
    Some(())
}

/// A text from bytes in reading order, without padding; none for no text at all. Bytes that are no printable ASCII are
/// read as GB18030 is not attempted: they come as `\xNN`.
pub fn text(bytes: impl Iterator<Item = u8>) -> String {
    let all: Vec<u8> = bytes.collect();
    let padding = |byte: &u8| matches!(byte, 0 | 0xFF | b' ');
    let from = all.iter().position(|b| !padding(b)).unwrap_or(all.len());
    let to = all.iter().rposition(|b| !padding(b)).map_or(from, |n| n + 1);
    let mut out = String::with_capacity(to - from);
    for byte in &all[from..to] {
        if byte.is_ascii_graphic() || *byte == b' ' {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("\\x{byte:02X}"));
        }
    }
    out
}

/// Upper-case hex of bytes in the order given.
pub fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    bytes.map(|byte| format!("{byte:02X}")).collect()
}

impl Format {
    /// Bytes on the wire, where they are always the same.
    pub fn size(&self) -> Option<usize> {
        match self {
            Format::Bcd { bytes, .. }
            | Format::Digits(bytes)
            | Format::Binary { bytes, .. }
            | Format::Bits { bytes, .. } => Some(usize::from(*bytes)),
            Format::Time(parts) => Some(parts.len()),
            Format::Register(format) => Some(usize::from(format.bytes)),
            Format::Ip4 | Format::PointFunction | Format::Thousands { .. } => Some(4),
            Format::Power10 => Some(2),
            Format::Phone(bytes) => Some(usize::from(*bytes)),
            Format::Text { size, .. } | Format::Hex { size, .. } | Format::Mask(size) => match size {
                Size::Fixed(bytes) => Some(usize::from(*bytes)),
                Size::Slot(..) | Size::Rest => None,
            },
        }
    }

    /// Whether its values are plain numbers, so that the quantity's unit applies.
    pub const fn is_number(&self) -> bool {
        matches!(
            self,
            Format::Bcd { .. }
                | Format::Binary { .. }
                | Format::Power10
                | Format::Register(_)
                | Format::Thousands { .. }
        )
    }

    /// The value of a whole field.
    pub fn read(&self, bytes: &[u8]) -> (Value, Quality) {
        match self {
            Format::Bcd { scale, signed, .. } => read_bcd(bytes, *scale, *signed),
            Format::Time(parts) => {
                let (stamp, _, quality) = read_time(bytes, parts);
                (stamp.map_or(Value::Null, Value::Time), quality)
            }
            Format::Mask(_) => (Value::Text(hex(bytes.iter())), Quality::GOOD),
            Format::Ip4 => (Value::Text(ip4(bytes)), Quality::GOOD),
            Format::PointFunction => annex_a::read_identifier(bytes),
            Format::Power10 => annex_a::read_power10(bytes),
            Format::Thousands { scale } => annex_a::read_thousands(bytes, *scale),
            Format::Binary { nullable: true, .. } if is_no_data(bytes) => (Value::Null, Quality::NO_DATA),
            Format::Register(format) => format.read(bytes),
            _ if is_no_data(bytes) && !matches!(self, Format::Binary { .. } | Format::Bits { .. }) => {
                (Value::Null, Quality::NO_DATA)
            }
            Format::Text { reversed: true, .. } => {
                (Value::Text(text(bytes.iter().rev().copied())), Quality::GOOD)
            }
            Format::Text { reversed: false, .. } => (Value::Text(text(bytes.iter().copied())), Quality::GOOD),
            Format::Digits(_) | Format::Hex { reversed: true, .. } | Format::Bits { .. } => {
                (Value::Text(hex(bytes.iter().rev())), Quality::GOOD)
            }
            Format::Phone(_) => {
                let digits = hex(bytes.iter());
                (Value::Text(digits.trim_end_matches('F').to_owned()), Quality::GOOD)
            }
            Format::Hex { reversed: false, .. } => (Value::Text(hex(bytes.iter())), Quality::GOOD),
            Format::Binary { signed, scale, .. } => {
                (Value::Number(Decimal::new(read_binary(bytes, *signed), *scale)), Quality::GOOD)
            }
        }
    }

    /// The bytes of a value: the inverse of [`Format::read`] for values in canonical form. None when the value does not
    /// fit the format; `out` is then as it was.
    pub fn write(&self, value: &Value, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let done = self.write_or_leave(value, out);
        if done.is_none() {
            out.truncate(start);
        }
        done
    }

    fn write_or_leave(&self, value: &Value, out: &mut Vec<u8>) -> Option<()> {
        let fixed = self.size();
        match (self, value) {
            (Format::Register(format), value) => format.write(value, out)?,
            (_, Value::Null) => out.extend(std::iter::repeat_n(0xFF, fixed?)),
            (Format::Bcd { bytes, scale, signed }, Value::Number(number)) => {
                let number = rescale(*number, *scale)?;
                let mut left = number.unsigned_abs();
                let start = out.len();
                for _ in 0..*bytes {
                    out.push(to_bcd((left % 100) as u8));
                    left /= 100;
                }
                let top = out.last_mut()?;
                if left != 0 || (number < 0 && !*signed) || (*signed && *top >= 0x80) {
                    out.truncate(start);
                    return None;
                }
                if number < 0 {
                    *top |= 0x80;
                }
            }
            (Format::Binary { bytes, signed, scale, .. }, Value::Number(number)) => {
                let number = rescale(*number, *scale)?;
                let all = number.to_le_bytes();
                let (kept, cut) = all.split_at(usize::from(*bytes).min(8));
                if read_binary(kept, *signed) != number || (cut.is_empty() && !*signed && number < 0) {
                    return None;
                }
                out.extend_from_slice(kept);
            }
            (Format::Power10, Value::Number(number)) => annex_a::write_power10(*number, out)?,
            (Format::Thousands { scale }, Value::Number(number)) => {
                annex_a::write_thousands(*number, *scale, out)?
            }
            (Format::PointFunction, Value::Text(text)) => annex_a::write_identifier(text, out)?,
            (Format::Ip4, Value::Text(text)) => out.extend(text.parse::<std::net::Ipv4Addr>().ok()?.octets()),
            (Format::Phone(bytes), Value::Text(text)) => {
                let digits = 2 * usize::from(*bytes);
                out.extend(
                    Some(crate::hex::decode(&format!("{text:F<digits$}"))?)
                        .filter(|b| 2 * b.len() == digits)?,
                );
            }
            (Format::Time(parts), Value::Time(stamp)) => write_time(stamp, 0, parts, out)?,
            (Format::Text { reversed, .. }, Value::Text(text)) if text.is_ascii() => {
                let mut bytes = escaped(text)?;
                let size = fixed.unwrap_or(bytes.len());
                if bytes.len() > size {
                    return None;
                }
                bytes.resize(size, 0);
                if *reversed {
                    bytes.reverse();
                }
                out.extend(bytes);
            }
            (
                Format::Digits(_) | Format::Bits { .. } | Format::Hex { .. } | Format::Mask(_),
                Value::Text(text),
            ) => {
                let mut bytes = crate::hex::decode(text)?;
                if fixed.is_some_and(|size| size != bytes.len()) {
                    return None;
                }
                if !matches!(self, Format::Hex { reversed: false, .. } | Format::Mask(_)) {
                    bytes.reverse();
                }
                out.extend(bytes);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The bytes of a text that [`text`] has printed: `\xNN` is one byte.
fn escaped(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Some(bytes)
}

fn ip4(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

/// The digits of a number at another scale; none when places would be lost.
pub fn rescale(number: Decimal, scale: u8) -> Option<i64> {
    if number.scale <= scale {
        return number.digits.checked_mul(10i64.checked_pow(u32::from(scale - number.scale))?);
    }
    let ten = 10i64.checked_pow(u32::from(number.scale - scale))?;
    (number.digits % ten == 0).then_some(number.digits / ten)
}

/// An integer of 1..=8 bytes, low byte first.
pub fn read_binary(bytes: &[u8], signed: bool) -> i64 {
    let mut all = [0u8; 8];
    let count = bytes.len().min(8);
    all[..count].copy_from_slice(&bytes[..count]);
    let value = u64::from_le_bytes(all);
    if !signed || count == 0 {
        return value as i64;
    }
    let unused = 64 - 8 * count as u32;
    ((value << unused) as i64) >> unused
}
