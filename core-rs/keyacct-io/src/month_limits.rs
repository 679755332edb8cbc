//! The limits file of `keyacct stats`: one row a meter, with what its readings are judged by.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::exact::Measured;
use keyacct_stats::month::Parameters;
use keyacct_stats::tariff::HalfHours;
use keyacct_stats::voltage::Band;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::parquet_file::{ParquetInput, guarded, not_decodable};

const NUMBERS: [&str; 5] = ["pt", "u_nom", "u_lower", "u_upper", "pf_std"];

/// Parameters of every meter, by its number in the order of the file.
pub struct Limits {
    /// Meter ids.
    pub ids: Vec<Arc<str>>,
    /// Parameters, beside the ids.
    pub parameters: Vec<Parameters>,
    /// Number of each id.
    pub number: HashMap<Arc<str>, u32>,
}

impl Limits {
    /// The same, but only some meters are known by their ids.
    pub fn only(&self, wanted: impl IntoIterator<Item = u32>) -> Limits {
        let number = wanted.into_iter().map(|n| (self.ids[n as usize].clone(), n)).collect();
        Limits { ids: self.ids.clone(), parameters: self.parameters.clone(), number }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

impl Limits {
    /// Reads the limits file. `loss` is the share of the nominal voltage below which a value is not assessed.
    ///
    /// # Errors
    /// `input.*` naming file, row and column: unreadable, columns missing or of another type, values missing or out of
    /// range, limits that contradict each other, a meter twice.
    pub fn read(path: &Path, loss: f64) -> Result<Limits> {
        let input = ParquetInput::open(path)?;
        let mut retype = Vec::new();
        for name in ["meter_id", "tariff"] {
            let (at, field) = input.column(name, "string")?;
            if !is_text(field.data_type()) {
                return Err(input.wrong_type(field, "string"));
            }
            retype.push((at, DataType::Utf8));
        }
        for name in NUMBERS {
            let (_, field) = input.column(name, "float64")?;
            if !matches!(
                field.data_type(),
                DataType::Float64 | DataType::Float32 | DataType::Int64 | DataType::Int32
            ) {
                return Err(input.wrong_type(field, "float64"));
            }
        }
        let input = input.retyped(&retype)?;
        let mut limits = Limits { ids: Vec::new(), parameters: Vec::new(), number: HashMap::new() };
        let mut row = 0_u64;
        guarded(
            || {
                let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
                    input.file.clone(),
                    input.metadata.clone(),
                )
                .build()
                .map_err(|e| not_decodable(&e, &input.name))?;
                for batch in reader {
                    let batch = batch.map_err(|e| not_decodable(&e, &input.name))?;
                    limits.take(&batch, loss, &mut row).map_err(|e| e.in_file(&input.name))?;
                }
                Ok(())
            },
            &input.name,
        )??;
        Ok(limits)
    }

    fn take(&mut self, batch: &RecordBatch, loss: f64, row: &mut u64) -> Result<()> {
        let column = |name: &str| -> Result<ArrayRef> {
            batch
                .column_by_name(name)
                .cloned()
                .ok_or_else(|| Error::new(ErrorCode::InputSchema, format!("column {name} is missing")))
        };
        let (ids, tariffs) = (column("meter_id")?, column("tariff")?);
        let (ids, tariffs) = (ids.as_string::<i32>(), tariffs.as_string::<i32>());
        let numbers = NUMBERS.map(|name| column(name).map(|c| as_f64(&c)));
        let mut read = Vec::with_capacity(NUMBERS.len());
        for number in numbers {
            read.push(number?);
        }
        for r in 0..batch.num_rows() {
            *row += 1;
            let here = *row;
            let wrong = |column: &str, what: String| {
                Error::new(ErrorCode::InputValue, what).hint("mend this row of the limits file").at(|p| {
                    p.row = Some(here);
                    p.column = Some(column.into());
                })
            };
            if ids.is_null(r) {
                return Err(wrong("meter_id", "no meter id".into()));
            }
            let id = ids.value(r);
            let wrong = |column: &str, what: String| wrong(column, what).at(|p| p.meter = Some(id.into()));
            let mut value = [0.0; NUMBERS.len()];
            for ((slot, column), name) in value.iter_mut().zip(&read).zip(NUMBERS) {
                *slot = match column[r] {
                    Some(v) if v.is_finite() => v,
                    Some(v) => return Err(wrong(name, format!("{v} is no number"))),
                    None => return Err(wrong(name, "no value".into())),
                };
            }
            let [pt, nominal, lower, upper, pf_standard] = value;
            for (name, v) in [("pt", pt), ("u_nom", nominal)] {
                if v <= 0.0 {
                    return Err(wrong(name, format!("{v} is not above 0")));
                }
            }
            if lower > upper {
                return Err(wrong(
                    "u_lower",
                    format!("lower limit {lower} V is above the upper limit {upper} V"),
                ));
            }
            if !(0.0..=1.0).contains(&pf_standard) {
                return Err(wrong("pf_std", format!("{pf_standard} is not within 0 to 1")));
            }
            if tariffs.is_null(r) {
                return Err(wrong("tariff", "no tariff".into()));
            }
            let tariff = HalfHours::parse(tariffs.value(r)).map_err(|what| wrong("tariff", what))?;
            let id: Arc<str> = id.into();
            if self.number.insert(id.clone(), self.ids.len() as u32).is_some() {
                return Err(wrong("meter_id", "a second row for this meter".into()));
            }
            self.ids.push(id);
            self.parameters.push(Parameters {
                pt,
                band: Band {
                    floor: Measured(loss * nominal),
                    lower: Measured(lower),
                    upper: Measured(upper),
                    ceiling: Measured(f64::INFINITY),
                },
                pf_standard,
                tariff,
            });
        }
        Ok(())
    }
}

fn as_f64(column: &ArrayRef) -> Vec<Option<f64>> {
    use arrow_array::types::{Float32Type, Int32Type, Int64Type};
    match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().map(|v| v.map(f64::from)).collect(),
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| v as f64)).collect(),
        DataType::Int32 => column.as_primitive::<Int32Type>().iter().map(|v| v.map(f64::from)).collect(),
        _ => column.as_primitive::<Float64Type>().iter().collect(),
    }
}
