//! The strict order of the means: unmet demand first, then kWh tripped, limited, avoided, shifted (each weighted), then
//! customers touched, their burden by history, overshoot. One run per level, in which what is more severe is dearer by
//! three orders of magnitude; of all plans met on the way, that of the weights among them, the first is kept.

use crate::offers::{Offers, Rows, Tariff};
use crate::price::Market;
use crate::problem::{Lifted, Measure, Problem};
use crate::search::{self, Effort};
use crate::state::{Choice, State};

/// Levels closer than this are equal, kWh.
const TOLERANCE_KWH: f64 = 0.01;

const STEP: f64 = 1000.0;

/// The choices of the best plan in strict order; per level its name, its value and a proved lower bound.
pub(crate) fn in_order(
    p: &Problem,
    rows: &Rows,
    threads: usize,
    by_weights: &State<'_>,
) -> (Vec<Choice>, Vec<(&'static str, f64, f64)>) {
    // The offers are the same whatever they cost, so a choice made for the weights is one here too.
    let mut top = Some((key(by_weights, rows), by_weights.choice.clone()));
    let mut bounds = Vec::new();
    for level in [Measure::Trip, Measure::Limit, Measure::Avoid, Measure::Shift] {
        let tariff = tariff_of(p, level, true);
        let own = Rows::build(p, &tariff);
        let offers = Offers::build(p, &own, &tariff, Lifted::default(), false);
        let m = Market::new(p, &own, &offers, &tariff, threads);
        let (prices, _) = m.climb();
        let s = search::search(&m, &prices, Effort::of(offers.givers.len()));
        let key = key(&s, rows);
        if top.as_ref().is_none_or(|t| before(&key, &t.0)) {
            top = Some((key, s.choice));
        }
        // The bound of the level alone: what comes after it costs nothing.
        let alone = tariff_of(p, level, false);
        let own = Rows::build(p, &alone);
        let offers = Offers::build(p, &own, &alone, Lifted::default(), true);
        let m = Market::new(p, &own, &offers, &alone, threads);
        bounds.push((level, alone.clone(), m.climb().1));
    }
    let Some((key, choice)) = top else { return (Vec::new(), Vec::new()) };
    let names = ["unmet_kwh", "trip_kwh", "limit_kwh", "avoid_kwh", "shift_kwh"];
    let mut levels = vec![(names[0], key[0], 0.0)];
    for (k, (level, tariff, value)) in bounds.into_iter().enumerate() {
        let severe: f64 = (0..k).map(|j| tariff.per_kwh[bounds_measure(j) as usize] * key[1 + j]).sum();
        let bound = value - severe - tariff.unmet * key[0] - 1e-9 * value.abs();
        levels.push((names[1 + level_place(level)], key[1 + k], bound.clamp(0.0, key[1 + k])));
    }
    (choice, levels)
}

fn bounds_measure(k: usize) -> Measure {
    [Measure::Trip, Measure::Limit, Measure::Avoid, Measure::Shift][k]
}

fn level_place(level: Measure) -> usize {
    3 - level as usize
}

fn tariff_of(p: &Problem, level: Measure, with_rest: bool) -> Tariff {
    let mut per_kwh = [0.0; 4];
    for m in Measure::ALL {
        per_kwh[m as usize] = if m >= level {
            STEP.powi(m as i32 - level as i32)
        } else if with_rest {
            1e-3 * 0.1f64.powi(level as i32 - m as i32 - 1)
        } else {
            0.0
        };
    }
    let last = level == Measure::Shift && with_rest;
    Tariff {
        per_kwh,
        touch: if last { 1e-2 } else { 0.0 },
        unmet: 20.0 * STEP.powi(4 - level as i32),
        history_factor: if last { 1e-4 * p.history_factor.max(1e-3) } else { 0.0 },
        fairness: 0.0,
        change: if with_rest { p.change_cost * 1e-3 } else { 0.0 },
    }
}

/// Unmet, tripped, limited, avoided, shifted kWh (weighted), touched, burden by history, overshoot.
fn key(s: &State<'_>, rows: &Rows) -> Vec<f64> {
    let p = s.m.p;
    let mut key = vec![0.0; 8];
    key[0] = s.unmet_kwh() + rows.outside_kwh;
    for f in &p.fixed {
        if let Some(m) = f.measure {
            key[4 - m as usize] += f.kw * p.dt_h * p.customers[f.customer].weight;
        }
    }
    for (giver, g) in s.m.offers.givers.iter().enumerate() {
        for block in 0..s.m.offers.blocks {
            if let Some(m) = s.measure(s.at(giver, block)) {
                let kwh = s.kw_of(giver, block).iter().sum::<f64>() * p.dt_h;
                key[4 - m as usize] += kwh * p.customers[g.customer].weight;
            }
        }
        if s.used[giver] > 0 {
            key[5] += 1.0;
            key[6] += g.history_h * s.hours[giver];
        }
    }
    key[7] = s.left.iter().map(|v| (-v).max(0.0)).sum::<f64>() * p.dt_h;
    key
}

fn before(a: &[f64], b: &[f64]) -> bool {
    for (x, y) in a.iter().zip(b) {
        if (x - y).abs() > TOLERANCE_KWH {
            return x < y;
        }
    }
    false
}
