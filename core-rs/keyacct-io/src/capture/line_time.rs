//! The time of a line of a text log, in the ways in which tools write it.

use keyacct_model::Stamp;

use super::source::Written;

/// The time of a line and what is left of it. A time that does not stand at the beginning has its date or its seconds.
pub(super) fn time_in(text: &[u8]) -> (Option<Written>, &[u8]) {
    let found = leading_time(text);
    if found.0.is_some() {
        return found;
    }
    if let Some(found) = epoch_time(text) {
        return found;
    }
    let most = text.len().min(80);
    for at in 1..most {
        let begins = text[at].is_ascii_digit()
            && !text[at - 1].is_ascii_alphanumeric()
            && !matches!(text[at - 1], b'.' | b':' | b'-');
        if begins && text[at..].iter().take(16).any(|byte| *byte == b':') {
            let rest = &text[at..];
            let (written, left) = leading_time(rest);
            let whole =
                matches!(written, Some(Written::Line(stamp)) if stamp.has_date() || stamp.second.is_some());
            // Pairs of hex with colons are no time: those go on with a further colon.
            if whole && left.first() != Some(&b':') {
                return (written, left);
            }
        }
    }
    (None, text)
}

/// Seconds since 1970 with a fraction, `(1436509052.249713)`, or milliseconds, `1436509052249`.
fn epoch_time(text: &[u8]) -> Option<(Option<Written>, &[u8])> {
    let bare = text.strip_prefix(b"(").or(text.strip_prefix(b"[")).unwrap_or(text);
    let digits = bare.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = |digits: &[u8]| digits.iter().fold(0i64, |n, byte| n * 10 + i64::from(byte - b'0'));
    let (ms, used) = match digits {
        10 if bare.get(10) == Some(&b'.') => {
            let fraction = bare[11..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let three: Vec<u8> = bare[11..11 + fraction].iter().chain(b"000").take(3).copied().collect();
            (number(&bare[..10]) * 1000 + number(&three), 11 + fraction)
        }
        13 if bare.get(13).is_none_or(|byte| !byte.is_ascii_hexdigit()) => (number(&bare[..13]), 13),
        _ => return None,
    };
    let rest = bare[used..].strip_prefix(b")").or(bare[used..].strip_prefix(b"]")).unwrap_or(&bare[used..]);
    // 2000 to 2099.
    (946_684_800_000..4_102_444_800_000).contains(&ms).then_some((Some(Written::Received(ms)), rest))
}

/// A time at the beginning, perhaps in brackets: `2018-06-06 10:38:15,123`, `2018/6/6T10:38`, `15:44:29.5`,
/// `2018年06月06日 10时38分15秒`. Of `06/07/2018` nobody knows which is the month: only the time of day is taken.
fn leading_time(text: &[u8]) -> (Option<Written>, &[u8]) {
    let mut words = Words { text, at: 0 };
    words.skip(|b| matches!(b, b'[' | b'(' | b' ' | b'<' | b'>'));
    let start = words.at;
    let mut stamp = Stamp::default();
    if let Some((year, month, day)) = words.date() {
        stamp.year = Some(year);
        stamp.month = Some(month);
        stamp.day = Some(day);
        words.skip(|b| matches!(b, b' ' | b'T' | b'\t' | b'_' | b']' | b'['));
    } else {
        words.other_date();
    }
    let dated = words.at > start;
    let clock = words.at;
    if !words.clock(&mut stamp) {
        words.at = clock;
        if !dated {
            return (None, text);
        }
    }
    if let [b':', next, ..] = text[words.at..]
        && next.is_ascii_hexdigit()
    {
        return (None, text); // pairs of hex, joined by colons
    }
    words.skip(|b| matches!(b, b']' | b')' | b' ' | b'\t' | b':' | b','));
    let valid = stamp.is_valid() && stamp.hour.is_some();
    (valid.then_some(Written::Line(stamp)), if valid { &text[words.at..] } else { text })
}

/// 年 月 日 时 分 秒 in UTF-8 and in GBK.
const YEAR: &[&[u8]] = &["年".as_bytes(), b"\xC4\xEA"];
const MONTH: &[&[u8]] = &["月".as_bytes(), b"\xD4\xC2"];
const DAY: &[&[u8]] = &["日".as_bytes(), b"\xC8\xD5"];
const HOUR: &[&[u8]] = &["时".as_bytes(), b"\xCA\xB1"];
const MINUTE: &[&[u8]] = &["分".as_bytes(), b"\xB7\xD6"];
const SECOND: &[&[u8]] = &["秒".as_bytes(), b"\xC3\xEB"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Words<'t> {
    text: &'t [u8],
    at: usize,
}

impl Words<'_> {
    fn skip(&mut self, which: impl Fn(u8) -> bool) {
        while self.text.get(self.at).is_some_and(|b| which(*b)) {
            self.at += 1;
        }
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u16> {
        let digits = self.text[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if !(least..=most).contains(&digits) {
            return None;
        }
        let value =
            self.text[self.at..self.at + digits].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        self.at += digits;
        u16::try_from(value).ok()
    }

    fn eat(&mut self, which: &[u8]) -> bool {
        let found = self.text.get(self.at).is_some_and(|b| which.contains(b));
        self.at += usize::from(found);
        found
    }

    fn date(&mut self) -> Option<(u16, u8, u8)> {
        let start = self.at;
        let found = (|| {
            let year = self.number(4, 4).filter(|y| (1970..2100).contains(y))?;
            if self.eat_one(YEAR) {
                let month = self.number(1, 2)? as u8;
                let day = self.eat_one(MONTH).then(|| self.number(1, 2)).flatten()? as u8;
                return self.eat_one(DAY).then_some((year, month, day));
            }
            if !self.eat(b"-/.") {
                return None;
            }
            let month = self.number(1, 2)? as u8;
            let day = self.eat(b"-/.").then(|| self.number(1, 2)).flatten()? as u8;
            Some((year, month, day))
        })();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    /// Passes over a date whose month is not certain (`06/07/2018`), or that has no year (`Jun  6`).
    fn other_date(&mut self) {
        let start = self.at;
        let numbers = (|| {
            self.number(1, 2)?;
            self.eat(b"/.-").then_some(())?;
            self.number(1, 2)?;
            self.eat(b"/.-").then_some(())?;
            self.number(4, 4)
        })();
        let mut found = numbers.is_some();
        if !found {
            self.at = start;
            let name = self.text[start..].get(..3).unwrap_or_default();
            if MONTHS.iter().any(|month| month.as_bytes().eq_ignore_ascii_case(name)) {
                self.at += 3;
                self.skip(|b| b == b' ');
                found = self.number(1, 2).is_some();
            }
        }
        if found {
            self.skip(|b| matches!(b, b' ' | b'\t' | b'T' | b','));
        } else {
            self.at = start;
        }
    }

    /// Passes over one of these.
    fn eat_one(&mut self, which: &[&[u8]]) -> bool {
        let found = which.iter().find(|one| self.text[self.at..].starts_with(one));
        self.at += found.map_or(0, |one| one.len());
        found.is_some()
    }

    fn clock(&mut self, stamp: &mut Stamp) -> bool {
        let mut take = || {
            let hour = self.number(1, 2)?;
            if self.eat_one(HOUR) {
                let minute = self.number(1, 2)?;
                let second = self.eat_one(MINUTE).then(|| self.number(1, 2)).flatten().map(|n| n as u8);
                self.eat_one(SECOND);
                return Some((hour as u8, minute as u8, second, None));
            }
            if !self.eat(b":") {
                return None;
            }
            let minute = self.number(2, 2)?;
            let mut second = None;
            let mut milli = None;
            if self.text.get(self.at) == Some(&b':')
                && self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit)
            {
                self.at += 1;
                second = Some(self.number(2, 2)? as u8);
                if self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit) && self.eat(b".,:") {
                    let from = self.at;
                    self.skip(|b| b.is_ascii_digit());
                    let digits = &self.text[from..self.at];
                    let three = digits.iter().chain(b"000").take(3);
                    milli = Some(three.fold(0u16, |n, b| n * 10 + u16::from(b - b'0')));
                }
            }
            Some((hour as u8, minute as u8, second, milli))
        };
        let Some((mut hour, minute, second, milli)) = take() else { return false };
        let half = self.text[self.at..].strip_prefix(b" ").unwrap_or_default().get(..2).unwrap_or_default();
        let (am, pm) = (half.eq_ignore_ascii_case(b"AM"), half.eq_ignore_ascii_case(b"PM"));
        if (am || pm) && hour <= 12 {
            hour = hour % 12 + if pm { 12 } else { 0 };
            self.at += 3;
        }
        stamp.hour = Some(hour);
        stamp.minute = Some(minute);
        stamp.second = second;
        stamp.milli = milli;
        true
    }
}
