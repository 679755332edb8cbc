//! Whole numbers of a Parquet page: delta-coded and bit-packed (`DELTA_BINARY_PACKED`), or plain.
//!
//! Our own samples are written so (docs/design/segments.md). The general reader spends most of its time around the
//! unpacking; here a group of 32 numbers is unpacked, summed up and handed over at once.
//! Source: Apache Parquet, Encodings.md, "Delta Encoding" and "Run Length Encoding / Bit-Packing Hybrid".

use bytes::Bytes;

/// Numbers that are unpacked at once.
const GROUP: usize = 32;
/// Bytes of the widest group, and what the last reads reach beyond it.
const WIDEST: usize = GROUP * 8 + 16;

/// A page that is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torn(pub(crate) &'static str);

type Read<T> = Result<T, Torn>;

/// 32-bit and 64-bit whole numbers.
pub(crate) trait Whole: Copy + Default {
    /// Bits of the type.
    const BITS: u32;
    /// The number whose lowest bits are these.
    fn of(bits: u64) -> Self;
    /// The sum, without regard to overflow.
    fn plus(self, other: Self) -> Self;
    /// The number in eight bytes.
    fn long(self) -> i64;
    /// The single-precision number nearest to it.
    fn single(self) -> f32;
    /// The double nearest to it.
    fn double(self) -> f64;
}

impl Whole for i32 {
    const BITS: u32 = 32;
    #[inline(always)]
    fn of(bits: u64) -> i32 {
        bits as i32
    }
    #[inline(always)]
    fn plus(self, other: i32) -> i32 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn long(self) -> i64 {
        i64::from(self)
    }
    #[inline(always)]
    fn single(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
}

impl Whole for i64 {
    const BITS: u32 = 64;
    #[inline(always)]
    fn of(bits: u64) -> i64 {
        bits as i64
    }
    #[inline(always)]
    fn plus(self, other: i64) -> i64 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn long(self) -> i64 {
        self
    }
    #[inline(always)]
    fn single(self) -> f32 {
        self as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self as f64
    }
}

/// Unpacks 32 numbers of `W` bits and sums them up from `last` on, each increased by `least`. `packed` reaches at least
/// eight bytes behind them.
#[inline(always)]
fn group<T: Whole, const W: usize>(packed: &[u8], out: &mut [T; GROUP], mut last: T, least: T) {
    let mask = if W == 64 { u64::MAX } else { (1_u64 << W) - 1 };
    let packed = &packed[..W * 4 + 8];
    for (n, out) in out.iter_mut().enumerate() {
        let (byte, bit) = (n * W / 8, (n * W % 8) as u32);
        let mut word = [0; 8];
        word.copy_from_slice(&packed[byte..byte + 8]);
        let mut bits = u64::from_le_bytes(word) >> bit;
        if W > 57 && bit > 0 {
            bits |= u64::from(packed[byte + 8]) << (64 - bit);
        }
        last = last.plus(T::of(bits & mask).plus(least));
        *out = last;
    }
}

/// The same for a number of bits that is known only now.
fn any_group<T: Whole>(bits: u32, packed: &[u8], out: &mut [T; GROUP], last: T, least: T) {
    macro_rules! by_width {
        ($($w:literal)*) => {
            match bits {
                $($w => group::<T, $w>(packed, out, last, least),)*
                _ => {}
            }
        };
    }
    by_width!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64);
}

/// The numbers of a delta-coded page, from front to end.
pub(crate) struct Deltas<T> {
    page: Bytes,
    at: usize,
    /// Numbers still to come, those in `held` included.
    left: usize,
    miniblocks: usize,
    miniblock_rows: usize,
    /// Widths of the miniblocks of the block in work, and which of them is in work.
    widths: usize,
    miniblock: usize,
    /// Rows of that miniblock still packed.
    packed: usize,
    least: T,
    last: T,
    held: [T; GROUP],
    held_from: usize,
}

impl<T: Whole> Deltas<T> {
    /// Reads the head of a page that holds at most `most` numbers.
    pub(crate) fn new(page: Bytes, most: usize) -> Read<Self> {
        let mut at = 0;
        let block_rows = varint(&page, &mut at)?;
        let miniblocks = varint(&page, &mut at)?;
        let told = varint(&page, &mut at)?;
        let first = T::of(zigzag(varint(&page, &mut at)?));
        let fits = |n: u64| (1..=1 << 20).contains(&n);
        if !fits(block_rows) || !fits(miniblocks) || !block_rows.is_multiple_of(miniblocks * GROUP as u64) {
            return Err(Torn("impossible block sizes"));
        }
        if told > most as u64 {
            return Err(Torn("it holds more values than rows"));
        }
        let count = told as usize;
        let (miniblocks, miniblock_rows) = (miniblocks as usize, (block_rows / miniblocks) as usize);
        let mut held = [T::default(); GROUP];
        held[GROUP - 1] = first;
        let held_from = if count > 0 { GROUP - 1 } else { GROUP };
        Ok(Deltas {
            page,
            at,
            left: count,
            miniblocks,
            miniblock_rows,
            widths: 0,
            miniblock: miniblocks,
            packed: 0,
            least: T::default(),
            last: first,
            held,
            held_from,
        })
    }

    /// Adds the next `count` numbers to `into`.
    pub(crate) fn take(&mut self, mut count: usize, into: &mut Vec<T>) -> Read<()> {
        if count > self.left {
            return Err(Torn("it ends before its last value"));
        }
        into.reserve(count + GROUP);
        while count > 0 {
            if self.held_from == GROUP {
                self.unpack()?;
                if count >= GROUP {
                    into.extend_from_slice(&self.held);
                    (self.held_from, self.left, count) = (GROUP, self.left - GROUP, count - GROUP);
                    continue;
                }
            }
            let some = count.min(GROUP - self.held_from);
            into.extend_from_slice(&self.held[self.held_from..self.held_from + some]);
            (self.held_from, self.left, count) = (self.held_from + some, self.left - some, count - some);
        }
        Ok(())
    }

    /// Numbers that have not been taken.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Fills `held` with the next group.
    fn unpack(&mut self) -> Read<()> {
        if self.packed == 0 {
            self.miniblock += 1;
            if self.miniblock >= self.miniblocks {
                self.least = T::of(zigzag(varint(&self.page, &mut self.at)?));
                self.widths = self.at;
                self.at += self.miniblocks;
                self.miniblock = 0;
            }
            self.packed = self.miniblock_rows;
        }
        let bits = u32::from(*self.page.get(self.widths + self.miniblock).ok_or(CUT)?);
        if bits > T::BITS {
            return Err(Torn("its values are wider than their type"));
        }
        let size = bits as usize * GROUP / 8;
        let rest = self.page.get(self.at..).ok_or(CUT)?;
        if rest.len() >= size + 8 {
            any_group(bits, rest, &mut self.held, self.last, self.least);
        } else {
            if rest.len() * 8 < bits as usize * self.left.min(GROUP) {
                return Err(CUT);
            }
            let mut padded = [0; WIDEST];
            padded[..rest.len()].copy_from_slice(rest);
            any_group(bits, &padded, &mut self.held, self.last, self.least);
        }
        self.at += size;
        self.packed -= GROUP;
        self.last = self.held[GROUP - 1];
        self.held_from = 0;
        Ok(())
    }
}

const CUT: Torn = Torn("it is cut short");

fn zigzag(n: u64) -> u64 {
    (n >> 1) ^ (n & 1).wrapping_neg()
}

fn varint(page: &[u8], at: &mut usize) -> Read<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *page.get(*at).ok_or(CUT)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Torn("a number in it has no end"))
}

/// Which rows of a page have no value: definition levels 0 and 1 as runs.
pub(crate) struct Levels {
    runs: Bytes,
    at: usize,
    /// Rows of the run in work still to come.
    run: usize,
    /// Whether the run's levels are packed; then `bit` is the next of them from `at` on.
    packed: bool,
    bit: usize,
    defined: bool,
}

impl Levels {
    pub(crate) fn new(runs: Bytes) -> Self {
        Levels { runs, at: 0, run: 0, packed: false, bit: 0, defined: true }
    }

    /// Adds which of the next `count` rows have no value, counted from `from`.
    pub(crate) fn nulls(&mut self, count: usize, from: usize, into: &mut Vec<u32>) -> Read<()> {
        let (mut row, end) = (from, from + count);
        while row < end {
            if self.run == 0 {
                self.begin()?;
                continue;
            }
            let some = self.run.min(end - row);
            if self.packed {
                self.packed_nulls(some, row, into)?;
            } else if !self.defined {
                into.extend((row..row + some).map(|row| row as u32));
            }
            self.run -= some;
            row += some;
            if self.run == 0 && self.packed {
                self.at += self.bit.div_ceil(8);
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Read<()> {
        let head = varint(&self.runs, &mut self.at)?;
        self.packed = head & 1 == 1;
        let count = usize::try_from(head >> 1).ok().filter(|n| *n <= 1 << 31).ok_or(CUT)?;
        if self.packed {
            (self.run, self.bit) = (count * 8, 0);
        } else {
            self.defined = *self.runs.get(self.at).ok_or(CUT)? != 0;
            self.at += 1;
            self.run = count;
        }
        if count == 0 { Err(Torn("a run of no rows")) } else { Ok(()) }
    }

    fn packed_nulls(&mut self, count: usize, from: usize, into: &mut Vec<u32>) -> Read<()> {
        let bytes = self.runs.get(self.at..).ok_or(CUT)?;
        let mut done = 0;
        while done < count {
            let byte = *bytes.get(self.bit / 8).ok_or(CUT)?;
            let skip = self.bit % 8;
            let some = (8 - skip).min(count - done);
            let mut zeros = !(byte >> skip) & (((1_u16 << some) - 1) as u8);
            while zeros != 0 {
                into.push((from + done) as u32 + zeros.trailing_zeros());
                zeros &= zeros - 1;
            }
            (self.bit, done) = (self.bit + some, done + some);
        }
        Ok(())
    }
}

/// Plain numbers of a page.
pub(crate) struct Plain {
    page: Bytes,
    at: usize,
}

impl Plain {
    pub(crate) fn new(page: Bytes) -> Self {
        Plain { page, at: 0 }
    }

    /// Adds the next `count` numbers to `into`.
    pub(crate) fn take<T: Whole>(&mut self, count: usize, into: &mut Vec<T>) -> Read<()> {
        let size = count * T::BITS as usize / 8;
        let bytes = self.page.get(self.at..self.at + size).ok_or(CUT)?;
        self.at += size;
        if T::BITS == 32 {
            into.extend(bytes.as_chunks::<4>().0.iter().map(|b| T::of(u64::from(u32::from_le_bytes(*b)))));
        } else {
            into.extend(bytes.as_chunks::<8>().0.iter().map(|b| T::of(u64::from_le_bytes(*b))));
        }
        Ok(())
    }
}
