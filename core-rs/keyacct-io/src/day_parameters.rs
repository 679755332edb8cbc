//! What the parameters say of a meter at a point on one civil day, and the bytes by which a kept state is known to be of them.

use std::collections::HashMap;

use keyacct_stats::calendar::{Slot, Tariffs};
use keyacct_stats::field_voltage::Wiring;
use keyacct_stats::state_bytes::Bytes;

use crate::day_sections::DayAt;
use crate::field_days::What;
use crate::field_parameters::Parameter;

/// An interval of a span that ended longer before a day counts for no value of it.
const LONGEST_MS: i64 = 86_400_000;

/// Parameter rows of each pair of point and meter.
pub(crate) type Rows<'a> = HashMap<(&'a str, &'a str), Vec<&'a Parameter>>;

/// What the parameters say of a meter at a point on one day.
pub(crate) struct OfDay<'a> {
    /// The rows that hold on the day, each with its part of it.
    pub(crate) cuts: Vec<(&'a Parameter, (i64, i64))>,
    /// The time of the day in which the meter is at the point, ends included.
    pub(crate) mounted: Option<(i64, i64)>,
    /// The longest interval that may count for an increment of the day.
    pub(crate) longest_ms: i64,
}

/// Rows by pair, in order of time.
pub(crate) fn by_pair(all: &[Parameter]) -> Rows<'_> {
    let mut pairs: Rows<'_> = HashMap::new();
    for p in all {
        pairs.entry((&p.point, &p.meter)).or_default().push(p);
    }
    pairs.values_mut().for_each(|rows| rows.sort_by_key(|p| p.from_ms));
    pairs
}

/// What rows of one pair say of a day.
pub(crate) fn of_day<'a>(rows: &[&'a Parameter], day: &DayAt) -> OfDay<'a> {
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
    pub(crate) fn key(&self, what: What, tariffs: Tariffs<'_>, civil_day: i64) -> Vec<u8> {
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
                    let slots = p.tariff.and_then(|n| tariffs.tables.get(n)).map_or(&[][..], Vec::as_slice);
                    let slots: Vec<[i64; 6]> = slots.iter().map(slot).collect();
                    slots.write(&mut key);
                    if !slots.is_empty() {
                        (tariffs.special.kind(civil_day) as i64).write(&mut key);
                    }
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
