//! Hex text to bytes, as people and logs write it.

/// The bytes of a run of hex digits without any separator; none for an odd count or another character.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// The value of a hex digit.
pub const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The bytes of one line: spaces, commas, `0x`, a trailing `H`, case and `#` comments do not matter.
///
/// # Errors
/// The column (from 1) and the character that is no hex digit; the length of the line for a half byte at its end.
pub fn decode_line(line: &str) -> Result<Vec<u8>, (usize, Option<char>)> {
    let line = line.split('#').next().unwrap_or("");
    let mut bytes = Vec::with_capacity(line.len() / 2);
    let mut half: Option<u8> = None;
    let mut column = 0;
    for word in line.split_inclusive(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-')) {
        let mut begin = column;
        column += word.chars().count();
        let mut bare =
            word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-'));
        if let Some(rest) = bare.strip_prefix("0x").or_else(|| bare.strip_prefix("0X")) {
            bare = rest;
            begin += 2;
        } else if bare.len() == 3
            && let Some(rest) = bare.strip_suffix(['H', 'h'])
        {
            bare = rest;
        }
        if bare.len() == 1 && half.is_none() && bare.bytes().all(|b| digit(b).is_some()) {
            bytes.extend(bare.bytes().filter_map(digit)); // a word of one digit is a byte: "1 2 FE"
            continue;
        }
        let mut chars = bare.chars().enumerate().peekable();
        while let Some((n, c)) = chars.next() {
            if c == '0' && half.is_none() && matches!(chars.peek(), Some((_, 'x' | 'X'))) {
                chars.next(); // "0x680x12"
                continue;
            }
            let value = u8::try_from(c).ok().and_then(digit).ok_or((begin + n + 1, Some(c)))?;
            match half.take() {
                Some(high) => bytes.push(high << 4 | value),
                None => half = Some(value),
            }
        }
    }
    if half.is_some() { Err((line.trim_end().chars().count(), None)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_prefixes_case_and_comments_do_not_matter() {
        for line in
            ["68aa16", "68 AA 16", "0x68, 0xAA,0x16", "68H AAH 16H", " 68-aa:16 # end", "0x680xAA0x16"]
        {
            assert_eq!(decode_line(line), Ok(vec![0x68, 0xAA, 0x16]), "{line}");
        }
        assert_eq!(decode_line("1 2 FE"), Ok(vec![1, 2, 0xFE]));
        assert_eq!(decode_line("# nothing"), Ok(vec![]));
    }

    #[test]
    fn a_wrong_character_is_named_with_its_column() {
        assert_eq!(decode_line("68 AG"), Err((5, Some('G'))));
        assert_eq!(decode_line("68 A"), Ok(vec![0x68, 0x0A]));
        assert_eq!(decode_line("68A"), Err((3, None)));
    }
}
