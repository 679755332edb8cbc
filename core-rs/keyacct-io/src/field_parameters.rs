//! Parameters of metering points by date, and tariff tables, as the registry gives them.

use arrow_array::{Array, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::calendar::{DayType, Slot};
use keyacct_stats::decimal::Decimal;
use keyacct_stats::field_voltage::Wiring;

use crate::named_columns::NamedColumns;

/// One span of one point in which everything is constant.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Metering point.
    pub point: String,
    /// Account of the point.
    pub account_no: String,
    /// Meter.
    pub meter: String,
    /// Beginning.
    pub from_ms: i64,
    /// End, exclusive.
    pub to_ms: i64,
    /// Wiring.
    pub wiring: Wiring,
    /// PT ratio; 1 where the meter shows primary values.
    pub pt: Decimal,
    /// PT × CT; 1 where the meter shows primary values.
    pub multiplier: Decimal,
    /// Nominal interval.
    pub interval_ms: i64,
    /// Nominal voltage in the sense of the wiring, primary.
    pub nominal_v: Option<f64>,
    /// Lower limit, primary.
    pub lower_v: Option<f64>,
    /// Upper limit, primary.
    pub upper_v: Option<f64>,
    /// Tariff table, by its number in the slots.
    pub tariff: Option<usize>,
}

fn invalid(what: String) -> Error {
    Error::new(ErrorCode::RegistryInvalid, what).hint("mend the registry and run again")
}

fn batches(reader: &mut dyn RecordBatchReader) -> Result<Vec<RecordBatch>> {
    reader
        .map(|b| b.map_err(|e| Error::new(ErrorCode::InputUnreadable, format!("parameters: {e}"))))
        .collect()
}

/// Reads parameters. Tables are the names of the tariff tables, by number.
///
/// # Errors
/// `input.schema`; `config.registry_invalid` naming point and meter for a ratio, interval or wiring that is no such.
pub fn parameters(reader: &mut dyn RecordBatchReader, tables: &[String]) -> Result<Vec<Parameter>> {
    let mut all = Vec::new();
    for batch in batches(reader)? {
        let columns = NamedColumns { of: "parameters", batch: &batch };
        let (point, account, meter) =
            (columns.text("point")?, columns.text("account_no")?, columns.text("meter")?);
        let (side, wiring) = (columns.text("reading_side")?, columns.text("wiring")?);
        let tariff = columns.text("tariff_table")?;
        let (from, to, interval) =
            (columns.whole("from_ms")?, columns.whole("to_ms")?, columns.whole("interval_min")?);
        let (pt, ct) = (columns.float("pt")?, columns.float("ct")?);
        let volts = [columns.float("nominal_v")?, columns.float("lower_v")?, columns.float("upper_v")?];
        for r in 0..batch.num_rows() {
            let bad = |what: String| {
                invalid(format!("point {}: {what}", point.value(r)))
                    .at(|p| p.meter = Some(meter.value(r).into()))
            };
            let ratio = |name: &str, column: &arrow_array::Float64Array| -> Result<Decimal> {
                if side.value(r) == "primary" || column.is_null(r) {
                    return Ok(Decimal { mantissa: 1, scale: 0 });
                }
                Decimal::from_f64(column.value(r))
                    .filter(|d| d.mantissa > 0)
                    .ok_or_else(|| bad(format!("{name} {} is no ratio", column.value(r))))
            };
            let (pt, ct) = (ratio("pt", pt)?, ratio("ct", ct)?);
            let multiplier = pt.times(ct).ok_or_else(|| bad("PT × CT has too many digits".into()))?;
            let interval_ms = interval.value(r).saturating_mul(60_000);
            if !(60_000..=86_400_000).contains(&interval_ms) {
                return Err(bad(format!("interval_min {} is not 1 to 1440", interval.value(r))));
            }
            let wiring = match wiring.value(r) {
                "3p4w" => Wiring::FourWire,
                "3p3w" => Wiring::ThreeWire,
                "1p" => Wiring::Single,
                other => return Err(bad(format!("wiring {other:?} is none of 3p4w, 3p3w, 1p"))),
            };
            let [nominal_v, lower_v, upper_v] =
                volts.map(|column| (!column.is_null(r)).then(|| column.value(r)));
            all.push(Parameter {
                point: point.value(r).to_owned(),
                account_no: account.value(r).to_owned(),
                meter: meter.value(r).to_owned(),
                from_ms: from.value(r),
                to_ms: to.value(r),
                wiring,
                pt,
                multiplier,
                interval_ms,
                nominal_v,
                lower_v,
                upper_v,
                tariff: (!tariff.is_null(r))
                    .then(|| tables.iter().position(|t| t == tariff.value(r)))
                    .flatten(),
            });
        }
    }
    Ok(all)
}

/// Reads tariff slots: names of the tables, and the slots of each.
///
/// # Errors
/// `input.schema`; `config.registry_invalid` for an unknown day type or period, or a time outside the day.
pub fn tariffs(reader: &mut dyn RecordBatchReader) -> Result<(Vec<String>, Vec<Vec<Slot>>)> {
    let (mut names, mut slots): (Vec<String>, Vec<Vec<Slot>>) = Default::default();
    for batch in batches(reader)? {
        let columns = NamedColumns { of: "parameters", batch: &batch };
        let (table, day_type, period) =
            (columns.text("tariff_table")?, columns.text("day_type")?, columns.text("period")?);
        let numbers = ["season_from", "season_to", "start_min", "end_min"].map(|name| columns.whole(name));
        let [season_from, season_to, start, end] = numbers;
        let (season_from, season_to, start, end) = (season_from?, season_to?, start?, end?);
        for r in 0..batch.num_rows() {
            let bad = |what: String| invalid(format!("tariff table {}: {what}", table.value(r)));
            let number = |name: &str, column: &arrow_array::Int64Array, most: i64| -> Result<u16> {
                let value = column.value(r);
                if !(0..=most).contains(&value) {
                    return Err(bad(format!("{name} {value} is not 0 to {most}")));
                }
                Ok(value as u16)
            };
            let slot = Slot {
                season_from: number("season_from", season_from, 1231)?,
                season_to: number("season_to", season_to, 1231)?,
                day_type: match day_type.value(r) {
                    "all" => DayType::All,
                    "workday" => DayType::Workday,
                    "weekend" => DayType::Weekend,
                    "holiday" => DayType::Holiday,
                    other => {
                        return Err(bad(format!(
                            "day_type {other:?} is none of all, workday, weekend, holiday"
                        )));
                    }
                },
                start_min: number("start_min", start, 1440)?,
                end_min: number("end_min", end, 1440)?,
                period: match period.value(r) {
                    "sharp" => 0,
                    "peak" => 1,
                    "flat" => 2,
                    "valley" => 3,
                    other => {
                        return Err(bad(format!("period {other:?} is none of sharp, peak, flat, valley")));
                    }
                },
            };
            let at = names.iter().position(|n| n == table.value(r)).unwrap_or_else(|| {
                names.push(table.value(r).to_owned());
                slots.push(Vec::new());
                names.len() - 1
            });
            slots[at].push(slot);
        }
    }
    Ok((names, slots))
}

/// Parameter rows of each meter, by number, sorted by point and time.
pub fn by_meter(all: &[Parameter]) -> std::collections::HashMap<&str, Vec<usize>> {
    let mut meters: std::collections::HashMap<&str, Vec<usize>> = std::collections::HashMap::new();
    for (n, parameter) in all.iter().enumerate() {
        meters.entry(&parameter.meter).or_default().push(n);
    }
    for rows in meters.values_mut() {
        rows.sort_by(|&a, &b| (&all[a].point, all[a].from_ms).cmp(&(&all[b].point, all[b].from_ms)));
    }
    meters
}

/// What holds for a whole question.
pub struct Frame {
    /// Beginning of the period.
    pub from_ms: i64,
    /// End of the period, or the present if that is earlier; exclusive.
    pub to_ms: i64,
    /// Zone of civil days.
    pub zone: keyacct_stats::zone::Zone,
    /// Holidays and the like.
    pub special: keyacct_stats::calendar::SpecialDays,
    /// Intervals that a value may bridge.
    pub max_gap_intervals: i64,
    /// Whether snapshots stand for the time after them.
    pub snapshots_follow: bool,
}

impl Frame {
    /// First civil day of the period, and how many days it touches.
    pub fn days(&self) -> (i64, usize) {
        let first = self.zone.day(self.from_ms);
        let last = self.zone.day((self.to_ms - 1).max(self.from_ms));
        (first, (last - first + 1) as usize)
    }

    /// The tariff tables with the days that are special.
    pub fn tariffs<'a>(&'a self, tables: &'a [Vec<Slot>]) -> keyacct_stats::calendar::Tariffs<'a> {
        keyacct_stats::calendar::Tariffs { tables, special: &self.special }
    }

    /// The weights of a meter.
    pub fn rule(&self, parameter: &Parameter) -> keyacct_stats::weight::Rule {
        keyacct_stats::weight::Rule {
            interval_ms: parameter.interval_ms,
            max_gap_intervals: self.max_gap_intervals,
            snapshots_follow: self.snapshots_follow,
        }
    }

    /// The part of a parameter's span that lies in the period.
    pub fn clip(&self, parameter: &Parameter) -> Option<(i64, i64)> {
        let (from, to) = (parameter.from_ms.max(self.from_ms), parameter.to_ms.min(self.to_ms));
        (from < to).then_some((from, to))
    }
}
