//! Columns of a batch by name and type.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use keyacct_model::{Error, ErrorCode, Result};

/// A batch whose columns are asked for one by one.
#[derive(Clone, Copy)]
pub(crate) struct NamedColumns<'a> {
    /// What errors call the rows.
    pub(crate) of: &'a str,
    pub(crate) batch: &'a RecordBatch,
}

impl<'a> NamedColumns<'a> {
    /// A column of strings.
    ///
    /// # Errors
    /// `input.schema`: there is none.
    pub(crate) fn text(&self, name: &str) -> Result<&'a StringArray> {
        Ok(self.column(name, &DataType::Utf8, "string")?.as_string())
    }

    /// A column of whole numbers of 64 bits.
    ///
    /// # Errors
    /// `input.schema`: there is none.
    pub(crate) fn whole(&self, name: &str) -> Result<&'a Int64Array> {
        Ok(self.column(name, &DataType::Int64, "int64")?.as_primitive::<Int64Type>())
    }

    /// A column of floating-point numbers of 64 bits.
    ///
    /// # Errors
    /// `input.schema`: there is none.
    pub(crate) fn float(&self, name: &str) -> Result<&'a Float64Array> {
        Ok(self.column(name, &DataType::Float64, "float64")?.as_primitive::<Float64Type>())
    }

    fn column(&self, name: &str, data_type: &DataType, called: &str) -> Result<&'a dyn Array> {
        let found = self.batch.column_by_name(name).filter(|column| column.data_type() == data_type);
        found
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::new(ErrorCode::InputSchema, format!("{} need {name} as {called}", self.of)))
    }
}
