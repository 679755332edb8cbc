//! What a file is, from its first bytes.

/// What a container holds, gzip around it already taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Readable text: most likely a log with hex in it.
    Text,
    /// Anything else: the bytes themselves are the stream.
    Binary,
    /// A libpcap file, any byte order, micro- or nanoseconds.
    Pcap,
    /// A pcapng file.
    Pcapng,
}

/// Bytes that are enough for [`sniff`].
pub(super) const SNIFF_BYTES: usize = 8 << 10;

/// First two bytes of gzip (RFC 1952 §2.3.1).
pub(super) const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Third byte of gzip: the only compression method there is.
const DEFLATE: u8 = 8;

pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&GZIP) && head.get(2).is_none_or(|&method| method == DEFLATE)
}

/// Name of a compressed or archive format that is recognised but not read.
pub(super) fn foreign(head: &[u8]) -> Option<&'static str> {
    const MAGICS: [(&[u8], &str); 7] = [
        (b"PK\x03\x04", "zip"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
        (b"\xFD7zXZ\x00", "xz"),
        (b"BZh", "bzip2"),
        (b"7z\xBC\xAF\x27\x1C", "7-zip"),
        (b"Rar!\x1A\x07", "rar"),
        (b"\x04\x22\x4D\x18", "lz4"),
    ];
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, name)| name)
}

/// The kind of a file that begins with `head`.
pub(super) fn sniff(head: &[u8]) -> Kind {
    match head.get(..4) {
        Some([0xA1, 0xB2, 0xC3, 0xD4] | [0xD4, 0xC3, 0xB2, 0xA1]) => Kind::Pcap,
        Some([0xA1, 0xB2, 0x3C, 0x4D] | [0x4D, 0x3C, 0xB2, 0xA1]) => Kind::Pcap,
        Some([0xA1, 0xB2, 0xCD, 0x34] | [0x34, 0xCD, 0xB2, 0xA1]) => Kind::Pcap,
        Some([0x0A, 0x0D, 0x0D, 0x0A]) => Kind::Pcapng,
        _ if is_text(head) => Kind::Text,
        _ => Kind::Binary,
    }
}

/// Text has no control characters but those of layout, and its high bytes are those of UTF-8 or of GB 18030, with
/// plain ASCII in the majority (a log is digits and hex). UTF-16 is known by its mark. A meter frame ends in 16H,
/// which no text holds.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return is_utf16(head);
    }
    if is_unmarked_utf16(head) {
        return true;
    }
    let body = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let control = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B)) || *b == 0x7F;
    if body.iter().any(control) {
        return false;
    }
    // A log has lines, or is one run of hex: 8 KiB of letters alone are bytes that happen to be letters (68H is `h`).
    let hex = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b' ' | b',' | b'-' | b':' | b'x');
    let has_lines = body.iter().any(|b| matches!(b, b'\n' | b'\r'));
    if head.len() >= SNIFF_BYTES && !has_lines && body.iter().filter(hex).count() * 2 < body.len() {
        return false;
    }
    let plain = body.iter().filter(|b| b.is_ascii()).count();
    if plain == body.len() {
        return true;
    }
    let utf8 = match std::str::from_utf8(body) {
        Ok(_) => true,
        // A character cut by the end of the head is no fault.
        Err(e) => e.error_len().is_none() && head.len() >= SNIFF_BYTES - 3,
    };
    utf8 || (plain * 2 >= body.len() && is_gb18030(body))
}

fn is_gb18030(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some((&lead, tail)) = rest.split_first() {
        if lead < 0x80 {
            rest = tail;
            continue;
        }
        let sound = (0x81..=0xFE).contains(&lead);
        match tail.split_first() {
            None => return sound,
            // Four-byte characters are two pairs of this kind.
            Some((&trail, tail)) if sound && (0x30..=0xFE).contains(&trail) && trail != 0x7F => rest = tail,
            Some(_) => return false,
        }
    }
    true
}

/// UTF-16 without its mark: a NUL beside every printable character.
fn is_unmarked_utf16(head: &[u8]) -> bool {
    let printable = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E);
    let pairs = head.chunks_exact(2);
    head.len() >= 8
        && (pairs.clone().all(|pair| pair[1] == 0 && printable(pair[0]))
            || pairs.clone().all(|pair| pair[0] == 0 && printable(pair[1])))
}

fn is_utf16(head: &[u8]) -> bool {
    let little = head.starts_with(&[0xFF, 0xFE]);
    let units = head[2..].chunks_exact(2);
    let order = |pair: &[u8]| if little { [pair[1], pair[0]] } else { [pair[0], pair[1]] };
    let plain =
        units.clone().filter(|pair| matches!(order(pair), [0, b'\t' | b'\n' | b'\r' | 0x20..=0x7E])).count();
    plain * 2 > units.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let utf16: Vec<u8> = "\u{feff}TX 68 11".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(&[u8], Kind); 13] = [
            (b"\xD4\xC3\xB2\xA1\x02\x00", Kind::Pcap),
            (b"\xA1\xB2\xC3\xD4\x00\x02", Kind::Pcap),
            (b"\x4D\x3C\xB2\xA1\x02\x00", Kind::Pcap),
            (b"\xA1\xB2\x3C\x4D\x00\x02", Kind::Pcap),
            (b"\x34\xCD\xB2\xA1\x02\x00", Kind::Pcap),
            (b"\x0A\x0D\x0D\x0A\x1C\x00", Kind::Pcapng),
            (b"10:00:01 TX 68 11 22 16\r\n", Kind::Text),
            ("发送 68 11 22 33 44 55 66 68 11 04 16\n".as_bytes(), Kind::Text),
            (b"\xB7\xA2\xCB\xCD 68 11 22 33 44 55 66 68\n", Kind::Text),
            (&utf16, Kind::Text),
            (
                b"\xFE\xFE\xFE\xFE\x68\x11\x11\x11\x11\x11\x11\x68\x11\x04\x33\x33\x34\x33\xAE\x16",
                Kind::Binary,
            ),
            (b"\xFF\xFE\x68\x11\x00\x16", Kind::Binary),
            (b"\x68\xA1\xFF\xA1\x68", Kind::Binary),
        ];
        for (head, kind) in cases {
            assert_eq!(sniff(head), kind, "{head:02X?}");
        }
    }

    #[test]
    fn letters_without_lines_are_bytes() {
        assert_eq!(sniff(&[0x68; SNIFF_BYTES]), Kind::Binary);
        assert_eq!(sniff(&b"68AA16".repeat(SNIFF_BYTES / 6 + 1)), Kind::Text);
        assert_eq!(sniff(&b"port opened\n".repeat(SNIFF_BYTES / 12 + 1)), Kind::Text);
    }

    #[test]
    fn compressed_formats_are_told_apart() {
        assert!(is_gzip(b"\x1F\x8B\x08\x00"));
        assert!(!is_gzip(b"\x1F\x8B\x07\x00"), "no such method: raw bytes that look alike");
        assert_eq!(foreign(b"PK\x03\x04...."), Some("zip"));
        assert_eq!(foreign(b"\x28\xB5\x2F\xFD"), Some("zstd"));
        assert_eq!(foreign(b"\x68\x11"), None);
    }
}
