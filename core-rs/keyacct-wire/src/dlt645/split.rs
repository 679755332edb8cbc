//! Answers that go on in follow frames: B1H, then 92H / B2H with a sequence number behind the data (2007: clause 7.2).

use super::frame::FrameView;
use crate::assemble::{Key, Part, Place};
use crate::frame::{Direction, Frame};
use crate::protocol::Protocol;

/// Which part of a split answer a frame of the 2007 edition is. A plain answer 91H is none.
#[inline]
pub fn part_of(frame: &[u8]) -> Option<Part> {
    let view = FrameView::view(frame);
    let control = view.control();
    let first = control.function() == 0x11;
    if control.direction() == Direction::Down || control.is_abnormal() {
        return None;
    }
    if !(first && control.has_more() || control.function() == 0x12) {
        return None;
    }
    let plain = view.payload();
    let (di, data) = plain.split_at_checked(4)?;
    let subject = u64::from(u32::from_le_bytes(di.try_into().ok()?));
    let key = Key { protocol: Protocol::Dlt645_2007, device: view.address(), subject };
    let last = !control.has_more();
    if first {
        return Some(Part { key, place: Place::First(0), last, data: data.to_vec() });
    }
    let (number, data) = data.split_last()?;
    Some(Part { key, place: Place::Next(Some(u32::from(*number))), last, data: data.to_vec() })
}
