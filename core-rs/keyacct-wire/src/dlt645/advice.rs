//! The likely cause when a line holds no valid frame: the mistakes that people and gateways make.

use crate::checksum::sum8;
use crate::visit::Name;

const START: u8 = 0x68;
const END: u8 = 0x16;
const OFFSET: u8 = 0x33;
const HEADER: usize = 10;

/// One sentence, or nothing when no cause is near.
pub fn advise(line: &[u8]) -> Option<Name> {
    let Some(start) = (0..line.len()).find(|n| line[*n] == START && line.get(n + 7) == Some(&START)) else {
        return no_start(line);
    };
    let frame = &line[start..];
    let length = usize::from(*frame.get(9)?);
    if frame.len() < HEADER + length + 2 {
        return Some(other_length(frame, length).unwrap_or_else(|| {
            let missing = HEADER + length + 2 - frame.len();
            Name::new(
                format!("the end of the frame is missing: {missing} more bytes are needed"),
                format!("报文不完整: 还缺 {missing} 字节"),
            )
        }));
    }
    let (body, trailer) = frame.split_at(HEADER + length);
    let plain = body[HEADER..].iter().fold(0u8, |sum, b| sum.wrapping_add(b.wrapping_add(OFFSET)));
    if trailer[1] == END && sum8(&body[..HEADER]).wrapping_add(plain) == trailer[0] && length > 0 {
        return Some(Name::new(
            "the checksum is right if 33H is added to each data byte: the offset has been removed already",
            "若每个数据字节加 33H 则校验正确: 数据域的 33H 已被去掉",
        ));
    }
    other_length(frame, length)
}

/// Another length that makes checksum and end byte right.
fn other_length(frame: &[u8], stated: usize) -> Option<Name> {
    let mut sum = sum8(frame.get(..HEADER)?);
    for at in HEADER..frame.len().saturating_sub(1) {
        let fits = at - HEADER;
        // The sum was made with the length that is there, or with the right one, which was changed later.
        let with_right = sum.wrapping_sub(frame[HEADER - 1]).wrapping_add(fits as u8);
        if frame[at + 1] == END && fits != stated && (frame[at] == sum || frame[at] == with_right) {
            return Some(Name::new(
                format!(
                    "checksum and end byte are right for {fits} data bytes, the length field says {stated}"
                ),
                format!("按 {fits} 个数据字节计算时校验和结束符正确, 长度域却为 {stated}"),
            ));
        }
        sum = sum.wrapping_add(frame[at]);
    }
    None
}

fn no_start(line: &[u8]) -> Option<Name> {
    let first = line.iter().position(|b| *b == START)?;
    let second = (first + 1..line.len().min(first + 14)).find(|n| line[*n] == START)?;
    if crate::gdw1376_1::is_header(&line[first..]) || crate::gdw1376_1::advise(line).is_some() {
        return None; // a terminal's frame
    }
    let digits = second - first - 1;
    Some(Name::new(
        format!("there are {digits} address bytes between the two 68H, a DL/T 645 address has 6"),
        format!("两个 68H 之间有 {digits} 个地址字节, DL/T 645 地址应为 6 字节"),
    ))
}
