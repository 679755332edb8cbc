//! Reasons at the prices of the certificate: why a customer was chosen or spared, who would be next, and which rule,
//! if lifted, would save most.

use crate::offers::Offers;
use crate::plan::Plan;
use crate::price::{Market, Prices};
use crate::problem::{Lifted, Measure};

/// Something else that a customer could have been ordered in a block.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Index of the time block.
    pub block: usize,
    /// The measure.
    pub measure: Measure,
    /// Ceiling of a limit, kW.
    pub ceiling_kw: Option<f64>,
    /// Mean reduction, kW.
    pub mean_kw: f64,
    /// Its part of the objective.
    pub cost: f64,
    /// What its kW are worth at the prices.
    pub worth: f64,
}

/// Why a customer gives nothing in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// Class 0.
    Protected,
    /// No measure is open: rest, notice, no such measure, or too little to give (the most frequent of them).
    Closed(&'static str),
    /// His kW cost more than they are worth.
    Price,
}

/// Why one customer was chosen or spared.
#[derive(Clone, Debug)]
pub struct Reason {
    /// Index of the customer.
    pub customer: usize,
    /// None = chosen.
    pub spared: Option<Spared>,
    /// His orders, as alternatives that were taken.
    pub taken: Vec<Alternative>,
    /// The best thing he was not ordered; none where nothing else is open.
    pub next: Option<Alternative>,
}

/// What lifting a rule for everybody could save, at most, to first order.
#[derive(Clone, Debug)]
pub struct Relief {
    /// `max_blocks`, `notice`, `rest`, `remote_switch`, `rebound`.
    pub rule: &'static str,
    /// In units of the objective.
    pub saving: f64,
}

/// A customer of the reserve list.
#[derive(Clone, Debug)]
pub struct ReserveRow {
    /// Index of the time block.
    pub block: usize,
    /// Place in the block's list, from 1.
    pub place: usize,
    /// Index of the customer.
    pub customer: usize,
    /// What he could be ordered.
    pub offer: Alternative,
    /// Cost of one kW over the whole block, less what it is worth now.
    pub premium_per_kw: f64,
}

/// One reason per customer, in the order of the customers.
pub(crate) fn reasons(m: &Market<'_>, prices: &Prices, plan: &Plan) -> Vec<Reason> {
    let p = m.p;
    let mut giver_of = vec![None; p.customers.len()];
    for (k, g) in m.offers.givers.iter().enumerate() {
        giver_of[g.customer] = Some(k);
    }
    let mut reasons: Vec<Reason> = (0..p.customers.len())
        .map(|customer| Reason { customer, spared: None, taken: Vec::new(), next: None })
        .collect();
    for o in &plan.orders {
        let kwh = o.kw.iter().sum::<f64>() * p.dt_h;
        let pay = prices.of(m.rows.group_of[o.customer]);
        let first = p.blocks[o.block].0;
        reasons[o.customer].taken.push(Alternative {
            block: o.block,
            measure: o.measure,
            ceiling_kw: o.ceiling_kw,
            mean_kw: o.kw.iter().sum::<f64>() / o.kw.len() as f64,
            cost: m.tariff.per_kwh[o.measure as usize] * m.tariff.burden(p, o.customer) * kwh,
            worth: o.kw.iter().zip(&pay[first..]).map(|(a, b)| a * b).sum(),
        });
    }
    for reason in &mut reasons {
        let customer = reason.customer;
        if let Some(giver) = giver_of[customer] {
            let taken = &reason.taken;
            let open = (0..m.offers.blocks).flat_map(|r| m.offers.of(giver, r).map(move |k| (r, k)));
            let best = open
                .filter(|&(r, k)| {
                    !taken.iter().any(|a| a.block == r && a.measure == m.offers.list[k].measure)
                })
                .map(|(r, k)| alternative(m, prices, giver, r, k))
                .max_by(|a, b| (a.worth - a.cost).total_cmp(&(b.worth - b.cost)));
            reason.next = best;
        }
        if reason.taken.is_empty() {
            reason.spared = Some(match (p.customers[customer].class, giver_of[customer]) {
                (0, _) => Spared::Protected,
                (_, Some(_)) => Spared::Price,
                (_, None) => Spared::Closed(closed(m, customer)),
            });
        }
    }
    reasons
}

/// The most telling rule that closes a customer: the first in the order of the rules that closes any open measure.
fn closed(m: &Market<'_>, customer: usize) -> &'static str {
    if m.p.customers[customer].max_blocks == 0 {
        return "max_blocks";
    }
    let mut found = Vec::new();
    for r in 0..m.p.blocks.len() {
        for measure in Measure::ALL {
            found.extend(m.p.why_not(customer, measure, r, Lifted::default()));
        }
    }
    ["rest", "notice", "too_little"].into_iter().find(|w| found.contains(w)).unwrap_or("absent")
}

fn alternative(m: &Market<'_>, prices: &Prices, giver: usize, block: usize, offer: usize) -> Alternative {
    let o = &m.offers.list[offer];
    let (s, e) = m.p.blocks[block];
    let kw = &m.offers.kw[o.at..o.at + (e - s)];
    let pay = prices.of(m.offers.givers[giver].group);
    Alternative {
        block,
        measure: o.measure,
        ceiling_kw: (o.measure == Measure::Limit).then_some(o.ceiling_kw),
        mean_kw: kw.iter().sum::<f64>() / kw.len() as f64,
        cost: o.cost,
        worth: kw.iter().zip(&pay[s..e]).map(|(a, b)| a * b).sum(),
    }
}

/// What lifting each rule could save, best first.
pub(crate) fn reliefs(m: &Market<'_>, prices: &Prices) -> Vec<Relief> {
    let now = m.bound(prices);
    let mut list = Vec::new();
    let mut add = |rule, offers: &Offers| {
        let other = Market { offers, list: m.list.clone(), ..*m };
        list.push(Relief { rule, saving: (now - other.bound(prices)).max(0.0) });
    };
    for (rule, lifted) in [
        ("notice", Lifted { notice: true, ..Lifted::default() }),
        ("rest", Lifted { rest: true, ..Lifted::default() }),
        ("remote_switch", Lifted { switch: true, ..Lifted::default() }),
    ] {
        add(rule, &Offers::build(m.p, m.rows, m.tariff, lifted, false));
    }
    let mut more = Offers::build(m.p, m.rows, m.tariff, Lifted::default(), false);
    more.givers.iter_mut().for_each(|g| g.blocks_left += 1);
    add("max_blocks", &more);
    for g in &mut more.givers {
        g.blocks_left -= 1;
        g.back_cap_kwh = f64::INFINITY;
    }
    add("rebound", &more);
    list.sort_by(|a, b| b.saving.total_cmp(&a.saving).then(a.rule.cmp(b.rule)));
    list
}

/// Per block the next customers by price, until they hold `share` of the block's demand (at least five of them).
pub(crate) fn reserve(m: &Market<'_>, prices: &Prices, plan: &Plan, share: f64) -> Vec<ReserveRow> {
    let p = m.p;
    let mut count = vec![0usize; p.customers.len()];
    let mut busy = std::collections::HashSet::new();
    for o in &plan.orders {
        count[o.customer] += 1;
        busy.insert((o.customer, o.block));
    }
    let mut rows = Vec::new();
    for (block, &(s, e)) in p.blocks.iter().enumerate() {
        let wanted = share * p.need[s..e].iter().copied().fold(0.0, f64::max);
        let mut list = Vec::new();
        for (giver, g) in m.offers.givers.iter().enumerate() {
            let free = count[g.customer] < p.customers[g.customer].max_blocks;
            if busy.contains(&(g.customer, block)) || !free {
                continue;
            }
            let touch = if count[g.customer] == 0 { m.tariff.touch } else { 0.0 };
            let best = m
                .offers
                .of(giver, block)
                .map(|k| alternative(m, prices, giver, block, k))
                .filter(|a| a.mean_kw > 0.0)
                .map(|a| ((a.cost + touch - a.worth) / a.mean_kw, a))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            list.extend(best.map(|(premium, a)| (premium, g.customer, a)));
        }
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut held = 0.0;
        for (k, (premium_per_kw, customer, offer)) in list.into_iter().enumerate() {
            if k >= 5 && held >= wanted {
                break;
            }
            held += offer.mean_kw;
            rows.push(ReserveRow { block, place: k + 1, customer, offer, premium_per_kw });
        }
    }
    rows
}
