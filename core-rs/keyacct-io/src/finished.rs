//! Figures that the shards have finished, on their way to the output.

use keyacct_stats::month::{DayState, MonthTally, Sink, Tally};

/// Figures that were finished, with the row of the data set (or, at the end, the meter) that finished them.
pub(crate) struct Finished<T> {
    pub(crate) at: u64,
    pub(crate) meter: u32,
    pub(crate) day: i64,
    pub(crate) figures: T,
}

/// Days and months that a batch finished in one shard.
#[derive(Default)]
pub(crate) struct Emitted {
    pub(crate) at: u64,
    pub(crate) meter: u32,
    pub(crate) days: Vec<Finished<Tally>>,
    pub(crate) months: Vec<Finished<MonthTally>>,
    /// Large, and handed on to who keeps them.
    pub(crate) parts: Vec<Finished<Box<DayState>>>,
}

impl Sink for Emitted {
    fn day(&mut self, day: i64, tally: &Tally) {
        self.days.push(Finished { at: self.at, meter: self.meter, day, figures: *tally });
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        self.months.push(Finished { at: self.at, meter: self.meter, day, figures: *tally });
    }
    fn part(&mut self, state: Box<DayState>) {
        let day = state.open.day;
        self.parts.push(Finished { at: self.at, meter: self.meter, day, figures: state });
    }
}

/// What all shards have finished, in the order of the rows. The figures are large and stay where they are.
pub(crate) fn in_order<T>(
    shards: &[Emitted],
    list: impl Fn(&Emitted) -> &Vec<Finished<T>>,
) -> Vec<&Finished<T>> {
    let mut all: Vec<&Finished<T>> = shards.iter().flat_map(list).collect();
    all.sort_by_key(|f| f.at);
    all
}
