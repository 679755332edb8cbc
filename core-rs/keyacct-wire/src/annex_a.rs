//! Data formats of Q/GDW 1376.1 annex A that no printed spelling can say, and the spelling of all others.

use keyacct_model::{Decimal, Quality, Value};

use crate::format::{bcd, not_digits, to_bcd};

/// The spelling of formats A.1 to A.27. `A5R` is A.5 read as a ratio (power factor), `A3Y` is A.3 in yuan.
pub fn spelling(name: &str) -> Option<&'static str> {
    Some(match name {
        "A1" => "YYwMDDhhmmss",
        "A4" => "SXX",
        "A5" => "SXXX.X",
        "A5R" => "SX.XXX",
        "A6" => "SXX.XX",
        "A7" => "XXX.X",
        "A8" => "XXXX",
        "A9" => "SXX.XXXX",
        "A10" => "XXXXXX",
        "A11" => "XXXXXX.XX",
        "A12" => "BCD6",
        "A13" => "XXXX.XXXX",
        "A14" => "XXXXXX.XXXX",
        "A15" => "YYMMDDhhmm",
        "A16" => "DDhhmmss",
        "A17" => "MMDDhhmm",
        "A18" => "DDhhmm",
        "A19" => "hhmm",
        "A20" => "YYMMDD",
        "A21" => "YYMM",
        "A22" => "X.X",
        "A23" => "XX.XXXX",
        "A24" => "DDhh",
        "A25" => "SXXX.XXX",
        "A26" => "X.XXX",
        "A27" => "XXXXXXXX",
        _ => return None,
    })
}

/// A.2: three digits, sign in D4 and power of ten in D7-D5 of the high byte: 0 is 10^4 … 4 is 1 … 7 is 10^-3.
pub fn read_power10(bytes: &[u8]) -> (Value, Quality) {
    let [low, high] = *bytes else { return (Value::Null, Quality::INVALID_DIGIT) };
    let (Some(pair), Some(top), false) = (bcd(low), bcd(high & 0x0F), matches!(bytes, [0xEE, _] | [_, 0xEE]))
    else {
        return (Value::Null, not_digits(bytes));
    };
    if crate::format::is_no_data(bytes) {
        return (Value::Null, Quality::NO_DATA);
    }
    let digits = i64::from(top) * 100 + i64::from(pair);
    let digits = if high & 0x10 != 0 { -digits } else { digits };
    let number = match high >> 5 {
        power @ 0..=4 => Decimal::new(digits * 10i64.pow(u32::from(4 - power)), 0),
        power => Decimal::new(digits, power - 4),
    };
    (Value::Number(number), Quality::GOOD)
}

/// The bytes of A.2 with as many places as the number has; none when it has more than three significant digits.
pub fn write_power10(number: Decimal, out: &mut Vec<u8>) -> Option<()> {
    let (mut digits, mut power) = (number.digits, 4 + i32::from(number.scale));
    while digits.unsigned_abs() > 999 || power > 7 {
        if digits % 10 != 0 {
            return None;
        }
        (digits, power) = (digits / 10, power - 1);
    }
    let power = u8::try_from(power).ok()?;
    let sign = if digits < 0 { 0x10 } else { 0 };
    let digits = digits.unsigned_abs();
    out.extend([to_bcd((digits % 100) as u8), power << 5 | sign | (digits / 100) as u8]);
    Some(())
}

/// A.3: seven digits, sign in D4 and "thousands" in D6 of the high byte.
pub fn read_thousands(bytes: &[u8], scale: u8) -> (Value, Quality) {
    let [low @ .., high] = bytes else { return (Value::Null, Quality::INVALID_DIGIT) };
    if crate::format::is_no_data(bytes) || bytes.contains(&0xEE) {
        return (Value::Null, Quality::NO_DATA);
    }
    let digits = low
        .iter()
        .rev()
        .try_fold(i64::from(high & 0x0F), |sum, byte| Some(sum * 100 + i64::from(bcd(*byte)?)));
    let (Some(digits), true) = (digits, high & 0x0F < 10) else {
        return (Value::Null, Quality::INVALID_DIGIT);
    };
    let digits = if high & 0x10 != 0 { -digits } else { digits };
    let number = match (high & 0x40 != 0, scale) {
        (false, scale) => Decimal::new(digits, scale),
        (true, 3) => Decimal::new(digits, 0),
        (true, scale) => Decimal::new(digits * 1000, scale),
    };
    (Value::Number(number), Quality::GOOD)
}

/// The bytes of A.3; thousands only when the seven digits are not enough (or when yuan have no decimals).
pub fn write_thousands(number: Decimal, scale: u8, out: &mut Vec<u8>) -> Option<()> {
    let plain = crate::format::rescale(number, scale)?;
    let yuan = scale == 3 && number.scale == 0;
    let (digits, flag) = match plain {
        _ if yuan => (number.digits, 0x40),
        n if n.unsigned_abs() < 10_000_000 => (n, 0),
        n if n % 1000 == 0 => (n / 1000, 0x40),
        _ => return None,
    };
    let sign = if digits < 0 { 0x10 } else { 0 };
    let mut left = digits.unsigned_abs();
    for _ in 0..3 {
        out.push(to_bcd((left % 100) as u8));
        left /= 100;
    }
    if left > 9 {
        return None;
    }
    out.push(flag | sign | left as u8);
    Some(())
}

/// The points and functions of a data unit identifier: `P0 F3`, `P1,2 F25`, `P* F25` for all valid points.
pub fn read_identifier(bytes: &[u8]) -> (Value, Quality) {
    let [da1, da2, dt1, dt2] = *bytes else { return (Value::Null, Quality::INVALID_DIGIT) };
    let list = |mask: u8, first: u32| -> String {
        let numbers = (0..8).filter(|bit| mask >> bit & 1 == 1).map(|bit| (first + bit).to_string());
        numbers.collect::<Vec<_>>().join(",")
    };
    let points = match (da1, da2) {
        (0, 0) => "0".to_owned(),
        (0xFF, 0) => "*".to_owned(),
        (0, _) | (_, 0) => return (Value::Null, Quality::INVALID_DIGIT),
        (mask, group) => list(mask, (u32::from(group) - 1) * 8 + 1),
    };
    if dt1 == 0 {
        return (Value::Null, Quality::INVALID_DIGIT);
    }
    (Value::Text(format!("P{points} F{}", list(dt1, u32::from(dt2) * 8 + 1))), Quality::GOOD)
}

/// The identifier of points and functions that share a group of eight, from `P1,2 F25`.
pub fn write_identifier(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (points, functions) = text.strip_prefix('P')?.split_once(" F")?;
    let group = |list: &str| {
        let mut mask = 0u8;
        let mut group = None;
        for number in list.split(',') {
            let number = number.parse::<u32>().ok()?.checked_sub(1)?;
            if *group.get_or_insert(number / 8) != number / 8 {
                return None;
            }
            mask |= 1 << (number % 8);
        }
        Some((mask, u8::try_from(group?).ok()?))
    };
    match points {
        "0" => out.extend([0, 0]),
        "*" => out.extend([0xFF, 0]),
        list => {
            let (mask, number) = group(list)?;
            out.extend([mask, number.checked_add(1)?]);
        }
    }
    let (mask, number) = group(functions)?;
    out.extend([mask, number]);
    Some(())
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)] // a test may fail loudly
mod tests {
    use super::*;

    #[test]
    fn a2_spans_seven_powers_of_ten() {
        // 0 is 10^4 and 7 is 10^-3, the sign is D4 of the high byte.
        for (bytes, text) in [
            ([0x23, 0x81], "123"),
            ([0x23, 0x01], "1230000"),
            ([0x23, 0xE1], "0.123"),
            ([0x23, 0xB1], "-12.3"),
            ([0x00, 0x80], "0"),
        ] {
            let (Value::Number(number), Quality::GOOD) = read_power10(&bytes) else { panic!("{bytes:02X?}") };
            assert_eq!(number.to_string(), text);
        }
        assert_eq!(read_power10(&[0xEE, 0xEE]), (Value::Null, Quality::NO_DATA));
        assert_eq!(read_power10(&[0x2A, 0x01]), (Value::Null, Quality::INVALID_DIGIT));
    }

    #[test]
    fn a3_has_a_flag_for_thousands() {
        for (bytes, scale, text) in [
            ([0x67, 0x45, 0x23, 0x01], 0, "1234567"),
            ([0x67, 0x45, 0x23, 0x41], 0, "1234567000"),
            ([0x67, 0x45, 0x23, 0x11], 0, "-1234567"),
            ([0x67, 0x45, 0x23, 0x01], 3, "1234.567"),
            ([0x67, 0x45, 0x23, 0x41], 3, "1234567"),
        ] {
            let (Value::Number(number), Quality::GOOD) = read_thousands(&bytes, scale) else {
                panic!("{bytes:02X?}")
            };
            assert_eq!(number.to_string(), text);
            let mut out = Vec::new();
            write_thousands(number, scale, &mut out).expect("a value that was read");
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn identifiers_are_masks() {
        // F25 = 01 03, F161 = 01 14, F8 = 80 00, F16 = 80 01; points count from 1 in groups of eight.
        for (bytes, text) in [
            ([0, 0, 0x04, 0x00], "P0 F3"),
            ([0x01, 0x01, 0x01, 0x03], "P1 F25"),
            ([0x03, 0x02, 0x01, 0x14], "P9,10 F161"),
            ([0x01, 0x01, 0x80, 0x00], "P1 F8"),
            ([0xFF, 0x00, 0x80, 0x01], "P* F16"),
        ] {
            assert_eq!(read_identifier(&bytes), (Value::Text(text.into()), Quality::GOOD));
            let mut out = Vec::new();
            write_identifier(text, &mut out).expect("a text that was read");
            assert_eq!(out, bytes);
        }
        assert_eq!(read_identifier(&[1, 0, 1, 0]).0, Value::Null);
    }
}
