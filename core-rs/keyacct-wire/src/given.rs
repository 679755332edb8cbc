//! A message as people and programs write it: the JSON object that decoding publishes, given back to be encoded.
//!
//! Errors name the key and what belongs there, never what was given: it may be a password.

use std::fmt;

use keyacct_model::{Decimal, Stamp, Value};

/// A value of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// Nothing.
    Null,
    /// Truth value.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Decimal number.
    Number(Decimal),
    /// Text; also hex, times and big numbers.
    Text(String),
    /// List.
    List(Vec<Given>),
    /// Object.
    Object(Vec<(String, Given)>),
}

/// What does not fit a frame: the key, from the outermost one on, and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// `apdu.rows.1`
    pub key: String,
    /// What is expected.
    pub wanted: String,
}

/// Something composed, or why not.
pub type Composed<T> = Result<T, Misfit>;

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.wanted)
    }
}

/// A misfit of one key.
pub fn misfit<T>(key: &str, wanted: impl Into<String>) -> Composed<T> {
    Err(Misfit { key: key.to_owned(), wanted: wanted.into() })
}

/// Puts an outer key before those of a misfit inside it.
pub fn within<T>(key: impl fmt::Display, done: Composed<T>) -> Composed<T> {
    done.map_err(|m| Misfit {
        key: if m.key.is_empty() { key.to_string() } else { format!("{key}.{}", m.key) },
        wanted: m.wanted,
    })
}

impl Given {
    /// The member of an object; null counts as absent.
    pub fn get(&self, key: &str) -> Option<&Given> {
        let Given::Object(members) = self else { return None };
        members.iter().find(|(k, _)| k == key).map(|(_, v)| v).filter(|v| **v != Given::Null)
    }

    /// The member of an object, which must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn need(&self, key: &str) -> Composed<&Given> {
        self.get(key).map_or_else(|| misfit(key, "is missing"), Ok)
    }

    /// A whole number of `low..=high`: a number, or text in decimal or as `0x91`.
    ///
    /// # Errors
    /// When it is none.
    pub fn whole(&self, low: i128, high: i128) -> Composed<i128> {
        let number = match self {
            Given::Bool(b) => Some(i128::from(*b)),
            Given::Int(n) => Some(i128::from(*n)),
            Given::Text(t) => match t.strip_prefix("0x") {
                Some(digits) => i128::from_str_radix(digits, 16).ok(),
                None => t.parse().ok(),
            },
            _ => None,
        };
        match number.filter(|n| (low..=high).contains(n)) {
            Some(number) => Ok(number),
            None => misfit("", format!("a whole number from {low} to {high} belongs here")),
        }
    }

    /// A member that is a whole number; `default` where it is absent, an error where there is no default either.
    ///
    /// # Errors
    /// When it is missing or no such number.
    pub fn int(&self, key: &str, high: i64, default: Option<i64>) -> Composed<i64> {
        match (self.get(key), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => misfit(key, "is missing"),
            (Some(value), _) => within(key, value.whole(0, i128::from(high))).map(|n| n as i64),
        }
    }

    /// A truth value or 0 and 1; false where it is absent.
    ///
    /// # Errors
    /// When it is neither.
    pub fn bit(&self, key: &str) -> Composed<bool> {
        Ok(self.int(key, 1, Some(0))? == 1)
    }

    /// Text.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(&self) -> Composed<&str> {
        match self {
            Given::Text(text) => Ok(text),
            _ => misfit("", "a text belongs here"),
        }
    }

    /// Bytes from hex text; `size` of them if it is given.
    ///
    /// # Errors
    /// When it is no hex, or not so long.
    pub fn hex(&self, size: Option<usize>) -> Composed<Vec<u8>> {
        let bytes = self.text().ok().and_then(crate::hex::decode);
        match bytes.filter(|b| size.is_none_or(|size| b.len() == size)) {
            Some(bytes) => Ok(bytes),
            None => misfit(
                "",
                size.map_or("hex digits belong here".into(), |n| format!("{n} bytes in hex belong here")),
            ),
        }
    }

    /// A member as bytes; none where it is absent.
    ///
    /// # Errors
    /// When it is no hex, or not so long.
    pub fn bytes(&self, key: &str, size: Option<usize>) -> Composed<Option<Vec<u8>>> {
        self.get(key).map(|value| within(key, value.hex(size))).transpose()
    }

    /// A list.
    ///
    /// # Errors
    /// When it is none.
    pub fn list(&self) -> Composed<&[Given]> {
        match self {
            Given::List(list) => Ok(list),
            _ => misfit("", "a list belongs here"),
        }
    }

    /// The members of a list, each made to something.
    ///
    /// # Errors
    /// That of the first member that fails, with its place from 1.
    pub fn each<T>(&self, make: impl Fn(&Given) -> Composed<T>) -> Composed<Vec<T>> {
        self.list()?.iter().enumerate().map(|(n, item)| within(n + 1, make(item))).collect()
    }

    /// A time in the form in which stamps are printed.
    ///
    /// # Errors
    /// When it is none.
    pub fn stamp(&self) -> Composed<Stamp> {
        match self.text().ok().and_then(read_stamp) {
            Some(stamp) => Ok(stamp),
            None => misfit("", "a time such as 2018-08-28T16:47:00 belongs here"),
        }
    }

    /// A value: a number, a text, a time or null.
    ///
    /// # Errors
    /// When it can be none.
    pub fn value(&self) -> Composed<Value> {
        Ok(match self {
            Given::Null => Value::Null,
            Given::Int(n) => Value::Number((*n).into()),
            Given::Bool(b) => Value::Number(i64::from(*b).into()),
            Given::Number(n) => Value::Number(*n),
            Given::Text(t) => read_stamp(t).map_or_else(|| Value::Text(t.clone()), Value::Time),
            Given::List(_) | Given::Object(_) => {
                return misfit("", "a number, a text, a time or null belongs here");
            }
        })
    }
}

/// Adds the bytes that decoding could not explain (`unknown`), if they stood where they would stand now: `data` begin at
/// byte `base` of the frame. What lies inside bytes that are there already must be the same.
///
/// # Errors
/// When they stood elsewhere, or are not given.
pub fn put_back(unknown: &Given, base: usize, data: &mut Vec<u8>) -> Composed<()> {
    for (n, part) in unknown.list()?.iter().enumerate() {
        let offset = within(n + 1, part.int("offset", 0xFFFF, None))? as usize;
        let bytes = within(n + 1, part.bytes("hex", None))?.unwrap_or_default();
        let at = offset.checked_sub(base);
        if at == Some(data.len()) && !bytes.is_empty() {
            data.extend(bytes);
        } else if at.and_then(|at| data.get(at..at + bytes.len())) != Some(&bytes[..]) {
            return misfit(
                &(n + 1).to_string(),
                "these bytes cannot be put back in their place: give all of them as `data` in hex",
            );
        }
    }
    Ok(())
}

/// A decimal number from its digits, `-12.50`; none where it is no such text or has more than 18 places.
pub fn read_decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if fraction.len() > 18 || !plain(fraction) || !plain(whole.strip_prefix('-').unwrap_or(whole)) {
        return None;
    }
    Some(Decimal::new(format!("{whole}{fraction}").parse().ok()?, fraction.len() as u8))
}

/// The inverse of a stamp's printed form; none where the text is no time.
pub fn read_stamp(text: &str) -> Option<Stamp> {
    let mut stamp = Stamp::default();
    if let Some(rest) = text.strip_prefix('d') {
        let (day, clock) = rest.split_once(' ').unwrap_or((rest, ""));
        stamp.day = Some(digits(day, 2)? as u8);
        if clock.len() == 2 {
            stamp.hour = Some(digits(clock, 2)? as u8);
        }
        return if clock.len() <= 2 { Some(stamp) } else { read_clock(clock, stamp) };
    }
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None if text.contains(':') => ("", Some(text)),
        None => (text, None),
    };
    let parts: Vec<&str> = if date.is_empty() { Vec::new() } else { date.split('-').collect() };
    let two = |t: &&str| digits(t, 2).map(|n| n as u8);
    match parts[..] {
        [] if clock.is_some() => {}
        [year, ref rest @ ..]
            if year.len() == 4 && rest.len() <= 2 && (!rest.is_empty() || clock.is_some()) =>
        {
            stamp.year = Some(digits(year, 4)?);
            stamp.month = rest.first().map(two).map_or(Some(None), |m| m.map(Some))?;
            stamp.day = rest.get(1).map(two).map_or(Some(None), |d| d.map(Some))?;
        }
        [month, day] if clock.is_some() => {
            stamp.month = Some(two(&month)?);
            stamp.day = Some(two(&day)?);
        }
        _ => return None,
    }
    match clock {
        Some(clock) => read_clock(clock, stamp),
        None => Some(stamp),
    }
}

fn read_clock(text: &str, mut stamp: Stamp) -> Option<Stamp> {
    let (clock, milli) = text.split_once('.').map_or((text, None), |(c, m)| (c, Some(m)));
    let parts: Option<Vec<u8>> = clock.split(':').map(|t| digits(t, 2).map(|n| n as u8)).collect();
    match parts?[..] {
        [hour, minute] => (stamp.hour, stamp.minute) = (Some(hour), Some(minute)),
        [hour, minute, second] => {
            (stamp.hour, stamp.minute, stamp.second) = (Some(hour), Some(minute), Some(second));
        }
        _ => return None,
    }
    stamp.milli = milli.map(|m| digits(m, 3)).map_or(Some(None), |m| m.map(Some))?;
    Some(stamp)
}

fn digits(text: &str, count: usize) -> Option<u16> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "2018", "000000000161", "12", "12-34", "2018-8-1", "1:2", "T", "dxx", "2018-08-28T", "a:b"]
        {
            assert_eq!(read_stamp(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(read_decimal("-12.50"), Some(Decimal::new(-1250, 2)));
        for text in ["", "-", "1e3", "1.2.3", "+1", "0x1", "1.-2"] {
            assert_eq!(read_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn errors_name_the_place_not_the_value() {
        let message = Given::Object(vec![("password".into(), Given::Text("hunter2".into()))]);
        let error = message.bytes("password", Some(4)).err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("password: 4 bytes in hex belong here"));
    }

    proptest! {
        #[test]
        fn printed_stamps_read_back(
            year in proptest::option::of(1000u16..9999), parts in any::<[u8; 5]>(), sent in 0u8..6
        ) {
            let [month, day, hour, minute, second] = parts.map(|p| p % 100);
            let mut stamp = Stamp { year, ..Stamp::default() };
            if sent > 0 || year.is_some() { stamp.month = Some(month); }
            if sent > 1 { stamp.day = Some(day); }
            if sent > 2 { stamp.hour = Some(hour); stamp.minute = Some(minute); }
            if sent > 3 { stamp.second = Some(second); }
            if sent > 4 { stamp.milli = Some(u16::from(day)); }
            if stamp.year.is_none() && stamp.day.is_none() { stamp.month = None; }
            if stamp.year.is_none() && stamp.hour.is_none() { stamp.month = None; }
            let text = stamp.to_string();
            if !text.is_empty() {
                prop_assert_eq!(read_stamp(&text), Some(stamp), "{}", text);
            }
        }
    }
}
