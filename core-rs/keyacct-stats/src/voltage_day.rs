//! Voltages of one meter in one civil day, as they are kept: days join to the bits that one pass over their samples gives.
//!
//! A value's weight is the time since the one before it, which for the first value of a day lies in another day. So the
//! first value is kept as it is, and settled when days are joined; everything behind it is settled already.

use crate::decimal::Decimal;
use crate::field_voltage::{Figures, PLACES, Point, Span, Wiring, primary};
use crate::voltage::PhaseTime;
use crate::weight::{NONE, Series};
use crate::zone::Zone;

/// Columns: a, b, c and ca as the meter tells them, and the lines Uab and Ucb of a three-wire meter.
const COLUMNS: usize = 6;
/// The most that a wiring judges.
const JUDGED: usize = 3;

/// What a wiring judges: its place, its column, and its number in [`crate::field_voltage::PHASES`].
fn judged(wiring: Wiring) -> impl Iterator<Item = (usize, usize, usize)> {
    let column = move |column| match (wiring, column) {
        (Wiring::ThreeWire, 0) => 4,
        (Wiring::ThreeWire, 2) => 5,
        _ => column,
    };
    wiring.phases().iter().enumerate().map(move |(place, &(of, phase))| (place, column(of), phase))
}

/// What one meter gave in one civil day: of stamps behind its first instant, up to and with its last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoltageDay {
    /// The first value of each column: stamp and 10^−3 V.
    pub heads: [Option<(i64, i64)>; COLUMNS],
    /// Stamp of the last value of each column.
    pub tails: [Option<i64>; COLUMNS],
    /// Times of each span of the day and what its wiring judges, without the heads.
    pub spans: Vec<[PhaseTime<i64>; JUDGED]>,
}

/// The first row with a value, and the last.
pub(crate) fn ends(series: Series<'_>) -> Option<(usize, usize)> {
    let there = |&row: &usize| series.value[row] != NONE;
    let first = (0..series.value.len()).find(there)?;
    Some((first, (0..series.value.len()).rfind(there)?))
}

/// A head behind the tail before it, as a series of two rows.
pub(crate) fn seam(tail: Option<i64>, head: i64) -> Vec<i64> {
    tail.into_iter().chain([head]).collect()
}

impl VoltageDay {
    /// From the samples of the day: a, b, c, ca, Uab, Ucb. `spans` are those of the meter at its point, cut to the day. Nothing when
    /// a ratio or limit cannot be used.
    pub fn new(columns: [Series<'_>; COLUMNS], spans: &[Span]) -> Option<VoltageDay> {
        let mut day = VoltageDay::default();
        for (n, series) in columns.into_iter().enumerate() {
            if let Some((first, last)) = ends(series) {
                day.heads[n] = Some((series.at_ms[first], series.value[first]));
                day.tails[n] = Some(series.at_ms[last]);
            }
        }
        for span in spans {
            let band = span.limits.secondary(span.pt, PLACES)?;
            let mut times = [PhaseTime::default(); JUDGED];
            for (place, column, _) in judged(span.wiring) {
                let head = day.heads[column].map(|(at_ms, _)| at_ms);
                span.rule.weigh(columns[column], span.from_ms, span.to_ms, |w| {
                    if Some(w.at_ms) != head {
                        times[place].add(w.value, w.weight_ms, w.at_ms, &band);
                    }
                });
            }
            day.spans.push(times);
        }
        Some(day)
    }

    /// Whether there is any value.
    pub fn is_empty(&self) -> bool {
        self.heads.iter().all(Option::is_none)
    }
}

/// A kept day where days are joined.
#[derive(Clone, Copy, Debug)]
pub struct KeptVoltage<'a> {
    /// The civil day.
    pub day: i64,
    /// What was kept.
    pub of: &'a VoltageDay,
    /// Place of the joined span among the spans of the day, where it has a part of it.
    pub span: Option<usize>,
}

impl Point {
    /// Adds a span of a meter from kept days, in order: the day before the span's first, which is only needed for its last
    /// stamps, and the day behind its last, whose first values may reach back. Gives back nothing when a ratio or limit
    /// cannot be used.
    pub fn add_days(&mut self, span: &Span, kept: &[KeptVoltage<'_>], zone: &Zone) -> Option<()> {
        let band = span.limits.secondary(span.pt, PLACES)?;
        for (place, column, phase) in judged(span.wiring) {
            let mut heads = Vec::new();
            let mut tail = None;
            for day in kept {
                if let Some((at_ms, value)) = day.of.heads[column] {
                    let stamps = seam(tail, at_ms);
                    let (values, snapshot) = (vec![value; stamps.len()], vec![false; stamps.len()]);
                    let series = Series { at_ms: &stamps, snapshot: &snapshot, value: &values };
                    span.rule.weigh(series, span.from_ms, span.to_ms, |w| {
                        if w.at_ms == at_ms {
                            heads.push((zone.day(w.anchor_ms), day.day, w));
                        }
                    });
                }
                tail = day.of.tails[column].or(tail);
            }
            self.join((phase, place), span.pt, kept, |anchored, of, later| {
                let mut time = PhaseTime::default();
                for (_, _, w) in heads.iter().filter(|h| h.0 == anchored && (h.1 != of) == later) {
                    time.add(w.value, w.weight_ms, w.at_ms, &band);
                }
                time
            });
        }
        Some(())
    }

    /// Puts together, day by day, the head of the day itself, what was settled, and heads of later days that reach back:
    /// in the order of their stamps, so that of equal extremes the earliest stays.
    fn join(
        &mut self,
        (phase, place): (usize, usize),
        pt: Decimal,
        kept: &[KeptVoltage<'_>],
        heads: impl Fn(i64, i64, bool) -> PhaseTime<i64>,
    ) {
        let days = self.phases[phase].get_or_insert_with(|| vec![Figures::default(); self.days]);
        for (n, figures) in days.iter_mut().enumerate() {
            let day = self.first_day + n as i64;
            let mut time = heads(day, day, false);
            let settled = kept.iter().find(|k| k.day == day).and_then(|k| k.of.spans.get(k.span?));
            if let Some(settled) = settled {
                time.merge(&settled[place]);
            }
            time.merge(&heads(day, day, true));
            figures.merge(&Figures { time: primary(&time, pt), expected_ms: 0 });
        }
    }
}
