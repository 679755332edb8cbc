//! Day and month figures of one meter by the rules of `keyacct stats`: a reading stands for the time until the next one,
//! at most one interval, and the whole of that time belongs to the day, block and slot that its stamp falls in.
//!
//! Readings of a meter come with stamps that never fall. A reading can be judged when the next one is known, so one is
//! always pending; a reading with the stamp of the pending one replaces it (a correction).

use crate::civil::{DAY_MS, first_of_month};
pub use crate::day_state::{DayState, Tally};
use crate::day_state::{HOUR_MS, Hours, OpenDay, add_hours};
use crate::exact::{ExactEnergy, Measured};
use crate::four::fetch;
use crate::reading_run::ReadingRun;
use crate::state_bytes::Bytes;
use crate::tariff::HalfHours;
use crate::voltage::Band;

/// One reading; NaN is "no value".
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Local wall clock, milliseconds since 1970-01-01.
    pub ts: i64,
    /// Phase voltages, V, secondary side.
    pub u: [f64; 3],
    /// Active power, kW.
    pub p: f64,
    /// Reactive power, kvar.
    pub q: f64,
    /// Register of forward active energy, kWh.
    pub ep: f64,
    /// Register of reactive energy, kvarh.
    pub eq: f64,
}

/// What a meter is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Ratio of the voltage transformer.
    pub pt: f64,
    /// Limits in primary volts.
    pub band: Band<Measured>,
    /// Standard of the power factor.
    pub pf_standard: f64,
    /// Tariff periods.
    pub tariff: HalfHours,
}

/// Figures of a month.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonthTally {
    /// Everything that a day has too.
    pub all: Tally,
    /// Energies by hour of day.
    pub hour: Hours,
}

/// Takes what the kernels give.
pub trait Sink {
    /// A finished day; `day` counts from 1970-01-01.
    fn day(&mut self, _day: i64, _tally: &Tally) {}
    /// A finished month; `day` is its first.
    fn month(&mut self, _day: i64, _tally: &MonthTally) {}
    /// A day, or a part of one, whose last reading is still open.
    fn part(&mut self, _state: Box<DayState>) {}
}

/// A reading came with an earlier stamp than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsorted {
    /// Stamp of the reading before.
    pub before: i64,
}

/// What is made of the readings of a meter, one after the other.
pub trait Kernel: Bytes + Send {
    /// State after a meter's first reading.
    fn new(first: Reading) -> Self;

    /// Takes the next reading of the meter; what it ends goes to `sink`.
    ///
    /// # Errors
    /// When its stamp is before that of the reading before it.
    fn push(
        &mut self,
        reading: Reading,
        interval_ms: i64,
        parameters: &Parameters,
        sink: &mut impl Sink,
    ) -> Result<(), Unsorted>;

    /// Takes readings of a run from `from` on and gives how many it took: those of the day in work whose stamps rise.
    /// The next one is to be pushed.
    fn take(&mut self, run: &mut ReadingRun, from: usize, interval_ms: i64, parameters: &Parameters)
    -> usize;

    /// Asks for what a reading of this stamp will change to be brought near the processor.
    fn fetch(&self, ts: i64);

    /// Ends the meter.
    fn finish(self, interval_ms: i64, parameters: &Parameters, sink: &mut impl Sink);
}

/// Days and months of one meter.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The day in work.
    pub part: OpenDay,
    /// First day of the month in work.
    pub month_first: i64,
    /// That month: the hours of all its days, and all else of the days before the one in work.
    pub month: MonthTally,
}

impl Meter {
    /// A meter whose first day, or part of one, is known.
    pub fn from_part(part: DayState) -> Self {
        let month = MonthTally { all: Tally::default(), hour: part.hour };
        Meter { month_first: first_of_month(part.open.day), part: part.open, month }
    }

    /// Takes a later day, or a part of one.
    ///
    /// # Errors
    /// When it begins before the last reading so far.
    pub fn absorb(
        &mut self,
        part: &DayState,
        interval_ms: i64,
        parameters: &Parameters,
        sink: &mut impl Sink,
    ) -> Result<(), Unsorted> {
        if part.open.day == self.part.day {
            return self.part.merge(part, interval_ms, parameters, &mut self.month.hour);
        }
        self.part.meet(part.open.first_ts, interval_ms, parameters, &mut self.month.hour)?;
        self.next_day(part.open.clone(), sink);
        add_hours(&mut self.month.hour, &part.hour);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn next_day(&mut self, part: OpenDay, sink: &mut impl Sink) {
        self.close_day(sink);
        self.part = part;
        let first = first_of_month(self.part.day);
        if first != self.month_first {
            sink.month(self.month_first, &self.month);
            self.month = MonthTally::default();
            self.month_first = first;
        }
    }

    fn close_day(&mut self, sink: &mut impl Sink) {
        sink.day(self.part.day, &self.part.tally);
        self.month.all.merge(&self.part.tally);
    }
}

impl Kernel for Meter {
    fn new(first: Reading) -> Self {
        Meter::from_part(DayState::new(first))
    }

    #[inline(always)]
    fn push(
        &mut self,
        reading: Reading,
        interval_ms: i64,
        parameters: &Parameters,
        sink: &mut impl Sink,
    ) -> Result<(), Unsorted> {
        if self.part.holds(reading.ts) {
            return self.part.push(reading, interval_ms, parameters, &mut self.month.hour);
        }
        self.part.meet(reading.ts, interval_ms, parameters, &mut self.month.hour)?;
        self.next_day(OpenDay::new(reading), sink);
        Ok(())
    }

    fn take(
        &mut self,
        run: &mut ReadingRun,
        from: usize,
        interval_ms: i64,
        parameters: &Parameters,
    ) -> usize {
        self.part.take(run, from, interval_ms, parameters, &mut self.month.hour)
    }

    #[inline(always)]
    fn fetch(&self, ts: i64) {
        fetch(&self.part);
        fetch(hours_from(&self.month.hour, ts));
    }

    /// The last reading stands for one interval.
    fn finish(mut self, interval_ms: i64, parameters: &Parameters, sink: &mut impl Sink) {
        self.part.settle(interval_ms, parameters, &mut self.month.hour);
        self.close_day(sink);
        sink.month(self.month_first, &self.month);
    }
}

/// The days of one meter as states that can be joined with others; each is handed on as it is.
#[derive(Clone, Debug)]
pub struct Parts(Box<DayState>);

impl Bytes for Parts {
    fn write(&self, to: &mut Vec<u8>) {
        self.0.write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        DayState::read(from).map(|state| Parts(Box::new(state)))
    }
}

impl Kernel for Parts {
    fn new(first: Reading) -> Self {
        Parts(Box::new(DayState::new(first)))
    }

    #[inline(always)]
    fn push(
        &mut self,
        reading: Reading,
        interval_ms: i64,
        parameters: &Parameters,
        sink: &mut impl Sink,
    ) -> Result<(), Unsorted> {
        let DayState { open, hour } = &mut *self.0;
        if open.holds(reading.ts) {
            return open.push(reading, interval_ms, parameters, hour);
        }
        if reading.ts < open.last.ts {
            return Err(Unsorted { before: open.last.ts });
        }
        sink.part(std::mem::replace(&mut self.0, Box::new(DayState::new(reading))));
        Ok(())
    }

    fn take(
        &mut self,
        run: &mut ReadingRun,
        from: usize,
        interval_ms: i64,
        parameters: &Parameters,
    ) -> usize {
        let DayState { open, hour } = &mut *self.0;
        open.take(run, from, interval_ms, parameters, hour)
    }

    #[inline(always)]
    fn fetch(&self, ts: i64) {
        fetch(&self.0.open);
        fetch(hours_from(&self.0.hour, ts));
    }

    fn finish(self, _interval_ms: i64, _parameters: &Parameters, sink: &mut impl Sink) {
        sink.part(self.0);
    }
}

/// The hours that a few readings from a stamp on fall in, mostly.
fn hours_from(hours: &Hours, ts: i64) -> &[ExactEnergy; 4] {
    let hour = ts.rem_euclid(DAY_MS) / HOUR_MS;
    let at = (hour as usize).min(hours.len() - 4);
    hours[at..].first_chunk().unwrap_or(&[ExactEnergy::ZERO; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept {
        days: Vec<(i64, Tally)>,
        months: Vec<(i64, MonthTally)>,
    }

    impl Sink for Kept {
        fn day(&mut self, day: i64, tally: &Tally) {
            self.days.push((day, *tally));
        }
        fn month(&mut self, day: i64, tally: &MonthTally) {
            self.months.push((day, *tally));
        }
    }

    const MIN: i64 = 60_000;

    fn parameters() -> Parameters {
        Parameters {
            pt: 1.0,
            band: Band {
                floor: Measured(154.0),
                lower: Measured(198.0),
                upper: Measured(235.4),
                ceiling: Measured(f64::INFINITY),
            },
            pf_standard: 0.9,
            tariff: HalfHours::parse(&"F".repeat(48)).unwrap(),
        }
    }

    fn run(readings: &[(i64, f64, f64)]) -> Kept {
        let mut kept = Kept::default();
        let reading = |&(ts, u, p): &(i64, f64, f64)| Reading {
            ts,
            u: [u, f64::NAN, u],
            p,
            q: 0.0,
            ep: f64::NAN,
            eq: ts as f64,
        };
        let mut meter = Meter::new(reading(&readings[0]));
        for r in &readings[1..] {
            meter.push(reading(r), 15 * MIN, &parameters(), &mut kept).unwrap();
        }
        meter.finish(15 * MIN, &parameters(), &mut kept);
        kept
    }

    #[test]
    fn a_reading_counts_until_the_next_but_no_longer_than_an_interval() {
        let kept = run(&[(0, 240.0, 1.0), (5 * MIN, 190.0, 2.0), (60 * MIN, 220.0, 3.0)]);
        let [(0, day)] = kept.days[..] else { panic!("{:?}", kept.days) };
        assert_eq!(day.phase[0].over_ms, 5 * MIN);
        assert_eq!(day.phase[0].under_ms, 15 * MIN);
        assert_eq!(day.phase[0].monitored_ms, 35 * MIN);
        assert_eq!(day.phase[1].monitored_ms, 0);
        assert_eq!(day.load.demands().map(|d| d.highest.0), Some(3.0));
    }

    #[test]
    fn a_correction_replaces_the_whole_reading() {
        let kept = run(&[(0, 240.0, 1.0), (0, f64::NAN, 5.0), (15 * MIN, 220.0, f64::NAN)]);
        assert_eq!(kept.days[0].1.n, 2);
        assert_eq!(kept.days[0].1.phase[0].over_ms, 0);
        assert_eq!(kept.days[0].1.load.demands().map(|d| d.highest.0), Some(5.0));
    }

    #[test]
    fn days_and_months_end_at_midnight_and_a_weight_reaches_over_the_seam() {
        // 31 January 1970 is day 30.
        let kept = run(&[(31 * DAY_MS - MIN, 240.0, 1.0), (31 * DAY_MS + MIN, 220.0, 1.0)]);
        assert_eq!(kept.days.iter().map(|d| d.0).collect::<Vec<_>>(), [30, 31]);
        assert_eq!(kept.months.iter().map(|m| m.0).collect::<Vec<_>>(), [0, 31]);
        assert_eq!(kept.days[0].1.phase[0].over_ms, 2 * MIN);
    }

    #[test]
    fn a_stamp_that_falls_is_refused() {
        let mut meter = Meter::new(Reading { ts: 10, u: [1.0; 3], p: 1.0, q: 1.0, ep: 1.0, eq: 1.0 });
        let earlier = Reading { ts: 9, ..meter.part.last };
        let refused = meter.push(earlier, MIN, &parameters(), &mut Kept::default());
        assert_eq!(refused, Err(Unsorted { before: 10 }));
    }
}
