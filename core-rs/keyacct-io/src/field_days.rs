//! Kept states of civil days by the rules of the field: made of a day's samples, joined without them.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::{RecordBatch, RecordBatchReader};
use keyacct_model::{Error, ErrorCode, Result};
use keyacct_stats::calendar::Slot;
use keyacct_stats::energy_day::{EnergyDay, KeptEnergy, join_increments, join_power, join_registers};
use keyacct_stats::field_energy::COLUMNS;
use keyacct_stats::field_load::{Grid, MeterLoad, PointLoad};
use keyacct_stats::field_voltage::Wiring;
use keyacct_stats::load_day::{KeptLoad, LoadDay};
use keyacct_stats::state_bytes::Bytes;
use keyacct_stats::voltage_day::{KeptVoltage, VoltageDay};
use keyacct_stats::weight::Series;

use crate::day_sections::{DayAt, Pair, Section, Sections};
use crate::field_energy::{self, ENERGY, Output, Source, chosen};
use crate::field_load::{self, Points, finished, grid_of};
use crate::field_parameters::{Frame, Parameter, by_meter};
use crate::field_samples::{Columns, Kind, MeterRows, each_meter};
use crate::field_voltage;

/// What a state is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Voltages: the family `voltage`.
    Voltage,
    /// Load: the families `power` and `energy`.
    Load,
    /// Energies: the family `energy`.
    Energy,
    /// Integrated powers: the family `power`.
    Integrated,
}

/// Numbers that a state depends on beside samples and parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Assessment floor as a share of nominal.
    pub floor_share: f64,
    /// Over-voltage as a share of nominal.
    pub ceiling_share: f64,
    /// Length of a block.
    pub window_ms: i64,
    /// Share of a block that values must cover.
    pub minimum_coverage: f64,
}

const POWER: [Kind; 2] = [Kind::Interval, Kind::Snapshot];
/// An interval of a span that ended longer before a day counts for no value of it.
const LONGEST_MS: i64 = 86_400_000;

/// Days, parameters and rules of a question. `wide` are the parameters of all accounts over some days more than the
/// question's on each side, so that what is told of a day does not depend on who asks for which period.
pub struct DayJoin<'a> {
    /// What is asked for.
    pub what: What,
    /// Days in order: one before the period, those of the period, one behind it.
    pub days: &'a [DayAt],
    /// Parameters of the question.
    pub parameters: &'a [Parameter],
    /// Parameters around it.
    pub wide: &'a [Parameter],
    /// Tariff tables.
    pub tariffs: &'a [Vec<Slot>],
    /// The question's frame.
    pub frame: &'a Frame,
    /// Rules.
    pub rules: Rules,
}

/// What the parameters say of a meter at a point on one day.
struct OfDay<'a> {
    cuts: Vec<(&'a Parameter, (i64, i64))>,
    mounted: Option<(i64, i64)>,
    longest_ms: i64,
}

/// Point and meter, and the numbers of the rows in which they belong to one account.
type Chunk<'a> = (&'a str, &'a str, Vec<usize>);
type Rows<'a> = HashMap<(&'a str, &'a str), Vec<&'a Parameter>>;

fn by_pair(all: &[Parameter]) -> Rows<'_> {
    let mut pairs: Rows<'_> = HashMap::new();
    for p in all {
        pairs.entry((&p.point, &p.meter)).or_default().push(p);
    }
    pairs.values_mut().for_each(|rows| rows.sort_by_key(|p| p.from_ms));
    pairs
}

fn of_day<'a>(rows: &[&'a Parameter], day: &DayAt) -> OfDay<'a> {
    let (start, end) = (day.start_ms, day.end_ms);
    let cut = |p: &&'a Parameter| {
        let (from, to) = (p.from_ms.max(start), p.to_ms.min(end));
        (from < to).then_some((*p, (from, to)))
    };
    let mounted = rows.first().zip(rows.last()).map(|(a, z)| (a.from_ms.max(start), z.to_ms.min(end)));
    let near = rows.iter().filter(|p| p.from_ms < end && p.to_ms > start - LONGEST_MS);
    OfDay {
        cuts: rows.iter().filter_map(cut).collect(),
        mounted: mounted.filter(|(from, to)| from <= to),
        longest_ms: near.map(|p| p.interval_ms).max().unwrap_or(0),
    }
}

impl OfDay<'_> {
    /// Everything of the parameters that a state depends on, as bytes.
    fn key(&self, what: What, tariffs: &[Vec<Slot>]) -> Vec<u8> {
        let mut key = Vec::new();
        (self.cuts.len() as i64).write(&mut key);
        for (p, at) in &self.cuts {
            at.write(&mut key);
            p.interval_ms.write(&mut key);
            match what {
                What::Voltage => {
                    (p.pt.mantissa, i64::from(p.pt.scale)).write(&mut key);
                    (p.nominal_v, p.lower_v, p.upper_v).write(&mut key);
                    let wiring = match p.wiring {
                        Wiring::FourWire => 4,
                        Wiring::ThreeWire => 3,
                        Wiring::Single => 1_i64,
                    };
                    wiring.write(&mut key);
                }
                What::Load => (p.multiplier.mantissa, i64::from(p.multiplier.scale)).write(&mut key),
                What::Energy | What::Integrated => {
                    // The ratio itself is not in an energy; only where it changes matters.
                    let same = |q: &Parameter| q.multiplier.as_f64() == p.multiplier.as_f64();
                    let mark = self.cuts.iter().position(|(q, _)| same(q));
                    (mark.unwrap_or(0) as i64).write(&mut key);
                    let slots = p.tariff.and_then(|n| tariffs.get(n)).map_or(&[][..], Vec::as_slice);
                    let slots: Vec<[i64; 6]> = slots.iter().map(slot).collect();
                    slots.write(&mut key);
                }
            }
        }
        if matches!(what, What::Load | What::Energy) {
            self.mounted.write(&mut key);
            self.longest_ms.write(&mut key);
        }
        key
    }
}

fn slot(slot: &Slot) -> [i64; 6] {
    [
        i64::from(slot.season_from),
        i64::from(slot.season_to),
        slot.day_type as i64,
        i64::from(slot.start_min),
        i64::from(slot.end_min),
        i64::from(slot.period),
    ]
}

fn bytes(of: &impl Bytes) -> Vec<u8> {
    let mut to = Vec::new();
    of.write(&mut to);
    to
}

impl DayJoin<'_> {
    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<(&str, &str)> =
            self.parameters.iter().map(|p| (p.point.as_str(), p.meter.as_str())).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// The pairs whose state of a day is missing or was made by other parameters.
    fn missing(&self, day: &DayAt, wide: &Rows<'_>) -> Vec<Pair> {
        let known = day.sections();
        let outdated = |&(point, meter): &(&str, &str)| {
            let pair = (point.to_owned(), meter.to_owned());
            let rows = wide.get(&(point, meter)).map_or(&[][..], Vec::as_slice);
            let key = of_day(rows, day).key(self.what, self.tariffs);
            let there = known.get(&pair).is_some_and(|of| of.iter().any(|section| section.key == key));
            (!there).then_some(pair)
        };
        self.pairs().iter().filter_map(outdated).collect()
    }

    /// Day by day, the meters whose samples are needed.
    pub fn outdated(&self) -> Vec<Vec<String>> {
        let wide = by_pair(self.wide);
        let meters = |day: &DayAt| -> Vec<String> {
            let mut meters: Vec<String> = self.missing(day, &wide).into_iter().map(|pair| pair.1).collect();
            meters.sort_unstable();
            meters.dedup();
            meters
        };
        self.days.iter().map(meters).collect()
    }

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
            let key = of_day(rows, day).key(self.what, self.tariffs);
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
                each_meter(*families.next().ok_or_else(none)?, &["a", "b", "c"], 3, &mut |rows| {
                    put(&rows.of(&POWER), None, &rows.meter)
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
        match self.what {
            What::Voltage => {
                let shares = (self.rules.floor_share, self.rules.ceiling_share);
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_voltage::span_of(p, *at, frame, shares)).collect();
                let columns = [rows.series(0), rows.series(1), rows.series(2)];
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
                    (&spans, self.tariffs, &frame.zone),
                    of.mounted,
                    (day.start_ms, of.longest_ms),
                );
                Ok(bytes(&state))
            }
            What::Integrated => {
                let spans: Vec<_> =
                    of.cuts.iter().map(|(p, at)| field_energy::span_of(p, *at, frame)).collect();
                let with = (&spans[..], self.tariffs, &frame.zone);
                Ok(bytes(&EnergyDay::from_power(rows.series(0), rows.series(1), with)))
            }
        }
    }

    /// The blocks of one day; sums are those of the period's blocks.
    fn grid_of_day(&self, day: &DayAt) -> Grid {
        let blocks = (day.end_ms - day.start_ms).div_euclid(self.rules.window_ms);
        Grid { from_ms: day.start_ms, blocks: blocks.max(0) as usize, ..self.grid() }
    }

    fn grid(&self) -> Grid {
        grid_of(self.frame, self.rules.window_ms, self.rules.minimum_coverage)
    }

    /// The states of a pair, day by day; nothing when one is missing, of other parameters, or no state.
    fn states<S: Bytes + Default>(
        &self,
        kept: &[Sections],
        wide: &[&Parameter],
        pair: &Pair,
    ) -> Option<Vec<S>> {
        let of = |(day, sections): (&DayAt, &Sections)| {
            let key = of_day(wide, day).key(self.what, self.tariffs);
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
                let zone = &self.frame.zone;
                let (sums, name) = match source {
                    Source::Power => (join_power(&joined, &spans, self.tariffs, zone), "power"),
                    Source::Energy => chosen(join_registers(&joined, &spans, self.tariffs, zone), || {
                        join_increments(&joined, &spans, self.tariffs, zone)
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
