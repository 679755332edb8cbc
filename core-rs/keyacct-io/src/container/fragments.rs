//! IP datagrams that were sent in pieces (RFC 791 §3.2, RFC 8200 §4.5), put together in bounded memory.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Datagrams that may be open at a time; the oldest one gives way.
const MOST_OPEN: usize = 64;
/// No datagram is longer.
const MOST_BYTES: usize = 65_535;

/// Whose piece it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) id: u32,
}

/// Where a piece stands in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) key: Key,
    /// Its first byte, counted from the begin of the datagram's payload.
    pub(super) at: usize,
    /// More pieces follow behind it.
    pub(super) more: bool,
    /// Its bytes, as offsets in the packet.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Bytes of it that were on the wire but not captured.
    pub(super) missing: usize,
}

#[derive(Debug)]
struct Open {
    key: Key,
    pieces: BTreeMap<usize, Vec<u8>>,
    end: Option<usize>,
    count: u64,
    /// Offset in the file of the piece that came first.
    offset: u64,
}

/// A whole datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) payload: Vec<u8>,
    pub(super) pieces: u64,
    pub(super) offset: u64,
}

/// Datagrams of which pieces have come.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: VecDeque<Open>,
}

impl Fragments {
    /// Takes a piece whose first byte stands at `offset` in the file; gives the datagram that it completes.
    pub(super) fn take(&mut self, fragment: &Fragment, bytes: &[u8], offset: u64) -> Option<Whole> {
        let after = fragment.at + bytes.len();
        if fragment.missing > 0 || after > MOST_BYTES || (fragment.more && !bytes.len().is_multiple_of(8)) {
            return None;
        }
        let found = self.open.iter().position(|open| open.key == fragment.key);
        let at = found.unwrap_or_else(|| {
            if self.open.len() >= MOST_OPEN {
                self.open.pop_front();
            }
            let pieces = BTreeMap::new();
            self.open.push_back(Open { key: fragment.key, pieces, end: None, count: 0, offset });
            self.open.len() - 1
        });
        let open = self.open.get_mut(at)?;
        open.count += 1;
        if !fragment.more {
            open.end = Some(after);
        }
        // The first copy wins, as in TCP.
        open.pieces.entry(fragment.at).or_insert_with(|| bytes.to_vec());
        let payload = open.whole()?;
        let open = self.open.remove(at)?;
        Some(Whole { payload, pieces: open.count, offset: open.offset })
    }
}

impl Open {
    /// The payload, if no byte of it is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        let end = self.end?;
        let mut payload = Vec::new();
        for (at, bytes) in &self.pieces {
            let known = payload.len().checked_sub(*at)?;
            payload.extend_from_slice(bytes.get(known..).unwrap_or_default());
        }
        (payload.len() == end).then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(id: u32, at: usize, more: bool) -> Fragment {
        let host = IpAddr::from([10, 0, 0, 1]);
        let key = Key { source: host, destination: host, protocol: 17, id };
        Fragment { key, at, more, start: 0, end: 0, missing: 0 }
    }

    #[test]
    fn pieces_in_any_order_are_put_together_and_others_are_not() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.take(&piece(1, 16, false), &[3; 4], 300), None);
        assert_eq!(fragments.take(&piece(2, 0, true), &[9; 8], 50), None, "another datagram");
        assert_eq!(fragments.take(&piece(1, 0, true), &[1; 8], 100), None);
        assert_eq!(fragments.take(&piece(1, 0, true), &[7; 8], 110), None, "again: the first copy wins");
        let whole = fragments.take(&piece(1, 8, true), &[2; 8], 200);
        let payload = [[1; 8], [2; 8]].concat().into_iter().chain([3; 4]).collect();
        assert_eq!(whole, Some(Whole { payload, pieces: 4, offset: 300 }));
        assert_eq!(fragments.take(&piece(3, 65_528, false), &[0; 8], 0), None, "longer than any datagram");
        for id in 10..200 {
            fragments.take(&piece(id, 0, true), &[0; 8], 0);
        }
        assert_eq!(fragments.open.len(), MOST_OPEN);
    }
}
