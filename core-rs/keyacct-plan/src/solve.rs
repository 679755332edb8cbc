//! The whole run: list plans, prices, plan, returning load, certificate.

use crate::explain::{self, Reason, Relief, ReserveRow};
use crate::list::by_list;
use crate::offers::{Offers, Rows, Tariff};
use crate::plan::{Figures, Plan};
use crate::price::{Market, Prices, Row};
use crate::problem::{Lifted, Problem};
use crate::returns::{Returning, spread};
use crate::search;
use crate::state::State;
use crate::strict;

/// How the plan that is handed over was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Lowest objective.
    #[default]
    Optimise,
    /// Priority table in its order.
    List,
    /// Priority table in its order, hardest block first.
    ListHardest,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Method of the plan that is handed over; the others are shown beside it.
    pub method: Method,
    /// Strict order of the means instead of weights.
    pub strict: bool,
    /// Price on the growth of the square of a customer's hours; 0 = none.
    pub fairness: f64,
    /// Threads; the result does not depend on them.
    pub threads: usize,
    /// Give reasons for every customer, reliefs and the reserve list.
    pub explain: bool,
    /// Share of a block's demand that the reserve list should hold.
    pub reserve_share: f64,
}

/// A row that couples customers, with its price.
#[derive(Clone, Debug)]
pub struct PricedRow {
    /// `cover`, `area_cover`, `headroom` or `area_headroom`.
    pub kind: &'static str,
    /// Area, for the rows of an area.
    pub area: Option<usize>,
    /// Period, for cover rows.
    pub period: Option<usize>,
    /// Cost of one more kW in the period (cover) or of one less kWh of room (headroom).
    pub price: f64,
    /// Demand of the row (kW) or room (kWh).
    pub amount: f64,
}

/// Proof of how good a plan is.
#[derive(Clone, Debug, Default)]
pub struct Certificate {
    /// No allowed plan has a lower objective.
    pub bound: f64,
    /// (objective - bound) / objective.
    pub gap: f64,
    /// Rows with a positive price.
    pub binding: Vec<PricedRow>,
    /// In strict mode: per level its name, what the plan has, and what no plan can undercut.
    pub levels: Vec<(&'static str, f64, f64)>,
}

/// One method's figures.
#[derive(Clone, Debug)]
pub struct Trial {
    /// `optimise`, `list` or `list_hardest_first`.
    pub method: &'static str,
    /// Its figures.
    pub figures: Figures,
}

/// Everything a run gives.
#[derive(Clone, Debug, Default)]
pub struct Solution {
    /// The plan of the method asked for.
    pub plan: Plan,
    /// Its figures.
    pub figures: Figures,
    /// Proof, by the prices of the run.
    pub certificate: Certificate,
    /// All methods side by side.
    pub trials: Vec<Trial>,
    /// Why each customer was chosen or spared.
    pub reasons: Vec<Reason>,
    /// Which limit would help most.
    pub reliefs: Vec<Relief>,
    /// Next customers by price, per block.
    pub reserve: Vec<ReserveRow>,
}

/// Plans.
pub fn solve(p: &Problem, options: &Options) -> Solution {
    let threads = options.threads.max(1);
    let tariff = Tariff::of(p, options.fairness);
    let rows = Rows::build(p, &tariff);
    let offers = Offers::build(p, &rows, &tariff, Lifted::default(), false);
    let market = Market::new(p, &rows, &offers, &tariff, threads);
    let candidates: Vec<usize> = offers.givers.iter().map(|g| g.customer).collect();
    let finish = |s: State<'_>| -> (Plan, Figures) {
        let plan = finished(p, &rows, s);
        let figures = plan.figures(p, &rows, &candidates);
        (plan, figures)
    };
    let mut trials = Vec::new();
    let mut plans = Vec::new();
    for (method, name, hardest) in
        [(Method::List, "list", false), (Method::ListHardest, "list_hardest_first", true)]
    {
        let (plan, figures) = finish(by_list(&market, hardest));
        trials.push(Trial { method: name, figures });
        plans.push((method, plan, figures));
    }
    let mut stages = Vec::new();
    let (prices, bound) = certified(p, &rows, &market, threads, &mut stages);
    let mut levels = Vec::new();
    let softer = [stages.len() / 4, stages.len() / 2].map(|n| stages.get(n).unwrap_or(&prices).clone());
    let by_weights = search::search_from(&market, &prices, &softer);
    let choice = if options.strict {
        let (choice, proved) = strict::in_order(p, &rows, threads, &by_weights);
        levels = proved;
        choice
    } else {
        by_weights.choice
    };
    let mut s = State::new(&market, crate::state::Penalty::flat(&market, 0.0));
    s.take(&choice);
    let (mut plan, mut figures) = finish(s);
    if !options.strict && p.change_cost <= 0.0 && options.fairness <= 0.0 {
        // The list is never better by design, but nothing forbids it by luck: then it is the plan.
        for (_, other, f) in &plans {
            if f.objective < figures.objective {
                plan = other.clone();
                figures = *f;
            }
        }
    }
    trials.insert(0, Trial { method: "optimise", figures });
    if let Some((_, list_plan, list_figures)) = plans.into_iter().find(|x| x.0 == options.method) {
        plan = list_plan;
        figures = list_figures;
    }
    let binding = market
        .list
        .iter()
        .zip(&prices.row)
        .filter(|(_, v)| **v > 1e-9)
        .map(|(&row, &price)| priced(&market, row, price))
        .collect();
    let gap =
        if figures.objective > 0.0 { (figures.objective - bound).max(0.0) / figures.objective } else { 0.0 };
    let mut solution = Solution {
        certificate: Certificate { bound, gap, binding, levels },
        figures,
        trials,
        plan,
        ..Solution::default()
    };
    if options.explain {
        solution.reasons = explain::reasons(&market, &prices, &solution.plan);
        solution.reliefs = explain::reliefs(&market, &prices);
        solution.reserve = explain::reserve(&market, &prices, &solution.plan, options.reserve_share);
    }
    solution
}

/// Prices for the search, and the bound of the model's objective (changes, fairness and the safe side of ramps left out).
/// `stages` takes the prices met on the way.
fn certified(
    p: &Problem,
    rows: &Rows,
    market: &Market<'_>,
    threads: usize,
    stages: &mut Vec<Prices>,
) -> (Prices, f64) {
    let (prices, value) = market.climb_by_stages(|prices| stages.push(prices.clone()));
    let ramps = p.customers.iter().any(|c| c.ramp_kw.is_some());
    if market.tariff.change <= 0.0 && market.tariff.fairness <= 0.0 && !ramps {
        return (prices, safe(value));
    }
    let tariff = Tariff { change: 0.0, ..Tariff::of(p, 0.0) };
    let offers = Offers::build(p, rows, &tariff, Lifted::default(), true);
    let pure = Market::new(p, rows, &offers, &tariff, threads);
    (prices, safe(pure.climb().1))
}

/// A bound on the safe side of rounding.
fn safe(value: f64) -> f64 {
    value - 1e-9 * value.abs()
}

/// The plan of a state. Shifts whose load cannot come back are dropped, and the plan is mended without them.
fn finished(p: &Problem, rows: &Rows, mut s: State<'_>) -> Plan {
    for _ in 0..20 {
        match spread(p, rows, &wanted(&s)) {
            Ok(back) => return Plan::of(&s, &back),
            Err(failed) => search::without_shift(&mut s, &failed),
        }
    }
    let all: Vec<usize> = s.m.offers.givers.iter().map(|g| g.customer).collect();
    search::without_shift(&mut s, &all);
    let back: Vec<Returning> = spread(p, rows, &wanted(&s)).unwrap_or_default();
    Plan::of(&s, &back)
}

fn wanted(s: &State<'_>) -> Vec<(usize, f64)> {
    let mut kwh = s.m.rows.owed_kwh.clone();
    for (giver, g) in s.m.offers.givers.iter().enumerate() {
        kwh[g.customer] += s.back_kwh[giver];
    }
    kwh.into_iter().enumerate().filter(|x| x.1 > 1e-9).collect()
}

fn priced(m: &Market<'_>, row: Row, price: f64) -> PricedRow {
    let area = |g: usize| m.rows.area_of[g];
    let (kind, area, period) = match row {
        Row::System(t) => ("cover", None, Some(t)),
        Row::Area(g, t) => ("area_cover", area(g), Some(t)),
        Row::Back(None) => ("headroom", None, None),
        Row::Back(Some(g)) => ("area_headroom", area(g), None),
    };
    PricedRow { kind, area, period, price, amount: m.demand(row).abs() }
}
