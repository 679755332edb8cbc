//! Energies of a metering point over a period, from its registers, from increments, or from power: sums of steps, by
//! tariff period and hour, in exact units of the meter (the multiplier is applied by the caller, per span).
//!
//! A register is read by differences: falls are flagged and count nothing, and what lies between two readings counts
//! whole, so that the sum is the difference of the first and the last reading of the span.

use crate::calendar::{DayTariff, PERIODS, Tariffs};
use crate::weight::{NONE, Rule, Series};
use crate::zone::Zone;

/// Columns of energy: import, export, q1, q2, q3, q4, reactive import, reactive export.
pub const COLUMNS: usize = 8;
/// Hours of a day, and one for what belongs to no hour.
pub const HOURS: usize = 25;
const HOUR_MS: i64 = 3_600_000;

/// A register fell.
pub const REGISTER_DECREASE: u32 = 1;
/// Between two readings the multiplier changed, and they lie too far apart to tell how much was before.
pub const GAP_OVER_SEAM: u32 = 2;
/// Some energy lies between readings too far apart for an hour or a tariff period.
pub const UNATTRIBUTED: u32 = 4;
/// There is no reading at the beginning; the nearest inside was taken.
pub const BOUNDARY_START: u32 = 8;
/// There is no reading at the end; the nearest inside was taken.
pub const BOUNDARY_END: u32 = 16;

/// A span in which everything that a meter's energies are understood by is constant.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Beginning.
    pub from_ms: i64,
    /// End, exclusive; a register stamped at it closes the span.
    pub to_ms: i64,
    /// Weights.
    pub rule: Rule,
    /// Marks a multiplier: spans with equal marks have equal multipliers.
    pub multiplier: f64,
    /// Tariff table, by its number.
    pub tariff: Option<usize>,
}

/// Sums of one span, by tariff period (the last: none) and hour (the last: none).
#[derive(Clone, Debug)]
pub struct Sums {
    /// Indexed by period, hour, column.
    pub by: Box<[[[i128; COLUMNS]; HOURS]; PERIODS + 1]>,
    /// Whether there is any value of a column.
    pub present: [bool; COLUMNS],
    /// Time for which there is energy of the first column.
    pub covered_ms: i64,
    /// What was met, as bits.
    pub flags: u32,
}

impl Default for Sums {
    fn default() -> Self {
        Sums {
            by: Box::new([[[0; COLUMNS]; HOURS]; PERIODS + 1]),
            present: [false; COLUMNS],
            covered_ms: 0,
            flags: 0,
        }
    }
}

/// Where a step is booked.
pub(crate) struct Book<'a> {
    spans: &'a [Span],
    tariffs: Vec<DayTariff<'a>>,
    zone: &'a Zone,
    pub(crate) sums: Vec<Sums>,
}

impl<'a> Book<'a> {
    pub(crate) fn new(spans: &'a [Span], tariffs: Tariffs<'a>, zone: &'a Zone) -> Self {
        let of = |span: &Span| tariffs.day(span.tariff);
        Book {
            spans,
            tariffs: spans.iter().map(of).collect(),
            zone,
            sums: spans.iter().map(|_| Sums::default()).collect(),
        }
    }

    fn span_of(&self, ms: i64) -> Option<usize> {
        self.spans.iter().position(|s| (s.from_ms..s.to_ms).contains(&ms))
    }

    fn add(&mut self, span: usize, column: usize, amount: i128, anchor_ms: Option<i64>) {
        let (period, hour) = match anchor_ms {
            Some(ms) => {
                let local = self.zone.local(ms);
                let hour = local.rem_euclid(crate::civil::DAY_MS) / HOUR_MS;
                (usize::from(self.tariffs[span].period(local)), hour as usize)
            }
            None => {
                self.sums[span].flags |= UNATTRIBUTED;
                (PERIODS, HOURS - 1)
            }
        };
        self.sums[span].by[period][hour][column] += amount;
        self.sums[span].present[column] = true;
    }
}

/// Energies from cumulative registers, one result a span. `spans` are those of one meter at one point, in order of time.
pub fn from_registers(
    columns: &[Series<'_>; COLUMNS],
    spans: &[Span],
    tariffs: Tariffs<'_>,
    zone: &Zone,
) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Vec::new() };
    for (column, series) in columns.iter().enumerate() {
        let mut before: Option<(i64, i64)> = None;
        let mut begun = false;
        for (&at_ms, &value) in series.at_ms.iter().zip(series.value) {
            if value == NONE || at_ms < first.from_ms || at_ms > last.to_ms {
                continue;
            }
            if !begun && at_ms != first.from_ms {
                book.sums[0].flags |= BOUNDARY_START;
            }
            begun = true;
            if let Some((then_ms, then)) = before {
                register_step(&mut book, column, (then_ms, then), (at_ms, value));
            }
            before = Some((at_ms, value));
        }
        if before.is_some_and(|(at_ms, _)| at_ms != last.to_ms) {
            let end = book.sums.len() - 1;
            book.sums[end].flags |= BOUNDARY_END;
        }
    }
    book.sums
}

pub(crate) fn register_step(
    book: &mut Book<'_>,
    column: usize,
    (then_ms, then): (i64, i64),
    (at_ms, value): (i64, i64),
) {
    let gap = at_ms - then_ms;
    let (Some(from), Some(into)) = (book.span_of(then_ms), book.span_of(at_ms - 1)) else {
        // Between two spans of the meter lies a time at which it measured something else.
        if let Some(span) = book.span_of(then_ms).or_else(|| book.span_of(at_ms - 1)) {
            book.sums[span].flags |= GAP_OVER_SEAM;
        }
        return;
    };
    if value < then {
        book.sums[into].flags |= REGISTER_DECREASE;
        return;
    }
    let rule = book.spans[into].rule;
    let near = gap <= rule.reach_ms();
    let anchor_ms =
        if near { Some(at_ms - gap.min(rule.interval_ms)) } else { (gap <= HOUR_MS).then_some(then_ms) };
    let same = book.spans[from].multiplier == book.spans[into].multiplier;
    if !near && !same {
        book.sums[into].flags |= GAP_OVER_SEAM;
        return;
    }
    let span = anchor_ms.and_then(|ms| book.span_of(ms)).unwrap_or(into);
    book.add(span, column, i128::from(value) - i128::from(then), anchor_ms);
    if column == 0 {
        book.sums[span].covered_ms += gap;
    }
}

/// Energies from increments of intervals that end at their stamps.
pub fn from_increments(
    columns: &[Series<'_>; COLUMNS],
    spans: &[Span],
    tariffs: Tariffs<'_>,
    zone: &Zone,
) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    for (column, series) in columns.iter().enumerate() {
        for (&at_ms, &value) in series.at_ms.iter().zip(series.value) {
            let found = book
                .spans
                .iter()
                .position(|s| (s.from_ms..s.to_ms).contains(&at_ms.saturating_sub(s.rule.interval_ms)));
            if let (Some(span), true) = (found, value != NONE) {
                let interval_ms = book.spans[span].rule.interval_ms;
                book.add(span, column, i128::from(value), Some(at_ms - interval_ms));
                if column == 0 {
                    book.sums[span].covered_ms += interval_ms;
                }
            }
        }
    }
    book.sums
}

/// Energies integrated from active and reactive power of the same rows, in units of power × ms. The quadrant follows
/// the signs as a consumer sees them: q1 import and inductive, q4 import and capacitive, q2 and q3 export.
pub fn from_power(
    active: Series<'_>,
    reactive: Series<'_>,
    spans: &[Span],
    tariffs: Tariffs<'_>,
    zone: &Zone,
) -> Vec<Sums> {
    let mut book = Book::new(spans, tariffs, zone);
    book.integrate(active, reactive, |_| true);
    book.sums
}

impl Book<'_> {
    /// Integrates the powers whose stamps are taken.
    pub(crate) fn integrate(
        &mut self,
        active: Series<'_>,
        reactive: Series<'_>,
        taken: impl Fn(i64) -> bool,
    ) {
        let book = self;
        let spans = book.spans;
        let both = |row: usize| active.value[row] != NONE && reactive.value[row] != NONE;
        let rows: Vec<i64> =
            (0..active.at_ms.len()).map(|row| if both(row) { row as i64 } else { NONE }).collect();
        let series = Series { value: &rows, ..active };
        for (number, span) in spans.iter().enumerate() {
            span.rule.weigh(series, span.from_ms, span.to_ms, |w| {
                if !taken(w.at_ms) {
                    return;
                }
                let (p, q) = (active.value[w.value as usize], reactive.value[w.value as usize]);
                let amount = |value: i64| i128::from(value).abs() * i128::from(w.weight_ms);
                let anchor = Some(w.anchor_ms);
                book.add(number, usize::from(p < 0), amount(p), anchor);
                let quadrant = match (p >= 0, q >= 0) {
                    (true, true) => 2,
                    (false, true) => 3,
                    (false, false) => 4,
                    (true, false) => 5,
                };
                book.add(number, quadrant, amount(q), anchor);
                book.sums[number].covered_ms += w.weight_ms;
            });
            if book.sums[number].covered_ms > 0 {
                book.sums[number].present = [true, true, true, true, true, true, false, false];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_tariffs() -> Tariffs<'static> {
        Tariffs { tables: &[], special: Box::leak(Box::default()) }
    }

    const HOUR: i64 = HOUR_MS;

    fn span(from_h: i64, to_h: i64, multiplier: f64) -> Span {
        let rule = Rule { interval_ms: HOUR, max_gap_intervals: 2, snapshots_follow: false };
        Span { from_ms: from_h * HOUR, to_ms: to_h * HOUR, rule, multiplier, tariff: None }
    }

    fn registers(at_h: &[i64], import: &[i64], spans: &[Span]) -> Vec<Sums> {
        let at_ms: Vec<i64> = at_h.iter().map(|h| h * HOUR).collect();
        let (none, snapshot) = (vec![NONE; at_h.len()], vec![false; at_h.len()]);
        let series = |value| Series { at_ms: &at_ms, snapshot: &snapshot, value };
        let mut columns = [series(&none); COLUMNS];
        columns[0] = series(import);
        from_registers(&columns, spans, no_tariffs(), &Zone::new(vec![]))
    }

    fn import(sums: &Sums) -> i128 {
        sums.by.iter().flatten().map(|columns| columns[0]).sum()
    }

    #[test]
    fn the_energy_is_the_difference_of_the_boundary_readings() {
        let sums = registers(&[0, 1, 2, 3], &[100, 130, 131, 200], &[span(0, 3, 1.0)]);
        assert_eq!((import(&sums[0]), sums[0].flags, sums[0].covered_ms), (100, 0, 3 * HOUR));
        assert_eq!(sums[0].by[PERIODS][2][0], 69);
    }

    #[test]
    fn a_fall_is_flagged_and_never_negative_energy() {
        let sums = registers(&[0, 1, 2, 3], &[100, 130, 5, 9], &[span(0, 3, 1.0)]);
        assert_eq!((import(&sums[0]), sums[0].flags), (34, REGISTER_DECREASE));
    }

    #[test]
    fn missing_boundary_readings_are_flagged_and_not_made_up() {
        let sums = registers(&[-1, 1, 2, 4], &[0, 10, 14, 99], &[span(0, 3, 1.0)]);
        assert_eq!((import(&sums[0]), sums[0].flags), (4, BOUNDARY_START | BOUNDARY_END));
    }

    #[test]
    fn a_step_over_a_change_of_the_multiplier_counts_only_when_it_is_short() {
        let spans = [span(0, 5, 1.0), span(5, 12, 2.0)];
        let sums = registers(&[0, 4, 5, 6, 12], &[0, 40, 50, 60, 120], &spans);
        assert_eq!((import(&sums[0]), import(&sums[1])), (50, 70));
        assert_eq!(sums[0].flags | sums[1].flags, UNATTRIBUTED);
        let sums = registers(&[0, 2, 9, 12], &[0, 20, 90, 120], &spans);
        assert_eq!((import(&sums[0]), import(&sums[1])), (20, 30));
        assert_ne!(sums[1].flags & GAP_OVER_SEAM, 0);
    }

    #[test]
    fn power_is_integrated_by_quadrant() {
        let (at_ms, snapshot) = ([HOUR, 2 * HOUR, 3 * HOUR], [false; 3]);
        let (p, q) = ([10, -4, 6], [3, 2, -5]);
        let active = Series { at_ms: &at_ms, snapshot: &snapshot, value: &p };
        let reactive = Series { value: &q, ..active };
        let sums = from_power(active, reactive, &[span(0, 3, 1.0)], no_tariffs(), &Zone::new(vec![]));
        let h = i128::from(HOUR);
        let mut all = [0; COLUMNS];
        for columns in sums[0].by.iter().flatten() {
            for (sum, amount) in all.iter_mut().zip(columns) {
                *sum += amount;
            }
        }
        assert_eq!(all, [16 * h, 4 * h, 3 * h, 2 * h, 0, 5 * h, 0, 0]);
    }
}
