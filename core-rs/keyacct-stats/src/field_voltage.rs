//! Voltage compliance of a metering point by the rules of the field, by day and over a period.

use crate::decimal::{Decimal, Limits};
use crate::voltage::PhaseTime;
use crate::weight::{Rule, Series};
use crate::zone::Zone;

/// Digits after the point of a measured voltage.
pub const PLACES: u32 = 3;

/// How the voltages of a meter are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Three-phase, four wires: a, b, c are phase voltages.
    FourWire,
    /// Three-phase, three wires: a is Uab, c is Ucb, b is not judged; Uca where the meter tells it.
    ThreeWire,
    /// Single phase: a.
    Single,
}

/// Names of what can be judged: the phases of a four-wire meter, the line voltages of a three-wire one.
pub const PHASES: [&str; 6] = ["A", "B", "C", "AB", "CB", "CA"];
/// Number of Uca, which few meters tell.
pub const CA: usize = 5;

impl Wiring {
    /// Pairs of (column a 0, b 1, c 2, ca 3; number in [`PHASES`]) that are judged.
    pub fn phases(self) -> &'static [(usize, usize)] {
        match self {
            Wiring::FourWire => &[(0, 0), (1, 1), (2, 2)],
            Wiring::ThreeWire => &[(0, 3), (2, 4), (3, CA)],
            Wiring::Single => &[(0, 0)],
        }
    }
}

/// A span in which everything that a meter is judged by is constant.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Beginning.
    pub from_ms: i64,
    /// End, exclusive.
    pub to_ms: i64,
    /// Weights.
    pub rule: Rule,
    /// Ratio of the voltage transformer; 1 where readings are primary.
    pub pt: Decimal,
    /// Limits in primary volts.
    pub limits: Limits,
    /// Wiring.
    pub wiring: Wiring,
}

/// Times of one phase with levels in primary volts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Times and levels.
    pub time: PhaseTime<f64>,
    /// Time for which values are expected.
    pub expected_ms: i64,
}

impl Figures {
    /// Adds figures of other times or of another phase; of equal extremes the earlier stays.
    pub fn merge(&mut self, other: &Figures) {
        self.expected_ms += other.expected_ms;
        let (mut first, second) = (self.time, &other.time);
        if second.max == first.max && second.monitored_ms > 0 {
            first.max_at_ms = first.max_at_ms.min(second.max_at_ms);
        }
        if second.min == first.min && second.monitored_ms > 0 {
            first.min_at_ms = first.min_at_ms.min(second.min_at_ms);
        }
        first.merge(second);
        self.time = first;
    }
}

/// Figures of one point over a period: by phase, a row of days.
#[derive(Clone, Debug)]
pub struct Point {
    pub(crate) first_day: i64,
    pub(crate) days: usize,
    pub(crate) phases: [Option<Vec<Figures>>; PHASES.len()],
}

impl Point {
    /// No figures yet, for a period of civil days.
    pub fn new(first_day: i64, days: usize) -> Point {
        Point { first_day, days, phases: Default::default() }
    }

    /// Counts the time of a span as expected in every phase that its wiring judges.
    pub fn expect(&mut self, span: &Span, zone: &Zone) {
        for &(_, phase) in span.wiring.phases() {
            let days = self.phases[phase].get_or_insert_with(|| vec![Figures::default(); self.days]);
            for (n, figures) in days.iter_mut().enumerate() {
                let day = self.first_day + n as i64;
                let from = span.from_ms.max(zone.midnight(day));
                let to = span.to_ms.min(zone.midnight(day + 1));
                figures.expected_ms += (to - from).max(0);
            }
        }
    }

    /// Adds the values of a span. `columns` are a, b, c, ca of the meter: the whole series, in which the span is found.
    /// Gives back nothing when a ratio or limit cannot be used.
    pub fn add(&mut self, span: &Span, columns: [Series<'_>; 4], zone: &Zone) -> Option<()> {
        let band = span.limits.secondary(span.pt, PLACES)?;
        for &(column, phase) in span.wiring.phases() {
            let days = self.phases[phase].get_or_insert_with(|| vec![Figures::default(); self.days]);
            let mut of_day = vec![PhaseTime::<i64>::default(); days.len()];
            span.rule.weigh(columns[column], span.from_ms, span.to_ms, |w| {
                let day = (zone.day(w.anchor_ms) - self.first_day) as usize;
                if let Some(time) = of_day.get_mut(day) {
                    time.add(w.value, w.weight_ms, w.at_ms, &band);
                }
            });
            for (figures, time) in days.iter_mut().zip(&of_day) {
                figures.merge(&Figures { time: primary(time, span.pt), expected_ms: 0 });
            }
        }
        Some(())
    }

    /// Figures by phase number: each with its days, in order. Uca is there only where it was told.
    pub fn phases(&self) -> impl Iterator<Item = (usize, &[Figures])> {
        let told = |figures: &Figures| figures.time.monitored_ms + figures.time.below_floor_ms > 0;
        self.phases
            .iter()
            .enumerate()
            .filter_map(|(n, days)| days.as_deref().map(|days| (n, days)))
            .filter(move |&(n, days)| n != CA || days.iter().any(told))
    }
}

/// Levels in primary volts from whole 10^−3 V of the secondary side.
pub(crate) fn primary(time: &PhaseTime<i64>, pt: Decimal) -> PhaseTime<f64> {
    let mut result = PhaseTime::<f64> {
        monitored_ms: time.monitored_ms,
        over_ms: time.over_ms,
        under_ms: time.under_ms,
        below_floor_ms: time.below_floor_ms,
        overvoltage_ms: time.overvoltage_ms,
        sum: pt.scaled(time.sum, PLACES),
        ..PhaseTime::default()
    };
    if time.monitored_ms > 0 {
        result.max = pt.scaled(i128::from(time.max), PLACES);
        result.min = pt.scaled(i128::from(time.min), PLACES);
        result.max_at_ms = time.max_at_ms;
        result.min_at_ms = time.min_at_ms;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::DAY_MS;
    use crate::weight::NONE;

    const MIN: i64 = 60_000;

    fn span(from_ms: i64, to_ms: i64, pt: f64, wiring: Wiring) -> Span {
        Span {
            from_ms,
            to_ms,
            rule: Rule { interval_ms: 15 * MIN, max_gap_intervals: 2, snapshots_follow: false },
            pt: Decimal::from_f64(pt).unwrap(),
            limits: Limits {
                nominal_v: Some(220.0 * pt),
                lower_v: Some(198.0 * pt),
                upper_v: Some(235.4 * pt),
                floor_share: 0.7,
                ceiling_share: 1.2,
            },
            wiring,
        }
    }

    #[test]
    fn the_stamp_of_midnight_closes_the_day_before_and_the_floor_has_its_own_counter() {
        let at_ms = [15 * MIN, 30 * MIN, DAY_MS, DAY_MS + 15 * MIN];
        let (a, snapshot) = ([236_000, 100_000, 190_000, 265_000], [false; 4]);
        let series = Series { at_ms: &at_ms, snapshot: &snapshot, value: &a };
        let zone = Zone::new(vec![]);
        let mut point = Point::new(0, 2);
        let span = span(0, 2 * DAY_MS, 1.0, Wiring::Single);
        point.expect(&span, &zone);
        point.add(&span, [series; 4], &zone).unwrap();
        let all: Vec<_> = point.phases().collect();
        let [(0, [first, second])] = all[..] else { panic!("{all:?}") };
        assert_eq!(first.time.over_ms, 15 * MIN);
        assert_eq!(first.time.below_floor_ms, 15 * MIN);
        assert_eq!(first.time.under_ms, 15 * MIN);
        assert_eq!(first.time.monitored_ms, 30 * MIN);
        assert_eq!(first.expected_ms, DAY_MS);
        assert_eq!((second.time.overvoltage_ms, second.time.max), (15 * MIN, 265.0));
    }

    #[test]
    fn three_wire_meters_are_judged_by_their_two_line_voltages() {
        let (at_ms, snapshot) = ([15 * MIN], [false]);
        let column = |value: &'static [i64]| Series { at_ms: &at_ms, snapshot: &snapshot, value };
        let zone = Zone::new(vec![]);
        let mut point = Point::new(0, 1);
        let span = span(0, DAY_MS, 100.0, Wiring::ThreeWire);
        point
            .add(&span, [column(&[220_000]), column(&[1]), column(&[NONE]), column(&[NONE])], &zone)
            .unwrap();
        let all: Vec<_> = point.phases().map(|(n, days)| (n, days[0].time.monitored_ms)).collect();
        assert_eq!(all, [(3, 15 * MIN), (4, 0)]);
    }

    #[test]
    fn a_ratio_change_inside_the_period_applies_from_its_instant() {
        let (at_ms, snapshot) = ([15 * MIN, 30 * MIN], [false; 2]);
        let value = [100_000, 100_000];
        let series = Series { at_ms: &at_ms, snapshot: &snapshot, value: &value };
        let zone = Zone::new(vec![]);
        let mut point = Point::new(0, 1);
        let mut early = span(0, 15 * MIN, 1.0, Wiring::Single);
        let mut late = span(15 * MIN, DAY_MS, 3.0, Wiring::Single);
        early.limits = Limits::default();
        late.limits = Limits::default();
        point.add(&early, [series; 4], &zone).unwrap();
        point.add(&late, [series; 4], &zone).unwrap();
        let all: Vec<_> = point.phases().collect();
        let time = all[0].1[0].time;
        assert_eq!((time.min, time.max, time.mean()), (100.0, 300.0, Some(200.0)));
        assert_eq!((time.min_at_ms, time.max_at_ms), (15 * MIN, 30 * MIN));
    }
}
