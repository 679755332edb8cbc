//! Tables of a span from kept states of its days, as the field kernels give them over its samples.

use std::collections::{BTreeMap, HashMap};

use arrow_array::RecordBatch;
use keyacct_model::Result;
use keyacct_stats::energy_day::{EnergyDay, KeptEnergy, join_increments, join_power, join_registers};
use keyacct_stats::field_load::PointLoad;
use keyacct_stats::load_day::{KeptLoad, LoadDay};
use keyacct_stats::state_bytes::Bytes;
use keyacct_stats::voltage_day::{KeptVoltage, VoltageDay};

use crate::day_parameters::{by_pair, of_day};
use crate::day_sections::{DayAt, Pair, Sections};
use crate::field_days::{DayJoin, What};
use crate::field_energy::{self, Output, Source, chosen};
use crate::field_load::{self, Points, finished};
use crate::field_parameters::{Parameter, by_meter};
use crate::field_voltage;

/// Point and meter, and the numbers of the rows in which they belong to one account.
type Chunk<'a> = (&'a str, &'a str, Vec<usize>);

impl DayJoin<'_> {
    /// The states of a pair, day by day; nothing when one is missing, of other parameters, or no state.
    fn states<S: Bytes + Default>(
        &self,
        kept: &[Sections],
        wide: &[&Parameter],
        pair: &Pair,
    ) -> Option<Vec<S>> {
        let of = |(day, sections): (&DayAt, &Sections)| {
            let key = self.key(wide, day);
            let section = sections.get(pair)?.iter().find(|section| section.key == key)?;
            if section.body.is_empty() {
                return Some(S::default());
            }
            let mut body = section.body.as_slice();
            S::read(&mut body).filter(|_| body.is_empty())
        };
        self.days.iter().zip(kept).map(of).collect()
    }

    fn inside(&self, day: &DayAt) -> bool {
        day.start_ms >= self.frame.from_ms && day.end_ms <= self.frame.to_ms
    }

    /// Whether spans follow each other and begin and end, on every day, where the meter does; registers can be joined only so.
    fn whole(&self, spans: &[(i64, i64)], wide: &[&Parameter]) -> bool {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return false };
        let extent = |day: &DayAt| (first.0.max(day.start_ms), last.1.min(day.end_ms));
        let fits = |day: &&DayAt| {
            let (from, to) = extent(day);
            from >= to || of_day(wide, day).mounted == Some((from, to))
        };
        spans.windows(2).all(|two| two[0].1 == two[1].0)
            && wide.windows(2).all(|two| two[0].to_ms == two[1].from_ms)
            && self.days.iter().filter(|day| self.inside(day)).all(|day| fits(&day))
    }

    /// Voltage compliance, as [`crate::voltage`] gives it; nothing when a state is missing.
    ///
    /// # Errors
    /// Those of [`crate::voltage`].
    pub fn voltage(&self) -> Result<Option<(RecordBatch, RecordBatch)>> {
        let (first_day, days) = self.frame.days();
        let shares = (self.rules.floor_share, self.rules.ceiling_share);
        let kept: Vec<_> = self.days.iter().map(DayAt::sections).collect();
        let wide = by_pair(self.wide);
        let mut points = field_voltage::expected(self.parameters, self.frame, shares);
        for (meter, numbers) in by_meter(self.parameters).into_iter().collect::<BTreeMap<_, _>>() {
            for of_point in numbers.chunk_by(|&a, &b| self.parameters[a].point == self.parameters[b].point) {
                let pair = (self.parameters[of_point[0]].point.clone(), meter.to_owned());
                let rows = wide.get(&(pair.0.as_str(), meter)).map_or(&[][..], Vec::as_slice);
                let Some(states) = self.states::<VoltageDay>(&kept, rows, &pair) else { return Ok(None) };
                if states.iter().all(VoltageDay::is_empty) {
                    continue;
                }
                for &n in of_point {
                    let p = &self.parameters[n];
                    let Some(at) = self.frame.clip(p) else { continue };
                    let mut joined = Vec::new();
                    for (day, of) in self.days.iter().zip(&states) {
                        let (from, to) = (at.0.max(day.start_ms), at.1.min(day.end_ms));
                        let cuts = of_day(rows, day).cuts;
                        let span = cuts.iter().position(|(_, cut)| *cut == (from, to));
                        if from < to && span.is_none() {
                            return Ok(None);
                        }
                        joined.push(KeptVoltage { day: self.frame.zone.day(day.start_ms), of, span });
                    }
                    let span = field_voltage::span_of(p, at, self.frame, shares);
                    if let Some(point) = points.get_mut(p.point.as_str()) {
                        point
                            .add_days(&span, &joined, &self.frame.zone)
                            .ok_or_else(|| field_voltage::unusable(p))?;
                    }
                }
            }
        }
        field_voltage::tables(&points, first_day, days).map(Some)
    }

    /// Load, as [`crate::load`] gives it; nothing when a state is missing or days cannot be joined.
    ///
    /// # Errors
    /// Those of [`crate::load`].
    pub fn load(&self) -> Result<Option<[RecordBatch; 3]>> {
        let grid = self.grid();
        let kept: Vec<_> = self.days.iter().map(DayAt::sections).collect();
        let wide = by_pair(self.wide);
        let mut accounts: BTreeMap<&str, Vec<Chunk<'_>>> = BTreeMap::new();
        let place = |n: usize| (&self.parameters[n].point, &self.parameters[n].account_no);
        for (meter, numbers) in by_meter(self.parameters).into_iter().collect::<BTreeMap<_, _>>() {
            for chunk in numbers.chunk_by(|&a, &b| place(a) == place(b)) {
                let p = &self.parameters[chunk[0]];
                accounts.entry(&p.account_no).or_default().push((&p.point, meter, chunk.to_vec()));
            }
        }
        let mut points_of: BTreeMap<&str, Points<'_>> = BTreeMap::new();
        for p in self.parameters {
            if let Some(at) = self.frame.clip(p) {
                let points = points_of.entry(&p.account_no).or_default();
                points.entry(&p.point).or_default().1.push(field_load::span_of(p, at, self.frame));
            }
        }
        let mut done = HashMap::new();
        for (account, mut points) in points_of {
            for (point, meter, numbers) in accounts.remove(account).into_iter().flatten() {
                let of = |&n: &usize| {
                    let p = &self.parameters[n];
                    self.frame.clip(p).map(|at| field_load::span_of(p, at, self.frame))
                };
                let spans: Vec<_> = numbers.iter().filter_map(of).collect();
                let ends: Vec<_> = spans.iter().map(|s| (s.from_ms, s.to_ms)).collect();
                if ends.is_empty() {
                    continue;
                }
                let rows = wide.get(&(point, meter)).map_or(&[][..], Vec::as_slice);
                if !self.whole(&ends, rows) {
                    return Ok(None);
                }
                let pair = (point.to_owned(), meter.to_owned());
                let Some(states) = self.states::<LoadDay>(&kept, rows, &pair) else { return Ok(None) };
                let place = |day: &DayAt| {
                    let mine = self.inside(day)
                        && ends.iter().any(|&(from, to)| from < day.end_ms && to > day.start_ms);
                    let first = (day.start_ms - grid.from_ms).div_euclid(grid.window_ms.max(1));
                    mine.then_some(first as usize)
                };
                let joined: Vec<_> = self
                    .days
                    .iter()
                    .zip(&states)
                    .map(|(day, of)| KeptLoad { of, first_block: place(day) })
                    .collect();
                if let Some((into, _)) = points.get_mut(point) {
                    into.get_or_insert_with(|| PointLoad::new(&grid)).add_days(&joined, &spans, &grid);
                }
            }
            done.insert(account, finished(&points, self.tariffs, &grid, self.frame));
        }
        field_load::tables(&done, &grid, self.frame).map(Some)
    }

    /// Energies, as [`crate::energy`] gives them; nothing when a state is missing or days cannot be joined.
    ///
    /// # Errors
    /// Those of [`crate::energy`].
    pub fn energy(&self) -> Result<Option<(RecordBatch, RecordBatch)>> {
        let source = if self.what == What::Integrated { Source::Power } else { Source::Energy };
        let kept: Vec<_> = self.days.iter().map(DayAt::sections).collect();
        let wide = by_pair(self.wide);
        let mut out = Output::default();
        for (meter, numbers) in by_meter(self.parameters).into_iter().collect::<BTreeMap<_, _>>() {
            for of_point in numbers.chunk_by(|&a, &b| self.parameters[a].point == self.parameters[b].point) {
                let clip = |&n: &usize| self.frame.clip(&self.parameters[n]).map(|at| (n, at));
                let used: Vec<(usize, (i64, i64))> = of_point.iter().filter_map(clip).collect();
                let ends: Vec<_> = used.iter().map(|(_, at)| *at).collect();
                if ends.is_empty() {
                    continue;
                }
                let pair = (self.parameters[of_point[0]].point.clone(), meter.to_owned());
                let rows = wide.get(&(pair.0.as_str(), meter)).map_or(&[][..], Vec::as_slice);
                if source == Source::Energy && !self.whole(&ends, rows) {
                    return Ok(None);
                }
                let span = |(n, at): &(usize, (i64, i64))| {
                    field_energy::span_of(&self.parameters[*n], *at, self.frame)
                };
                let spans: Vec<_> = used.iter().map(span).collect();
                let Some(states) = self.states::<EnergyDay>(&kept, rows, &pair) else { return Ok(None) };
                let mut places: Vec<Vec<Option<usize>>> = Vec::new();
                for day in self.days {
                    let mut of = Vec::new();
                    for (_, (from, to)) in of_day(rows, day).cuts {
                        let place = ends.iter().position(|&(a, z)| a <= from && to <= z);
                        if place.is_none() && ends.iter().any(|&(a, z)| a < to && from < z) {
                            return Ok(None);
                        }
                        of.push(place);
                    }
                    places.push(of);
                }
                let joined: Vec<_> =
                    states.iter().zip(&places).map(|(of, spans)| KeptEnergy { of, spans }).collect();
                let (zone, tariffs) = (&self.frame.zone, self.frame.tariffs(self.tariffs));
                let (sums, name) = match source {
                    Source::Power => (join_power(&joined, &spans, tariffs, zone), "power"),
                    Source::Energy => chosen(join_registers(&joined, &spans, tariffs, zone), || {
                        join_increments(&joined, &spans, tariffs, zone)
                    }),
                };
                for ((n, _), sums) in used.iter().zip(&sums) {
                    out.add(*n, sums, name);
                }
            }
        }
        out.finish().map(Some)
    }
}
