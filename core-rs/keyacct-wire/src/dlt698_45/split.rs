//! Split frames (2017, clause 6.2.7): an APDU that is longer than a frame comes in numbered blocks, each confirmed.

use super::frame::FrameView;
use crate::assemble::{Key, Part, Place};
use crate::frame::{Direction, Frame};
use crate::json::Json;
use crate::protocol::Protocol;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// The first one.
    First,
    /// The last one.
    Last,
    /// Confirms that a block has come; holds nothing.
    Confirm,
    /// One in between.
    Middle,
}

/// Header of a block: kind and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// What it is.
    pub kind: BlockKind,
    /// Its number, 12 bits.
    pub number: u16,
}

const KINDS: [(BlockKind, &str); 4] = [
    (BlockKind::First, "first"),
    (BlockKind::Last, "last"),
    (BlockKind::Confirm, "confirm"),
    (BlockKind::Middle, "middle"),
];

impl BlockKind {
    /// The published word.
    pub const fn as_str(self) -> &'static str {
        KINDS[self.code() as usize].1
    }

    const fn code(self) -> u16 {
        match self {
            BlockKind::First => 0,
            BlockKind::Last => 1,
            BlockKind::Confirm => 2,
            BlockKind::Middle => 3,
        }
    }
}

impl BlockHeader {
    /// Bytes of the header.
    pub const SIZE: usize = 2;

    /// The header and the part of the APDU behind it.
    pub fn parse(data: &[u8]) -> Option<(BlockHeader, &[u8])> {
        let (head, part) = data.split_at_checked(Self::SIZE)?;
        let word = u16::from_le_bytes([head[0], head[1]]);
        Some((BlockHeader { kind: KINDS[usize::from(word >> 14)].0, number: word & 0x0FFF }, part))
    }

    /// The bytes of the header.
    pub fn emit(self) -> [u8; 2] {
        ((self.kind.code() << 14) | (self.number & 0x0FFF)).to_le_bytes()
    }

    /// The header that confirms this block.
    pub const fn confirm(self) -> BlockHeader {
        BlockHeader { kind: BlockKind::Confirm, number: self.number }
    }

    /// The published form, with the part as hex.
    pub fn json(self, part: &[u8]) -> Json {
        Json::Object(vec![
            ("block", Json::Int(self.number.into())),
            ("kind", Json::from(self.kind.as_str())),
            ("payload", Json::Text(crate::format::hex(part.iter()))),
        ])
    }
}

/// Cuts an APDU into the data of split frames, at most `most` bytes of it in each (at least one). An APDU that fits is
/// sent in a frame without split bit and gives none.
pub fn split(apdu: &[u8], most: usize) -> Vec<Vec<u8>> {
    let most = most.max(1);
    if apdu.len() <= most {
        return Vec::new();
    }
    let count = apdu.len().div_ceil(most);
    let block = |(n, part): (usize, &[u8])| {
        let kind = match n {
            0 => BlockKind::First,
            n if n + 1 == count => BlockKind::Last,
            _ => BlockKind::Middle,
        };
        let mut data = BlockHeader { kind, number: n as u16 & 0x0FFF }.emit().to_vec();
        data.extend_from_slice(part);
        data
    };
    apdu.chunks(most).enumerate().map(block).collect()
}

/// Which part of a split APDU a frame is; none for a whole one and for the confirmation of a part.
pub fn part_of(frame: &[u8]) -> Option<Part> {
    let view = FrameView::view(frame);
    let control = view.control();
    if !control.is_split() {
        return None;
    }
    let payload = view.payload();
    let (header, part) = BlockHeader::parse(&payload)?;
    let number = u32::from(header.number);
    let place = match header.kind {
        BlockKind::Confirm => return None,
        BlockKind::First => Place::First(number),
        BlockKind::Middle | BlockKind::Last => Place::Next(Some(number)),
    };
    let up = control.direction() == Direction::Up;
    let subject = u64::from(view.client()) << 1 | u64::from(up);
    let key = Key { protocol: Protocol::Dlt698_45, device: view.address(), subject };
    Some(Part { key, place, last: header.kind == BlockKind::Last, data: part.to_vec() })
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test may fail loudly
mod tests {
    use super::super::frame::{Control, ServerAddress};
    use super::*;
    use crate::assemble::{Assembler, Taken};

    fn take(all: &mut Assembler, server: &str, data: &[u8]) -> Option<Vec<u8>> {
        let server = ServerAddress::single(server).expect("an address");
        let frame = FrameView::emit(Control::ANSWER.split(), &server, 0x10, data).expect("short");
        let part = part_of(&frame)?;
        match all.take(0, &frame, part) {
            Taken::Whole(joined) => Some(joined.data),
            _ => None,
        }
    }

    #[test]
    fn the_published_blocks_join() {
        // chitandahua/dlt698_rs, src/frame.rs: blocks 261, 262, 263 of one APDU, and the confirmation of 261
        let mut all = Assembler::default();
        assert_eq!(take(&mut all, "2", &[0x05, 0x01, 0x05, 0x01, 0x15]), None);
        assert_eq!(take(&mut all, "2", &[0x05, 0x81]), None);
        assert_eq!(take(&mut all, "2", &[0x06, 0xC1, 0xF1, 0x01, 0x02]), None);
        let apdu = take(&mut all, "2", &[0x07, 0x41, 0x00, 0x00]);
        assert_eq!(apdu, Some(vec![0x05, 0x01, 0x15, 0xF1, 0x01, 0x02, 0x00, 0x00]));
    }

    #[test]
    fn what_is_split_joins_again_whatever_else_is_under_way() {
        let apdu: Vec<u8> = (0..200).collect();
        let mut all = Assembler::default();
        let blocks = split(&apdu, 64);
        assert_eq!(blocks.len(), 4);
        let mut joined = None;
        for block in &blocks {
            take(&mut all, "3", &blocks[0]);
            joined = joined.or(take(&mut all, "2", block));
            take(&mut all, "2", block); // sent again: the confirmation was lost
        }
        assert_eq!(joined, Some(apdu.clone()));
        assert!(split(&apdu, 200).is_empty());
    }

    #[test]
    fn a_gap_or_a_flood_ends_what_was_begun() {
        let blocks = split(&[7; 100], 10);
        let mut all = Assembler::default();
        for (n, block) in blocks.iter().enumerate() {
            if n != 4 {
                assert_eq!(take(&mut all, "2", block), None);
            }
        }
        for n in 0..100 {
            take(&mut all, &n.to_string(), &blocks[0]);
        }
        assert_eq!((all.open(), all.incomplete()), (100, 1));
    }
}
