//! Voltage loss, phase loss and loss of all voltages while current flows, from voltage and current of the same stamps
//! (events of Q/GDW 1354-2013, appendix D).

use crate::decimal::{Decimal, Limits};
use crate::field_voltage::{CA, PHASES, PLACES, Wiring};
use crate::weight::{NONE, Rule, Series};
use crate::zone::Zone;

/// Digits after the point of a measured current.
pub const CURRENT_PLACES: u32 = 4;

/// What can be found, in the order of its number.
pub const EVENTS: [&str; 3] = ["voltage_loss", "phase_loss", "all_voltage_loss"];
const LOSS: usize = 0;
const PHASE_LOSS: usize = 1;
const ALL_LOSS: usize = 2;

/// When an event begins and ends, as shares of nominal voltage and of rated current.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// A voltage below this, with current, is lost.
    pub loss_below: f64,
    /// It has come back above this.
    pub loss_until: f64,
    /// A voltage below this, without current, is a lost phase while another phase has its voltage.
    pub phase_loss_below: f64,
    /// Below this a voltage is no working voltage.
    pub working: f64,
    /// A current above this flows.
    pub flows: f64,
    /// A current above this tells that power is drawn though all voltages are lost.
    pub drawn: f64,
    /// What is shorter is no event.
    pub delay_ms: i64,
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
    /// Nominal voltage in the sense of the wiring, primary.
    pub nominal_v: f64,
    /// Rated current on the side that the meter reads.
    pub rated_a: f64,
    /// Wiring.
    pub wiring: Wiring,
}

/// Voltages and currents a, b, c of one meter; [`NONE`] where there is no value.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Stamps, which rise.
    pub at_ms: &'a [i64],
    /// Whether the row is a snapshot.
    pub snapshot: &'a [bool],
    /// Voltages, 10^−3 V.
    pub volts: [&'a [i64]; 3],
    /// Currents, 10^−4 A.
    pub amperes: [&'a [i64]; 3],
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number in [`EVENTS`].
    pub kind: usize,
    /// Number in [`PHASES`]; none where it is about all phases.
    pub phase: Option<usize>,
    /// Beginning of the first time in it.
    pub from_ms: i64,
    /// End of the last.
    pub to_ms: i64,
    /// Time that is known to belong to it.
    pub covered_ms: i64,
}

/// Times of one phase on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Time with voltage and current.
    pub judged_ms: i64,
    /// Time of each of [`EVENTS`]; that of all phases stands in the place after the phases.
    pub event_ms: [i64; EVENTS.len()],
}

/// What a meter had at a point, by day and phase. The place after the last phase is for all phases together.
#[derive(Clone, Debug)]
pub struct Found {
    first_day: i64,
    /// Times by day.
    pub days: Vec<[Times; PHASES.len() + 1]>,
    /// Events in the order of their ends.
    pub events: Vec<Event>,
}

struct Levels {
    loss: i64,
    until: i64,
    phase: i64,
    working: i64,
    no_current: i64,
    flows: i64,
    drawn: i64,
}

impl Levels {
    fn of(span: &Span, conditions: &Conditions) -> Option<Levels> {
        let one = Decimal { mantissa: 1, scale: 0 };
        let band = |nominal, floor_share, ceiling_share, ratio, places| {
            let limits = Limits { nominal_v: Some(nominal), floor_share, ceiling_share, ..Limits::default() };
            limits.secondary(ratio, places).map(|band| (band.floor, band.ceiling))
        };
        let volts = |below, above| band(span.nominal_v, below, above, span.pt, PLACES);
        let (loss, until) = volts(conditions.loss_below, conditions.loss_until)?;
        let (phase, _) = volts(conditions.phase_loss_below, 1.0)?;
        let (working, _) = volts(conditions.working, 1.0)?;
        let (no_current, flows) =
            band(span.rated_a, conditions.flows, conditions.flows, one, CURRENT_PLACES)?;
        let (_, drawn) = band(span.rated_a, 1.0, conditions.drawn, one, CURRENT_PLACES)?;
        Some(Levels { loss, until, phase, working, no_current, flows, drawn })
    }
}

#[derive(Clone, Debug, Default)]
struct Run {
    from_ms: i64,
    to_ms: i64,
    pieces: Vec<(i64, i64)>,
}

impl Found {
    /// Nothing yet, for a period of civil days.
    pub fn new(first_day: i64, days: usize) -> Found {
        Found { first_day, days: vec![[Times::default(); PHASES.len() + 1]; days], events: Vec::new() }
    }

    /// Adds a meter with its spans at the point, in order of time. Gives back nothing when a ratio or limit cannot be
    /// used.
    pub fn add(
        &mut self,
        rows: Rows<'_>,
        spans: &[Span],
        conditions: &Conditions,
        zone: &Zone,
    ) -> Option<()> {
        let mut open: [[Option<Run>; EVENTS.len()]; PHASES.len() + 1] = Default::default();
        for span in spans {
            let levels = Levels::of(span, conditions)?;
            // Uca has no current of its own.
            let judged: Vec<(usize, usize)> =
                span.wiring.phases().iter().copied().filter(|&(_, phase)| phase != CA).collect();
            let known = |row: usize, column: usize| {
                rows.volts[column][row] != NONE && rows.amperes[column][row] != NONE
            };
            let value: Vec<i64> = (0..rows.at_ms.len())
                .map(|row| if judged.iter().any(|&(c, _)| known(row, c)) { row as i64 } else { NONE })
                .collect();
            let series = Series { at_ms: rows.at_ms, snapshot: rows.snapshot, value: &value };
            span.rule.weigh(series, span.from_ms, span.to_ms, |w| {
                let row = w.value as usize;
                let day = zone.day(w.anchor_ms);
                let (from, to) = (w.from_ms, w.from_ms + w.weight_ms);
                let here: Vec<(usize, i64, i64)> = judged
                    .iter()
                    .filter(|&&(c, _)| known(row, c))
                    .map(|&(c, phase)| (phase, rows.volts[c][row], rows.amperes[c][row].abs()))
                    .collect();
                let all = here.len() == judged.len()
                    && here.iter().all(|&(_, u, _)| u < levels.working)
                    && here.iter().any(|&(_, _, i)| i > levels.drawn);
                let alive = here.iter().any(|&(_, u, _)| u >= levels.working);
                let mut book = |place: usize, kind: usize, there: bool, open: &mut [Option<Run>; 3]| {
                    if there {
                        let run = open[kind].get_or_insert_with(|| Run { from_ms: from, ..Run::default() });
                        run.to_ms = to;
                        run.pieces.push((day, w.weight_ms));
                    } else if let Some(run) = open[kind].take() {
                        self.close(place, kind, run, conditions);
                    }
                };
                for &(phase, u, i) in &here {
                    let lost = open[phase][LOSS].is_some();
                    let loss = if lost { u <= levels.until } else { u < levels.loss && i > levels.flows };
                    book(phase, LOSS, loss && !all, &mut open[phase]);
                    let gone = u < levels.phase && i < levels.no_current && alive;
                    book(phase, PHASE_LOSS, gone && !all, &mut open[phase]);
                }
                if here.len() == judged.len() {
                    book(PHASES.len(), ALL_LOSS, all, &mut open[PHASES.len()]);
                }
                if let Some(of_day) = self.day(day) {
                    for &(phase, _, _) in &here {
                        of_day[phase].judged_ms += w.weight_ms;
                    }
                    if here.len() == judged.len() {
                        of_day[PHASES.len()].judged_ms += w.weight_ms;
                    }
                }
            });
        }
        for (place, runs) in open.into_iter().enumerate() {
            for (kind, run) in runs.into_iter().enumerate() {
                if let Some(run) = run {
                    self.close(place, kind, run, conditions);
                }
            }
        }
        Some(())
    }

    fn day(&mut self, day: i64) -> Option<&mut [Times; PHASES.len() + 1]> {
        self.days.get_mut(usize::try_from(day - self.first_day).ok()?)
    }

    fn close(&mut self, place: usize, kind: usize, run: Run, conditions: &Conditions) {
        let covered_ms = run.pieces.iter().map(|&(_, ms)| ms).sum();
        if covered_ms < conditions.delay_ms {
            return;
        }
        for &(day, ms) in &run.pieces {
            if let Some(of_day) = self.day(day) {
                of_day[place].event_ms[kind] += ms;
            }
        }
        let phase = (place < PHASES.len()).then_some(place);
        self.events.push(Event { kind, phase, from_ms: run.from_ms, to_ms: run.to_ms, covered_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::DAY_MS;

    const MIN: i64 = 60_000;
    type Row = ([i64; 3], [i64; 3]);
    const CONDITIONS: Conditions = Conditions {
        loss_below: 0.78,
        loss_until: 0.85,
        phase_loss_below: 0.60,
        working: 0.60,
        flows: 0.005,
        drawn: 0.05,
        delay_ms: MIN,
    };

    fn found(wiring: Wiring, step_ms: i64, rows: &[Row]) -> Found {
        let at_ms: Vec<i64> = (1..=rows.len() as i64).map(|n| n * step_ms).collect();
        let snapshot = vec![false; rows.len()];
        let column = |pick: &dyn Fn(&Row) -> i64| rows.iter().map(pick).collect::<Vec<_>>();
        let volts = [0, 1, 2].map(|c| column(&|r| if r.0[c] == NONE { NONE } else { r.0[c] * 1000 }));
        let amperes = [0, 1, 2].map(|c| column(&|r| r.1[c]));
        let mut found = Found::new(0, 1);
        let span = Span {
            from_ms: 0,
            to_ms: DAY_MS,
            rule: Rule { interval_ms: step_ms, max_gap_intervals: 2, snapshots_follow: false },
            pt: Decimal { mantissa: 1, scale: 0 },
            nominal_v: 220.0,
            rated_a: 5.0,
            wiring,
        };
        let rows = Rows {
            at_ms: &at_ms,
            snapshot: &snapshot,
            volts: [&volts[0], &volts[1], &volts[2]],
            amperes: [&amperes[0], &amperes[1], &amperes[2]],
        };
        found.add(rows, &[span], &CONDITIONS, &Zone::new(vec![])).unwrap();
        found
    }

    #[test]
    fn a_lost_voltage_needs_current_to_begin_and_85_percent_to_end() {
        // 78 % of 220 V is 171.6 V, 85 % is 187 V; half a percent of 5 A is 0.025 A.
        let row = |volts, amperes| ([volts, 220, 220], [amperes, 10_000, 10_000]);
        let rows = [row(171, 250), row(171, 251), row(187, 0), row(188, 251), row(172, 9_000)];
        let found = found(Wiring::FourWire, 15 * MIN, &rows);
        assert_eq!(found.days[0][0].event_ms, [30 * MIN, 0, 0]);
        assert_eq!(found.days[0][0].judged_ms, 75 * MIN);
        let only =
            Event { kind: 0, phase: Some(0), from_ms: 15 * MIN, to_ms: 45 * MIN, covered_ms: 30 * MIN };
        assert_eq!(found.events, [only]);
    }

    #[test]
    fn a_phase_without_voltage_and_current_is_lost_only_while_another_has_its_voltage() {
        let rows = [([131, 220, 220], [0; 3]), ([132, 220, 220], [0; 3]), ([0; 3], [0; 3])];
        let found = found(Wiring::FourWire, 15 * MIN, &rows);
        assert_eq!(found.days[0][0].event_ms, [0, 15 * MIN, 0]);
        assert_eq!(found.events.len(), 1);
    }

    #[test]
    fn the_loss_of_all_voltages_closes_the_records_of_the_phases() {
        let rows = [
            ([100, 220, 220], [5_000; 3]),
            ([100, 0, 0], [5_000, 2_501, 0]),
            ([100, 0, 0], [5_000, 2_501, 0]),
            ([100, 220, 220], [5_000; 3]),
            ([0; 3], [2_500, 0, 0]),
        ];
        let found = found(Wiring::FourWire, 15 * MIN, &rows);
        let all = found.days[0][PHASES.len()];
        assert_eq!(all.event_ms, [0, 0, 30 * MIN]);
        let kinds: Vec<_> = found.events.iter().map(|e| (e.kind, e.phase, e.covered_ms / MIN)).collect();
        assert_eq!(kinds, [(0, Some(0), 15), (2, None, 30), (0, Some(0), 30)]);
    }

    #[test]
    fn three_wires_judge_no_phase_b_and_what_is_shorter_than_the_delay_is_none() {
        let rows = [([100, 0, 220], [1_000; 3]), ([220, 0, 220], [1_000; 3])];
        assert_eq!(found(Wiring::ThreeWire, 15 * MIN, &rows).events[0].phase, Some(3));
        assert!(found(Wiring::ThreeWire, 59_999, &rows).events.is_empty());
        assert_eq!(found(Wiring::ThreeWire, MIN, &rows).events.len(), 1);
    }

    #[test]
    fn a_missing_value_ends_no_event_and_is_not_counted() {
        let rows =
            [([100, 220, 220], [1_000; 3]), ([NONE, 220, 220], [1_000; 3]), ([180, 220, 220], [1_000; 3])];
        let found = found(Wiring::FourWire, 15 * MIN, &rows);
        assert_eq!((found.events.len(), found.days[0][0].event_ms[0]), (1, 30 * MIN));
        assert_eq!(found.days[0][0].judged_ms, 30 * MIN);
    }
}
