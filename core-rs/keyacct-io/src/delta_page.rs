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
    /// Numbers that have not been taken, those in `held` included.
    left: usize,
    /// Numbers that have not been unpacked.
    rest: usize,
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
        // Some writers give a page without any value no head either.
        let page = if page.is_empty() { Bytes::from_static(&NO_VALUES) } else { page };
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
            rest: count.saturating_sub(1),
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
        self.left -= count;
        let mut at = into.len();
        into.resize(at + count, T::default());
        while count > 0 {
            if self.held_from == GROUP {
                if let Some(group) = into[at..].first_chunk_mut() {
                    self.unpack(group)?;
                    (at, count) = (at + GROUP, count - GROUP);
                    continue;
                }
                let mut held = [T::default(); GROUP];
                self.unpack(&mut held)?;
                (self.held, self.held_from) = (held, 0);
            }
            let some = count.min(GROUP - self.held_from);
            into[at..at + some].copy_from_slice(&self.held[self.held_from..self.held_from + some]);
            (self.held_from, at, count) = (self.held_from + some, at + some, count - some);
        }
        Ok(())
    }

    /// Numbers that have not been taken.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The next group; at the end of the page what lies behind its last number is anything.
    fn unpack(&mut self, group: &mut [T; GROUP]) -> Read<()> {
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
            any_group(bits, rest, group, self.last, self.least);
        } else {
            if rest.len() * 8 < bits as usize * self.rest.min(GROUP) {
                return Err(CUT);
            }
            let mut padded = [0; WIDEST];
            padded[..rest.len()].copy_from_slice(rest);
            any_group(bits, &padded, group, self.last, self.least);
        }
        self.at += size;
        self.packed -= GROUP;
        self.rest = self.rest.saturating_sub(GROUP);
        self.last = group[GROUP - 1];
        Ok(())
    }
}

/// The head of a page without values: blocks of 128 in 4 parts, no value, the first 0.
const NO_VALUES: [u8; 5] = [0x80, 1, 4, 0, 0];

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
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A page as the format's text describes it, bit by bit.
    fn page(values: &[i64], block: usize, minis: usize, bits: u32) -> Vec<u8> {
        fn varint(mut n: u64, into: &mut Vec<u8>) {
            while n >= 0x80 {
                into.push(n as u8 | 0x80);
                n >>= 7;
            }
            into.push(n as u8);
        }
        let zigzag = |n: i64| ((n << 1) ^ (n >> 63)) as u64;
        let mask = if bits == 64 { u64::MAX } else { u64::from(u32::MAX) };
        let signed = |n: u64| if bits == 64 { n as i64 } else { i64::from(n as u32 as i32) };
        let mut out = Vec::new();
        [block as u64, minis as u64, values.len() as u64].into_iter().for_each(|n| varint(n, &mut out));
        varint(zigzag(values.first().copied().unwrap_or(0)), &mut out);
        let deltas: Vec<i64> = values.windows(2).map(|w| signed(w[1].wrapping_sub(w[0]) as u64)).collect();
        for block_deltas in deltas.chunks(block) {
            let least = block_deltas.iter().copied().min().unwrap_or(0);
            varint(zigzag(least), &mut out);
            let above: Vec<u64> = block_deltas.iter().map(|d| d.wrapping_sub(least) as u64 & mask).collect();
            let rows = block / minis;
            let mut packed = Vec::new();
            for mini in 0..minis {
                let of = above.get(mini * rows..).unwrap_or_default();
                let of = &of[..of.len().min(rows)];
                let width = of.iter().map(|n| 64 - n.leading_zeros()).max().unwrap_or(0);
                out.push(width as u8);
                if of.is_empty() {
                    continue;
                }
                let from = packed.len();
                packed.resize(from + rows * width as usize / 8, 0_u8);
                for (n, value) in of.iter().enumerate() {
                    for bit in 0..width as usize {
                        let at = n * width as usize + bit;
                        packed[from + at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
                    }
                }
            }
            out.extend(packed);
        }
        out
    }

    fn numbers(count: usize, bits: u32, seed: u64) -> Vec<i64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..count)
            .map(|n| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Runs of small and of wild steps, so that every width occurs.
                let width = (n / 40) as u32 % bits + 1;
                let value = (state >> 11 ^ state << 40) as i64 >> (64 - width);
                if bits == 32 { i64::from(value as i32) } else { value }
            })
            .collect()
    }

    fn read<T: Whole>(page: &[u8], count: usize, step: usize) -> Read<Vec<i64>> {
        let mut deltas = Deltas::<T>::new(page.to_vec().into(), count)?;
        let mut got: Vec<T> = Vec::new();
        while deltas.left() > 0 {
            deltas.take(step.min(deltas.left()), &mut got)?;
        }
        Ok(got.into_iter().map(T::long).collect())
    }

    #[test]
    fn what_the_text_of_the_format_describes_is_read_in_steps_of_any_size() {
        for (count, block, minis) in
            [(0, 128, 4), (1, 128, 4), (33, 128, 4), (2_700, 128, 4), (2_600, 256, 4)]
        {
            for step in [1, 7, 32, 33, 1_000, 5_000] {
                let short = numbers(count, 32, step as u64);
                let long = numbers(count, 64, step as u64);
                assert_eq!(read::<i32>(&page(&short, block, minis, 32), count, step), Ok(short));
                assert_eq!(read::<i64>(&page(&long, block, minis, 64), count, step), Ok(long));
            }
        }
    }

    #[test]
    fn a_page_without_padding_behind_its_last_numbers_is_read_and_a_shorter_one_is_refused() {
        let values = numbers(70, 32, 3);
        let whole = page(&values, 128, 4, 32);
        let mut least = None;
        for cut in (1..whole.len()).rev() {
            match read::<i32>(&whole[..cut], 70, 70) {
                Ok(got) => assert_eq!(got, values),
                Err(_) => least = least.or(Some(cut)),
            }
            assert_eq!(read::<i32>(&whole[..cut], 70, 70).is_err(), least.is_some());
        }
        assert!(least.is_some_and(|cut| cut > whole.len() / 2));
    }

    #[test]
    fn impossible_heads_are_refused() {
        for head in [&[0, 4, 1, 0][..], &[128, 1, 0, 1, 0], &[100, 1, 1, 0], &[128, 1, 4, 9, 0], &[255; 12]] {
            assert!(Deltas::<i32>::new(Bytes::copy_from_slice(head), 8).is_err(), "{head:?}");
        }
        // A page without any value may have no head.
        assert_eq!(read::<i32>(&[], 8, 8), Ok(Vec::new()));
        // A width of more bits than the type has.
        let mut wide = page(&[1, 2, 3], 128, 4, 32);
        let width = 5 + 1; // behind head (two bytes for 128, three numbers) and the least step
        wide[width] = 33;
        assert_eq!(read::<i32>(&wide, 3, 3), Err(Torn("its values are wider than their type")));
    }

    #[test]
    fn rows_without_value_are_found_in_runs_and_in_packed_levels() {
        // Eight rows packed, 20 with a value, 3 without, 16 packed.
        let runs = Bytes::from_static(&[3, 0b1111_0110, 40, 1, 6, 0, 5, 0xff, 0b0111_1111]);
        let expected = [0, 3, 28, 29, 30, 46];
        for step in [1, 3, 8, 47] {
            let mut levels = Levels::new(runs.clone());
            let (mut nulls, mut from) = (Vec::new(), 0);
            while from < 47 {
                let some = step.min(47 - from);
                assert_eq!(levels.nulls(some, from, &mut nulls), Ok(()));
                from += some;
            }
            assert_eq!(nulls, expected, "in steps of {step}");
            assert!(levels.nulls(1, 47, &mut nulls).is_err());
        }
    }
}
