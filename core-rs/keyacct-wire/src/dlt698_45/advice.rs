//! The likely cause when a line holds no valid frame.

use super::frame::FrameView;
use super::tree::Apdu;
use crate::error::Fault;
use crate::frame::Frame;
use crate::visit::Name;

const START: u8 = 0x68;
const END: u8 = 0x16;
const PLACEHOLDERS: [u16; 4] = [0x0000, 0xAAAA, 0xFFFF, 0xCCCC];

/// One sentence, or nothing when no cause is near.
pub fn advise(line: &[u8]) -> Option<Name> {
    if let Ok(apdu) = Apdu::parse(line) {
        let service = apdu.service.name;
        return Some(Name::new(
            format!("the bytes are an APDU without link frame ({service}): use --protocol dlt698.45-apdu"),
            format!("这是不带链路帧的 APDU ({service}): 请用 --protocol dlt698.45-apdu"),
        ));
    }
    let start = line.iter().position(|b| *b == 0x68)?;
    let frame = &line[start..];
    match FrameView::parse(frame).err()? {
        Fault::HeaderChecksum { found, computed } => {
            // Another long frame may begin with the same byte; only a frame that fits in all else is spoken of.
            let length = usize::from(u16::from_le_bytes([*frame.get(1)?, *frame.get(2)?])) + 2;
            if frame.get(length.checked_sub(1)?) != Some(&0x16) {
                return None;
            }
            let sent = found.to_le_bytes();
            let right = computed.to_le_bytes();
            let placeholder = PLACEHOLDERS.contains(&found);
            let (en, zh) = if placeholder {
                (" (the bytes sent are a placeholder)", " (报文中是占位字节)")
            } else {
                ("", "")
            };
            Some(Name::new(
                format!(
                    "the header checksum should be {:02X} {:02X}, not {:02X} {:02X}{en}",
                    right[0], right[1], sent[0], sent[1]
                ),
                format!(
                    "帧头校验应为 {:02X} {:02X}, 而不是 {:02X} {:02X}{zh}",
                    right[0], right[1], sent[0], sent[1]
                ),
            ))
        }
        Fault::Truncated { needed, found } if holds_header(frame) => Some(Name::new(
            format!("the end of the frame is missing: {} more bytes are needed", needed - found),
            format!("报文不完整: 还缺 {} 字节", needed - found),
        )),
        Fault::Length { found: sent } => {
            let end = frame.len() - 1;
            (frame[end] == 0x16 && sent != end - 1).then(|| {
                Name::new(
                    format!("the length field says {sent}, the frame up to its end byte has {}", end - 1),
                    format!("长度域为 {sent}, 到结束符为止实际为 {}", end - 1),
                )
            })
        }
        _ => None,
    }
}

/// Whether the header is there up to its check sequence, which is looked at before the length: 68 L L C AF SA CA HCS HCS.
fn holds_header(frame: &[u8]) -> bool {
    frame.get(4).is_some_and(|flag| frame.len() >= 5 + usize::from(flag & 0x0F) + 1 + 1 + 2)
}

/// Whether the bytes begin as a frame does: a length that fits them and a header whose check sequence is right, or an end
/// byte where the length puts it.
pub fn is_header(bytes: &[u8]) -> bool {
    let &[START, low, high, ..] = bytes else { return false };
    let length = usize::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    match FrameView::parse(bytes) {
        Ok(_) => true,
        Err(Fault::HeaderChecksum { .. }) => bytes.get(length + 1) == Some(&END),
        Err(Fault::Truncated { .. }) => holds_header(bytes),
        Err(Fault::Checksum { .. } | Fault::End { .. }) => true,
        Err(_) => false,
    }
}
