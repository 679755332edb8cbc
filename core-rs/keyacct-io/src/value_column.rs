//! Voltages, powers and registers of a data set: floating numbers, or exact decimals as whole numbers with a scale.
//!
//! A decimal becomes the floating number nearest to it, so it gives to the bit what a float column of the same data
//! gives: double precision, or single precision where the file says that it was made from such a column.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use keyacct_model::{Error, ErrorCode};
use parquet::errors::ParquetError;

use crate::delta_page::Whole;
use crate::parquet_column::Fault;
use crate::whole_column::{Reader, Take};

/// How a file holds a column of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Single precision.
    Single,
    /// Double precision.
    Double,
    /// Whole numbers of 10^−scale.
    Decimal {
        /// Decimals behind the point, 0 to 38.
        scale: u8,
        /// Whether the column stands for single-precision numbers, each written as the shortest decimal that is
        /// nearest to no other.
        single: bool,
    },
}

impl Form {
    /// Whether single precision holds all its values.
    pub fn is_single(self) -> bool {
        matches!(self, Form::Single | Form::Decimal { single: true, .. })
    }
}

/// Values of a batch, NaN where there is none.
pub enum Values {
    /// As single precision: the data set has no finer column.
    Narrow(Vec<f32>),
    /// As double precision.
    Wide(Vec<f64>),
}

/// Amounts from here on are no voltage, power or register; below it sums are exact and cannot overflow.
const MOST: f64 = 1e12;

fn implausible() -> Error {
    Error::new(ErrorCode::InputValue, "NaN, infinity, or a number that no meter shows")
        .hint("write a null where there is no value")
}

/// Fills `into` from a column.
///
/// # Errors
/// `input.value` for a NaN or an infinity in the file: nothing stands for "no value" but a null.
pub fn values(column: ArrayRef, form: Form, into: &mut Values) -> Result<(), Fault> {
    if let Form::Decimal { scale, single } = form {
        match column.data_type() {
            DataType::Decimal32(..) => array::<Decimal32Type>(&column, single, into, i128::from, scale),
            DataType::Decimal64(..) => array::<Decimal64Type>(&column, single, into, i128::from, scale),
            DataType::Decimal128(..) => array::<Decimal128Type>(&column, single, into, |v| v, scale),
            found => return Err(mixed(found)),
        }
        return plausible(into);
    }
    let bad = match (column.data_type(), into) {
        (DataType::Float32, Values::Narrow(into)) => {
            take::<Float32Type>(column, into, f32::NAN, |v: f32| v.abs() < MOST as f32)
        }
        (DataType::Float64, Values::Wide(into)) => {
            take::<Float64Type>(column, into, f64::NAN, |v: f64| v.abs() < MOST)
        }
        (DataType::Float32, Values::Wide(into)) => {
            let column = column.as_primitive::<Float32Type>();
            into.clear();
            into.extend(column.values().iter().map(|&v| f64::from(v)));
            settle(into, column.nulls(), f64::NAN, |v: f64| v.abs() < MOST)
        }
        (found, _) => return Err(mixed(found)),
    };
    bad.map_or(Ok(()), |row| Err((row, implausible())))
}

fn mixed(found: &DataType) -> Fault {
    (0, Error::new(ErrorCode::Internal, format!("a column of {found} among values")))
}

/// The error of the first amount that none can be.
///
/// # Errors
/// `input.value`.
pub fn plausible(values: &Values) -> Result<(), Fault> {
    fn first<V: Copy>(values: &[V], bad: impl Fn(V) -> bool) -> Option<usize> {
        let any = values.iter().fold(false, |any, &v| any | bad(v));
        if any { values.iter().position(|&v| bad(v)) } else { None }
    }
    // NaN compares as false: it stands for no value here.
    let bad = match values {
        Values::Narrow(values) => first(values, |v| v.abs() >= MOST as f32),
        Values::Wide(values) => first(values, |v| v.abs() >= MOST),
    };
    bad.map_or(Ok(()), |row| Err((row, implausible())))
}

/// 10^scale, and whether a double holds it exactly.
fn power(scale: u8) -> (f64, bool) {
    (10_f64.powi(i32::from(scale)), scale <= 22)
}

/// The double nearest to `number` × 10^−scale.
pub(crate) fn double(number: i128, scale: u8) -> f64 {
    let (power, exact) = power(scale);
    if exact && number.unsigned_abs() <= 1 << 53 {
        // Both are exact, so the quotient is rounded once.
        return number as f64 / power;
    }
    format!("{number}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// Whole numbers below this are exact in single precision.
const SINGLE: u64 = 1 << 24;

const FIFTEEN_DIGITS: u128 = 1_000_000_000_000_000;

/// The single-precision number nearest to `number` × 10^−scale.
pub(crate) fn single(number: i128, scale: u8) -> f32 {
    if number.unsigned_abs() <= u128::from(SINGLE) && scale <= 10 {
        return number as f32 / power(scale).0 as f32; // 10^10 is 2^10 × 5^10, and 5^10 is below 2^24
    }
    if number.unsigned_abs() <= FIFTEEN_DIGITS && scale <= 8 {
        // The double nearest to it is nearer than it is to any middle of two singles, or is that middle: the middles
        // have 25 binary digits, so a decimal misses them by 2^-25 × 10^-8 or 10^-15 of its amount at least.
        return (number as f64 / power(scale).0) as f32;
    }
    format!("{number}e-{scale}").parse().unwrap_or(f32::NAN)
}

fn array<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    is_single: bool,
    into: &mut Values,
    long: impl Fn(T::Native) -> i128,
    scale: u8,
) where
    T::Native: ArrowNativeTypeOp,
{
    let column = column.as_primitive::<T>();
    match into {
        Values::Narrow(into) => {
            into.clear();
            into.extend(column.iter().map(|v| v.map_or(f32::NAN, |v| single(long(v), scale))));
        }
        Values::Wide(into) => {
            let of = |v| if is_single { f64::from(single(v, scale)) } else { double(v, scale) };
            into.clear();
            into.extend(column.iter().map(|v| v.map_or(f64::NAN, |v| of(long(v)))));
        }
    }
}

/// Takes whole numbers of 10^−scale as floating numbers.
struct Scaled<'a, V> {
    into: &'a mut Vec<V>,
    scale: u8,
    power: V,
    single: bool,
}

/// Whether all are whole numbers that have an exact floating form below `bound`, so that one division gives the nearest.
fn all_below<T: Whole>(values: &[T], bound: i64) -> bool {
    values.iter().fold(true, |all, v| all & (v.long() < bound) & (v.long() > -bound))
}

impl<T: Whole> Take<T> for Scaled<'_, f32> {
    fn some(&mut self, values: &[T]) {
        if self.scale <= 10 && all_below(values, SINGLE as i64) {
            let power = self.power;
            self.into.extend(values.iter().map(|v| v.single() / power));
        } else {
            let scale = self.scale;
            self.into.extend(values.iter().map(|v| single(i128::from(v.long()), scale)));
        }
    }

    fn none(&mut self) {
        self.into.push(f32::NAN);
    }
}

impl<T: Whole> Take<T> for Scaled<'_, f64> {
    fn some(&mut self, values: &[T]) {
        let scale = self.scale;
        if self.single {
            self.into.extend(values.iter().map(|v| f64::from(single(i128::from(v.long()), scale))));
        } else if scale <= 22 && (T::BITS <= 32 || all_below(values, 1 << 53)) {
            let power = self.power;
            self.into.extend(values.iter().map(|v| v.double() / power));
        } else {
            self.into.extend(values.iter().map(|v| double(i128::from(v.long()), scale)));
        }
    }

    fn none(&mut self) {
        self.into.push(f64::NAN);
    }
}

/// Fills `into` with the next rows of a column of decimals.
///
/// # Errors
/// When its pages cannot be decoded.
pub(crate) fn decimals<T: Whole>(
    reader: &mut Reader<T>,
    rows: usize,
    form: Form,
    into: &mut Values,
) -> Result<(), ParquetError> {
    let Form::Decimal { scale, single } = form else {
        return Err(ParquetError::General("whole numbers in a column of floats".to_owned()));
    };
    let power = power(scale).0;
    match into {
        Values::Narrow(into) => {
            into.clear();
            reader.rows(rows, &mut Scaled { into, scale, power: power as f32, single })
        }
        Values::Wide(into) => {
            into.clear();
            reader.rows(rows, &mut Scaled { into, scale, power, single })
        }
    }
}

/// Takes the memory of a column that nobody else holds, else a copy of it.
fn take<T: ArrowPrimitiveType>(
    column: ArrayRef,
    into: &mut Vec<T::Native>,
    none: T::Native,
    is_finite: impl Fn(T::Native) -> bool,
) -> Option<usize> {
    let array: PrimitiveArray<T> = column.as_primitive::<T>().clone();
    drop(column);
    let (_, values, nulls) = array.into_parts();
    let rows = values.len();
    match values.into_inner().into_vec::<T::Native>() {
        Ok(mut values) => {
            values.truncate(rows);
            *into = values;
        }
        Err(shared) => {
            into.clear();
            into.extend_from_slice(shared.typed_data());
        }
    }
    settle(into, nulls.as_ref(), none, is_finite)
}

/// Puts `none` where there is no value; gives the first row with a value that none can be.
fn settle<V: Copy>(
    values: &mut [V],
    nulls: Option<&NullBuffer>,
    none: V,
    is_finite: impl Fn(V) -> bool,
) -> Option<usize> {
    let all_finite = values.iter().fold(true, |all, &v| all & is_finite(v));
    match nulls.filter(|n| n.null_count() > 0) {
        None => {
            if !all_finite {
                return values.iter().position(|&v| !is_finite(v));
            }
        }
        Some(nulls) => {
            // What lies under a null may be anything, so the slow look is taken at valid values only.
            if !all_finite {
                let bad = |(row, &v): (usize, &V)| nulls.is_valid(row) && !is_finite(v);
                if let Some(row) = values.iter().enumerate().position(bad) {
                    return Some(row);
                }
            }
            for row in (!nulls.inner()).set_indices() {
                values[row] = none;
            }
        }
    }
    None
}
