//! Voltage compliance of metering points as tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::decimal::Limits;
use keyacct_stats::field_voltage::{Figures, PHASES, PLACES, Point, Span, Wiring};

use crate::field_parameters::{Frame, Parameter, by_meter};
use crate::field_samples::{Columns, Kind, each_meter};

/// Voltages of a meter as the store has them.
pub(crate) const COLUMNS: [&str; 6] = ["a", "b", "c", "ab", "bc", "ca"];
const CA_COLUMN: usize = 5;

/// Columns of a kept day, after [`lines_of`]: a, b, c, ca, and the lines Uab and Ucb.
pub(crate) const WITH_LINES: [usize; 6] = [0, 1, 2, CA_COLUMN, COLUMNS.len(), COLUMNS.len() + 1];

/// Adds the line voltages Uab and Ucb of a three-wire meter, whether it tells them as a and c or by their names; their
/// columns.
pub(crate) fn lines_of(columns: &mut Columns) -> [usize; 2] {
    [columns.either(0, 3), columns.either(2, 4)]
}

#[derive(Default)]
struct Table {
    point: StringBuilder,
    phase: StringBuilder,
    day: Date32Builder,
    times: [Int64Builder; 6],
    levels: [Float64Builder; 3],
    instants: [TimestampMillisecondBuilder; 2],
}

impl Table {
    fn row(&mut self, point: &str, phase: &str, day: i64, figures: &Figures) {
        let t = &figures.time;
        let seen = t.monitored_ms > 0;
        self.point.append_value(point);
        self.phase.append_value(phase);
        self.day.append_value(day as i32);
        let times =
            [figures.expected_ms, t.monitored_ms, t.over_ms, t.under_ms, t.below_floor_ms, t.overvoltage_ms];
        for (column, value) in self.times.iter_mut().zip(times) {
            column.append_value(value);
        }
        let levels = [seen.then_some(t.max), seen.then_some(t.min), t.mean()];
        for (column, value) in self.levels.iter_mut().zip(levels) {
            column.append_option(value);
        }
        for (column, value) in self.instants.iter_mut().zip([t.max_at_ms, t.min_at_ms]) {
            column.append_option(seen.then_some(value));
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("point", Arc::new(self.point.finish()), false),
            ("phase", Arc::new(self.phase.finish()), false),
            ("day", Arc::new(self.day.finish()), false),
        ];
        let names =
            ["expected_ms", "monitored_ms", "over_ms", "under_ms", "below_floor_ms", "overvoltage_ms"];
        for (name, column) in names.into_iter().zip(&mut self.times) {
            columns.push((name, Arc::new(column.finish()), false));
        }
        for (name, column) in ["max_v", "min_v", "mean_v"].into_iter().zip(&mut self.levels) {
            columns.push((name, Arc::new(column.finish()), true));
        }
        for (name, column) in ["max_at", "min_at"].into_iter().zip(&mut self.instants) {
            columns.push((name, Arc::new(column.finish().with_timezone("UTC")), true));
        }
        RecordBatch::try_from_iter_with_nullable(columns)
            .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
    }
}

/// Voltage compliance: (days, whole period), each a row per point and phase and, named `total`, over its phases. `day` of
/// the period's table is its first. Levels are primary volts, times are milliseconds.
///
/// # Errors
/// Those of the samples and parameters; `config.registry_invalid` for a limit that cannot be used.
pub fn voltage(
    samples: &mut dyn RecordBatchReader,
    parameters: &[Parameter],
    frame: &Frame,
    floor_share: f64,
    ceiling_share: f64,
) -> Result<(RecordBatch, RecordBatch)> {
    let (first_day, days) = frame.days();
    let shares = (floor_share, ceiling_share);
    let span = |p: &Parameter| frame.clip(p).map(|at| span_of(p, at, frame, shares));
    let mut points = expected(parameters, frame, shares);
    let meters = by_meter(parameters);
    each_meter(samples, &COLUMNS, PLACES as i8, &mut |rows| {
        let Some(numbers) = meters.get(rows.meter.as_str()) else { return Ok(()) };
        let mut columns = rows.of(&[Kind::Interval, Kind::Snapshot]);
        let lines = lines_of(&mut columns);
        for &n in numbers {
            let p = &parameters[n];
            if let (Some(span), Some(point)) = (span(p), points.get_mut(p.point.as_str())) {
                let [a, c] = if span.wiring == Wiring::ThreeWire { lines } else { [0, 2] };
                let series = [a, 1, c, CA_COLUMN].map(|column| columns.series(column));
                point.add(&span, series, &frame.zone).ok_or_else(|| unusable(p))?;
            }
        }
        Ok(())
    })?;
    tables(&points, first_day, days)
}

/// The error of a limit that cannot be used.
pub(crate) fn unusable(p: &Parameter) -> Error {
    Error::new(ErrorCode::RegistryInvalid, format!("point {}: a limit has too many digits", p.point))
        .hint("mend the registry and run again")
        .at(|place| place.meter = Some(p.meter.clone()))
}

/// A span as the kernel takes it; `shares` are the floor's and the ceiling's of nominal.
pub(crate) fn span_of(
    p: &Parameter,
    (from_ms, to_ms): (i64, i64),
    frame: &Frame,
    (floor_share, ceiling_share): (f64, f64),
) -> Span {
    let (nominal_v, lower_v, upper_v) = (p.nominal_v, p.lower_v, p.upper_v);
    let limits = Limits { nominal_v, lower_v, upper_v, floor_share, ceiling_share };
    Span { from_ms, to_ms, rule: frame.rule(p), pt: p.pt, limits, wiring: p.wiring }
}

/// Points with the time for which values are expected, and nothing else yet.
pub(crate) fn expected<'a>(
    parameters: &'a [Parameter],
    frame: &Frame,
    shares: (f64, f64),
) -> BTreeMap<&'a str, Point> {
    let (first_day, days) = frame.days();
    let mut points: BTreeMap<&str, Point> = BTreeMap::new();
    for p in parameters {
        if let Some(at) = frame.clip(p) {
            let point = points.entry(&p.point).or_insert_with(|| Point::new(first_day, days));
            point.expect(&span_of(p, at, frame, shares), &frame.zone);
        }
    }
    points
}

/// The two tables of points.
pub(crate) fn tables(
    points: &BTreeMap<&str, Point>,
    first_day: i64,
    days: usize,
) -> Result<(RecordBatch, RecordBatch)> {
    let (mut by_day, mut whole) = (Table::default(), Table::default());
    for (name, point) in points {
        let mut all = Figures::default();
        let mut all_days = vec![Figures::default(); days];
        for (phase, figures) in point.phases() {
            let mut total = Figures::default();
            for (n, of_day) in figures.iter().enumerate() {
                by_day.row(name, PHASES[phase], first_day + n as i64, of_day);
                total.merge(of_day);
                all_days[n].merge(of_day);
            }
            whole.row(name, PHASES[phase], first_day, &total);
            all.merge(&total);
        }
        for (n, of_day) in all_days.iter().enumerate() {
            by_day.row(name, "total", first_day + n as i64, of_day);
        }
        whole.row(name, "total", first_day, &all);
    }
    Ok((by_day.finish()?, whole.finish()?))
}
