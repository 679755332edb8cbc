//! Split frames (2017, clause 6.2.7): an APDU that is longer than a frame comes in numbered blocks, each confirmed.

use crate::frame::{Address, Direction};
use crate::json::Json;

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

/// Who speaks to whom; blocks of different ones never join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Server address.
    pub server: Address,
    /// Client address.
    pub client: u8,
    /// Who sends.
    pub direction: Direction,
}

#[derive(Debug)]
struct Open {
    who: Conversation,
    next: u16,
    blocks: u16,
    apdu: Vec<u8>,
}

/// Joins blocks in order. Memory is bounded: the oldest conversation gives way, an APDU that grows too long is dropped.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Vec<Open>,
}

impl Assembler {
    /// Conversations that may be open at once.
    pub const CONVERSATIONS: usize = 32;
    /// Blocks of one APDU.
    pub const BLOCKS: u16 = 64;
    /// Bytes of one APDU.
    pub const LONGEST: usize = 1 << 16;

    /// Takes a block; the whole APDU when it was the last one. A block out of order ends what was begun; a block that is
    /// sent again is passed over.
    pub fn push(&mut self, who: Conversation, header: BlockHeader, part: &[u8]) -> Option<Vec<u8>> {
        let at = self.open.iter().position(|o| o.who == who);
        match header.kind {
            BlockKind::Confirm => None,
            BlockKind::First => {
                if let Some(at) = at {
                    self.open.remove(at);
                }
                if self.open.len() >= Self::CONVERSATIONS {
                    self.open.remove(0);
                }
                let next = (header.number + 1) & 0x0FFF;
                self.open.push(Open { who, next, blocks: 1, apdu: part.to_vec() });
                None
            }
            BlockKind::Middle | BlockKind::Last => {
                let at = at?;
                let open = &mut self.open[at];
                if (header.number + 1) & 0x0FFF == open.next && header.kind == BlockKind::Middle {
                    return None;
                }
                let fits = open.blocks < Self::BLOCKS && open.apdu.len() + part.len() <= Self::LONGEST;
                if header.number != open.next || !fits {
                    self.open.remove(at);
                    return None;
                }
                open.apdu.extend_from_slice(part);
                open.next = (header.number + 1) & 0x0FFF;
                open.blocks += 1;
                (header.kind == BlockKind::Last).then(|| self.open.remove(at).apdu)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)] // a test may fail loudly
mod tests {
    use super::*;

    fn who(server: &str) -> Conversation {
        Conversation { server: Address::from(server), client: 0x10, direction: Direction::Up }
    }

    fn push(all: &mut Assembler, server: &str, data: &[u8]) -> Option<Vec<u8>> {
        let (header, part) = BlockHeader::parse(data).expect("a header");
        all.push(who(server), header, part)
    }

    #[test]
    fn the_published_blocks_join() {
        // chitandahua/dlt698_rs, src/frame.rs: blocks 261, 262, 263 of one APDU, and the confirmation of 261
        let mut all = Assembler::default();
        assert_eq!(push(&mut all, "2", &[0x05, 0x01, 0x05, 0x01, 0x15]), None);
        assert_eq!(push(&mut all, "2", &[0x05, 0x81]), None);
        assert_eq!(push(&mut all, "2", &[0x06, 0xC1, 0xF1, 0x01, 0x02]), None);
        let apdu = push(&mut all, "2", &[0x07, 0x41, 0x00, 0x00]);
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
            push(&mut all, "3", &blocks[0]);
            joined = joined.or(push(&mut all, "2", block));
            push(&mut all, "2", block); // sent again: the confirmation was lost
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
                assert_eq!(push(&mut all, "2", block), None);
            }
        }
        for n in 0..100 {
            push(&mut all, &n.to_string(), &blocks[0]);
        }
        assert_eq!(all.open.len(), Assembler::CONVERSATIONS);
        let mut all = Assembler::default();
        for block in split(&[7; 100], 1) {
            assert_eq!(push(&mut all, "2", &block), None);
        }
        assert!(all.open.is_empty());
    }
}
