//! What the readings of a meter gave on one day, or on a part of one, kept so that it can be joined with what comes before
//! and after.
//!
//! The weight of the last reading is not known until the next one is, which may lie in another file or day; so the last
//! reading is kept as it is and settled when the state meets its successor. All sums are exact ([`crate::exact`]): states
//! that are joined in time order, in any grouping, give the same bits.

use crate::block_span::BlockSpan;
use crate::civil::DAY_MS;
use crate::exact::{ExactEnergy, Measured, amount};
use crate::load::BLOCK_MS;
use crate::month::{Parameters, Reading, Unsorted};
use crate::register::FirstLast;
use crate::tariff::SLOT_MS;
use crate::voltage::PhaseTime;

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Figures of a day, or of a month but for its hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Readings.
    pub n: i64,
    /// Phases a, b, c.
    pub phase: [PhaseTime<Measured>; 3],
    /// Energies of the periods peak, flat, valley.
    pub period: [ExactEnergy; 3],
    /// Load.
    pub load: BlockSpan,
    /// Register of active energy.
    pub ep: FirstLast,
    /// Register of reactive energy.
    pub eq: FirstLast,
}

impl Tally {
    /// Energies of all periods.
    pub fn energy(&self) -> ExactEnergy {
        let [mut sum, flat, valley] = self.period;
        sum.merge(&flat);
        sum.merge(&valley);
        sum
    }

    /// Adds what a later span of time gave.
    pub fn merge(&mut self, later: &Tally) {
        self.n += later.n;
        for (mine, theirs) in self.phase.iter_mut().zip(&later.phase) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.period.iter_mut().zip(&later.period) {
            mine.merge(theirs);
        }
        self.load.merge(&later.load);
        self.ep.merge(&later.ep);
        self.eq.merge(&later.eq);
    }
}

/// Energies by hour of day.
pub type Hours = [ExactEnergy; 24];

/// A day of a meter, or a part of it, but for the energies by hour: those go to whom the caller names, so that a month in
/// work does not keep them twice.
#[derive(Clone, Debug)]
pub struct OpenDay {
    /// The day, from 1970-01-01.
    pub day: i64,
    /// Stamp of the first reading.
    pub first_ts: i64,
    /// The last reading, whose weight is still open.
    pub last: Reading,
    /// All readings but the last.
    pub tally: Tally,
}

impl OpenDay {
    /// State after a first reading.
    pub fn new(first: Reading) -> Self {
        let day = first.ts.div_euclid(DAY_MS);
        OpenDay { day, first_ts: first.ts, last: first, tally: Tally::default() }
    }

    /// Whether a stamp lies in this day.
    #[inline(always)]
    pub fn holds(&self, ts: i64) -> bool {
        (0..DAY_MS).contains(&ts.wrapping_sub(self.day.wrapping_mul(DAY_MS)))
    }

    /// Takes the next reading, of this day. One with the stamp of the last replaces it.
    ///
    /// # Errors
    /// When its stamp is before the last.
    #[inline(always)]
    pub fn push(
        &mut self,
        reading: Reading,
        interval_ms: i64,
        parameters: &Parameters,
        hours: &mut Hours,
    ) -> Result<(), Unsorted> {
        self.meet(reading.ts, interval_ms, parameters, hours)?;
        self.last = reading;
        Ok(())
    }

    /// Joins a later state of the same day.
    ///
    /// # Errors
    /// When it begins before the last reading of this one.
    pub fn merge(
        &mut self,
        later: &DayState,
        interval_ms: i64,
        parameters: &Parameters,
        hours: &mut Hours,
    ) -> Result<(), Unsorted> {
        self.meet(later.open.first_ts, interval_ms, parameters, hours)?;
        self.tally.merge(&later.open.tally);
        add_hours(hours, &later.hour);
        self.last = later.open.last;
        Ok(())
    }

    /// Settles the last reading against the stamp of the next one, in this day or later; with the same stamp it counts
    /// for nothing, for the next one corrects it.
    ///
    /// # Errors
    /// When the next stamp is earlier.
    #[inline(always)]
    pub fn meet(
        &mut self,
        next_ts: i64,
        interval_ms: i64,
        parameters: &Parameters,
        hours: &mut Hours,
    ) -> Result<(), Unsorted> {
        let before = self.last.ts;
        if next_ts > before {
            self.settle(interval_ms.min(next_ts.saturating_sub(before)), parameters, hours);
        } else if next_ts < before {
            return Err(Unsorted { before });
        }
        Ok(())
    }

    /// Counts the last reading with a weight.
    #[inline(always)]
    pub fn settle(&mut self, weight_ms: i64, parameters: &Parameters, hours: &mut Hours) {
        let r = &self.last;
        let ms_of_day = (r.ts - self.day * DAY_MS) as u32;
        let tally = &mut self.tally;
        tally.n += 1;
        for (phase, u) in tally.phase.iter_mut().zip(r.u) {
            if !u.is_nan() {
                phase.add(Measured(u * parameters.pt), weight_ms, r.ts, &parameters.band);
            }
        }
        if !r.p.is_nan() {
            // Days start at a multiple of a block, so the block of the clock is found within the day.
            let block = self.day * (DAY_MS / BLOCK_MS) + i64::from(ms_of_day / BLOCK_MS as u32);
            let active = amount(r.p, weight_ms);
            tally.load.add(active, weight_ms, block);
            if !r.q.is_nan() {
                let period = parameters.tariff.period(ms_of_day / SLOT_MS as u32);
                let energy = ExactEnergy::of(active, amount(r.q, weight_ms));
                tally.period[period].merge(&energy);
                hours[(ms_of_day / HOUR_MS as u32) as usize].merge(&energy);
            }
        }
        tally.ep.add(r.ep);
        tally.eq.add(r.eq);
    }
}

/// A day of a meter, or a part of it, with all that is needed to join it.
#[derive(Clone, Debug)]
pub struct DayState {
    /// All but the hours.
    pub open: OpenDay,
    /// Energies by hour of day, but for the last reading.
    pub hour: Hours,
}

impl DayState {
    /// State after a first reading.
    pub fn new(first: Reading) -> Self {
        DayState { open: OpenDay::new(first), hour: Hours::default() }
    }
}

/// Adds the energies of another time.
pub fn add_hours(hours: &mut Hours, others: &Hours) {
    for (mine, theirs) in hours.iter_mut().zip(others) {
        mine.merge(theirs);
    }
}
