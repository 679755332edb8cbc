//! Answers that a device splits over several frames, put together before they are decoded.
//!
//! A protocol says of a frame which part of which answer it is ([`Part`]); the [`Assembler`] joins parts that follow
//! one another and refuses stale ones. It is bounded in answers, in parts and in bytes: an answer whose rest never
//! comes gives way to newer ones and is counted.

use std::collections::VecDeque;

use crate::dlt645;
use crate::dlt698_45;
use crate::frame::Address;
use crate::protocol::Protocol;

/// Answers that may be open at a time.
const MOST_OPEN: usize = 1024;
/// Bytes of one answer: 255 follow frames of 255 bytes fit.
const MOST_BYTES: usize = 1 << 16;
/// Numbers of parts begin anew behind this one: 12 bits in DL/T 698.45, and no other protocol comes so far.
const NUMBERS: u32 = 1 << 12;
/// Bytes of all open answers.
const MOST_HELD: usize = 4 << 20;

/// Which answer a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Protocol of the frames.
    pub protocol: Protocol,
    /// The device, as its link frame has it.
    pub device: Address,
    /// What tells the answers of one device apart: the data identifier, or who speaks to whom.
    pub subject: u64,
}

/// Where a part stands in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It begins the answer; with its number.
    First(u32),
    /// It goes on; with its number where the protocol counts, one more than that of the part before it.
    Next(Option<u32>),
}

/// A part of a split answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of which answer.
    pub key: Key,
    /// Where in it.
    pub place: Place,
    /// Whether the answer ends with it.
    pub last: bool,
    /// Its bytes of the joined data.
    pub data: Vec<u8>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The answer is whole; decode it once.
    Whole(Joined),
    /// More has to come.
    Held,
    /// It belongs to no open answer, or has come before.
    Stale,
}

/// The data of an answer, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Whose answer to what.
    pub key: Key,
    /// Its first frame, which has what is true of all.
    pub frame: Vec<u8>,
    /// The joined data.
    pub data: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    lane: u64,
    joined: Joined,
    next: u32,
}

/// Joins the parts of answers.
#[derive(Debug, Default)]
pub struct Assembler {
    open: VecDeque<Open>,
    held: usize,
    lost: Vec<Joined>,
    incomplete: u64,
    stale: u64,
}

/// Which part of a split answer a frame is; none for a frame that is an answer by itself.
#[inline]
pub fn part_of(protocol: Protocol, frame: &[u8]) -> Option<Part> {
    match protocol {
        Protocol::Dlt645_2007 => dlt645::part_of(frame),
        Protocol::Dlt698_45 => dlt698_45::part_of(frame),
        _ => None,
    }
}

impl Assembler {
    /// Nothing is open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers that are open.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Answers given up because their rest did not come, or was too much.
    pub fn incomplete(&self) -> u64 {
        self.incomplete
    }

    /// What came of the answers that were given up since the last call, up to the first missing part.
    pub fn take_lost(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.lost)
    }

    /// Parts that belonged to no open answer or had come before.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Takes a part that came in `frame` on the byte stream `lane`.
    pub fn take(&mut self, lane: u64, frame: &[u8], part: Part) -> Taken {
        let at = self.open.iter().position(|open| open.lane == lane && open.joined.key == part.key);
        match (part.place, at) {
            (Place::First(number), at) => {
                if let Some(at) = at {
                    self.give_up(at);
                }
                let joined = Joined { key: part.key, frame: frame.to_vec(), data: part.data };
                if part.last {
                    return Taken::Whole(joined);
                }
                while self.open.len() >= MOST_OPEN || self.held + joined.data.len() > MOST_HELD {
                    self.give_up(0);
                }
                self.held += joined.data.len();
                self.open.push_back(Open { lane, joined, next: (number + 1) % NUMBERS });
                Taken::Held
            }
            (Place::Next(_), None) => {
                self.stale += 1;
                Taken::Stale
            }
            (Place::Next(number), Some(at)) => self.follow(at, number, part),
        }
    }

    fn follow(&mut self, mut at: usize, number: Option<u32>, part: Part) -> Taken {
        // How far ahead of what is expected; one of the numbers before it has come already.
        let ahead = number.map_or(0, |n| (n + NUMBERS - self.open[at].next) % NUMBERS);
        if ahead >= NUMBERS / 2 {
            self.stale += 1;
            return Taken::Stale;
        }
        // A part between is missing, or it is too much: what comes after cannot be read at its place.
        let too_much = self.open[at].joined.data.len() + part.data.len() > MOST_BYTES;
        if too_much || ahead > 0 {
            self.give_up(at);
            self.stale += 1;
            return Taken::Stale;
        }
        while self.held + part.data.len() > MOST_HELD {
            self.give_up(0);
            match at.checked_sub(1) {
                Some(earlier) => at = earlier,
                None => {
                    self.stale += 1;
                    return Taken::Stale;
                }
            }
        }
        let open = &mut self.open[at];
        open.next = (open.next + 1) % NUMBERS;
        open.joined.data.extend_from_slice(&part.data);
        self.held += part.data.len();
        if part.last
            && let Some(open) = self.open.remove(at)
        {
            self.held -= open.joined.data.len();
            return Taken::Whole(open.joined);
        }
        Taken::Held
    }

    /// Bytes of a lane are missing, or it has ended: nothing of it can be completed.
    pub fn end(&mut self, lane: u64) {
        while let Some(at) = self.open.iter().position(|open| open.lane == lane) {
            self.give_up(at);
        }
    }

    /// Nothing more comes at all.
    pub fn finish(&mut self) {
        while !self.open.is_empty() {
            self.give_up(0);
        }
    }

    fn give_up(&mut self, at: usize) {
        if let Some(open) = self.open.remove(at) {
            self.held -= open.joined.data.len();
            self.incomplete += 1;
            self.lost.push(open.joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(device: u64, place: Place, last: bool, data: &[u8]) -> Part {
        let device = Address::from(device.to_string().as_str());
        let key = Key { protocol: Protocol::Dlt645_2007, device, subject: 0x0610_0201 };
        Part { key, place, last, data: data.to_vec() }
    }

    #[test]
    fn parts_in_order_become_one_answer() {
        let mut all = Assembler::new();
        assert_eq!(all.take(0, b"first", part(1, Place::First(0), false, &[1, 2])), Taken::Held);
        assert_eq!(all.take(0, b"x", part(1, Place::Next(Some(1)), false, &[3])), Taken::Held);
        assert_eq!(all.take(0, b"x", part(1, Place::Next(Some(1)), false, &[3])), Taken::Stale);
        let Taken::Whole(joined) = all.take(0, b"x", part(1, Place::Next(Some(2)), true, &[4])) else {
            unreachable!("the last part came")
        };
        assert_eq!((joined.data, joined.frame), (vec![1, 2, 3, 4], b"first".to_vec()));
        assert_eq!((all.open(), all.held(), all.incomplete(), all.stale()), (0, 0, 0, 1));
    }

    #[test]
    fn a_missing_part_gives_the_answer_up() {
        let mut all = Assembler::new();
        all.take(0, b"", part(1, Place::First(0), false, &[1]));
        assert_eq!(all.take(0, b"", part(1, Place::Next(Some(2)), true, &[3])), Taken::Stale);
        assert_eq!((all.open(), all.held(), all.incomplete()), (0, 0, 1));
    }

    #[test]
    fn numbers_begin_anywhere_and_start_anew() {
        let mut all = Assembler::new();
        all.take(0, b"", part(1, Place::First(4094), false, &[1]));
        assert_eq!(all.take(0, b"", part(1, Place::Next(Some(4095)), false, &[2])), Taken::Held);
        assert_eq!(all.take(0, b"", part(1, Place::Next(Some(4094)), false, &[1])), Taken::Stale);
        let Taken::Whole(joined) = all.take(0, b"", part(1, Place::Next(Some(0)), true, &[3])) else {
            unreachable!("the last part came")
        };
        assert_eq!(joined.data, vec![1, 2, 3]);
    }

    #[test]
    fn lanes_and_devices_do_not_mix() {
        let mut all = Assembler::new();
        all.take(0, b"", part(1, Place::First(0), false, &[1]));
        assert_eq!(all.take(1, b"", part(1, Place::Next(Some(1)), true, &[2])), Taken::Stale);
        assert_eq!(all.take(0, b"", part(2, Place::Next(Some(1)), true, &[2])), Taken::Stale);
        all.end(0);
        assert_eq!((all.open(), all.incomplete(), all.stale()), (0, 1, 2));
    }

    #[test]
    fn a_hostile_stream_is_bounded() {
        let mut all = Assembler::new();
        for device in 0..100_000 {
            all.take(0, b"", part(device, Place::First(0), false, &[0; 251]));
            assert!(all.take_lost().len() <= 1);
            assert!(all.open() <= MOST_OPEN && all.held() <= MOST_HELD);
        }
        assert_eq!(all.incomplete(), 100_000 - MOST_OPEN as u64);
        let mut one = Assembler::new();
        one.take(0, b"", part(1, Place::First(0), false, &[0; 251]));
        for _ in 0..1000 {
            one.take(0, b"", part(1, Place::Next(None), false, &[0; 251]));
            assert!(one.held() <= MOST_BYTES);
        }
        assert_eq!(one.incomplete(), 1);
    }
}
