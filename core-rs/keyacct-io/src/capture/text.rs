//! Text logs: a line is a time (or none), a direction (or none) and hex, in whatever layout the tool wrote.
//!
//! ```text
//! 2018-06-06 10:38:15.123 TX 68 AA …        15:44:29 RX 68…        [10:00:01]发→◇68 …        >> 0x68,0xAA
//! ```
//! The longest run of hex words of a line is its bytes; `#` and `//` begin a comment. A line without hex is passed over.

use std::io::BufRead;

use keyacct_model::{Error, ErrorCode, Result, Stamp};

use super::source::{Chunk, Side, Source, Step, Written};
use crate::container::error_of;

const LONGEST_LINE: usize = 16 << 20;

/// A text log that is read line by line.
pub struct TextLog<R> {
    reader: R,
    name: String,
    raw: Vec<u8>,
    bytes: Vec<u8>,
    line: u64,
    offset: u64,
    with_bytes: u64,
}

impl<R: BufRead> TextLog<R> {
    /// A log; `name` is the file as the caller named it.
    pub fn new(reader: R, name: &str) -> Self {
        TextLog {
            reader,
            name: name.to_owned(),
            raw: Vec::new(),
            bytes: Vec::new(),
            line: 0,
            offset: 0,
            with_bytes: 0,
        }
    }
}

impl<R: BufRead> Source for TextLog<R> {
    fn next_step(&mut self) -> Result<Option<Step<'_>>> {
        loop {
            self.raw.clear();
            let count =
                read_line(&mut self.reader, &mut self.raw).map_err(|e| error_of(e).in_file(&self.name))?;
            if count == 0 {
                if self.with_bytes == 0 {
                    return Err(Error::new(ErrorCode::InputFormat, "there is no hex in this file")
                        .in_file(&self.name)
                        .hint("a text log holds lines of hex, with or without time and direction"));
                }
                return Ok(None);
            }
            self.line += 1;
            let offset = self.offset;
            self.offset += count as u64;
            let line = self.line;
            let place = |e: Error| e.in_file(&self.name).at(|p| p.line = Some(line));
            if count > LONGEST_LINE {
                let what = format!("the line is longer than {} MiB", LONGEST_LINE >> 20);
                return Err(place(Error::new(ErrorCode::InputLimit, what))
                    .hint("this is no text log; write one chunk of bytes a line"));
            }
            if self.raw.contains(&0) {
                return Err(place(Error::new(
                    ErrorCode::InputFormat,
                    "this is no text log: it holds NUL bytes",
                ))
                .hint("a text log holds lines of hex, with or without time and direction"));
            }
            let (written, side) = parse_line(&self.raw, &mut self.bytes);
            if self.bytes.is_empty() {
                continue;
            }
            self.with_bytes += 1;
            let lane = match side {
                Side::Sent => 0,
                Side::Received => 1,
                Side::Unknown => 2,
            };
            return Ok(Some(Step::Bytes(Chunk {
                stream: 0,
                lane,
                side,
                written,
                line: self.line,
                offset: Some(offset),
                gap: false,
                bytes: &self.bytes,
            })));
        }
    }
}

/// One line with its end; stops one byte behind the longest line that is taken.
fn read_line(reader: &mut impl BufRead, to: &mut Vec<u8>) -> std::io::Result<usize> {
    loop {
        let ready = reader.fill_buf()?;
        if ready.is_empty() {
            return Ok(to.len());
        }
        let (used, whole) = match ready.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (ready.len(), false),
        };
        to.extend_from_slice(&ready[..used]);
        reader.consume(used);
        if whole || to.len() > LONGEST_LINE {
            return Ok(to.len());
        }
    }
}

/// Time and direction of a line; its bytes go to `bytes`.
fn parse_line(raw: &[u8], bytes: &mut Vec<u8>) -> (Option<Written>, Side) {
    bytes.clear();
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    let text = comment_free(raw).trim_ascii();
    let (written, rest) = leading_time(text);
    let side = side_of(rest);
    longest_hex(rest, bytes);
    (written, side)
}

fn comment_free(raw: &[u8]) -> &[u8] {
    let end = raw.iter().position(|b| *b == b'#').unwrap_or(raw.len());
    let slashes = raw.windows(2).position(|w| w == b"//").unwrap_or(raw.len());
    let raw = &raw[..end.min(slashes)];
    if raw.trim_ascii_start().starts_with(b";") || raw.trim_ascii_start().starts_with(b"--") {
        &[]
    } else {
        raw
    }
}

/// A time at the beginning, perhaps in brackets: `2018-06-06 10:38:15,123`, `2018/6/6T10:38`, `15:44:29.5`.
fn leading_time(text: &[u8]) -> (Option<Written>, &[u8]) {
    let mut words = Words { text, at: 0 };
    words.skip(|b| matches!(b, b'[' | b'(' | b' '));
    let start = words.at;
    let mut stamp = Stamp::default();
    if let Some((year, month, day)) = words.date() {
        stamp.year = Some(year);
        stamp.month = Some(month);
        stamp.day = Some(day);
        words.skip(|b| matches!(b, b' ' | b'T' | b'\t' | b'_'));
    }
    let dated = words.at > start;
    let clock = words.at;
    if !words.clock(&mut stamp) {
        words.at = clock;
        if !dated {
            return (None, text);
        }
    }
    words.skip(|b| matches!(b, b']' | b')' | b' ' | b'\t' | b':' | b','));
    let valid = stamp.is_valid() && stamp.hour.is_some();
    (valid.then_some(Written::Line(stamp)), if valid { &text[words.at..] } else { text })
}

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
            let split = self.eat(b"-/.");
            if !split {
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

    fn clock(&mut self, stamp: &mut Stamp) -> bool {
        let mut take = || {
            let hour = self.number(1, 2)?;
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
        let Some((hour, minute, second, milli)) = take() else { return false };
        stamp.hour = Some(hour);
        stamp.minute = Some(minute);
        stamp.second = second;
        stamp.milli = milli;
        true
    }
}

/// Signs of direction, in the order in which they are looked for. 发 and 收 also in GBK, as Windows tools write them.
const SIGNS: &[(&[u8], Side)] = &[
    (b"<<", Side::Received),
    (b">>", Side::Sent),
    (b"<-", Side::Received),
    (b"->", Side::Sent),
    (b"<=", Side::Received),
    (b"=>", Side::Sent),
    ("←".as_bytes(), Side::Received),
    ("→".as_bytes(), Side::Sent),
    ("接收".as_bytes(), Side::Received),
    ("发送".as_bytes(), Side::Sent),
    ("收".as_bytes(), Side::Received),
    ("发".as_bytes(), Side::Sent),
    (b"\xCA\xD5", Side::Received),
    (b"\xB7\xA2", Side::Sent),
];

const WORDS: &[(&str, Side)] = &[
    ("RX", Side::Received),
    ("RXD", Side::Received),
    ("RECV", Side::Received),
    ("RECEIVE", Side::Received),
    ("RECEIVED", Side::Received),
    ("READ", Side::Received),
    ("IN", Side::Received),
    ("R", Side::Received),
    ("TX", Side::Sent),
    ("TXD", Side::Sent),
    ("SEND", Side::Sent),
    ("SENT", Side::Sent),
    ("WRITE", Side::Sent),
    ("OUT", Side::Sent),
    ("S", Side::Sent),
    ("T", Side::Sent),
];

fn side_of(text: &[u8]) -> Side {
    let word =
        text.split(|b| !b.is_ascii_alphanumeric() && *b < 0x80).filter(|w| !w.is_empty()).find_map(|word| {
            let found = WORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
            found.map(|(_, side)| *side)
        });
    let sign = || {
        let at = |sign: &[u8]| text.windows(sign.len()).position(|w| w == sign);
        SIGNS.iter().filter_map(|(sign, side)| Some((at(sign)?, *side))).min_by_key(|(at, _)| *at)
    };
    word.or_else(|| sign().map(|(_, side)| side)).unwrap_or(Side::Unknown)
}

/// The bytes of the longest run of hex words.
fn longest_hex(text: &[u8], bytes: &mut Vec<u8>) {
    let mut run = Vec::new();
    let separator =
        |b: &u8| matches!(b, b' ' | b'\t' | b',' | b'\r' | b'\n' | b'|' | b'[' | b']' | b'<' | b'>' | b'=');
    let mut keep = |run: &mut Vec<u8>| {
        if run.len() > bytes.len() {
            std::mem::swap(run, bytes);
        }
        run.clear();
    };
    for word in text.split(|b| separator(b) || *b >= 0x80).filter(|w| !w.is_empty()) {
        let bare = word.strip_prefix(b"0x").or_else(|| word.strip_prefix(b"0X")).unwrap_or(word);
        let bare = if bare.len() == 3 {
            bare.strip_suffix(b"H").or(bare.strip_suffix(b"h")).unwrap_or(bare)
        } else {
            bare
        };
        // Pairs may be joined ("68-AA-16", "68:AA:16"); another colon ends a label ("data:68AA").
        let joined = |b: &u8| matches!(b, b'-' | b':');
        let is_joined = bare.contains(&b':') && bare.split(joined).all(|p| p.len() == 2);
        let bare = if is_joined { bare } else { bare.rsplit(|b| *b == b':').next().unwrap_or(bare) };
        let length = run.len();
        let pairs = bare.split(joined).filter(|p| !p.is_empty());
        let whole = !bare.is_empty()
            && pairs.clone().all(|p| p.len().is_multiple_of(2) && p.iter().all(u8::is_ascii_hexdigit));
        if whole {
            for pair in pairs.flat_map(|p| p.chunks_exact(2)) {
                if let (Some(high), Some(low)) =
                    (keyacct_wire::hex::digit(pair[0]), keyacct_wire::hex::digit(pair[1]))
                {
                    run.push((high << 4) | low);
                }
            }
        }
        if run.len() == length {
            keep(&mut run);
        }
    }
    keep(&mut run);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (String, Side, Vec<u8>) {
        let mut bytes = Vec::new();
        let (written, side) = parse_line(text.as_bytes(), &mut bytes);
        let written = match written {
            Some(Written::Line(stamp)) => stamp.to_string(),
            _ => String::new(),
        };
        (written, side, bytes)
    }

    #[test]
    fn the_usual_layouts_are_read() {
        use Side::{Received, Sent, Unknown};
        for (text, time, side) in [
            ("2014-11-28 10:38:15 TX 68 AA 16", "2014-11-28T10:38:15", Sent),
            ("2010-03-10 11:39:45,156 RX 68AA16", "2010-03-10T11:39:45.156", Received),
            ("15:44:29 RX 68 AA 16  # 481 ms", "15:44:29", Received),
            ("[10:00:01.5]发→◇68 AA 16 □", "10:00:01.500", Sent),
            ("[2020/1/2 10:00:01] [Recv] 68 aa 16", "2020-01-02T10:00:01", Received),
            (">> 0x68,0xAA,0x16", "", Sent),
            ("RX 68:AA:16", "", Received),
            ("<- 68-AA-16", "", Received),
            ("COM3 len=3 data:68AA16", "", Unknown),
            ("68 AA 16 // end", "", Unknown),
            ("R: 68H AAH 16H", "", Received),
        ] {
            assert_eq!(line(text), (time.to_owned(), side, vec![0x68, 0xAA, 0x16]), "{text}");
        }
    }

    #[test]
    fn lines_without_hex_give_nothing() {
        for text in ["", "# 68 AA", "; comment 68", "port opened", "TX 685E..512 bytes..9616"] {
            assert_eq!(line(text).2, Vec::<u8>::new(), "{text}");
        }
    }
}
