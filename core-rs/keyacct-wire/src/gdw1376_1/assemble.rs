//! Messages of several frames (FIR, FIN): when is an answer complete, and is one of its frames missing?
//!
//! Each frame carries whole data units and is decoded on its own; what a poller needs to know is whether to wait for
//! more, and what a replay wants to count is whether all came.

use super::frame::{FrameView, TerminalAddress};
use crate::frame::Direction;

/// Messages that are open at the same time; the oldest one is given up for another.
const MOST_OPEN: usize = 256;

/// What a frame means for the message it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A message of one frame.
    Single,
    /// More frames follow; so many are there.
    More(u16),
    /// The last one came; the message has so many frames.
    Complete(u16),
    /// A frame before this one is missing; later frames of the message still say what they hold.
    Missing,
}

#[derive(Clone, Debug)]
struct Open {
    key: (TerminalAddress, u8, Direction),
    next: u8,
    frames: u16,
    whole: bool,
}

/// Follows messages of several frames by terminal, function code and direction.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    open: Vec<Open>,
}

impl Assembler {
    /// An assembler that has seen nothing.
    pub fn new() -> Self {
        Assembler::default()
    }

    /// Takes the next frame. FIR 0 with FIN 1 and no message open is a single frame: some terminals send it so.
    pub fn push(&mut self, frame: &FrameView<'_>) -> Progress {
        let seq = frame.seq();
        let key = (frame.terminal(), frame.afn(), frame.control().direction());
        let found = self.open.iter().position(|open| open.key == key);
        let next = seq.number().wrapping_add(1) & 0x0F;
        match (seq.is_first(), seq.is_last(), found) {
            (true, true, found) => {
                found.map(|at| self.open.remove(at));
                Progress::Single
            }
            (true, false, found) => {
                found.map(|at| self.open.remove(at));
                if self.open.len() >= MOST_OPEN {
                    self.open.remove(0);
                }
                self.open.push(Open { key, next, frames: 1, whole: true });
                Progress::More(1)
            }
            (false, true, None) => Progress::Single,
            (false, false, None) => Progress::Missing,
            (false, last, Some(at)) => {
                let open = &mut self.open[at];
                open.whole &= open.next == seq.number();
                open.next = next;
                open.frames = open.frames.saturating_add(1);
                let progress = match (open.whole, last) {
                    (false, _) => Progress::Missing,
                    (true, true) => Progress::Complete(open.frames),
                    (true, false) => Progress::More(open.frames),
                };
                if last {
                    self.open.remove(at);
                }
                progress
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)] // a test may fail loudly
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::gdw1376_1::{Control, SeqField};

    fn frame(seq: u8) -> Vec<u8> {
        let address = TerminalAddress::parse("9612-3456", 0).expect("an address");
        FrameView::emit(2, Control(0x88), address, 0x0D, SeqField(seq), &[]).expect("a short frame")
    }

    fn run(seqs: &[u8]) -> Vec<Progress> {
        let mut assembler = Assembler::new();
        seqs.iter().map(|seq| assembler.push(&FrameView::view(&frame(*seq)))).collect()
    }

    #[test]
    fn numbers_of_one_message_follow_each_other() {
        use Progress::{Complete, Missing, More, Single};
        assert_eq!(run(&[0x4F, 0x00, 0x21]), [More(1), More(2), Complete(3)]);
        assert_eq!(run(&[0x41, 0x03, 0x24]), [More(1), Missing, Missing]);
        assert_eq!(run(&[0x60, 0x22, 0x03]), [Single, Single, Missing]);
        assert_eq!(run(&[0x41, 0x42, 0x23]), [More(1), More(1), Complete(2)]);
    }
}
