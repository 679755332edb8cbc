//! Rows put aside, part by part of the meters, until there are enough of each meter to be worth taking its state back.
//!
//! Polling writes a round of all meters after the other, so every batch meets every meter, a few readings each. With many
//! meters their states do not fit in little memory, and reading and writing all of them for every batch would take longer
//! than everything else. So the rows of some days are put aside first, cut by ranges of meters, and taken up range by range.

use std::marker::PhantomData;

use keyacct_model::Result;

use crate::feed_order::{Source, Taken};
use crate::scratch_file::{Mark, Scratch, ScratchFile};

/// Parts that the meters are cut into.
const PARTS: usize = 128;
/// Bytes that are put aside at once.
const BLOCK: usize = 16_384;
/// Bytes of a row but for its voltages and powers: meter, place, stamp, two registers.
const FIXED: usize = 4 + 4 + 8 + 8 + 8;

/// A value as it lies in a file.
pub(crate) trait Value: Copy + Default + Into<f64> {
    /// Its bytes.
    const LENGTH: usize;
    /// Writes them to the front.
    fn put(self, to: &mut [u8]);
    /// Reads them from the front.
    fn get(from: &[u8]) -> Self;
}

macro_rules! value {
    ($name:ident, $length:literal) => {
        impl Value for $name {
            const LENGTH: usize = $length;
            #[inline(always)]
            fn put(self, to: &mut [u8]) {
                to[..$length].copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn get(from: &[u8]) -> Self {
                from.first_chunk().map_or($name::NAN, |bytes| $name::from_le_bytes(*bytes))
            }
        }
    };
}
value!(f32, 4);
value!(f64, 8);

/// Rows of a part of the meters.
#[derive(Default)]
struct Part {
    /// What has been put aside.
    blocks: Vec<Mark>,
    /// What follows it.
    open: Vec<u8>,
}

/// Rows of one shard that have been put aside.
pub(crate) struct RowWindow<V> {
    scratch: Scratch,
    file: Option<ScratchFile>,
    meters_of_part: usize,
    parts: Vec<Part>,
    /// Row of the data set that places are counted from; none while there are no rows.
    first_row: Option<u64>,
    /// Rows of the part taken up.
    bytes: Vec<u8>,
    kind: PhantomData<V>,
}

impl<V: Value> RowWindow<V> {
    const ROW: usize = FIXED + 5 * V::LENGTH;

    /// For a data set of so many meters.
    pub(crate) fn new(scratch: &Scratch, meters: usize) -> Self {
        let meters_of_part = meters.div_ceil(PARTS).max(1);
        RowWindow {
            scratch: scratch.clone(),
            file: None,
            meters_of_part,
            parts: (0..meters.div_ceil(meters_of_part)).map(|_| Part::default()).collect(),
            first_row: None,
            bytes: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Puts the rows of a batch aside, which begins at a row of the data set.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn add(&mut self, batch: &impl Source<V>, first_row: u64) -> Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        let before = (first_row - *self.first_row.get_or_insert(first_row)) as u32;
        for n in 0..batch.rows() {
            let meter = batch.meter(n);
            let part = &mut self.parts[meter as usize / self.meters_of_part];
            if part.open.len() + Self::ROW > BLOCK {
                let file = self.scratch.file_in(&mut self.file)?;
                part.blocks.push(file.put(&part.open)?);
                part.open.clear();
            } else if part.open.capacity() == 0 {
                part.open.reserve_exact(BLOCK);
            }
            write(meter, &batch.row(n), before, &mut part.open);
        }
        Ok(())
    }

    /// The row of the data set that the places of the rows are counted from; nothing without rows.
    pub(crate) fn first_row(&self) -> Option<u64> {
        self.first_row
    }

    /// Parts that there may be rows of.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Takes up the rows of a part, in the order in which they were put aside.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn part(&mut self, number: usize) -> Result<Rows<'_, V>> {
        let part = &mut self.parts[number];
        let aside = part.blocks.iter().map(|mark| mark.length()).sum();
        self.bytes.resize(aside, 0);
        if let Some(file) = &mut self.file {
            let mut left = &mut *self.bytes;
            for mark in part.blocks.drain(..) {
                let (block, rest) = left.split_at_mut(mark.length());
                file.copy(mark, block)?;
                left = rest;
            }
        }
        self.bytes.append(&mut part.open);
        Ok(Rows { bytes: &self.bytes, kind: PhantomData })
    }

    /// Forgets all rows, when their parts have been taken up.
    pub(crate) fn clear(&mut self) {
        self.first_row = None;
        self.file.iter_mut().for_each(ScratchFile::clear);
    }
}

/// Rows of a part of the meters.
pub(crate) struct Rows<'a, V> {
    bytes: &'a [u8],
    kind: PhantomData<V>,
}

impl<V: Value> Rows<'_, V> {
    #[inline(always)]
    fn bytes(&self, n: usize) -> &[u8] {
        &self.bytes[n * RowWindow::<V>::ROW..][..RowWindow::<V>::ROW]
    }
}

impl<V: Value> Source<V> for Rows<'_, V> {
    fn rows(&self) -> usize {
        self.bytes.len() / RowWindow::<V>::ROW
    }

    #[inline(always)]
    fn meter(&self, n: usize) -> u32 {
        self.bytes(n).first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    #[inline(always)]
    fn row(&self, n: usize) -> Taken<V> {
        read(self.bytes(n))
    }
}

#[inline(always)]
fn write<V: Value>(meter: u32, taken: &Taken<V>, before: u32, to: &mut Vec<u8>) {
    let mut row = [0; FIXED + 5 * 8];
    row[0..4].copy_from_slice(&meter.to_le_bytes());
    row[4..8].copy_from_slice(&(before + taken.row).to_le_bytes());
    row[8..16].copy_from_slice(&taken.ts.to_le_bytes());
    row[16..24].copy_from_slice(&taken.ep.to_le_bytes());
    row[24..32].copy_from_slice(&taken.eq.to_le_bytes());
    let [a, b, c] = taken.u;
    for (n, value) in [a, b, c, taken.p, taken.q].into_iter().enumerate() {
        value.put(&mut row[FIXED + n * V::LENGTH..]);
    }
    to.extend_from_slice(&row[..RowWindow::<V>::ROW]);
}

#[inline(always)]
fn read<V: Value>(row: &[u8]) -> Taken<V> {
    let whole = |at: usize| row[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let value = |n: usize| V::get(&row[FIXED + n * V::LENGTH..]);
    Taken {
        ts: whole(8) as i64,
        ep: f64::from_bits(whole(16)),
        eq: f64::from_bits(whole(24)),
        u: [value(0), value(1), value(2)],
        p: value(3),
        q: value(4),
        row: (whole(0) >> 32) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Batch<V>(Vec<(u32, Taken<V>)>);

    impl<V: Value> Source<V> for Batch<V> {
        fn rows(&self) -> usize {
            self.0.len()
        }
        fn meter(&self, n: usize) -> u32 {
            self.0[n].0
        }
        fn row(&self, n: usize) -> Taken<V> {
            self.0[n].1
        }
    }

    fn round<V: Value>(meters: u32, turn: u32, value: fn(u32) -> V) -> Batch<V> {
        let row = |meter: u32| Taken {
            ts: -i64::from(turn),
            ep: f64::from(meter),
            eq: f64::NAN,
            u: [value(meter), value(turn), value(1)],
            p: value(2),
            q: value(3),
            row: meter,
        };
        Batch((0..meters).map(|meter| (meter, row(meter))).collect())
    }

    /// Puts rounds of a thousand meters aside and takes them up, twice.
    fn through<V: Value>(value: fn(u32) -> V) {
        const METERS: u32 = 1_000;
        let mut window = RowWindow::new(&Scratch::in_folder(&std::env::temp_dir()), METERS as usize);
        for turns in [300, 2] {
            assert_eq!(window.first_row(), None);
            for turn in 0..turns {
                window.add(&round(METERS, turn, value), u64::from(7 + turn * METERS)).unwrap();
            }
            assert_eq!(window.first_row(), Some(7));
            let (mut met, mut parts) = (0, 0);
            for number in 0..window.parts() {
                let rows = window.part(number).unwrap();
                let mut places = Vec::new();
                for n in 0..rows.rows() {
                    let (meter, taken) = (rows.meter(n), rows.row(n));
                    let turn = taken.row / METERS;
                    assert_eq!((taken.row % METERS, taken.ts), (meter, -i64::from(turn)));
                    assert_eq!((taken.ep, taken.eq.is_nan()), (f64::from(meter), true));
                    let held = [taken.u[0], taken.u[1], taken.u[2], taken.p, taken.q].map(Into::into);
                    assert_eq!(held, [meter, turn, 1, 2, 3].map(|n| value(n).into()));
                    places.push(taken.row);
                }
                assert!(places.is_sorted());
                met += places.len();
                parts += usize::from(!places.is_empty());
            }
            assert_eq!((met, parts), ((turns * METERS) as usize, METERS.div_ceil(8) as usize));
            window.clear();
        }
    }

    #[test]
    fn rows_come_back_part_by_part_in_their_order() {
        through(|n| n as f32 / 3.0);
        through(|n| f64::from(n) / 3.0);
    }
}
