//! Whether a frame is the answer to another one.

use super::frame::FrameView;
use crate::frame::{Direction, Frame};
use crate::protocol::Protocol;

/// Stands for any two digits of an address.
const WILDCARD: u8 = 0xAA;
/// The address of all meters, which none answers.
const BROADCAST: [u8; 6] = [0x99; 6];

/// Whether a reply answers a request: the function, the meter (AA in the request is any), and of reads the identifier
/// and the number of a follow frame; of changes what is echoed. An abnormal answer to the function says why not. None
/// where one of them is no frame.
pub fn answers(protocol: Protocol, request: &[u8], reply: &[u8]) -> Option<bool> {
    let asked = FrameView::parse(request).ok()?;
    let said = FrameView::parse(reply).ok()?;
    let newer = protocol == Protocol::Dlt645_2007;
    let (ask, say) = (asked.control(), said.control());
    let is_answer = ask.direction() == Direction::Down
        && say.direction() == Direction::Up
        && ask.0 & 0x60 == 0
        && ask.function() == say.function()
        && ask.function() != 0x08
        && asked.address_bytes() != BROADCAST;
    let pairs = asked.address_bytes().iter().zip(said.address_bytes());
    let same_device = pairs.into_iter().all(|(ask, say)| *ask == WILDCARD || ask == say);
    if !is_answer || !same_device {
        return Some(false);
    }
    let (wanted, given) = (asked.payload(), said.payload());
    if say.is_abnormal() {
        // The byte that says why; the edition of 1997 says it in one byte too.
        return Some(!given.is_empty());
    }
    let identifier = if newer { 4 } else { 2 };
    let same_identifier = || {
        let wanted = wanted.get(..identifier);
        wanted.is_some() && wanted == given.get(..identifier)
    };
    let reads = matches!((ask.function(), newer), (0x11 | 0x12, true) | (0x01..=0x03, false));
    if say.has_more() && !reads {
        return Some(false);
    }
    Some(match (ask.function(), newer) {
        (0x11, true) | (0x01 | 0x02, false) => same_identifier(),
        (0x12, true) => same_identifier() && wanted.get(4..5) == last(&given),
        // What is read again is the frame before: the request names nothing.
        (0x03, false) => given.len() >= identifier && (wanted.is_empty() || same_identifier()),
        (0x03, true) => same_identifier(),
        (0x13, true) => given.len() == 6 && given.as_ref() == said.address_bytes(),
        // The rate that is taken, and the new password.
        (0x17, true) | (0x0C, false) => given.is_empty() || given == wanted,
        (0x18, true) | (0x0F, false) => given.is_empty() || wanted.ends_with(&given),
        _ => true,
    })
}

/// The last byte, the number of a follow frame, if it is not one of the identifier.
fn last(given: &[u8]) -> Option<&[u8]> {
    (given.len() > 4).then(|| &given[given.len() - 1..])
}
