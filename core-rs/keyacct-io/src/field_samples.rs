//! Samples as the store gives them, cut into the rows of one meter after the other.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch, RecordBatchReader};
use arrow_schema::{DataType, SchemaRef};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::weight::{NONE, Series};

/// What a row is, as far as the kernels tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Mean or increment of an interval.
    Interval,
    /// Value at an instant.
    Snapshot,
    /// Cumulative register, read or frozen.
    Register,
}

impl Kind {
    fn parse(text: &str) -> Option<Kind> {
        match text {
            "interval" => Some(Kind::Interval),
            "snapshot" => Some(Kind::Snapshot),
            "register" => Some(Kind::Register),
            _ => text.starts_with("freeze_").then_some(Kind::Register),
        }
    }
}

/// Rows of one meter: stamps, kinds, and a vector for each value column.
#[derive(Clone, Debug, Default)]
pub struct MeterRows {
    /// Meter.
    pub meter: String,
    at_ms: Vec<i64>,
    kind: Vec<Kind>,
    value: Vec<Vec<i64>>,
}

/// Columns over the same stamps, which rise.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    at_ms: Vec<i64>,
    snapshot: Vec<bool>,
    value: Vec<Vec<i64>>,
}

impl Columns {
    /// One column.
    pub fn series(&self, column: usize) -> Series<'_> {
        Series { at_ms: &self.at_ms, snapshot: &self.snapshot, value: &self.value[column] }
    }

    /// Adds a column with the values of one, or of another where that has none; its number.
    pub fn either(&mut self, first: usize, second: usize) -> usize {
        let pick = |(&a, &b): (&i64, &i64)| if a == NONE { b } else { a };
        let joined = self.value[first].iter().zip(&self.value[second]).map(pick).collect();
        self.value.push(joined);
        self.value.len() - 1
    }

    /// Stamps, which rise.
    pub fn at_ms(&self) -> &[i64] {
        &self.at_ms
    }

    /// Whether a column has a value somewhere.
    pub fn any(&self, column: usize) -> bool {
        self.value[column].iter().any(|&v| v != NONE)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.at_ms.len()
    }
}

impl MeterRows {
    /// Rows of some kinds, one a stamp: of several, column by column the value of the kind named first in [`Kind`].
    pub fn of(&self, kinds: &[Kind]) -> Columns {
        let mut rows: Vec<usize> = (0..self.at_ms.len()).filter(|&r| kinds.contains(&self.kind[r])).collect();
        rows.sort_by_key(|&r| (self.at_ms[r], self.kind[r]));
        let mut columns =
            Columns { value: vec![Vec::with_capacity(rows.len()); self.value.len()], ..Columns::default() };
        for r in rows {
            if columns.at_ms.last() == Some(&self.at_ms[r]) {
                for (into, from) in columns.value.iter_mut().zip(&self.value) {
                    if let Some(last) = into.last_mut().filter(|last| **last == NONE) {
                        *last = from[r];
                    }
                }
                continue;
            }
            columns.at_ms.push(self.at_ms[r]);
            columns.snapshot.push(self.kind[r] == Kind::Snapshot);
            for (into, from) in columns.value.iter_mut().zip(&self.value) {
                into.push(from[r]);
            }
        }
        columns
    }
}

fn schema_error(what: String) -> Error {
    Error::new(ErrorCode::InputSchema, what).hint("the table of samples must be as read_family gives it")
}

fn check(schema: &SchemaRef, names: &[&str], scale: i8) -> Result<()> {
    let wanted = |n: usize| match n {
        0 | 1 => DataType::Utf8,
        2 => DataType::Int64,
        _ => DataType::Decimal128(38, scale),
    };
    for (n, name) in ["meter", "kind", "ts"].iter().chain(names).enumerate() {
        match schema.fields().get(n) {
            Some(field) if field.name() == name && *field.data_type() == wanted(n) => {}
            other => {
                let there = other.map_or("nothing".into(), |f| format!("{} {}", f.name(), f.data_type()));
                return Err(schema_error(format!(
                    "column {} of the samples is {there}, not {name} {}",
                    n + 1,
                    wanted(n)
                )));
            }
        }
    }
    Ok(())
}

/// Reads the rows of one meter after the other. Columns: meter, kind (strings), ts (UTC ms), then the values as
/// decimal128 of one scale; rows sorted by (meter, kind, ts), no key twice.
pub struct MeterReader<'a> {
    reader: &'a mut dyn RecordBatchReader,
    batch: Option<RecordBatch>,
    from: usize,
    ended: bool,
    rows: MeterRows,
}

impl<'a> MeterReader<'a> {
    /// A reader that stands before the first meter. `names` are the value columns.
    ///
    /// # Errors
    /// `input.schema`.
    pub fn new(reader: &'a mut dyn RecordBatchReader, names: &[&str], scale: i8) -> Result<MeterReader<'a>> {
        check(&reader.schema(), names, scale)?;
        let rows = MeterRows { value: vec![Vec::new(); names.len()], ..MeterRows::default() };
        Ok(MeterReader { reader, batch: None, from: 0, ended: false, rows })
    }

    /// The rows of the meter at which the reader stands.
    pub fn rows(&self) -> &MeterRows {
        &self.rows
    }

    /// Goes to the next meter; false when there is none.
    ///
    /// # Errors
    /// `input.order` naming the meter, `input.value`, `input.unreadable`.
    pub fn advance(&mut self) -> Result<bool> {
        let rows = &mut self.rows;
        rows.at_ms.clear();
        rows.kind.clear();
        rows.value.iter_mut().for_each(Vec::clear);
        let mut last = (String::new(), None);
        let mut begun = false;
        while !self.ended {
            let Some(batch) = self.batch.as_ref().filter(|batch| self.from < batch.num_rows()) else {
                self.from = 0;
                self.batch = self
                    .reader
                    .next()
                    .transpose()
                    .map_err(|e| Error::new(ErrorCode::InputUnreadable, format!("samples: {e}")))?;
                self.ended = self.batch.is_none();
                continue;
            };
            let meters = batch.column(0).as_string::<i32>();
            let meter = meters.value(self.from);
            if !begun {
                if meter < rows.meter.as_str() {
                    return Err(out_of_order(meter));
                }
                begun = true;
                meter.clone_into(&mut rows.meter);
            } else if meter != rows.meter {
                return Ok(true);
            }
            let mut to = self.from + 1;
            while to < batch.num_rows() && meters.value(to) == meter {
                to += 1;
            }
            append(rows, batch, self.from..to, &mut last)?;
            self.from = to;
        }
        Ok(begun)
    }
}

/// Calls `take` with the rows of each meter, as [`MeterReader`] gives them.
///
/// # Errors
/// Those of the reader, and what `take` gives.
pub fn each_meter(
    reader: &mut dyn RecordBatchReader,
    names: &[&str],
    scale: i8,
    take: &mut dyn FnMut(&MeterRows) -> Result<()>,
) -> Result<()> {
    let mut meters = MeterReader::new(reader, names, scale)?;
    while meters.advance()? {
        take(meters.rows())?;
    }
    Ok(())
}

fn out_of_order(meter: &str) -> Error {
    Error::new(ErrorCode::InputOrder, "samples are not sorted by meter, kind and time")
        .hint("sort them, and merge rows of one key")
        .at(|p| p.meter = Some(meter.into()))
}

fn append(
    rows: &mut MeterRows,
    batch: &RecordBatch,
    range: std::ops::Range<usize>,
    (last_kind, last_ms): &mut (String, Option<i64>),
) -> Result<()> {
    let kinds = batch.column(1).as_string::<i32>();
    let times = batch.column(2).as_primitive::<Int64Type>();
    for r in range {
        let kind = kinds.value(r);
        if times.is_null(r) || kinds.is_null(r) || batch.column(0).is_null(r) {
            return Err(Error::new(ErrorCode::InputValue, "a sample without meter, kind or time")
                .at(|p| p.meter = Some(rows.meter.clone())));
        }
        if kind != last_kind.as_str() {
            if kind < last_kind.as_str() {
                return Err(out_of_order(&rows.meter));
            }
            kind.clone_into(last_kind);
            *last_ms = None;
        }
        let at_ms = times.value(r);
        if last_ms.is_some_and(|last| at_ms <= last) {
            return Err(out_of_order(&rows.meter));
        }
        *last_ms = Some(at_ms);
        let Some(kind) = Kind::parse(kind) else { continue };
        rows.at_ms.push(at_ms);
        rows.kind.push(kind);
        for (n, into) in rows.value.iter_mut().enumerate() {
            let column = batch.column(3 + n).as_primitive::<Decimal128Type>();
            let value = if column.is_null(r) { None } else { Some(column.value(r)) };
            let fits = value.map(|v| i64::try_from(v).ok().filter(|v| *v != NONE));
            into.push(match fits {
                None => NONE,
                Some(Some(v)) => v,
                Some(None) => {
                    return Err(Error::new(ErrorCode::InputValue, "a value with too many digits")
                        .at(|p| p.meter = Some(rows.meter.clone())));
                }
            });
        }
    }
    Ok(())
}
