//! The order in which the rows of a batch meet the states of their meters.
//!
//! Polling writes a round of all meters after the other, so in every row another meter's state would have to come from
//! slow memory. The rows of a batch are therefore laid out meter by meter first, each meter's in their own order: the
//! columns are read from front to end, and a state is fetched once for all its rows. What they finish is put back into the
//! order of the rows afterwards.

use keyacct_stats::month::Reading;

/// First rows of a batch by which its order is judged.
const SAMPLE: usize = 1024;
/// Neighbours of which one may belong to another meter for the rows to count as lying meter by meter.
const RUN: usize = 4;
/// Meters a row up to which counting them pays.
const SPARSE: usize = 16;

/// The columns of a batch.
pub(crate) struct Columns<'a, V> {
    pub(crate) times: &'a [i64],
    pub(crate) u: [&'a [V]; 3],
    pub(crate) p: &'a [V],
    pub(crate) q: &'a [V],
    pub(crate) ep: &'a [f64],
    pub(crate) eq: &'a [f64],
}

impl<V: Copy + Into<f64>> Columns<'_, V> {
    #[inline(always)]
    pub(crate) fn reading(&self, row: usize) -> Reading {
        Reading {
            ts: self.times[row],
            u: [self.u[0][row].into(), self.u[1][row].into(), self.u[2][row].into()],
            p: self.p[row].into(),
            q: self.q[row].into(),
            ep: self.ep[row],
            eq: self.eq[row],
        }
    }
}

/// A row taken out of its columns.
#[derive(Clone, Copy)]
pub(crate) struct Taken<V> {
    ts: i64,
    ep: f64,
    eq: f64,
    u: [V; 3],
    p: V,
    q: V,
    /// Its place in the batch.
    pub(crate) row: u32,
    /// Its meter.
    pub(crate) meter: u32,
}

impl<V: Copy + Into<f64>> Taken<V> {
    #[inline(always)]
    pub(crate) fn reading(&self) -> Reading {
        Reading {
            ts: self.ts,
            u: self.u.map(Into::into),
            p: self.p.into(),
            q: self.q.into(),
            ep: self.ep,
            eq: self.eq,
        }
    }
}

/// A division by a number that stays the same, made a multiplication: two a row, and the processor's own takes longer than
/// the copy of the row.
#[derive(Clone, Copy)]
struct Divisor {
    by: u32,
    /// ⌈2^64 / by⌉: gives every quotient of 32-bit numbers exactly; 0 stands for 2^64.
    inverse: u64,
}

impl Divisor {
    fn new(by: u32) -> Self {
        let by = by.max(1);
        Divisor { by, inverse: (u64::MAX / u64::from(by)).wrapping_add(1) }
    }

    #[inline(always)]
    fn quotient(self, n: u32) -> usize {
        if self.inverse == 0 {
            return n as usize;
        }
        ((u128::from(n) * u128::from(self.inverse)) >> 64) as usize
    }
}

/// Memory for laying out the rows of one shard.
pub(crate) struct FeedOrder<V> {
    shards: Divisor,
    /// Rows of each meter of the shard, then where its next row goes.
    next: Vec<u32>,
    taken: Vec<Taken<V>>,
}

impl<V: Copy + Default> FeedOrder<V> {
    /// For a shard that has every so manyth meter.
    pub(crate) fn new(shards: usize) -> Self {
        FeedOrder { shards: Divisor::new(shards as u32), next: Vec::new(), taken: Vec::new() }
    }

    /// The rows meter by meter; nothing when they lie so already, or are too few for the number of meters.
    /// `number` is the meter of each row of the batch.
    pub(crate) fn of(
        &mut self,
        rows: &[u32],
        number: &[u32],
        meters: usize,
        columns: &Columns<'_, V>,
    ) -> Option<&[Taken<V>]> {
        let meter = |row: u32| number[row as usize];
        let sample = &rows[..rows.len().min(SAMPLE)];
        let changes = sample.windows(2).filter(|pair| meter(pair[0]) != meter(pair[1])).count();
        let mine = meters / self.shards.by as usize + 1;
        if changes * RUN < sample.len() || mine > rows.len() * SPARSE {
            return None;
        }
        self.next.clear();
        self.next.resize(mine, 0);
        for &row in rows {
            self.next[self.shards.quotient(meter(row))] += 1;
        }
        let mut before = 0;
        for next in &mut self.next {
            (*next, before) = (before, before + *next);
        }
        let none = V::default();
        let empty = Taken { ts: 0, ep: 0.0, eq: 0.0, u: [none; 3], p: none, q: none, row: 0, meter: 0 };
        self.taken.resize(rows.len(), empty);
        for &row in rows {
            let (n, meter) = (row as usize, meter(row));
            let next = &mut self.next[self.shards.quotient(meter)];
            self.taken[*next as usize] = Taken {
                ts: columns.times[n],
                ep: columns.ep[n],
                eq: columns.eq[n],
                u: columns.u.map(|u| u[n]),
                p: columns.p[n],
                q: columns.q[n],
                row,
                meter,
            };
            *next += 1;
        }
        Some(&self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rows: &[u32], number: &[u32]) -> Option<Vec<(u32, u32, i64)>> {
        let times: Vec<i64> = (0..number.len() as i64).map(|n| 100 + n).collect();
        let some = vec![1.0_f64; number.len()];
        let columns = Columns { times: &times, u: [&some; 3], p: &some, q: &some, ep: &some, eq: &some };
        let mut order = FeedOrder::new(2);
        let taken = order.of(rows, number, 6, &columns)?;
        Some(taken.iter().map(|t| (t.meter, t.row, t.reading().ts)).collect())
    }

    #[test]
    fn quotients_are_those_of_a_division() {
        for by in 1..=64 {
            for n in [0, 1, 6_999, 7_000, u32::MAX - 1, u32::MAX]
                .into_iter()
                .flat_map(|n| [n, n / by * by, n - n % by])
            {
                assert_eq!(Divisor::new(by).quotient(n), (n / by) as usize, "{n} / {by}");
            }
        }
    }

    #[test]
    fn rows_come_meter_by_meter_each_in_its_own_order() {
        // Meters 1, 3 and 5 are those of the second of two shards.
        let number = [5, 0, 1, 3, 5, 1, 2, 3, 5, 1];
        let expected =
            [(1, 2, 102), (1, 5, 105), (1, 9, 109), (3, 3, 103), (3, 7, 107), (5, 0, 100), (5, 4, 104)];
        assert_eq!(order(&[0, 2, 3, 4, 5, 7, 9], &number), Some(expected.to_vec()));
    }

    #[test]
    fn rows_that_lie_meter_by_meter_stay_as_they_are() {
        let number = [1, 1, 1, 1, 1, 3, 3, 3, 3, 3];
        assert_eq!(order(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &number), None);
    }
}
