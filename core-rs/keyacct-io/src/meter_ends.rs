//! Where the readings of each meter end, as far as the statistics of the row groups tell: a meter behind whose last row
//! group the samples go on is ended there, and its state makes room for others. Samples that lie meter by meter so need the
//! memory of the meters of a row group, not of all.

use parquet::basic::SortOrder;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use crate::month_limits::Limits;
use crate::parquet_column::{Batch, Plan};

/// Lowest and highest value of a text column in a row group, which may be cut short outwards; nothing when the file does
/// not tell them, or only in the order of older writers.
pub(crate) fn bounds<'a>(
    file: &ParquetMetaData,
    group: &'a RowGroupMetaData,
    column: &str,
) -> Option<(&'a [u8], &'a [u8])> {
    let at = group.columns().iter().position(|c| c.column_path().string() == column)?;
    if file.file_metadata().column_order(at).sort_order() != SortOrder::UNSIGNED {
        return None;
    }
    let statistics = group.column(at).statistics()?;
    if statistics.is_min_max_deprecated() {
        return None;
    }
    statistics.min_bytes_opt().zip(statistics.max_bytes_opt())
}

/// The meters that end before the last batch, in the order of their ends.
pub(crate) struct MeterEnds {
    /// Numbers of meters.
    meters: Vec<u32>,
    /// Where those of each batch end in `meters`.
    until: Vec<u32>,
}

impl MeterEnds {
    /// Of a data set whose meters stand in `column`.
    pub(crate) fn of(plan: &Plan, limits: &Limits, column: &str) -> MeterEnds {
        let bounds_of = |batch: &Batch| {
            let group = plan.groups[batch.group];
            let file = plan.files[group.file].metadata.metadata();
            bounds(file, file.row_group(group.row_group), column)
        };
        let within = |(low, high): (&[u8], &[u8])| {
            limits.number.keys().all(|id| (low..=high).contains(&id.as_bytes()))
        };
        if plan.batches.last().is_none_or(|last| bounds_of(last).is_none_or(within)) {
            // All may go on to the end, as they do where samples lie in the order of time.
            return MeterEnds { meters: Vec::new(), until: vec![0; plan.batches.len()] };
        }
        let mut by_id: Vec<(&str, u32)> = limits.number.iter().map(|(id, n)| (&**id, *n)).collect();
        by_id.sort_unstable();
        let place = |after: &dyn Fn(&[u8]) -> bool| by_id.partition_point(|(id, _)| !after(id.as_bytes()));
        let mut open = Open::new(by_id.len());
        let mut ends: Vec<(u32, u32)> = Vec::new();
        let mut later = None;
        for (number, batch) in plan.batches.iter().enumerate().rev() {
            if later.replace(batch.group) == Some(batch.group) {
                continue;
            }
            let (from, to) = match bounds_of(batch) {
                Some((low, high)) => (place(&|id| id >= low), place(&|id| id > high)),
                None => (0, by_id.len()),
            };
            let last = number + 1 == plan.batches.len();
            open.take(from, to, |n| {
                if !last {
                    ends.push((number as u32, by_id[n].1));
                }
            });
        }
        ends.sort_unstable();
        let until =
            (0..plan.batches.len()).map(|n| ends.partition_point(|(end, _)| *end as usize <= n) as u32);
        MeterEnds { until: until.collect(), meters: ends.into_iter().map(|(_, meter)| meter).collect() }
    }

    /// The meters that have no readings behind a batch.
    pub(crate) fn behind(&self, batch: usize) -> &[u32] {
        let from = batch.checked_sub(1).map_or(0, |before| self.until[before]);
        &self.meters[from as usize..self.until[batch] as usize]
    }
}

/// Places that nobody has taken yet.
struct Open {
    /// For each place one at or behind it: itself while it is open, else one on the way to the next open one.
    next: Vec<u32>,
}

impl Open {
    fn new(places: usize) -> Open {
        Open { next: (0..=places as u32).collect() }
    }

    fn first_from(&mut self, mut place: usize) -> usize {
        while self.next[place] as usize != place {
            let on = self.next[self.next[place] as usize];
            self.next[place] = on;
            place = on as usize;
        }
        place
    }

    /// Takes the open places from one on and before another.
    fn take(&mut self, from: usize, before: usize, mut taken: impl FnMut(usize)) {
        let mut place = self.first_from(from);
        while place < before {
            taken(place);
            self.next[place] = place as u32 + 1;
            place = self.first_from(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_taken_once_and_in_order() {
        let mut open = Open::new(10);
        let mut taken = Vec::new();
        for (from, before) in [(4, 6), (6, 6), (2, 8), (0, 3), (3, 10), (0, 10), (10, 10)] {
            open.take(from, before, |n| taken.push(n));
            taken.push(99);
        }
        assert_eq!(taken, [4, 5, 99, 99, 2, 3, 6, 7, 99, 0, 1, 99, 8, 9, 99, 99, 99]);
    }
}
