//! Making the states of a civil day from its samples.

use std::collections::{HashMap, HashSet};

use arrow_array::RecordBatchReader;
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::energy_day::EnergyDay;
use keyacct_stats::field_energy::COLUMNS;
use keyacct_stats::field_load::{Grid, MeterLoad};
use keyacct_stats::load_day::LoadDay;
use keyacct_stats::state_bytes::Bytes;
use keyacct_stats::voltage_day::VoltageDay;
use keyacct_stats::weight::Series;

use crate::day_parameters::{OfDay, by_pair, of_day};
use crate::day_sections::{DayAt, Pair, Section};
use crate::field_days::{DayJoin, What};
use crate::field_energy::{self, ENERGY};
use crate::field_load;
use crate::field_samples::{Columns, Kind, MeterRows, each_meter};
use crate::field_voltage;

const POWER: [Kind; 2] = [Kind::Interval, Kind::Snapshot];

fn bytes(of: &impl Bytes) -> Vec<u8> {
    let mut to = Vec::new();
    of.write(&mut to);
    to
}

impl DayJoin<'_> {
    /// Makes what is missing of a day from its samples (in the order of the families of [`What`]) and keeps it.
    ///
    /// # Errors
    /// Those of the samples; `config.registry_invalid` for a limit that cannot be used; `write.*`.
    pub fn make(&self, day: &DayAt, samples: &mut [&mut dyn RecordBatchReader]) -> Result<()> {
        let wide = by_pair(self.wide);
        let mut made: HashMap<Pair, Section> = HashMap::new();
        let mut of_meter: HashMap<String, Vec<Pair>> = HashMap::new();
        for pair in self.missing(day, &wide) {
            let rows = wide.get(&(pair.0.as_str(), pair.1.as_str())).map_or(&[][..], Vec::as_slice);
            let key = self.key(rows, day);
            of_meter.entry(pair.1.clone()).or_default().push(pair.clone());
            made.insert(pair, Section { key, body: Vec::new() });
        }
        let mut put = |rows: &Columns, energy: Option<&MeterRows>, meter: &str| -> Result<()> {
            for pair in of_meter.get(meter).into_iter().flatten() {
                let spans = wide.get(&(pair.0.as_str(), pair.1.as_str())).map_or(&[][..], Vec::as_slice);
                if let Some(section) = made.get_mut(pair) {
                    section.body = self.state(day, &of_day(spans, day), rows, energy)?;
                }
            }
            Ok(())
        };
        let none = || Error::new(ErrorCode::Internal, "a family of samples is missing");
        let mut families = samples.iter_mut();
        match self.what {
            What::Voltage => {
                each_meter(*families.next().ok_or_else(none)?, &field_voltage::COLUMNS, 3, &mut |rows| {
                    let mut columns = rows.of(&POWER);
                    field_voltage::lines_of(&mut columns);
                    put(&columns, None, &rows.meter)
                })?;
            }
            What::Integrated => {
                each_meter(*families.next().ok_or_else(none)?, &["p", "q"], 4, &mut |rows| {
                    put(&rows.of(&POWER), None, &rows.meter)
                })?;
            }
            What::Energy => {
                each_meter(*families.next().ok_or_else(none)?, &ENERGY, 4, &mut |rows| {
                    put(&Columns::default(), Some(rows), &rows.meter)
                })?;
            }
            What::Load => {
                let mut power: HashMap<String, Columns> = HashMap::new();
                each_meter(*families.next().ok_or_else(none)?, &["p"], 4, &mut |rows| {
                    power.insert(rows.meter.clone(), rows.of(&POWER));
                    Ok(())
                })?;
                let mut with_energy = HashSet::new();
                each_meter(*families.next().ok_or_else(none)?, &["import"], 4, &mut |rows| {
                    with_energy.insert(rows.meter.clone());
                    put(power.get(&rows.meter).unwrap_or(&Columns::default()), Some(rows), &rows.meter)
                })?;
                for (meter, rows) in power.iter().filter(|(meter, _)| !with_energy.contains(*meter)) {
                    put(rows, None, meter)?;
                }
            }
        }
        day.keep(made)
    }

    fn state(
        &self,
        day: &DayAt,
        of: &OfDay<'_>,
        rows: &Columns,
        energy: Option<&MeterRows>,
    ) -> Result<Vec<u8>> {
        const EMPTY: Series<'_> = Series { at_ms: &[], snapshot: &[], value: &[] };
        let column = |columns: &Columns, n: usize| columns.rows() > 0 && columns.any(n);
        let kinds = |kind| energy.map(|rows| rows.of(&[kind])).unwrap_or_default();
        let frame = self.frame;
        let tariffs = frame.tariffs(self.tariffs);
        match self.what {
            What::Voltage => {
                let shares = (self.rules.floor_share, self.rules.ceiling_share);
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_voltage::span_of(p, *at, frame, shares)).collect();
                let columns = field_voltage::WITH_LINES.map(|column| rows.series(column));
                let state = VoltageDay::new(columns, &spans);
                let state = match (state, of.cuts.first()) {
                    (None, Some((p, _))) => return Err(field_voltage::unusable(p)),
                    (state, _) => state.unwrap_or_default(),
                };
                Ok(bytes(&state))
            }
            What::Load => {
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_load::span_of(p, *at, frame)).collect();
                let (increments, registers) = (kinds(Kind::Interval), kinds(Kind::Register));
                let [power, increments, registers] = [rows, &increments, &registers]
                    .map(|columns| if column(columns, 0) { columns.series(0) } else { EMPTY });
                let meter = MeterLoad { power, increments, registers };
                let state = LoadDay::new(&meter, &spans, of.mounted, &self.grid_of_day(day), of.longest_ms);
                Ok(bytes(&state))
            }
            What::Energy => {
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_energy::span_of(p, *at, frame)).collect();
                let (increments, registers) = (kinds(Kind::Interval), kinds(Kind::Register));
                let registers_of: [Series<'_>; COLUMNS] = std::array::from_fn(|n| registers.series(n));
                let increments_of: [Series<'_>; COLUMNS] = std::array::from_fn(|n| increments.series(n));
                let state = EnergyDay::from_energy(
                    (&registers_of, &increments_of),
                    (&spans, tariffs, &frame.zone),
                    of.mounted,
                    (day.start_ms, of.longest_ms),
                );
                Ok(bytes(&state))
            }
            What::Integrated => {
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_energy::span_of(p, *at, frame)).collect();
                let with = (&spans[..], tariffs, &frame.zone);
                Ok(bytes(&EnergyDay::from_power(rows.series(0), rows.series(1), with)))
            }
        }
    }

    /// The blocks of one day; sums are those of the period's blocks.
    fn grid_of_day(&self, day: &DayAt) -> Grid {
        let blocks = (day.end_ms - day.start_ms).div_euclid(self.rules.window_ms);
        Grid { from_ms: day.start_ms, blocks: blocks.max(0) as usize, ..self.grid() }
    }
}
