//! The list method utilities use: block by block, shift, then avoid, limit, trip; customers in the order of the
//! government's table until every period (and every area with a demand of its own) is met.

use crate::price::Market;
use crate::problem::{Measure, to_grid};
use crate::state::{Choice, Penalty, State};

/// A plan by the list. `hardest_first`: blocks in the order of the share of load that they ask for.
pub(crate) fn by_list<'a>(m: &'a Market<'a>, hardest_first: bool) -> State<'a> {
    let p = m.p;
    let mut s = State::new(m, Penalty::flat(m, m.tariff.unmet * p.dt_h));
    let mut order: Vec<usize> = (0..m.offers.givers.len()).collect();
    order.sort_by_key(|&g| {
        let c = &p.customers[m.offers.givers[g].customer];
        (c.rank.unwrap_or(i64::MAX), std::cmp::Reverse(c.class), m.offers.givers[g].customer)
    });
    let mut blocks: Vec<usize> = (0..p.blocks.len()).collect();
    if hardest_first {
        let share = |r: usize| {
            let (a, b) = p.blocks[r];
            let asked: f64 = p.need[a..b].iter().sum();
            let load: f64 = (0..p.customers.len()).map(|k| p.load_of(k, (a, b)).iter().sum::<f64>()).sum();
            asked / load.max(1e-9)
        };
        let shares: Vec<f64> = blocks.iter().map(|&r| share(r)).collect();
        blocks.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
    }
    for r in blocks {
        for measure in Measure::ALL {
            for &giver in &order {
                let (system, any_area) = missing(&s, r, None);
                if system.max(any_area) <= 1e-6 {
                    break;
                }
                let group = m.offers.givers[giver].group;
                let (_, own_area) = missing(&s, r, Some(group));
                if s.at(giver, r) != Choice::Nothing || system.max(own_area) <= 1e-6 {
                    continue;
                }
                if let Some(choice) = enough(&s, giver, r, measure)
                    && s.allowed(giver, r, choice)
                {
                    s.set(giver, r, choice);
                }
            }
        }
    }
    s
}

/// Largest missing kW of a block: of the system, and of the areas (all, or one group's).
fn missing(s: &State<'_>, block: usize, group: Option<usize>) -> (f64, f64) {
    let (a, b) = s.m.p.blocks[block];
    let t_n = s.m.rows.periods;
    let system = s.left[a..b].iter().copied().fold(0.0, f64::max);
    let groups = group.map_or(1..s.m.rows.groups, |g| g..g + 1);
    let area = groups
        .flat_map(|g| (a..b).map(move |t| g * t_n + t))
        .filter(|&k| s.m.rows.group_row[k])
        .map(|k| s.group_left[k])
        .fold(0.0, f64::max);
    (system, area)
}

/// A measure's whole block; for limit the highest ceiling that gives what is still missing.
fn enough(s: &State<'_>, giver: usize, block: usize, measure: Measure) -> Option<Choice> {
    let m = s.m;
    let offer = m.offers.of(giver, block).find(|&k| m.offers.list[k].measure == measure)?;
    if measure != Measure::Limit {
        return Some(Choice::Offer(offer));
    }
    let g = &m.offers.givers[giver];
    if m.p.firm_ceiling(g.customer, block).is_some() {
        return Some(Choice::Offer(offer));
    }
    let floor = m.p.lowest_ceiling(g.customer, block, false)?;
    let (a, b) = m.p.blocks[block];
    let base = g.group * m.rows.periods;
    let mut ceiling = f64::INFINITY;
    for (t, &load) in (a..b).zip(m.p.load_of(g.customer, (a, b))) {
        let area = if m.rows.group_row[base + t] { s.group_left[base + t] } else { 0.0 };
        let wanted = s.left[t].max(area).min(load - floor);
        if wanted > 1e-9 {
            ceiling = ceiling.min(load - wanted);
        }
    }
    ceiling.is_finite().then(|| Choice::Ceiling(offer, to_grid(((ceiling * 1e6).floor() / 1e6).max(floor))))
}
