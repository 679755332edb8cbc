//! One line of a text log: its time, its direction, its bytes.

use super::line_time::time_in;
use super::source::{Side, Written};

/// What a line says beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) written: Option<Written>,
    pub(super) side: Option<Side>,
    /// Number of the conversation: the identifier of a CAN frame, else 0.
    pub(super) stream: u64,
}

/// Reads a line; its bytes go to `bytes`, none where there is no hex.
pub(super) fn parse_line(raw: &[u8], bytes: &mut Vec<u8>) -> Line {
    bytes.clear();
    let raw = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    if let Some(line) = can_frame(raw, bytes) {
        return line;
    }
    let plain = without_c_comments(raw);
    let text = comment_free(&plain).trim_ascii();
    let (written, rest) = time_in(text);
    // socat writes `> 2020/01/02 …` and `<`.
    let side = match text {
        [b'>', b' ', ..] => Some(Side::Sent),
        [b'<', b' ', ..] => Some(Side::Received),
        _ => side_of(rest),
    };
    // What stands before the brace of a C array is its name and size.
    let data = match rest.iter().position(|byte| *byte == b'{') {
        Some(at) if rest.contains(&b'[') && !rest[..at].contains(&b'"') => &rest[at + 1..],
        _ => rest,
    };
    longest_hex(data, bytes);
    Line { written, side, stream: 0 }
}

/// `(1436509052.249713) can0 123#68AA16`, `can0  123   [8]  68 AA 16`: the bytes of one identifier are one conversation.
fn can_frame(raw: &[u8], bytes: &mut Vec<u8>) -> Option<Line> {
    let text = std::str::from_utf8(raw).ok()?;
    let (written, rest) = time_in(text.trim().as_bytes());
    let mut words = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let device = words.next()?.trim_start_matches(['v', 's', 'l']);
    if !device.strip_prefix("can")?.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let frame = words.next()?;
    let (identifier, data) = match frame.split_once('#') {
        Some((identifier, data)) => (identifier, data.to_owned()),
        None => {
            words.next().filter(|count| count.starts_with('[') && count.ends_with(']'))?;
            (frame, words.take_while(|word| word.len() == 2).collect())
        }
    };
    let stream = u64::from_str_radix(identifier, 16).ok().filter(|_| matches!(identifier.len(), 3 | 8))?;
    *bytes = keyacct_wire::hex::decode(&data)?;
    Some(Line { written, side: None, stream: stream + 1 })
}

/// A line without `/* … */`.
fn without_c_comments(raw: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let find = |from: usize, what: &[u8]| raw[from..].windows(2).position(|w| w == what).map(|at| from + at);
    let Some(mut open) = find(0, b"/*") else { return raw.into() };
    let mut plain = raw[..open].to_vec();
    loop {
        plain.push(b' ');
        let Some(close) = find(open + 2, b"*/") else { return plain.into() };
        match find(close + 2, b"/*") {
            Some(next) => {
                plain.extend_from_slice(&raw[close + 2..next]);
                open = next;
            }
            None => {
                plain.extend_from_slice(&raw[close + 2..]);
                return plain.into();
            }
        }
    }
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

/// Signs of direction, in the order in which they are looked for; Chinese ones in UTF-8 and in GBK, as Windows tools
/// write them.
const SIGNS: &[(&[u8], Side)] = &[
    (b"<<", Side::Received),
    (b">>", Side::Sent),
    (b"<-", Side::Received),
    (b"->", Side::Sent),
    (b"<=", Side::Received),
    (b"=>", Side::Sent),
    ("←".as_bytes(), Side::Received),
    ("→".as_bytes(), Side::Sent),
    ("上行".as_bytes(), Side::Received),
    ("下行".as_bytes(), Side::Sent),
    ("应答".as_bytes(), Side::Received),
    ("响应".as_bytes(), Side::Received),
    ("请求".as_bytes(), Side::Sent),
    ("收".as_bytes(), Side::Received),
    ("发".as_bytes(), Side::Sent),
    (b"\xC9\xCF\xD0\xD0", Side::Received),
    (b"\xCF\xC2\xD0\xD0", Side::Sent),
    (b"\xD3\xA6\xB4\xF0", Side::Received),
    (b"\xCF\xEC\xD3\xA6", Side::Received),
    (b"\xC7\xEB\xC7\xF3", Side::Sent),
    (b"\xCA\xD5", Side::Received),
    (b"\xB7\xA2", Side::Sent),
];

const RECEIVED: &[&str] = &[
    "RX", "RXD", "RECV", "RCV", "RCVD", "RECEIVE", "RECEIVED", "RECIEVED", "READ", "IN", "INCOMING", "RSP",
    "RESP", "RESPONSE", "REPLY", "ANSWER", "UPLINK",
];
const SENT: &[&str] = &[
    "TX", "TXD", "SEND", "SENT", "WRITE", "WRITTEN", "OUT", "OUTGOING", "REQ", "REQUEST", "QUERY", "DOWNLINK",
];

/// The direction that a line names: a sign or a single letter in front, a word, a sign.
fn side_of(text: &[u8]) -> Option<Side> {
    let text = text.trim_ascii_start();
    match text {
        [b'T' | b'S' | b't' | b's', b':' | b' ' | b'>' | b'-', ..] => return Some(Side::Sent),
        [b'R' | b'r', b':' | b' ' | b'<' | b'-', ..] => return Some(Side::Received),
        _ => {}
    }
    let is_in =
        |words: &[&str], word: &[u8]| words.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(word));
    let words = text.split(|b| !b.is_ascii_alphanumeric() && *b < 0x80).flat_map(|word| {
        // A sign in Chinese may touch the word, and COM3RX nothing.
        word.split(|b| *b >= 0x80)
    });
    let word = words.filter(|word| word.len() > 1).find_map(|word| {
        if is_in(RECEIVED, word) { Some(Side::Received) } else { is_in(SENT, word).then_some(Side::Sent) }
    });
    let sign = || {
        let at = |sign: &[u8]| text.windows(sign.len()).position(|w| w == sign);
        let plain = text.is_ascii();
        let signs = SIGNS.iter().filter(|(sign, _)| !plain || sign.is_ascii());
        signs.filter_map(|(sign, side)| Some((at(sign)?, *side))).min_by_key(|(at, _)| *at)
    };
    word.or_else(|| sign().map(|(_, side)| side))
}

/// Words behind which a number is a count, no byte.
const COUNTS: &[&str] = &[
    "len", "length", "size", "count", "bytes", "from", "to", "port", "baud", "no", "number", "packet",
    "frame", "seq", "ack", "win", "id", "time", "ttl",
];

/// Bytes that may stand in a sentence by chance.
const FEW: usize = 2;

/// The bytes of the longest run of hex words.
fn longest_hex(text: &[u8], bytes: &mut Vec<u8>) {
    let mut run = Vec::new();
    let separator = |b: &u8| {
        matches!(
            b,
            b' ' | b'\t'
                | b','
                | b'\r'
                | b'\n'
                | b'|'
                | b'['
                | b']'
                | b'<'
                | b'>'
                | b'='
                | b'"'
                | b'\''
                | b'{'
                | b'}'
                | b';'
                | b'`'
        )
    };
    let mut others = 0;
    let mut skip = false;
    let escaped: Vec<u8>;
    let text = if text.windows(2).any(|w| w == b"\\x") {
        escaped = String::from_utf8_lossy(text).replace("\\x", " ").into_bytes();
        &escaped
    } else {
        text
    };
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
        let counted = std::mem::take(&mut skip);
        let name = word.strip_suffix(b":").unwrap_or(word);
        skip = COUNTS.iter().any(|count| count.as_bytes().eq_ignore_ascii_case(name));
        let pairs = bare.split(joined).filter(|p| !p.is_empty());
        let whole = !bare.is_empty()
            && !counted
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
            others += 1;
            keep(&mut run);
        }
    }
    keep(&mut run);
    if bytes.len() <= FEW && others > FEW {
        bytes.clear(); // a number in a sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (String, Side, Vec<u8>) {
        let mut bytes = Vec::new();
        let line = parse_line(text.as_bytes(), &mut bytes);
        let written = match line.written {
            Some(Written::Line(stamp)) => stamp.to_string(),
            Some(Written::Received(ms)) => ms.to_string(),
            None => String::new(),
        };
        (written, line.side.unwrap_or(Side::Unknown), bytes)
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
            ("2018年06月06日 10时38分15秒 发送: 68 AA 16", "2018-06-06T10:38:15", Sent),
            ("06/07/2018 10:38:15 PM Read data 68 AA 16", "22:38:15", Received),
            ("Jun  6 10:38:15 host fep[12]: recv 68AA16", "10:38:15", Received),
            (
                "INFO  [main] 2018-06-06 10:38:15,123 c.x.Link - 上行报文:68AA16",
                "2018-06-06T10:38:15.123",
                Received,
            ),
            ("下行 68AA16", "", Sent),
            ("1436509052.249713 TX 68AA16", "1436509052249", Sent),
            ("1436509052249 RX 68 AA 16", "1436509052249", Received),
            ("(1436509052.249713) vcan0 123#68AA16", "1436509052249", Unknown),
            ("  can0  123   [3]  68 AA 16", "", Unknown),
            ("b'\\x68\\xaa\\x16'", "", Unknown),
            ("{\"dir\": \"rx\", \"hex\": \"68aa16\"}", "", Received),
            ("unsigned char pkt1[60] = { 0x68, 0xaa, 0x16 /* h.. */ };", "", Unknown),
            ("IRP_MJ_WRITE  Length 03: 68 AA 16", "", Sent),
            ("< 2020/01/02 10:00:01.123456  68 aa 16", "2020-01-02T10:00:01.123", Received),
        ] {
            assert_eq!(line(text), (time.to_owned(), side, vec![0x68, 0xAA, 0x16]), "{text}");
        }
    }

    #[test]
    fn lines_without_hex_give_nothing() {
        for text in [
            "",
            "# 68 AA",
            "; comment 68",
            "port opened",
            "TX 685E..512 bytes..9616",
            "> 2020/01/02 10:00:01.123456  length=20 from=0 to=19",
            "Frame 1: 54 bytes on wire (432 bits), 54 bytes captured",
        ] {
            assert_eq!(line(text).2, Vec::<u8>::new(), "{text}");
        }
    }
}
