//! Readings of one meter that are counted together.
//!
//! What a reading counts depends on the next one's stamp only. So readings of one day whose stamps rise are laid out column
//! by column and each figure is added up in registers, four readings side by side ([`crate::four`]), instead of fetching and
//! storing all figures for every reading. The figures are to the bit those of one reading after the other, which is what
//! an x86 processor without AVX2 does.

use crate::civil::DAY_MS;
use crate::day_state::{HOUR_MS, Hours, OpenDay, Tally};
use crate::exact::{Cut, ExactEnergy, Measured};
use crate::four::{LANES, Levels, first_of, level_run, power_run, time_above, time_below};
use crate::load::BLOCK_MS;
use crate::month::{Parameters, Reading};
use crate::tariff::SLOT_MS;
use crate::voltage::{Band, PhaseTime};

/// Readings of a run: more than a day of quarter hours.
pub const MOST: usize = 127;
/// Readings that are not worth being laid out.
pub const FEW: usize = 3;
/// Room for a run, the reading before it, and whole fours from any place.
pub(crate) const ROOM: usize = MOST + 1 + LANES;
/// A run of readings of one meter, column by column. Place 0 is kept for the reading before them.
pub struct ReadingRun {
    len: usize,
    ts: [i64; ROOM],
    u: [[f64; ROOM]; 3],
    p: [f64; ROOM],
    q: [f64; ROOM],
    ep: [f64; ROOM],
    eq: [f64; ROOM],
    /// Milliseconds that the readings being counted stand for, 0 behind them.
    weight_ms: [i64; ROOM],
    /// Their levels of each phase, V, NaN for none and behind them.
    level: [[f64; ROOM]; 3],
    /// Their powers in whole units: active, active that counts as energy, size of the reactive.
    units: [[i64; ROOM]; 3],
}

impl Default for ReadingRun {
    fn default() -> Self {
        let none = [f64::NAN; ROOM];
        ReadingRun {
            len: 0,
            ts: [0; ROOM],
            u: [none; 3],
            p: none,
            q: none,
            ep: none,
            eq: none,
            weight_ms: [0; ROOM],
            level: [none; 3],
            units: [[0; ROOM]; 3],
        }
    }
}

/// Readings of one meter, wherever they lie. Columns are given from a reading on.
pub trait Readings {
    /// Stamps.
    fn ts(&self, from: usize) -> impl Iterator<Item = i64>;
    /// Voltages of a phase.
    fn u(&self, phase: usize, from: usize) -> impl Iterator<Item = f64>;
    /// Active powers.
    fn p(&self, from: usize) -> impl Iterator<Item = f64>;
    /// Reactive powers.
    fn q(&self, from: usize) -> impl Iterator<Item = f64>;
    /// The register of active energy.
    fn ep(&self, from: usize) -> impl Iterator<Item = f64>;
    /// The register of reactive energy.
    fn eq(&self, from: usize) -> impl Iterator<Item = f64>;
    /// One reading, whole.
    fn reading(&self, n: usize) -> Reading;
}

impl ReadingRun {
    /// Lays out `len` readings, at most [`MOST`], from one on.
    #[inline(always)]
    pub fn fill(&mut self, readings: &impl Readings, from: usize, len: usize) {
        fn lay<T>(column: &mut [T], of: impl Iterator<Item = T>) {
            column.iter_mut().zip(of).for_each(|(place, value)| *place = value);
        }
        self.len = len.min(MOST);
        let laid = 1..=self.len;
        lay(&mut self.ts[laid.clone()], readings.ts(from));
        for (phase, u) in self.u.iter_mut().enumerate() {
            lay(&mut u[laid.clone()], readings.u(phase, from));
        }
        lay(&mut self.p[laid.clone()], readings.p(from));
        lay(&mut self.q[laid.clone()], readings.q(from));
        lay(&mut self.ep[laid.clone()], readings.ep(from));
        lay(&mut self.eq[laid], readings.eq(from));
    }

    #[inline(always)]
    fn put(&mut self, place: usize, reading: &Reading) {
        self.ts[place] = reading.ts;
        for (column, u) in self.u.iter_mut().zip(reading.u) {
            column[place] = u;
        }
        self.p[place] = reading.p;
        self.q[place] = reading.q;
        self.ep[place] = reading.ep;
        self.eq[place] = reading.eq;
    }

    #[inline(always)]
    fn get(&self, place: usize) -> Reading {
        Reading {
            ts: self.ts[place],
            u: std::array::from_fn(|n| self.u[n][place]),
            p: self.p[place],
            q: self.q[place],
            ep: self.ep[place],
            eq: self.eq[place],
        }
    }

    /// Weighs the readings whose stamps rise, from `from` on (counted from 0) and after `before`, up to `end`; gives how
    /// many there are, and whether they weigh the same.
    #[inline(always)]
    fn weigh(&mut self, from: usize, mut before: i64, end: i64, interval_ms: i64) -> (usize, bool) {
        let stamps = self.ts[from + 1..=self.len].iter();
        let mut n = 0;
        for (&ts, place) in stamps.zip(&mut self.weight_ms) {
            if ts <= before || ts >= end {
                break;
            }
            *place = interval_ms.min(ts - before);
            before = ts;
            n += 1;
        }
        let same = self.weight_ms[..n].iter().fold(0, |differ, w| differ | (w ^ self.weight_ms[0])) == 0;
        (n, same)
    }
}

impl OpenDay {
    /// Takes the readings of a run from `from` on (counted from 0) that lie in this day and whose stamps rise; gives how
    /// many. The next one is to be taken by itself: a correction, a fault, another day, or an absurd value.
    pub fn take(
        &mut self,
        run: &mut ReadingRun,
        from: usize,
        interval_ms: i64,
        parameters: &Parameters,
        hours: &mut Hours,
    ) -> usize {
        if from >= run.len {
            return 0;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            #[allow(unsafe_code)] // a function for newer processors may be called on those only
            // SAFETY: the processor has just been asked for what the function is compiled for.
            return unsafe { self.take_fours(run, from, interval_ms, parameters, hours) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        return self.take_fours(run, from, interval_ms, parameters, hours);
        #[cfg(target_arch = "x86_64")]
        0
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2"))]
    fn take_fours(
        &mut self,
        run: &mut ReadingRun,
        from: usize,
        interval_ms: i64,
        parameters: &Parameters,
        hours: &mut Hours,
    ) -> usize {
        let (n, same) = run.weigh(from, self.last.ts, (self.day + 1) * DAY_MS, interval_ms);
        if n == 0 {
            return 0;
        }
        // What was at this place has been taken. The readings that count now are the last one and all but the newest.
        run.put(from, &self.last);
        run.weight_ms[n..n + LANES].fill(0);
        let mut of_phase = [Levels::default(); 3];
        for ((levels, u), of) in run.level.iter_mut().zip(&run.u).zip(&mut of_phase) {
            *of = level_run(&u[from..], parameters.pt, &run.weight_ms, n, levels);
        }
        let of_power = power_run(&run.p[from..], &run.q[from..], n, &mut run.units);
        let quick = of_phase.iter().all(|of| of.highest < Cut::BELOW && of.lowest > -Cut::BELOW);
        if !quick || of_power.largest >= Cut::UNITS_BELOW {
            run.len = 0;
            return 0;
        }
        let at = Times { day: self.day, ts: &run.ts[from..from + n], weight_ms: &run.weight_ms, same };
        self.tally.n += n as i64;
        for ((phase, levels), of) in self.tally.phase.iter_mut().zip(&run.level).zip(&of_phase) {
            phase.add_run(levels, of, &at, &parameters.band);
        }
        let powers = &run.p[from..from + n];
        if of_power.present > 0 {
            if same && at.weight_ms[0] >= BLOCK_MS {
                self.tally.load.add_blocks(powers, &of_power, at.weight_ms[0], at.ts);
            } else {
                for (((&p, &units), &weight), &ts) in
                    powers.iter().zip(&run.units[0]).zip(at.weight_ms).zip(at.ts)
                {
                    if !p.is_nan() {
                        let amount = i128::from(units) * i128::from(weight);
                        self.tally.load.add(amount, weight, ts.div_euclid(BLOCK_MS));
                    }
                }
            }
            self.tally.add_energies(&run.units[1], &run.units[2], &at, parameters, hours);
        }
        self.tally.ep.add_run(&run.ep[from..from + n]);
        self.tally.eq.add_run(&run.eq[from..from + n]);
        self.last = run.get(from + n);
        n
    }
}

/// When the readings were that count.
struct Times<'a> {
    day: i64,
    ts: &'a [i64],
    weight_ms: &'a [i64; ROOM],
    /// Whether all weigh the same.
    same: bool,
}

impl PhaseTime<Measured> {
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2"))]
    fn add_run(&mut self, levels: &[f64; ROOM], of: &Levels, at: &Times<'_>, band: &Band<Measured>) {
        let (n, weights) = (at.ts.len(), at.weight_ms);
        if of.lowest < band.floor.0 {
            for ((&level, &weight), &ts) in levels.iter().zip(weights).zip(at.ts) {
                if !level.is_nan() {
                    self.add(Measured(level), weight, ts, band);
                }
            }
            return;
        }
        self.monitored_ms += of.ms;
        if of.highest > band.upper.0 {
            self.over_ms += time_above(levels, weights, n, band.upper.0);
        }
        if of.highest > band.ceiling.0 {
            self.overvoltage_ms += time_above(levels, weights, n, band.ceiling.0);
        }
        if of.lowest < band.lower.0 {
            self.under_ms += time_below(levels, weights, n, band.lower.0);
        }
        self.sum += if at.same {
            of.sum.over(weights[0])
        } else {
            let present = levels.iter().zip(&weights[..n]).filter(|(level, _)| !level.is_nan());
            present.map(|(level, weight)| Cut::of(*level).over(*weight)).sum()
        };
        // The level is taken from its place, for there is a zero of either sign.
        if of.highest > self.max.0
            && let Some(n) = first_of(levels, n, of.highest)
        {
            (self.max, self.max_at_ms) = (Measured(levels[n]), at.ts[n]);
        }
        if of.lowest < self.min.0
            && let Some(n) = first_of(levels, n, of.lowest)
        {
            (self.min, self.min_at_ms) = (Measured(levels[n]), at.ts[n]);
        }
    }
}

impl Tally {
    /// Adds energies, given as powers in whole units.
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2"))]
    fn add_energies(
        &mut self,
        active: &[i64; ROOM],
        reactive: &[i64; ROOM],
        at: &Times<'_>,
        parameters: &Parameters,
        hours: &mut Hours,
    ) {
        let day_ms = at.day * DAY_MS;
        let mut of_period = [Units::default(); 3];
        let (mut hour, mut of_hour) = (0, Units::default());
        let mut n = 0;
        while n < at.ts.len() {
            let slot = (at.ts[n] - day_ms) as u32 / SLOT_MS as u32;
            let (end, weight) = (day_ms + i64::from(slot + 1) * SLOT_MS, at.weight_ms[n]);
            let mut units = Units::default();
            while n < at.ts.len() && at.ts[n] < end && at.weight_ms[n] == weight {
                units.active += active[n];
                units.reactive += reactive[n];
                n += 1;
            }
            let its = (slot / (HOUR_MS / SLOT_MS) as u32) as usize;
            if !at.same {
                self.period[parameters.tariff.period(slot)].merge(&units.over(weight));
                hours[its].merge(&units.over(weight));
                continue;
            }
            of_period[parameters.tariff.period(slot)].add(units);
            if its != hour {
                hours[hour].merge(&of_hour.over(weight));
                (hour, of_hour) = (its, Units::default());
            }
            of_hour.add(units);
        }
        let weight = at.weight_ms[0];
        hours[hour].merge(&of_hour.over(weight));
        for (period, units) in self.period.iter_mut().zip(of_period) {
            period.merge(&units.over(weight));
        }
    }
}

/// Powers in whole units that weigh the same.
#[derive(Clone, Copy, Default)]
struct Units {
    active: i64,
    reactive: i64,
}

impl Units {
    #[inline(always)]
    fn add(&mut self, other: Units) {
        self.active += other.active;
        self.reactive += other.reactive;
    }

    #[inline(always)]
    fn over(self, weight_ms: i64) -> ExactEnergy {
        let over = |units: i64| i128::from(units) * i128::from(weight_ms);
        ExactEnergy { active: over(self.active), reactive: over(self.reactive) }
    }
}
