//! Energies of one meter in one civil day, as they are kept. No multiplier is in them, so that a ratio that is corrected
//! later touches none of them: sums are whole units of the meter, and the caller multiplies what the days add up to.

use crate::calendar::{PERIODS, Tariffs};
use crate::field_energy::{
    BOUNDARY_END, BOUNDARY_START, Book, COLUMNS, HOURS, Span, Sums, from_increments, register_step,
};
use crate::state_bytes::Bytes;
use crate::voltage_day::{ends, seam};
use crate::weight::{NONE, Series};
use crate::zone::Zone;

/// What one meter gave in one civil day, for one point. Sums lie beside the spans of the day.
#[derive(Clone, Debug, Default)]
pub struct EnergyDay {
    /// From steps between the readings of the day.
    pub registers: Vec<Sums>,
    /// First reading of each register: stamp and value.
    pub heads: [Option<(i64, i64)>; COLUMNS],
    /// Last reading of each register.
    pub tails: [Option<(i64, i64)>; COLUMNS],
    /// From increments that lie wholly in the day.
    pub increments: Vec<Sums>,
    /// Increments that may belong to the day before: stamp and values.
    pub increment_heads: Vec<(i64, [i64; COLUMNS])>,
    /// From powers behind the first.
    pub power: Vec<Sums>,
    /// The first row with active and reactive power: stamp and both.
    pub power_head: Option<(i64, i64, i64)>,
    /// Stamp of the last such row.
    pub power_tail: Option<i64>,
}

impl Bytes for Sums {
    fn write(&self, to: &mut Vec<u8>) {
        let mut cells: Vec<(i64, [i128; COLUMNS])> = Vec::new();
        for (period, hours) in self.by.iter().enumerate() {
            for (hour, amounts) in hours.iter().enumerate() {
                if amounts.iter().any(|&amount| amount != 0) {
                    cells.push(((period * HOURS + hour) as i64, *amounts));
                }
            }
        }
        cells.write(to);
        let present = self.present.iter().rev().fold(0, |bits, &there| bits << 1 | i64::from(there));
        present.write(to);
        self.covered_ms.write(to);
        i64::from(self.flags).write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Sums> {
        let mut sums = Sums::default();
        for (place, amounts) in Vec::<(i64, [i128; COLUMNS])>::read(from)? {
            let place = usize::try_from(place).ok()?;
            *sums.by.get_mut(place / HOURS)?.get_mut(place % HOURS)? = amounts;
        }
        let present = i64::read(from)?;
        sums.present = std::array::from_fn(|n| present >> n & 1 == 1);
        sums.covered_ms = i64::read(from)?;
        sums.flags = u32::try_from(i64::read(from)?).ok()?;
        Some(sums)
    }
}

impl Sums {
    /// Adds what the same span gave elsewhere.
    pub fn merge(&mut self, other: &Sums) {
        for period in 0..=PERIODS {
            for hour in 0..HOURS {
                for column in 0..COLUMNS {
                    self.by[period][hour][column] += other.by[period][hour][column];
                }
            }
        }
        for (mine, there) in self.present.iter_mut().zip(other.present) {
            *mine |= there;
        }
        self.covered_ms += other.covered_ms;
        self.flags |= other.flags;
    }
}

impl EnergyDay {
    /// From the registers and increments of the day. `spans` are those of the meter at its point, cut to the day; `mounted`
    /// and `longest_ms` as for the load.
    pub fn from_energy(
        (registers, increments): (&[Series<'_>; COLUMNS], &[Series<'_>; COLUMNS]),
        (spans, tariffs, zone): (&[Span], Tariffs<'_>, &Zone),
        mounted: Option<(i64, i64)>,
        (start_ms, longest_ms): (i64, i64),
    ) -> EnergyDay {
        let mut day = EnergyDay::default();
        let mut book = Book::new(spans, tariffs, zone);
        for (column, series) in registers.iter().enumerate() {
            let Some((from, to)) = mounted else { continue };
            for (&at_ms, &value) in series.at_ms.iter().zip(series.value) {
                if value == NONE || !(from..=to).contains(&at_ms) {
                    continue;
                }
                match day.tails[column].replace((at_ms, value)) {
                    Some(before) => register_step(&mut book, column, before, (at_ms, value)),
                    None => day.heads[column] = Some((at_ms, value)),
                }
            }
        }
        day.registers = book.sums;
        let stamps = increments[0].at_ms;
        let inside = |&row: &usize| stamps[row] - longest_ms >= start_ms;
        let values: Vec<Vec<i64>> = increments
            .iter()
            .map(|s| (0..stamps.len()).map(|row| if inside(&row) { s.value[row] } else { NONE }).collect())
            .collect();
        let settled: [Series<'_>; COLUMNS] =
            std::array::from_fn(|n| Series { value: &values[n], ..increments[n] });
        day.increments = from_increments(&settled, spans, tariffs, zone);
        let heads = (0..stamps.len()).filter(|row| !inside(row));
        day.increment_heads = heads.map(|row| (stamps[row], increments.map(|s| s.value[row]))).collect();
        day
    }

    /// From the powers of the day.
    pub fn from_power(
        active: Series<'_>,
        reactive: Series<'_>,
        (spans, tariffs, zone): (&[Span], Tariffs<'_>, &Zone),
    ) -> EnergyDay {
        let mut day = EnergyDay::default();
        let both = |row: usize| if reactive.value[row] == NONE { NONE } else { active.value[row] };
        let there: Vec<i64> = (0..active.at_ms.len()).map(both).collect();
        if let Some((first, last)) = ends(Series { value: &there, ..active }) {
            day.power_head = Some((active.at_ms[first], active.value[first], reactive.value[first]));
            day.power_tail = Some(active.at_ms[last]);
        }
        let head = day.power_head.map(|(at_ms, _, _)| at_ms);
        let mut book = Book::new(spans, tariffs, zone);
        book.integrate(active, reactive, |at_ms| Some(at_ms) != head);
        day.power = book.sums;
        day
    }
}

/// A kept day where days are joined: `spans` are the places, among the joined spans, of the spans of the day.
#[derive(Clone, Copy, Debug)]
pub struct KeptEnergy<'a> {
    /// What was kept.
    pub of: &'a EnergyDay,
    /// The joined span that each span of the day is a part of.
    pub spans: &'a [Option<usize>],
}

impl Book<'_> {
    fn take(&mut self, spans: &[Option<usize>], sums: &[Sums]) {
        for (of, place) in sums.iter().zip(spans) {
            if let Some(into) = place.and_then(|place| self.sums.get_mut(place)) {
                into.merge(of);
            }
        }
    }
}

/// Energies from registers, as [`crate::field_energy::from_registers`] gives them, of kept days in order: with one day
/// before the period, whose last reading may open it.
pub fn join_registers(
    kept: &[KeptEnergy<'_>],
    spans: &[Span],
    tariffs: Tariffs<'_>,
    zone: &Zone,
) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    let (Some(from), Some(to)) = (spans.first().map(|s| s.from_ms), spans.last().map(|s| s.to_ms)) else {
        return Vec::new();
    };
    for day in kept {
        book.take(day.spans, &day.of.registers);
    }
    let counts = |reading: &(i64, i64)| (from..=to).contains(&reading.0);
    for column in 0..COLUMNS {
        let mut before: Option<(i64, i64)> = None;
        let mut begun = false;
        for day in kept {
            if let Some(head) = day.of.heads[column].filter(counts) {
                if let Some(then) = before {
                    register_step(&mut book, column, then, head);
                }
                if !begun && head.0 != from {
                    book.sums[0].flags |= BOUNDARY_START;
                }
                begun = true;
            }
            if let Some(tail) = day.of.tails[column].filter(counts) {
                before = Some(tail);
                begun = true;
            }
        }
        if before.is_some_and(|(at_ms, _)| at_ms != to) {
            let end = book.sums.len() - 1;
            book.sums[end].flags |= BOUNDARY_END;
        }
    }
    book.sums
}

/// Energies from increments of kept days.
pub fn join_increments(
    kept: &[KeptEnergy<'_>],
    spans: &[Span],
    tariffs: Tariffs<'_>,
    zone: &Zone,
) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    for day in kept {
        book.take(day.spans, &day.of.increments);
        let heads = &day.of.increment_heads;
        let at_ms: Vec<i64> = heads.iter().map(|head| head.0).collect();
        let snapshot = vec![false; at_ms.len()];
        let values: Vec<Vec<i64>> =
            (0..COLUMNS).map(|n| heads.iter().map(|head| head.1[n]).collect()).collect();
        let series: [Series<'_>; COLUMNS] =
            std::array::from_fn(|n| Series { at_ms: &at_ms, snapshot: &snapshot, value: &values[n] });
        let of_heads = from_increments(&series, spans, tariffs, zone);
        let every: Vec<Option<usize>> = (0..spans.len()).map(Some).collect();
        book.take(&every, &of_heads);
    }
    book.sums
}

/// Energies from powers of kept days, with one day before the period and one behind it.
pub fn join_power(kept: &[KeptEnergy<'_>], spans: &[Span], tariffs: Tariffs<'_>, zone: &Zone) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    let mut tail = None;
    for day in kept {
        book.take(day.spans, &day.of.power);
        if let Some((at_ms, p, q)) = day.of.power_head {
            let stamps = seam(tail, at_ms);
            let (active, reactive) = (vec![p; stamps.len()], vec![q; stamps.len()]);
            let snapshot = vec![false; stamps.len()];
            let series = |value| Series { at_ms: &stamps, snapshot: &snapshot, value };
            book.integrate(series(&active), series(&reactive), |stamp| stamp == at_ms);
        }
        tail = day.of.power_tail.or(tail);
    }
    book.sums
}
