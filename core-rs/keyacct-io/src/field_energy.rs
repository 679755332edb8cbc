//! Energies of metering points as a table of exact sums.

use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::calendar::Slot;
use keyacct_stats::field_energy::{COLUMNS, Span, Sums, from_increments, from_power, from_registers};

use crate::field_parameters::{Frame, Parameter, by_meter};
use crate::field_samples::{Kind, MeterRows, each_meter};

/// What the samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Registers and increments: the family `energy`.
    Energy,
    /// Powers, which are integrated: the columns p and q of the family `power`.
    Power,
}

pub(crate) const ENERGY: [&str; 8] =
    ["import", "export", "q1", "q2", "q3", "q4", "reactive_import", "reactive_export"];

/// Sums (a row per parameter row, tariff period and hour that has any) and, per parameter row with values, where they
/// come from. `row` is the number of the parameter row; `period` 0 to 3 or 4 for none; `hour` 0 to 23 or 24 for none.
/// Amounts are whole units of the meter's column: 10^−4 kWh, or 10^−4 kW × ms for powers; no multiplier is applied.
///
/// # Errors
/// Those of the samples.
pub fn energy(
    samples: &mut dyn RecordBatchReader,
    parameters: &[Parameter],
    tariffs: &[Vec<Slot>],
    frame: &Frame,
    source: Source,
) -> Result<(RecordBatch, RecordBatch)> {
    let mut out = Output::default();
    let meters = by_meter(parameters);
    let names: &[&str] = if source == Source::Energy { &ENERGY } else { &["p", "q"] };
    each_meter(samples, names, 4, &mut |rows| {
        let numbers: Vec<usize> = meters.get(rows.meter.as_str()).cloned().unwrap_or_default();
        // A meter may serve one point after another: the spans of each point are a book of their own.
        for of_point in numbers.chunk_by(|&a, &b| parameters[a].point == parameters[b].point) {
            let used: Vec<usize> =
                of_point.iter().copied().filter(|&n| frame.clip(&parameters[n]).is_some()).collect();
            let spans: Vec<Span> = used
                .iter()
                .filter_map(|&n| frame.clip(&parameters[n]).map(|at| span_of(&parameters[n], at, frame)))
                .collect();
            let (sums, name) = sums(rows, &spans, tariffs, frame, source);
            for (&n, sums) in used.iter().zip(&sums) {
                out.add(n, sums, name);
            }
        }
        Ok(())
    })?;
    out.finish()
}

/// A span as the kernel takes it.
pub(crate) fn span_of(p: &Parameter, (from_ms, to_ms): (i64, i64), frame: &Frame) -> Span {
    let multiplier = p.multiplier.as_f64();
    Span { from_ms, to_ms, rule: frame.rule(p), multiplier, tariff: p.tariff }
}

fn sums(
    rows: &MeterRows,
    spans: &[Span],
    tables: &[Vec<Slot>],
    frame: &Frame,
    source: Source,
) -> (Vec<Sums>, &'static str) {
    let tariffs = frame.tariffs(tables);
    if source == Source::Power {
        let columns = rows.of(&[Kind::Interval, Kind::Snapshot]);
        return (from_power(columns.series(0), columns.series(1), spans, tariffs, &frame.zone), "power");
    }
    let registers = rows.of(&[Kind::Register]);
    let columns = std::array::from_fn::<_, COLUMNS, _>(|n| registers.series(n));
    let from = from_registers(&columns, spans, tariffs, &frame.zone);
    chosen(from, || {
        let increments = rows.of(&[Kind::Interval]);
        let columns = std::array::from_fn::<_, COLUMNS, _>(|n| increments.series(n));
        from_increments(&columns, spans, tariffs, &frame.zone)
    })
}

/// Registers where they give anything, else increments where these do.
pub(crate) fn chosen(
    registers: Vec<Sums>,
    increments: impl FnOnce() -> Vec<Sums>,
) -> (Vec<Sums>, &'static str) {
    let gives = |sums: &[Sums]| sums.iter().any(|s| s.present.contains(&true));
    if gives(&registers) {
        return (registers, "register");
    }
    let increments = increments();
    if gives(&increments) { (increments, "interval") } else { (registers, "register") }
}

pub(crate) struct Output {
    row: Int64Builder,
    period: Int64Builder,
    hour: Int64Builder,
    amounts: [Decimal128Builder; COLUMNS],
    of: Int64Builder,
    source: StringBuilder,
    flags: Int64Builder,
    covered: Int64Builder,
}

impl Default for Output {
    fn default() -> Self {
        Output {
            row: Int64Builder::new(),
            period: Int64Builder::new(),
            hour: Int64Builder::new(),
            amounts: std::array::from_fn(|_| {
                Decimal128Builder::new().with_data_type(arrow_schema::DataType::Decimal128(38, 0))
            }),
            of: Int64Builder::new(),
            source: StringBuilder::new(),
            flags: Int64Builder::new(),
            covered: Int64Builder::new(),
        }
    }
}

impl Output {
    pub(crate) fn add(&mut self, number: usize, sums: &Sums, source: &str) {
        if !sums.present.contains(&true) && sums.flags == 0 {
            return;
        }
        self.of.append_value(number as i64);
        self.source.append_value(source);
        self.flags.append_value(i64::from(sums.flags));
        self.covered.append_value(sums.covered_ms);
        let mut any = false;
        for (period, hours) in sums.by.iter().enumerate() {
            for (hour, amounts) in hours.iter().enumerate() {
                if amounts.iter().any(|&a| a != 0) {
                    any = true;
                    self.amounts(number, (period, hour), amounts, &sums.present);
                }
            }
        }
        if !any && sums.present.contains(&true) {
            // All steps are zero: a row says that there were some.
            let none = (sums.by.len() - 1, sums.by[0].len() - 1);
            self.amounts(number, none, &[0; COLUMNS], &sums.present);
        }
    }

    fn amounts(
        &mut self,
        number: usize,
        (period, hour): (usize, usize),
        amounts: &[i128; COLUMNS],
        present: &[bool; COLUMNS],
    ) {
        self.row.append_value(number as i64);
        self.period.append_value(period as i64);
        self.hour.append_value(hour as i64);
        for ((column, &amount), &there) in self.amounts.iter_mut().zip(amounts).zip(present) {
            column.append_option(there.then_some(amount));
        }
    }

    pub(crate) fn finish(mut self) -> Result<(RecordBatch, RecordBatch)> {
        let mut sums: Vec<(&str, ArrayRef, bool)> = vec![
            ("row", Arc::new(self.row.finish()), false),
            ("period", Arc::new(self.period.finish()), false),
            ("hour", Arc::new(self.hour.finish()), false),
        ];
        for (name, column) in ENERGY.into_iter().zip(&mut self.amounts) {
            sums.push((name, Arc::new(column.finish()), true));
        }
        let rows: Vec<(&str, ArrayRef, bool)> = vec![
            ("row", Arc::new(self.of.finish()), false),
            ("source", Arc::new(self.source.finish()), false),
            ("flags", Arc::new(self.flags.finish()), false),
            ("covered_ms", Arc::new(self.covered.finish()), false),
        ];
        let table = |columns: Vec<(&str, ArrayRef, bool)>| {
            RecordBatch::try_from_iter_with_nullable(columns)
                .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
        };
        Ok((table(sums)?, table(rows)?))
    }
}
