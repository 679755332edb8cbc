//! The best ceiling of one limit while the rest of the plan stands still. Cost and penalty are linear between the
//! loads of the block and the places where a period's demand is just met, so trying these places is exact.

use crate::problem::{Measure, to_grid};
use crate::state::{Choice, State};

/// The best ceiling for a giver in a block, or nothing. `None` when no limit is open to him there.
pub(crate) fn best_ceiling(
    s: &State<'_>,
    giver: usize,
    block: usize,
    trial: &mut Vec<f64>,
) -> Option<Choice> {
    let m = s.m;
    let g = &m.offers.givers[giver];
    let any = m.offers.of(giver, block).find(|&k| m.offers.list[k].measure == Measure::Limit)?;
    let floor = to_grid(m.p.lowest_ceiling(g.customer, block, false)?);
    let span = m.p.blocks[block];
    let load = m.p.load_of(g.customer, span);
    let own = s.kw_of(giver, block);
    let area = g.group * m.rows.periods;
    let price = m.tariff.per_kwh[Measure::Limit as usize] * g.burden * m.p.dt_h;
    trial.clear();
    let firm = m.p.firm_ceiling(g.customer, block);
    trial.push(firm.unwrap_or(floor));
    if firm.is_some() {
        trial.push(load.iter().copied().fold(floor, f64::max)); // which is nothing
    }
    for (i, &b) in load.iter().enumerate().filter(|_| firm.is_none()) {
        let t = span.0 + i;
        let mut add = |ceiling: f64| {
            if ceiling > floor && ceiling <= b {
                trial.push(ceiling);
            }
        };
        add(b);
        // Rounded down, so that the demand is met rather than missed by a hair.
        let exact = |left: f64| ((b - left - own[i]) * 1e6 + 1e-4).floor() / 1e6;
        if s.left[t] + own[i] > 0.0 {
            add(exact(s.left[t]));
        }
        if m.rows.group_row[area + t] && s.group_left[area + t] + own[i] > 0.0 {
            add(exact(s.group_left[area + t]));
        }
    }
    let mut best = (f64::INFINITY, 0.0, 0.0);
    for &ceiling in trial.iter() {
        let (mut value, mut energy) = (0.0, 0.0);
        for (i, &b) in load.iter().enumerate() {
            let t = span.0 + i;
            let kw = (b - ceiling).max(0.0);
            energy += kw;
            value += price * kw
                + s.penalty.system[t] * (s.left[t] + own[i] - kw).max(0.0)
                + s.penalty.group[area + t] * (s.group_left[area + t] + own[i] - kw).max(0.0);
        }
        if value < best.0 - 1e-9 || value <= best.0 + 1e-9 && ceiling > best.1 {
            best = (value, ceiling, energy);
        }
    }
    if best.2 <= 1e-3 {
        return Some(Choice::Nothing);
    }
    // The ordered ceiling is an offer of its own when planning again: prefer the offer where both agree.
    let same = m.offers.of(giver, block).find(|&k| {
        let o = &m.offers.list[k];
        o.measure == Measure::Limit && (o.ceiling_kw - best.1).abs() < 1e-9
    });
    Some(same.map_or(Choice::Ceiling(any, best.1), Choice::Offer))
}
