//! Figures that the shards have finished, on their way to the output.
//!
//! At midnight a batch of a round may end the days of all meters at once. Figures are large, so where meters are many they
//! are put aside until the output takes them one by one, in the order of the rows that finished them.

use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::month::{DayState, MonthTally, Sink, Tally};
use keyacct_stats::state_bytes::Bytes;

use crate::scratch_file::{Mark, Scratch, ScratchFile};

/// Figures of a kind that are held before they are put aside.
const HELD: usize = 1_024;

/// Figures that were finished, with the row of the data set (or, at the end, the meter) that finished them.
pub(crate) struct Finished<T> {
    pub(crate) at: u64,
    pub(crate) meter: u32,
    pub(crate) day: i64,
    pub(crate) figures: T,
}

/// Figures of a kind, of one shard.
pub(crate) struct List<T> {
    here: Vec<Finished<T>>,
    /// Row that finished what has been put aside, and where it lies.
    aside: Vec<(u64, Mark)>,
    file: Option<ScratchFile>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List { here: Vec::new(), aside: Vec::new(), file: None }
    }
}

impl<T: Bytes> List<T> {
    /// Puts what is held aside.
    fn put_aside(&mut self, scratch: &Scratch) -> Result<()> {
        let file = scratch.file_in(&mut self.file)?;
        let mut bytes = Vec::new();
        for finished in self.here.drain(..) {
            bytes.clear();
            i64::from(finished.meter).write(&mut bytes);
            (finished.day, finished.figures).write(&mut bytes);
            self.aside.push((finished.at, file.put(&bytes)?));
        }
        Ok(())
    }
}

/// Days and months that a batch finished in one shard.
#[derive(Default)]
pub(crate) struct Emitted {
    pub(crate) at: u64,
    pub(crate) meter: u32,
    pub(crate) days: List<Tally>,
    pub(crate) months: List<MonthTally>,
    /// Large, and handed on to who keeps them.
    pub(crate) parts: Vec<Finished<Box<DayState>>>,
    scratch: Option<Scratch>,
    failed: Option<Error>,
}

impl Emitted {
    /// None yet; what becomes too much is put aside, if there is a place for it.
    pub(crate) fn new(scratch: Option<Scratch>) -> Self {
        Emitted { scratch, ..Emitted::default() }
    }

    /// Whether all that was finished is there.
    ///
    /// # Errors
    /// `write.*`, when something could not be put aside.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.failed.take().map_or(Ok(self), Err)
    }
}

fn held<T: Bytes>(
    list: &mut List<T>,
    finished: Finished<T>,
    scratch: Option<&Scratch>,
    failed: &mut Option<Error>,
) {
    list.here.push(finished);
    if list.here.len() >= HELD
        && let Some(scratch) = scratch
        && let Err(error) = list.put_aside(scratch)
    {
        failed.get_or_insert(error);
    }
}

impl Sink for Emitted {
    fn day(&mut self, day: i64, tally: &Tally) {
        let finished = Finished { at: self.at, meter: self.meter, day, figures: *tally };
        held(&mut self.days, finished, self.scratch.as_ref(), &mut self.failed);
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        let finished = Finished { at: self.at, meter: self.meter, day, figures: *tally };
        held(&mut self.months, finished, self.scratch.as_ref(), &mut self.failed);
    }
    fn part(&mut self, state: Box<DayState>) {
        let day = state.open.day;
        self.parts.push(Finished { at: self.at, meter: self.meter, day, figures: state });
    }
}

/// Hands on what all shards have finished, in the order of the rows. The figures are large and stay where they are until
/// then.
///
/// # Errors
/// `write.*`; what `take` says.
pub(crate) fn in_order<T: Bytes>(
    lists: &mut [&mut List<T>],
    mut take: impl FnMut(u32, i64, &T) -> Result<()>,
) -> Result<()> {
    let mut all = Vec::with_capacity(lists.iter().map(|list| list.here.len() + list.aside.len()).sum());
    for (number, list) in lists.iter().enumerate() {
        all.extend(list.here.iter().enumerate().map(|(place, finished)| (finished.at, number, Ok(place))));
        all.extend(list.aside.iter().map(|(at, mark)| (*at, number, Err(*mark))));
    }
    all.sort_by_key(|(at, ..)| *at);
    for (_, number, place) in all {
        let List { here, file, .. } = &mut *lists[number];
        match (place, file) {
            (Ok(place), _) => take(here[place].meter, here[place].day, &here[place].figures)?,
            (Err(mark), Some(file)) => {
                let (meter, (day, figures)): (i64, (i64, T)) = file.get_as(mark)?;
                take(meter as u32, day, &figures)?; // it was written from one
            }
            (Err(_), None) => {
                return Err(Error::new(ErrorCode::Internal, "what was put aside is missing"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Months in the order of the output: meter, day, readings.
    fn given(scratch: Option<Scratch>) -> Vec<(u32, i64, i64)> {
        let mut shards = [Emitted::new(scratch.clone()), Emitted::new(scratch)];
        for n in 0..3_000_u32 {
            let shard = &mut shards[(n % 2) as usize];
            (shard.at, shard.meter) = (u64::from(n * 7_919 % 3_000), n);
            let mut tally = MonthTally::default();
            tally.all.n = i64::from(n) + 1;
            shard.month(i64::from(n % 31), &tally);
        }
        let [a, b] = shards.map(|shard| shard.checked().unwrap());
        let (mut a, mut b) = (a.months, b.months);
        let mut all = Vec::new();
        in_order(&mut [&mut a, &mut b], |meter, day, month| {
            all.push((meter, day, month.all.n));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn what_was_put_aside_comes_in_the_order_of_the_rows_too() {
        let all = given(Some(Scratch::in_folder(&std::env::temp_dir())));
        assert_eq!(all.len(), 3_000);
        assert!(all.is_sorted_by_key(|(meter, ..)| meter * 7_919 % 3_000));
        assert!(
            all.iter().all(|(meter, day, n)| (*day, *n) == (i64::from(meter % 31), i64::from(meter + 1)))
        );
        assert_eq!(all, given(None));
    }

    #[test]
    fn figures_that_cannot_be_put_aside_are_missed() {
        let mut emitted = Emitted::new(Some(Scratch::in_folder(std::path::Path::new("/nowhere/at/all"))));
        (0..HELD).for_each(|_| emitted.day(1, &Tally::default()));
        assert!(emitted.checked().is_err());
    }
}
