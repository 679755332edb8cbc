//! The likely cause when a line holds no valid frame: what senders and people get wrong.

use crate::checksum::sum8;
use crate::visit::Name;

/// Two start bytes around both copies of L.
const HEADER: usize = 6;
const TRAILER: usize = 2;
const END: u8 = 0x16;

/// One sentence, or nothing when no cause is near.
pub fn advise(line: &[u8]) -> Option<Name> {
    let Some(start) = line.windows(HEADER).position(is_header) else { return other_copy(line) };
    let frame = &line[start..];
    let stated = usize::from(u16::from_le_bytes([frame[1], frame[2]]) >> 2);
    let (body, trailer) = frame.split_at(frame.len().checked_sub(TRAILER).filter(|at| *at >= HEADER)?);
    let whole = trailer[1] == END && sum8(&body[HEADER..]) == trailer[0];
    let (found, needed) = (frame.len(), HEADER + stated + TRAILER);
    if whole && body.len() - HEADER != stated {
        let fits = body.len() - HEADER;
        return Some(Name::new(
            format!(
                "checksum and end byte are right for {fits} bytes from the control byte on, the length says {stated}"
            ),
            format!("按控制域起 {fits} 字节计算时校验和结束符正确, 长度域却为 {stated}"),
        ));
    }
    (found < needed).then(|| {
        let missing = needed - found;
        Name::new(
            format!("the end of the frame is missing: {missing} more bytes are needed"),
            format!("报文不完整: 还缺 {missing} 字节"),
        )
    })
}

/// Two copies of the length that differ, around a body whose checksum is right.
fn other_copy(line: &[u8]) -> Option<Name> {
    let start = line.windows(HEADER).position(|w| w[0] == 0x68 && w[5] == 0x68 && w[1..3] != w[3..5])?;
    let frame = &line[start..];
    let copies = [1, 3].map(|at| usize::from(u16::from_le_bytes([frame[at], frame[at + 1]]) >> 2));
    let (body, trailer) = frame.split_at(frame.len().checked_sub(TRAILER).filter(|at| *at >= HEADER)?);
    let fits = body.len() - HEADER;
    (trailer[1] == END && sum8(&body[HEADER..]) == trailer[0]).then(|| {
        let [first, second] = copies;
        Name::new(
            format!("the two copies of the length differ: {first} and {second}; checksum and end byte are right for {fits}"),
            format!("两个长度域不一致: {first} 和 {second}; 按 {fits} 字节计算时校验和结束符正确"),
        )
    })
}

/// Whether the bytes begin as a frame does.
pub fn is_header(bytes: &[u8]) -> bool {
    matches!(*bytes, [0x68, a, b, c, d, 0x68, ..] if (a, b) == (c, d) && a & 3 != 0)
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test may fail loudly
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_not_that_of_the_frame_is_named() {
        // A captured login (corpus gs011) whose L says 18 bytes instead of 12.
        let line = crate::hex::decode("684A004A0068C90521B2A100027900000100BE16").expect("hex");
        let told = advise(&line).expect("advice").en;
        assert_eq!(
            told,
            "checksum and end byte are right for 12 bytes from the control byte on, the length says 18"
        );
        let cut = advise(&line[..18]).expect("advice").en;
        assert_eq!(cut, "the end of the frame is missing: 8 more bytes are needed");
        assert_eq!(advise(&[0x68; 40]).map(|name| name.en), None);
    }
}
