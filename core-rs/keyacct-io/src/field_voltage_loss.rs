//! Voltage loss while current flows, as tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::field_voltage::{PHASES, PLACES, Wiring};
use keyacct_stats::voltage_loss::{CURRENT_PLACES, Conditions, EVENTS, Found, Rows, Span};
use keyacct_stats::weight::NONE;

use crate::field_parameters::{Frame, Parameter, by_meter};
use crate::field_samples::{Columns, Kind, MeterReader};
use crate::field_voltage::{COLUMNS, lines_of};

#[derive(Default)]
struct Days {
    point: StringBuilder,
    phase: StringBuilder,
    day: Date32Builder,
    times: [Int64Builder; 1 + EVENTS.len()],
}

#[derive(Default)]
struct Events {
    point: StringBuilder,
    meter: StringBuilder,
    event: StringBuilder,
    phase: StringBuilder,
    instants: [TimestampMillisecondBuilder; 2],
    covered: Int64Builder,
}

fn table(columns: Vec<(&str, ArrayRef, bool)>) -> Result<RecordBatch> {
    RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
}

fn name_of(place: usize) -> &'static str {
    PHASES.get(place).copied().unwrap_or("total")
}

impl Days {
    fn add(&mut self, point: &str, first_day: i64, found: &[&Found]) {
        let Some(days) = found.iter().map(|f| f.days.len()).max() else { return };
        for place in 0..=PHASES.len() {
            let of_place = |day: usize| found.iter().filter_map(move |f| f.days.get(day).map(|d| d[place]));
            if (0..days).all(|day| of_place(day).all(|t| t.judged_ms == 0)) {
                continue;
            }
            for day in 0..days {
                self.point.append_value(point);
                self.phase.append_value(name_of(place));
                self.day.append_value((first_day + day as i64) as i32);
                self.times[0].append_value(of_place(day).map(|t| t.judged_ms).sum());
                for (kind, column) in self.times[1..].iter_mut().enumerate() {
                    column.append_value(of_place(day).map(|t| t.event_ms[kind]).sum());
                }
            }
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("point", Arc::new(self.point.finish()), false),
            ("phase", Arc::new(self.phase.finish()), false),
            ("day", Arc::new(self.day.finish()), false),
        ];
        let names = ["judged_ms", "voltage_loss_ms", "phase_loss_ms", "all_voltage_loss_ms"];
        for (name, column) in names.into_iter().zip(&mut self.times) {
            columns.push((name, Arc::new(column.finish()), false));
        }
        table(columns)
    }
}

impl Events {
    fn add(&mut self, point: &str, meter: &str, found: &Found) {
        let mut events: Vec<_> = found.events.iter().collect();
        events.sort_by_key(|e| (e.from_ms, e.kind, e.phase));
        for event in events {
            self.point.append_value(point);
            self.meter.append_value(meter);
            self.event.append_value(EVENTS[event.kind]);
            self.phase.append_value(name_of(event.phase.unwrap_or(PHASES.len())));
            for (column, at) in self.instants.iter_mut().zip([event.from_ms, event.to_ms]) {
                column.append_value(at);
            }
            self.covered.append_value(event.covered_ms);
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let [from, to] = self.instants.each_mut().map(|c| Arc::new(c.finish().with_timezone("UTC")));
        table(vec![
            ("point", Arc::new(self.point.finish()), false),
            ("meter", Arc::new(self.meter.finish()), false),
            ("event", Arc::new(self.event.finish()), false),
            ("phase", Arc::new(self.phase.finish()), false),
            ("from_at", from, false),
            ("to_at", to, false),
            ("covered_ms", Arc::new(self.covered.finish()), false),
        ])
    }
}

/// Voltage and current of the same stamps, as the kernel takes them.
struct Joined {
    at_ms: Vec<i64>,
    snapshot: Vec<bool>,
    value: [Vec<i64>; 6],
}

impl Joined {
    fn new(volts: &Columns, columns: [usize; 3], amperes: &Columns) -> Joined {
        let (at_ms, other) = (volts.at_ms(), amperes.at_ms());
        let mut joined = Joined {
            at_ms: at_ms.to_vec(),
            snapshot: volts.series(0).snapshot.to_vec(),
            value: Default::default(),
        };
        for (into, column) in joined.value.iter_mut().zip(columns) {
            into.extend_from_slice(volts.series(column).value);
        }
        let mut next = 0;
        for at in at_ms {
            while next < other.len() && other[next] < *at {
                next += 1;
            }
            let here = next < other.len() && other[next] == *at;
            for (column, into) in joined.value[3..].iter_mut().enumerate() {
                into.push(if here { amperes.series(column).value[next] } else { NONE });
            }
        }
        joined
    }

    fn rows(&self) -> Rows<'_> {
        let [a, b, c, ia, ib, ic] = &self.value;
        Rows { at_ms: &self.at_ms, snapshot: &self.snapshot, volts: [a, b, c], amperes: [ia, ib, ic] }
    }
}

/// Voltage loss: (days by point and phase, events). `total` is what is about all phases together. Times are milliseconds.
/// Samples are those of voltage (a, b, c, ab, bc, ca) and of current (a, b, c); `rated_a` has, per parameter row, the
/// rated current on the side that the meter reads.
///
/// # Errors
/// Those of the samples and parameters; `config.registry_invalid` for a ratio or voltage that cannot be used.
pub fn voltage_loss(
    (voltage, current): (&mut dyn RecordBatchReader, &mut dyn RecordBatchReader),
    parameters: &[Parameter],
    rated_a: &[f64],
    frame: &Frame,
    conditions: &Conditions,
) -> Result<(RecordBatch, RecordBatch)> {
    let (first_day, days) = frame.days();
    let span = |n: usize| {
        let p = &parameters[n];
        let (from_ms, to_ms) = frame.clip(p)?;
        let (nominal_v, rated_a) = (p.nominal_v?, rated_a.get(n).copied()?);
        Some(Span { from_ms, to_ms, rule: frame.rule(p), pt: p.pt, nominal_v, rated_a, wiring: p.wiring })
    };
    let meters = by_meter(parameters);
    let mut points: BTreeMap<&str, Vec<(&str, Found)>> = BTreeMap::new();
    let mut volts = MeterReader::new(voltage, &COLUMNS, PLACES as i8)?;
    let mut amperes = MeterReader::new(current, &["a", "b", "c"], CURRENT_PLACES as i8)?;
    let (mut has_volts, mut has_amperes) = (volts.advance()?, amperes.advance()?);
    while has_volts && has_amperes {
        match volts.rows().meter.cmp(&amperes.rows().meter) {
            std::cmp::Ordering::Less => {
                has_volts = volts.advance()?;
                continue;
            }
            std::cmp::Ordering::Greater => {
                has_amperes = amperes.advance()?;
                continue;
            }
            std::cmp::Ordering::Equal => {}
        }
        let numbers = meters.get(volts.rows().meter.as_str()).map_or(&[][..], Vec::as_slice);
        let kinds = [Kind::Interval, Kind::Snapshot];
        let (mut u, i) = (volts.rows().of(&kinds), amperes.rows().of(&kinds));
        let [ab, cb] = lines_of(&mut u);
        let place = |n: usize| (parameters[n].point.as_str(), parameters[n].wiring);
        for numbers in numbers.chunk_by(|&a, &b| place(a) == place(b)) {
            let (p, spans) = (&parameters[numbers[0]], numbers.iter().filter_map(|&n| span(n)));
            let columns = if p.wiring == Wiring::ThreeWire { [ab, 1, cb] } else { [0, 1, 2] };
            let joined = Joined::new(&u, columns, &i);
            let mut found = Found::new(first_day, days);
            found.add(joined.rows(), &spans.collect::<Vec<_>>(), conditions, &frame.zone).ok_or_else(
                || {
                    let what = format!("point {}: a ratio or voltage has too many digits", p.point);
                    Error::new(ErrorCode::RegistryInvalid, what)
                        .hint("mend the registry and run again")
                        .at(|place| place.meter = Some(p.meter.clone()))
                },
            )?;
            points.entry(&p.point).or_default().push((&p.meter, found));
        }
        (has_volts, has_amperes) = (volts.advance()?, amperes.advance()?);
    }
    let (mut by_day, mut events) = (Days::default(), Events::default());
    for (point, found) in &points {
        by_day.add(point, first_day, &found.iter().map(|(_, f)| f).collect::<Vec<_>>());
        for (meter, found) in found {
            events.add(point, meter, found);
        }
    }
    Ok((by_day.finish()?, events.finish()?))
}
