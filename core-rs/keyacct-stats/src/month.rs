//! Day and month figures of one meter by the rules of `keyacct stats`: a reading stands for the time until the next one,
//! at most one interval, and the whole of that time belongs to the day, block and slot that its stamp falls in.
//!
//! Readings of a meter come with stamps that never fall. A reading can be judged when the next one is known, so one is
//! always pending; a reading with the stamp of the pending one replaces it (a correction).

use crate::civil::{DAY_MS, first_of_month};
use crate::load::{BLOCK_MS, LoadTime};
use crate::power_factor::Energy;
use crate::register::FirstLast;
use crate::tariff::{HalfHours, SLOT_MS};
use crate::voltage::{Band, PhaseTime};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

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
    pub band: Band<f64>,
    /// Standard of the power factor.
    pub pf_standard: f64,
    /// Tariff periods.
    pub tariff: HalfHours,
}

/// Figures of a day, or of a month but for its hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Readings.
    pub n: i64,
    /// Phases a, b, c.
    pub phase: [PhaseTime<f64>; 3],
    /// Energies, kW·ms, of the periods peak, flat, valley.
    pub period: [Energy; 3],
    /// Load.
    pub load: LoadTime<f64>,
    /// Register of active energy.
    pub ep: FirstLast,
    /// Register of reactive energy.
    pub eq: FirstLast,
}

impl Tally {
    /// Energies of all periods.
    pub fn energy(&self) -> Energy {
        let [mut sum, flat, valley] = self.period;
        sum += flat;
        sum += valley;
        sum
    }

    fn merge(&mut self, later: &Tally) {
        self.n += later.n;
        for (mine, theirs) in self.phase.iter_mut().zip(&later.phase) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.period.iter_mut().zip(&later.period) {
            *mine += *theirs;
        }
        self.load.merge(&later.load);
        self.ep.merge(&later.ep);
        self.eq.merge(&later.eq);
    }
}

/// Figures of a month.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonthTally {
    /// Everything that a day has too.
    pub all: Tally,
    /// Energies, kW·ms, by hour of day.
    pub hour: [Energy; 24],
}

/// Takes finished days and months of a meter.
pub trait Sink {
    /// A finished day; `day` counts from 1970-01-01.
    fn day(&mut self, day: i64, tally: &Tally);
    /// A finished month; `day` is its first.
    fn month(&mut self, day: i64, tally: &MonthTally);
}

/// A reading came with an earlier stamp than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsorted {
    /// Stamp of the reading before.
    pub before: i64,
}

/// State of one meter.
#[derive(Clone, Debug)]
pub struct Meter {
    pending: Reading,
    day_number: i64,
    day: Tally,
    month_first: i64,
    month: MonthTally,
}

impl Meter {
    /// State after a meter's first reading.
    pub fn new(first: Reading) -> Self {
        let day_number = first.ts.div_euclid(DAY_MS);
        Meter {
            pending: first,
            day_number,
            day: Tally::default(),
            month_first: first_of_month(day_number),
            month: MonthTally::default(),
        }
    }

    /// Takes the next reading of the meter; days and months that it ends go to `sink`.
    ///
    /// # Errors
    /// When its stamp is before that of the reading before it.
    #[inline(always)]
    pub fn push(
        &mut self,
        reading: Reading,
        interval_ms: i64,
        parameters: &Parameters,
        sink: &mut impl Sink,
    ) -> Result<(), Unsorted> {
        let before = self.pending.ts;
        if reading.ts > before {
            self.settle(interval_ms.min(reading.ts.saturating_sub(before)), parameters, sink);
        } else if reading.ts < before {
            return Err(Unsorted { before });
        }
        self.pending = reading;
        Ok(())
    }

    /// Ends the meter: its last reading stands for one interval.
    pub fn finish(mut self, interval_ms: i64, parameters: &Parameters, sink: &mut impl Sink) {
        self.settle(interval_ms, parameters, sink);
        self.close_day(sink);
        sink.month(self.month_first, &self.month);
    }

    #[inline(always)]
    fn settle(&mut self, weight_ms: i64, parameters: &Parameters, sink: &mut impl Sink) {
        let r = self.pending;
        let of_day = r.ts.wrapping_sub(self.day_number.wrapping_mul(DAY_MS));
        if !(0..DAY_MS).contains(&of_day) {
            self.next_day(r.ts.div_euclid(DAY_MS), sink);
        }
        let ms_of_day = (r.ts - self.day_number * DAY_MS) as u32;
        let day = &mut self.day;
        day.n += 1;
        for (phase, u) in day.phase.iter_mut().zip(r.u) {
            if !u.is_nan() {
                phase.add(u * parameters.pt, weight_ms, r.ts, &parameters.band);
            }
        }
        if !r.p.is_nan() {
            // Days start at a multiple of a block, so the block of the clock is found within the day.
            let block = self.day_number * (DAY_MS / BLOCK_MS) + i64::from(ms_of_day / BLOCK_MS as u32);
            day.load.add(r.p, weight_ms, block, 0);
            if !r.q.is_nan() {
                let period = parameters.tariff.period(ms_of_day / SLOT_MS as u32);
                day.period[period].add(r.p, r.q, weight_ms);
                self.month.hour[(ms_of_day / HOUR_MS as u32) as usize].add(r.p, r.q, weight_ms);
            }
        }
        day.ep.add(r.ep);
        day.eq.add(r.eq);
    }

    #[cold]
    #[inline(never)]
    fn next_day(&mut self, number: i64, sink: &mut impl Sink) {
        self.close_day(sink);
        self.day_number = number;
        let first = first_of_month(number);
        if first != self.month_first {
            sink.month(self.month_first, &self.month);
            self.month = MonthTally::default();
            self.month_first = first;
        }
    }

    fn close_day(&mut self, sink: &mut impl Sink) {
        self.day.load.close(0);
        sink.day(self.day_number, &self.day);
        self.month.all.merge(&self.day);
        self.day = Tally::default();
    }
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
            band: Band { floor: 154.0, lower: 198.0, upper: 235.4, ceiling: f64::INFINITY },
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
        assert_eq!(day.load.max(), Some(3.0));
    }

    #[test]
    fn a_correction_replaces_the_whole_reading() {
        let kept = run(&[(0, 240.0, 1.0), (0, f64::NAN, 5.0), (15 * MIN, 220.0, f64::NAN)]);
        assert_eq!(kept.days[0].1.n, 2);
        assert_eq!(kept.days[0].1.phase[0].over_ms, 0);
        assert_eq!(kept.days[0].1.load.max(), Some(5.0));
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
        let earlier = Reading { ts: 9, ..meter.pending };
        let refused = meter.push(earlier, MIN, &parameters(), &mut Kept::default());
        assert_eq!(refused, Err(Unsorted { before: 10 }));
    }
}
