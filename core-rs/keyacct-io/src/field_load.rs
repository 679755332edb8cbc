//! Load of accounts as tables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_array::builder::{
    Date32Builder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::calendar::{PERIODS, Slot};
use keyacct_stats::field_load::{
    AccountLoad, Figures, Grid, MULTIPLIER_PLACES, MeterLoad, PLACES, PointLoad, Span,
};
use keyacct_stats::weight::Series;

use crate::field_parameters::{Frame, Parameter, by_meter};
use crate::field_samples::{Columns, Kind, MeterReader};

#[derive(Default)]
struct Table {
    account: StringBuilder,
    day: Date32Builder,
    levels: [Float64Builder; 3],
    instants: [TimestampMillisecondBuilder; 2],
    energy: Float64Builder,
    periods: [Float64Builder; PERIODS],
    times: [Int64Builder; 2],
    flags: Int64Builder,
}

impl Table {
    fn row(&mut self, account: &str, day: i64, figures: &Figures, tariff: bool, grid: &Grid) {
        let load = &figures.load;
        self.account.append_value(account);
        self.day.append_value(day as i32);
        for (column, value) in self.levels.iter_mut().zip([load.max(), load.min(), load.mean()]) {
            column.append_option(value);
        }
        for (column, block) in self.instants.iter_mut().zip([load.max_block, load.min_block]) {
            column.append_option(load.max().map(|_| grid.start_ms(block as usize + 1)));
        }
        self.energy.append_option(figures.measured.then(|| grid.kwh(figures.sum)));
        for (column, sum) in self.periods.iter_mut().zip(figures.period_sum) {
            column.append_option((figures.covered_ms > 0 && tariff).then(|| grid.kwh(sum)));
        }
        self.flags.append_value(i64::from(figures.flags));
        for (column, value) in self.times.iter_mut().zip([figures.expected_ms, figures.covered_ms]) {
            column.append_value(value);
        }
    }

    fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("account_no", Arc::new(self.account.finish()), false),
            ("day", Arc::new(self.day.finish()), false),
        ];
        for (name, column) in ["md_kw", "min_kw", "mean_kw"].into_iter().zip(&mut self.levels) {
            columns.push((name, Arc::new(column.finish()), true));
        }
        for (name, column) in ["md_at", "min_at"].into_iter().zip(&mut self.instants) {
            columns.push((name, Arc::new(column.finish().with_timezone("UTC")), true));
        }
        columns.push(("energy_kwh", Arc::new(self.energy.finish()), true));
        for (name, column) in
            ["sharp_kwh", "peak_kwh", "flat_kwh", "valley_kwh"].into_iter().zip(&mut self.periods)
        {
            columns.push((name, Arc::new(column.finish()), true));
        }
        for (name, column) in ["expected_ms", "covered_ms"].into_iter().zip(&mut self.times) {
            columns.push((name, Arc::new(column.finish()), false));
        }
        columns.push(("flags", Arc::new(self.flags.finish()), false));
        RecordBatch::try_from_iter_with_nullable(columns)
            .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))
    }
}

/// An account whose meters are not all through yet.
struct Open<'a> {
    points: Points<'a>,
    waiting: HashSet<&'a str>,
}

/// Load: (days, whole period, curve of the day with the highest demand), by account. `day` of the period's table is its
/// first; the curve has `account_no`, `at` (end of the block), `kw` (null where a point lacks values). Samples are those
/// of power (p) and of energy (import); meter by meter and block by block, power goes before energy.
///
/// # Errors
/// Those of the samples and parameters.
pub fn load(
    (power, energy): (&mut dyn RecordBatchReader, &mut dyn RecordBatchReader),
    parameters: &[Parameter],
    tariffs: &[Vec<Slot>],
    frame: &Frame,
    window_ms: i64,
    minimum_coverage: f64,
) -> Result<[RecordBatch; 3]> {
    let grid = grid_of(frame, window_ms, minimum_coverage);
    let span = |p: &Parameter| frame.clip(p).map(|at| span_of(p, at, frame));
    let mut open: BTreeMap<&str, Open<'_>> = BTreeMap::new();
    for p in parameters {
        if let Some(span) = span(p) {
            let account = open
                .entry(&p.account_no)
                .or_insert_with(|| Open { points: BTreeMap::new(), waiting: HashSet::new() });
            account.points.entry(&p.point).or_default().1.push(span);
            account.waiting.insert(&p.meter);
        }
    }
    let meters = by_meter(parameters);
    let mut done: HashMap<&str, Finished> = HashMap::new();
    let finish = |account: &Open<'_>| finished(&account.points, tariffs, &grid, frame);
    let empty = Series { at_ms: &[], snapshot: &[], value: &[] };
    let mut power = MeterReader::new(power, &["p"], PLACES as i8)?;
    let mut energy = MeterReader::new(energy, &["import"], PLACES as i8)?;
    let (mut has_power, mut has_energy) = (power.advance()?, energy.advance()?);
    while has_power || has_energy {
        let meter = match (has_power, has_energy) {
            (true, true) => power.rows().meter.as_str().min(&energy.rows().meter),
            (true, false) => &power.rows().meter,
            _ => &energy.rows().meter,
        };
        let with_power = has_power && power.rows().meter == meter;
        let with_energy = has_energy && energy.rows().meter == meter;
        if let Some(numbers) = meters.get(meter) {
            let of = |there: bool, rows: &MeterReader<'_>, kinds: &[Kind]| -> Option<Columns> {
                there.then(|| rows.rows().of(kinds))
            };
            let p = of(with_power, &power, &[Kind::Interval, Kind::Snapshot]);
            let increments = of(with_energy, &energy, &[Kind::Interval]);
            let registers = of(with_energy, &energy, &[Kind::Register]);
            let [power, increments, registers] = [&p, &increments, &registers]
                .map(|columns| columns.as_ref().map_or(empty, |columns| columns.series(0)));
            let of_meter = MeterLoad { power, increments, registers };
            let place = |n: usize| (&parameters[n].point, &parameters[n].account_no);
            for numbers in numbers.chunk_by(|&a, &b| place(a) == place(b)) {
                let spans: Vec<Span> = numbers.iter().filter_map(|&n| span(&parameters[n])).collect();
                let p = &parameters[numbers[0]];
                let account = open.get_mut(p.account_no.as_str());
                if let Some((point, _)) = account.and_then(|a| a.points.get_mut(p.point.as_str())) {
                    point.get_or_insert_with(|| PointLoad::new(&grid)).add(&of_meter, &spans, &grid);
                }
            }
            for &n in numbers {
                // Blocks are kept only while a meter of the account is still to come.
                let p = &parameters[n];
                let through = open.get_mut(p.account_no.as_str()).is_some_and(|account| {
                    account.waiting.remove(p.meter.as_str());
                    account.waiting.is_empty()
                });
                if through && let Some((name, account)) = open.remove_entry(p.account_no.as_str()) {
                    done.insert(name, finish(&account));
                }
            }
        }
        if with_power {
            has_power = power.advance()?;
        }
        if with_energy {
            has_energy = energy.advance()?;
        }
    }
    for (name, account) in &open {
        done.insert(name, finish(account));
    }
    tables(&done, &grid, frame)
}

/// The blocks of a period. Sums carry all digits that a multiplier may have, so that what one account gives does not
/// depend on which others were asked for.
pub(crate) fn grid_of(frame: &Frame, window_ms: i64, minimum_coverage: f64) -> Grid {
    let length_ms = (frame.to_ms - frame.from_ms).max(0);
    Grid {
        from_ms: frame.from_ms,
        window_ms,
        blocks: (length_ms / window_ms + i64::from(length_ms % window_ms != 0)) as usize,
        coverage_ms: (window_ms as f64 * minimum_coverage).ceil() as i64,
        scale: MULTIPLIER_PLACES,
    }
}

/// A span as the kernel takes it.
pub(crate) fn span_of(p: &Parameter, (from_ms, to_ms): (i64, i64), frame: &Frame) -> Span {
    Span { from_ms, to_ms, rule: frame.rule(p), multiplier: p.multiplier, tariff: p.tariff }
}

/// Points of an account: what they gave, and their spans.
pub(crate) type Points<'a> = BTreeMap<&'a str, (Option<PointLoad>, Vec<Span>)>;

/// An account of which all points are through.
pub(crate) fn finished(points: &Points<'_>, tariffs: &[Vec<Slot>], grid: &Grid, frame: &Frame) -> Finished {
    let (first_day, days) = frame.days();
    let mut load = AccountLoad::new(grid);
    let mut tariff = false;
    for (point, spans) in points.values() {
        let empty = PointLoad::new(grid);
        load.add(point.as_ref().unwrap_or(&empty), spans, frame.tariffs(tariffs), grid, &frame.zone);
        tariff |= spans.iter().any(|s| s.tariff.is_some());
    }
    let (total, of_days) = load.figures(grid, &frame.zone, first_day, days);
    let mut curve = Vec::new();
    if total.load.max().is_some() {
        let day = |block: usize| frame.zone.day(grid.start_ms(block));
        let peak_day = day(total.load.max_block as usize);
        curve.extend(
            (0..grid.blocks)
                .filter(|&block| day(block) == peak_day)
                .map(|block| (grid.start_ms(block + 1), load.demand_kw(block))),
        );
    }
    Finished { total, days: of_days, curve, tariff }
}

/// The three tables of accounts.
pub(crate) fn tables(done: &HashMap<&str, Finished>, grid: &Grid, frame: &Frame) -> Result<[RecordBatch; 3]> {
    let (first_day, _) = frame.days();
    let mut names: Vec<&str> = done.keys().copied().collect();
    names.sort_unstable();
    let (mut by_day, mut whole) = (Table::default(), Table::default());
    let (mut account, mut at, mut kw) =
        (StringBuilder::new(), TimestampMillisecondBuilder::new(), Float64Builder::new());
    for name in names {
        let Some(f) = done.get(name) else { continue };
        whole.row(name, first_day, &f.total, f.tariff, grid);
        for (n, day) in f.days.iter().enumerate() {
            by_day.row(name, first_day + n as i64, day, f.tariff, grid);
        }
        for &(end_ms, demand) in &f.curve {
            account.append_value(name);
            at.append_value(end_ms);
            kw.append_option(demand);
        }
    }
    let curve: [(&str, ArrayRef, bool); 3] = [
        ("account_no", Arc::new(account.finish()), false),
        ("at", Arc::new(at.finish().with_timezone("UTC")), false),
        ("kw", Arc::new(kw.finish()), true),
    ];
    let curve = RecordBatch::try_from_iter_with_nullable(curve)
        .map_err(|e| Error::new(ErrorCode::Internal, e.to_string()))?;
    Ok([by_day.finish()?, whole.finish()?, curve])
}

/// What an account gave.
pub(crate) struct Finished {
    total: Figures,
    days: Vec<Figures>,
    curve: Vec<(i64, Option<f64>)>,
    tariff: bool,
}
