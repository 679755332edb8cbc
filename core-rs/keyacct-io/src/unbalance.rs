//! Unbalance of points from rows of their phases, point by point.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{Array, Float64Array, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::unbalance::{Figures, Shares, lines_of, of_currents, of_lines};

use crate::named_columns::NamedColumns;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Unbalance {
    /// Of voltages, from `ab`, `bc`, `ca` with the weight `w_lines`, else, of four wires, from `a`, `b`, `c` with `w_phases`.
    Voltage,
    /// Of currents `a`, `b`, `c` with the weight `w_phases`, of three wires `a`, `c` with `w_pair`, while their mean is this
    /// share of `primary_a`.
    Current(f64),
}

/// All three columns, where all have a value.
fn three(columns: &[&Float64Array; 3], row: usize) -> Option<[f64; 3]> {
    let all = columns.iter().all(|column| column.is_valid(row));
    all.then(|| columns.map(|column| column.value(row)))
}

/// The point in work, and the rows of those before it.
#[derive(Default)]
struct Points {
    name: Option<String>,
    shares: Shares,
    by_phases: bool,
    point: StringBuilder,
    basis: StringBuilder,
    figures: [Float64Builder; 3],
    times: [Int64Builder; 2],
}

impl Points {
    /// Makes a point the one in work.
    fn turn_to(&mut self, point: Option<&str>, limit: f64) {
        if self.name.as_deref() == point {
            return;
        }
        if let (Some(name), Some(found)) = (&self.name, self.shares.take(limit)) {
            let Figures { mean, p95, max, max_at_ms, over_ms } = found;
            self.point.append_value(name);
            self.basis.append_value(if self.by_phases { "phase" } else { "line" });
            self.figures
                .iter_mut()
                .zip([mean, p95, max])
                .for_each(|(column, value)| column.append_value(value));
            self.times.iter_mut().zip([max_at_ms, over_ms]).for_each(|(column, ms)| column.append_value(ms));
        }
        self.name = point.map(ToOwned::to_owned);
        self.by_phases = false;
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let [mean, p95, max] = self.figures.each_mut().map(|column| Arc::new(column.finish()) as _);
        let [max_at_ms, over_ms] = self.times.each_mut().map(|column| Arc::new(column.finish()) as _);
        RecordBatch::try_from_iter_with_nullable([
            ("point", Arc::new(self.point.finish()) as _, false),
            ("basis", Arc::new(self.basis.finish()) as _, false),
            ("mean", mean, false),
            ("p95", p95, false),
            ("max", max, false),
            ("max_at_ms", max_at_ms, false),
            ("over_ms", over_ms, false),
        ])
        .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
    }
}

/// A row a point that has values: `point`, `basis` (`line`, or `phase` where a value was made of phases), `mean`, `p95`,
/// `max`, `max_at_ms`, `over_ms`.
///
/// `rows`: `point`, `ms`, `wiring`, and what [`Unbalance`] names, sorted by point and time. `limit`: above it time is over.
///
/// # Errors
/// `input.schema`; what the rows' source says.
pub fn unbalance(rows: &mut dyn RecordBatchReader, what: Unbalance, limit: f64) -> Result<RecordBatch> {
    let mut points = Points::default();
    for batch in rows {
        let batch = batch.map_err(|e| Error::new(ErrorCode::InputUnreadable, e.to_string()))?;
        let columns = NamedColumns { of: "rows of phases", batch: &batch };
        let (point, ms, wiring) = (columns.text("point")?, columns.whole("ms")?, columns.text("wiring")?);
        let phases = [columns.float("a")?, columns.float("b")?, columns.float("c")?];
        let of_phases = columns.whole("w_phases")?;
        match what {
            Unbalance::Voltage => {
                let lines = [columns.float("ab")?, columns.float("bc")?, columns.float("ca")?];
                let of_lines_ms = columns.whole("w_lines")?;
                for row in 0..batch.num_rows() {
                    points.turn_to(Some(point.value(row)), limit);
                    let told = three(&lines, row);
                    let made = || three(&phases, row).filter(|_| wiring.value(row) == "3p4w").map(lines_of);
                    let weight = if told.is_some() { of_lines_ms } else { of_phases };
                    if let Some(share) = told.or_else(made).and_then(of_lines) {
                        points.by_phases |= told.is_none();
                        points.shares.add(share, weight.value(row), ms.value(row));
                    }
                }
            }
            Unbalance::Current(smallest) => {
                let (primary_a, of_pair) = (columns.float("primary_a")?, columns.whole("w_pair")?);
                for row in 0..batch.num_rows() {
                    points.turn_to(Some(point.value(row)), limit);
                    let (places, weight): (&[usize], _) = match wiring.value(row) {
                        "3p4w" => (&[0, 1, 2], of_phases),
                        "3p3w" => (&[0, 2], of_pair),
                        _ => continue,
                    };
                    if places.iter().any(|&n| phases[n].is_null(row)) {
                        continue;
                    }
                    let mut amperes = [0.0; 3];
                    places.iter().zip(&mut amperes).for_each(|(&n, to)| *to = phases[n].value(row));
                    let amperes = &amperes[..places.len()];
                    let mean = amperes.iter().map(|a| a.abs()).sum::<f64>() / amperes.len() as f64;
                    if mean >= smallest * primary_a.value(row)
                        && let Some(share) = of_currents(amperes)
                    {
                        points.shares.add(share, weight.value(row), ms.value(row));
                    }
                }
            }
        }
    }
    points.turn_to(None, limit);
    points.finish()
}
