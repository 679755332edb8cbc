//! One typed value as the value of a reading.

use keyacct_model::{Decimal, Quality, Stamp, Unit, Value};

use super::axdr;
use super::grammar::Kind;
use super::published::{self, float, signed};
use super::tree::{Body, Node};
use super::words;
use crate::format::{hex, text};

/// A value, what is to be said of it, and the unit where the value brings its own.
pub struct Told {
    /// The value.
    pub value: Value,
    /// Quality bits.
    pub quality: Quality,
    /// Unit that the data type itself has (a length of time).
    pub unit: Option<Unit>,
    /// Day of the week beside a time.
    pub weekday: Option<u8>,
}

impl Told {
    fn of(value: Value) -> Told {
        Told { value, quality: Quality::GOOD, unit: None, weekday: None }
    }

    fn none(quality: Quality) -> Told {
        Told { value: Value::Null, quality, unit: None, weekday: None }
    }
}

/// A typed value that is no array and no structure. `scale` places are the catalogue's; for a physical quantity the
/// greatest number of the type means that there is none.
pub fn read(node: &Node<'_>, scale: u8, physical: bool) -> Told {
    let inner = match (node.kind, &node.body) {
        (Kind::Data, Body::Tagged(_, nodes)) => match nodes.first() {
            Some(inner) => inner,
            None => return Told::none(Quality::NO_DATA), // NULL
        },
        _ => node,
    };
    let (bytes, number) = (inner.bytes(), inner.number());
    match inner.kind {
        Kind::Uint(size) => {
            if physical && number == u64::MAX >> (64 - 8 * u32::from(*size)) {
                return Told::none(Quality::NO_DATA);
            }
            match i64::try_from(number) {
                Ok(digits) => Told::of(Value::Number(Decimal::new(digits, scale))),
                Err(_) => Told::none(Quality::OUT_OF_RANGE),
            }
        }
        Kind::Int(size) => {
            if physical && *size > 1 && number == u64::MAX >> (65 - 8 * u32::from(*size)) {
                return Told::none(Quality::NO_DATA);
            }
            Told::of(Value::Number(Decimal::new(signed(number, *size), scale)))
        }
        Kind::Float(_) => match float(bytes) {
            Some(number) => Told::of(Value::Number(number)),
            None => Told::none(Quality::INVALID_DIGIT),
        },
        Kind::Bool | Kind::Enum => Told::of(Value::Number((number as i64).into())),
        Kind::Text => Told::of(Value::Text(match std::str::from_utf8(bytes) {
            Ok(words) => words.trim_matches([' ', '\0', '\u{FFFD}']).to_owned(),
            Err(_) => text(bytes.iter().copied()),
        })),
        Kind::DateTime | Kind::DateTimeS | Kind::Date | Kind::Time => time(inner.kind, bytes),
        Kind::Tsa => Told::of(Value::Text(hex(bytes.iter().skip(1)))),
        Kind::Group(_) if inner.fields().map(|(f, _)| f.key).eq(["unit", "value"]) => interval(inner),
        Kind::Group(_) if inner.fields().map(|(f, _)| f.key).eq(["scaler", "unit"]) => scaler_unit(inner),
        Kind::Bits | Kind::Octets | Kind::Oi | Kind::Oad | Kind::Omd | Kind::Fixed(_) => {
            Told::of(Value::Text(hex(bytes.iter())))
        }
        _ => Told::of(Value::Text(published::value(inner).to_string().trim_matches('"').to_owned())),
    }
}

/// Minutes and seconds are numbers with their unit; days, months and years are words, as they have no fixed length.
fn interval(inner: &Node<'_>) -> Told {
    let [unit, value] = inner.children() else { return Told::none(Quality::INVALID_DIGIT) };
    let number = value.number() as i64;
    let (number, unit) = match unit.number() {
        0 => (number, Unit::Second),
        1 => (number, Unit::Minute),
        2 => (number * 60, Unit::Minute),
        code => {
            let word = ["day", "month", "year"].get(code as usize - 3).copied().unwrap_or("?");
            return Told::of(Value::Text(format!("{number} {word}")));
        }
    };
    Told { unit: Some(unit), ..Told::of(Value::Number(number.into())) }
}

/// Power of ten and unit, such as `1e-2 kWh`.
fn scaler_unit(inner: &Node<'_>) -> Told {
    let [scaler, unit] = inner.children() else { return Told::none(Quality::INVALID_DIGIT) };
    let power = signed(scaler.number(), 1);
    let code = unit.number() as u8;
    let symbol = words::unit(code).map_or_else(|| format!("unit {code}"), str::to_owned);
    Told::of(Value::Text(format!("1e{power} {symbol}")))
}

fn time(kind: &Kind, b: &[u8]) -> Told {
    let year = |n: usize| Some(u16::from_be_bytes([b[n], b[n + 1]])).filter(|y| *y != 0xFFFF);
    let part = |n: usize| Some(b[n]).filter(|v| *v != 0xFF);
    let (date, clock, weekday) = match kind {
        Kind::DateTime => (true, Some(5), Some(4)),
        Kind::DateTimeS => (true, Some(4), None),
        Kind::Date => (true, None, Some(4)),
        _ => (false, Some(0), None),
    };
    // All zero and all ones are slots that were never filled: null, not an epoch.
    let empty = b.iter().all(|v| *v == 0xFF) || date && b[..4] == [0; 4];
    if b.is_empty() || empty {
        return Told::none(Quality::NO_DATA);
    }
    let mut stamp = Stamp::default();
    if date {
        (stamp.year, stamp.month, stamp.day) = (year(0), part(2), part(3));
    }
    if let Some(n) = clock {
        (stamp.hour, stamp.minute, stamp.second) = (part(n), part(n + 1), part(n + 2));
    }
    if matches!(kind, Kind::DateTime) {
        stamp.milli = Some(u16::from_be_bytes([b[8], b[9]])).filter(|ms| *ms < 1000);
    }
    if stamp.year == Some(0) || !stamp.is_valid() {
        return Told::none(Quality::INVALID_DIGIT);
    }
    Told { weekday: weekday.and_then(part), ..Told::of(Value::Time(stamp)) }
}

/// The stamp of a typed value, if it is a whole time of the calendar.
pub fn stamp(node: &Node<'_>) -> Option<Stamp> {
    match (&node.body, read(node, 0, false).value) {
        (Body::Tagged(tag, _), Value::Time(stamp)) if *tag != axdr::ARRAY && stamp.has_date() => Some(stamp),
        _ => None,
    }
}
