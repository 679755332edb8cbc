//! Of which sort a byte stream is, where nobody says: a meter's or terminal's, or Modbus.
//!
//! The protocols whose frames begin with 68H tell themselves apart, frame by frame, by header and checksum; they may
//! share a line, so none is ever locked out. Modbus has no start byte: looked for everywhere, one of 65 536 noise bytes
//! would begin a frame. It is taken up only when it is **proved**: a piece as the capture has it (a line of a log, a
//! packet) is Modbus frames from its first byte to its last, or the first kilobytes of a stream are. A stream that has
//! been proved to hold RTU is searched for RTU *and* for 68H from there on, since such lines are shared; one with MBAP
//! headers is Modbus TCP to its end.

use keyacct_wire::{Deframer, Event, Expect, Protocol};

use super::source::{Chunk, Written};

/// Bytes of a stream after which it is no longer undecided.
const MOST_HELD: usize = 8 << 10;
/// Longest piece that is looked at as a whole; a Modbus frame has at most 260 bytes.
const MOST_PIECE: usize = 2 << 10;

/// A chunk that waits.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) written: Option<Written>,
    pub(super) line: u64,
    pub(super) offset: Option<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    /// What a chunk says of its bytes.
    pub(super) fn without_bytes(chunk: &Chunk<'_>) -> Piece {
        Piece { written: chunk.written, line: chunk.line, offset: chunk.offset, bytes: Vec::new() }
    }
}

/// What to do next with a stream.
#[derive(Debug)]
pub(super) enum Known {
    /// Look for these frames from here on.
    Expect(Expect),
    /// Take what has waited.
    Piece(Piece),
    /// Take the chunk in hand.
    Here,
}

/// Finds out of which sort a stream is.
#[derive(Debug)]
pub(super) enum Sort {
    /// Told by the caller, or Modbus TCP.
    Settled,
    /// No frame yet: the pieces so far.
    Open(Vec<Piece>, Box<Deframer>),
    /// 68H frames have been found; RTU may still join them.
    Meters,
}

impl Sort {
    pub(super) fn new(expect: Expect) -> Sort {
        match expect {
            Expect::Auto => Sort::Open(Vec::new(), Box::new(Deframer::new(Expect::Auto))),
            _ => Sort::Settled,
        }
    }

    /// Takes a chunk; `held` is how much of a frame is begun.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>, held: usize) -> Vec<Known> {
        match self {
            Sort::Settled => vec![Known::Here],
            Sort::Meters => {
                let joined =
                    held == 0 && !holds_start(chunk.bytes) && proof(chunk.bytes) == Some(Protocol::ModbusRtu);
                if joined {
                    *self = Sort::Settled;
                    return vec![Known::Expect(Expect::AutoRtu), Known::Here];
                }
                vec![Known::Here]
            }
            Sort::Open(pieces, trial) => {
                let mut piece = Piece::without_bytes(chunk);
                piece.bytes = chunk.bytes.to_vec();
                pieces.push(piece);
                let mut found = false;
                trial.push(chunk.bytes, |event| found |= matches!(event, Event::Frame { .. }));
                let total: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
                if found {
                    return self.decide(None);
                }
                let proved = proof(chunk.bytes).or_else(|| {
                    // As a stream only when it has doubled: the work stays in proportion to its length.
                    let grown =
                        total.is_power_of_two() || total - chunk.bytes.len() < total.next_power_of_two() / 2;
                    (pieces.len() > 1 && grown).then(|| stream_proof(pieces)).flatten()
                });
                match proved {
                    Some(protocol) => self.decide(Some(protocol)),
                    None if total >= MOST_HELD => {
                        let protocol = stream_proof(pieces);
                        self.decide(protocol)
                    }
                    None => Vec::new(),
                }
            }
        }
    }

    /// The stream has ended.
    pub(super) fn end(&mut self) -> Vec<Known> {
        let Sort::Open(pieces, _) = self else { return Vec::new() };
        let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        let protocol = proof(&all).or_else(|| stream_proof(pieces));
        self.decide(protocol)
    }

    fn decide(&mut self, protocol: Option<Protocol>) -> Vec<Known> {
        let (expect, next) = match protocol {
            Some(Protocol::ModbusRtu) => (Some(Expect::AutoRtu), Sort::Settled),
            Some(protocol) => (Some(Expect::Only(protocol)), Sort::Settled),
            None => (None, Sort::Meters),
        };
        let Sort::Open(pieces, _) = std::mem::replace(self, next) else { return Vec::new() };
        expect.map(Known::Expect).into_iter().chain(pieces.into_iter().map(Known::Piece)).collect()
    }
}

/// What to look for in a stream that lies in memory.
pub(super) fn of_bytes(bytes: &[u8], expect: Expect) -> Expect {
    let head = &bytes[..bytes.len().min(MOST_HELD)];
    if expect != Expect::Auto || head.is_empty() || Deframer::first_frame(expect, head).is_some() {
        return expect;
    }
    let piece = Piece { written: None, line: 0, offset: None, bytes: head.to_vec() };
    match proof(bytes).or_else(|| stream_proof(&[piece])) {
        Some(Protocol::ModbusRtu) => Expect::AutoRtu,
        Some(protocol) => Expect::Only(protocol),
        None => expect,
    }
}

fn holds_start(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| *byte == 0x68)
}

/// The Modbus that a piece is from its first byte to its last.
fn proof(bytes: &[u8]) -> Option<Protocol> {
    if bytes.len() < 4 || bytes.len() > MOST_PIECE {
        return None;
    }
    [Protocol::ModbusRtu, Protocol::ModbusTcp].into_iter().find(|protocol| {
        let mut noise = false;
        let mut frames = 0;
        Deframer::new(Expect::Only(*protocol)).whole(bytes, |event| match event {
            Event::Frame { .. } => frames += 1,
            Event::Noise { .. } => noise = true,
            Event::Invalid(_) => {}
        });
        frames > 0 && !noise
    })
}

/// The Modbus that a stream is: two frames or more, which are nine tenths of what has come.
fn stream_proof(pieces: &[Piece]) -> Option<Protocol> {
    [Protocol::ModbusRtu, Protocol::ModbusTcp].into_iter().find(|protocol| {
        let mut deframer = Deframer::new(Expect::Only(*protocol));
        let (mut frames, mut noise, mut inside) = (0, 0, 0);
        for piece in pieces {
            deframer.push(&piece.bytes, |event| match event {
                Event::Frame { bytes, .. } => {
                    frames += 1;
                    inside += bytes.len() as u64;
                }
                Event::Noise { length, .. } => noise += length,
                Event::Invalid(_) => {}
            });
        }
        frames >= 2 && inside >= 9 * noise
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: &[u8]) -> Piece {
        Piece { written: None, line: 0, offset: None, bytes: bytes.to_vec() }
    }

    // arendst/Tasmota, SDM630 driver: the answer 230.2 V; Modbus application protocol V1.1b3: a read of one register.
    const RTU: [u8; 9] = [0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x34, 0x1B, 0x38];
    const TCP: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0x6B, 0, 3];

    #[test]
    fn modbus_is_taken_only_when_it_fills_a_piece_or_a_stream() {
        assert_eq!(proof(&RTU), Some(Protocol::ModbusRtu));
        assert_eq!(proof(&TCP), Some(Protocol::ModbusTcp));
        assert_eq!(proof(&[RTU, RTU].concat()), Some(Protocol::ModbusRtu));
        assert_eq!(proof(&[&RTU[..], &[7]].concat()), None);
        assert_eq!(
            stream_proof(&[piece(&RTU[..5]), piece(&RTU[5..]), piece(&RTU)]),
            Some(Protocol::ModbusRtu)
        );
        assert_eq!(stream_proof(&[piece(&[0x55; 100]), piece(&RTU), piece(&RTU)]), None);
    }
}
