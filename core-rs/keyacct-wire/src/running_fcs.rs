//! Check sequences of long frames of DL/T 698.45 that overlap, without adding the same bytes up again and again.
//!
//! A header with its own check sequence right may claim 16 KiB, and the next header may stand 15 bytes further: added up
//! one by one, such a stream costs a thousand looks at every byte. CRC is linear, so the register over any stretch
//! follows from those over what begins the stream up to both of its ends, and every byte is added up once.

use crate::checksum::x25;

/// Registers that are kept before the oldest ones are dropped: four of the longest frames.
const MOST: usize = 1 << 16;
/// Lengths are below two to this power.
const POWERS: usize = 14;

/// The register over all bytes from `from` on, after each of them; it begins with 0.
#[derive(Debug, Default)]
pub(crate) struct RunningFcs {
    from: u64,
    registers: Vec<u16>,
}

/// What 2^n zero bytes do to a register: by its low and by its high byte.
static ZEROS: [[[u16; 256]; 2]; POWERS] = {
    let mut tables = [[[0u16; 256]; 2]; POWERS];
    let mut power = 0;
    while power < POWERS {
        let mut bit = 0;
        while bit < 16 {
            // Where one bit goes; the others follow, as all is linear.
            let to = if power == 0 {
                let mut crc = 1u16 << bit;
                let mut step = 0;
                while step < 8 {
                    crc = if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
                    step += 1;
                }
                crc
            } else {
                let before = &tables[power - 1];
                let half = before[bit / 8][1 << (bit % 8)];
                before[0][(half & 0xFF) as usize] ^ before[1][(half >> 8) as usize]
            };
            let mut byte = 0;
            while byte < 256 {
                if byte >> (bit % 8) & 1 == 1 {
                    tables[power][bit / 8][byte] ^= to;
                }
                byte += 1;
            }
            bit += 1;
        }
        power += 1;
    }
    tables
};

fn after_zeros(mut register: u16, count: usize) -> u16 {
    for (power, table) in ZEROS.iter().enumerate() {
        if count >> power & 1 == 1 {
            let [low, high] = register.to_le_bytes();
            register = table[0][usize::from(low)] ^ table[1][usize::from(high)];
        }
    }
    register
}

impl RunningFcs {
    /// The check sequence of `checked`, whose first byte is the one at `offset` of the stream, and how many bytes had to
    /// be added up for it. Fewer than 16384 bytes; offsets of successive calls ascend.
    pub(crate) fn of(&mut self, checked: &[u8], offset: u64) -> (u16, u64) {
        let known = self.from..self.from + self.registers.len() as u64;
        if !known.contains(&offset) {
            (self.from, self.registers) = (offset, vec![0]);
        }
        let mut start = (offset - self.from) as usize;
        if start > MOST {
            self.registers.drain(..start);
            (self.from, start) = (offset, 0);
        }
        let have = self.registers.len() - 1 - start;
        let mut register = self.registers[start + have];
        let new = checked.get(have..).unwrap_or_default();
        for byte in new {
            register = x25(register, &[*byte]);
            self.registers.push(register);
        }
        let all = self.registers[start + checked.len()];
        (!(all ^ after_zeros(self.registers[start] ^ 0xFFFF, checked.len())), new.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::fcs16;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_stretch_is_the_same_as_added_up_alone(
            bytes in prop::collection::vec(any::<u8>(), 400), mut ends in prop::collection::vec((0usize..400, 0usize..400), 1..30),
        ) {
            let stream: Vec<u8> = bytes.repeat(40);
            ends.sort_unstable();
            let mut running = RunningFcs::default();
            for (from, length) in ends {
                let (from, to) = (from * 38, (from + length) * 38);
                let checked = &stream[from..to.min(stream.len())];
                prop_assert_eq!(running.of(checked, 7 + from as u64).0, fcs16(checked));
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_every_byte_is_added_up_once() {
        let stream = vec![0x5A; 1 << 20];
        let (mut running, mut added) = (RunningFcs::default(), 0);
        for from in (0..stream.len() - 16_000).step_by(15) {
            added += running.of(&stream[from..from + 16_000], from as u64).1;
            assert!(running.registers.len() <= MOST + 16_400);
        }
        assert!(added <= stream.len() as u64);
    }
}
