//! A finished plan: orders and returning load, its figures, and its file.

use std::fmt::Write as _;

use crate::offers::Rows;
use crate::problem::{FixedRow, Measure, Problem};
use crate::returns::Returning;
use crate::state::{Choice, State};

/// One order: a customer, a block, a measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Index of the customer.
    pub customer: usize,
    /// Index of the time block.
    pub block: usize,
    /// The measure.
    pub measure: Measure,
    /// Ceiling of a limit, kW.
    pub ceiling_kw: Option<f64>,
    /// Reduction per period of the block, kW.
    pub kw: Vec<f64>,
    /// Fixed before this plan was made.
    pub fixed: bool,
}

/// Orders, sorted by customer and block, and returning load (customer, period, kW), sorted.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is ordered.
    pub orders: Vec<Order>,
    /// What comes back.
    pub returns: Vec<(usize, usize, f64)>,
    /// Shortfall: (area or the whole system, period, kW).
    pub shortfall: Vec<(Option<usize>, usize, f64)>,
}

/// The figures of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The model's objective J.
    pub objective: f64,
    /// Unmet demand of system and areas, kWh.
    pub unmet_kwh: f64,
    /// Energy of shift, avoid, limit, trip, kWh.
    pub kwh: [f64; 4],
    /// The same, each customer's with his weight.
    pub weighted_kwh: [f64; 4],
    /// Customers touched.
    pub touched: usize,
    /// Customers tripped.
    pub tripped: usize,
    /// More than asked, kWh.
    pub overshoot_kwh: f64,
    /// Asked from the system, kWh.
    pub required_kwh: f64,
    /// Jain's index of hours after the event, over the customers that could be ordered something.
    pub jain: f64,
    /// Orders that differ from the plan in force.
    pub changes: usize,
}

impl Plan {
    /// The orders of a state, with what is fixed; `back` is the returning load of the new orders.
    pub(crate) fn of(s: &State<'_>, back: &[Returning]) -> Plan {
        let (p, rows) = (s.m.p, s.m.rows);
        let mut plan = Plan::default();
        for (giver, g) in s.m.offers.givers.iter().enumerate() {
            for block in 0..s.m.offers.blocks {
                let choice = s.at(giver, block);
                let Some(measure) = s.measure(choice) else { continue };
                let ceiling = match choice {
                    Choice::Offer(k) => s.m.offers.list[k].ceiling_kw,
                    Choice::Ceiling(_, c) => c,
                    Choice::Nothing => 0.0,
                };
                plan.orders.push(Order {
                    customer: g.customer,
                    block,
                    measure,
                    ceiling_kw: (measure == Measure::Limit).then_some(ceiling),
                    kw: s.kw_of(giver, block).to_vec(),
                    fixed: false,
                });
            }
        }
        for f in &p.fixed {
            plan.take_fixed(p, f);
        }
        plan.orders.sort_by_key(|o| (o.customer, o.block));
        for b in back {
            for (&t, &kw) in rows.open_periods.iter().zip(&b.kw) {
                if kw > 0.0 {
                    plan.returns.push((b.customer, t, kw));
                }
            }
        }
        plan.returns.sort_by_key(|x| (x.0, x.1));
        plan.find_shortfall(p, rows);
        plan
    }

    fn take_fixed(&mut self, p: &Problem, f: &FixedRow) {
        let Some(measure) = f.measure else {
            self.returns.push((f.customer, f.period, f.kw));
            return;
        };
        let Some(block) = p.blocks.iter().position(|&(s, e)| s <= f.period && f.period < e) else { return };
        let (s, e) = p.blocks[block];
        let known = self.orders.iter().rposition(|o| o.fixed && o.customer == f.customer && o.block == block);
        let at = known.unwrap_or_else(|| {
            self.orders.push(Order {
                customer: f.customer,
                block,
                measure,
                ceiling_kw: None,
                kw: vec![0.0; e - s],
                fixed: true,
            });
            self.orders.len() - 1
        });
        self.orders[at].kw[f.period - s] = f.kw;
    }

    fn find_shortfall(&mut self, p: &Problem, rows: &Rows) {
        let supply = self.supply(p, rows);
        let mut system = vec![0.0; p.periods];
        for g in 0..rows.groups {
            for t in 0..p.periods {
                system[t] += supply[g * p.periods + t];
            }
        }
        for (t, given) in system.iter().enumerate() {
            let missing = p.need[t] - given;
            if missing > 1e-6 {
                self.shortfall.push((None, t, missing));
            }
        }
        for &(a, t, kw) in &p.area_need {
            let g = rows.area_of.iter().position(|x| *x == Some(a)).unwrap_or(0);
            let missing = kw - supply[g * p.periods + t];
            if missing > 1e-6 {
                self.shortfall.push((Some(a), t, missing));
            }
        }
    }

    fn supply(&self, p: &Problem, rows: &Rows) -> Vec<f64> {
        let mut supply = vec![0.0; rows.groups * p.periods];
        for o in &self.orders {
            let base = rows.group_of[o.customer] * p.periods + p.blocks[o.block].0;
            for (slot, kw) in supply[base..].iter_mut().zip(&o.kw) {
                *slot += kw;
            }
        }
        supply
    }

    /// The figures of the plan, counted from its orders alone.
    pub(crate) fn figures(&self, p: &Problem, rows: &Rows, candidates: &[usize]) -> Figures {
        let mut f = Figures::default();
        let mut hours: std::collections::BTreeMap<usize, f64> =
            candidates.iter().map(|&k| (k, p.customers[k].history_h)).collect();
        let mut touched = std::collections::BTreeSet::new();
        let mut tripped = std::collections::BTreeSet::new();
        for o in &self.orders {
            let kwh = o.kw.iter().sum::<f64>() * p.dt_h;
            f.kwh[o.measure as usize] += kwh;
            f.weighted_kwh[o.measure as usize] += kwh * p.customers[o.customer].weight;
            f.objective += p.cost[o.measure as usize] * p.burden(o.customer) * kwh;
            touched.insert(o.customer);
            if o.measure == Measure::Trip {
                tripped.insert(o.customer);
            }
            if let Some(h) = hours.get_mut(&o.customer) {
                *h += p.block_h(o.block);
            }
            let same = |q: &crate::problem::Previous| {
                q.measure == o.measure && o.ceiling_kw.is_none_or(|c| (c - q.ceiling_kw).abs() < 0.01)
            };
            if p.change_cost > 0.0 && !o.fixed && !p.previous_at(o.customer, o.block).is_some_and(same) {
                f.changes += 1;
            }
        }
        let kept: std::collections::HashSet<(usize, usize)> =
            self.orders.iter().map(|o| (o.customer, o.block)).collect();
        f.changes += p.previous.iter().filter(|q| !kept.contains(&(q.customer, q.block))).count();
        f.touched = touched.len();
        f.tripped = tripped.len();
        f.objective += p.touch_cost * f.touched as f64;
        f.unmet_kwh = self.shortfall.iter().fold(0.0, |sum, x| sum + x.2) * p.dt_h;
        f.objective += p.unmet_cost * f.unmet_kwh;
        let supply = self.supply(p, rows);
        for t in 0..p.periods {
            let given: f64 = (0..rows.groups).map(|g| supply[g * p.periods + t]).sum();
            f.overshoot_kwh += (given - p.need[t]).max(0.0) * p.dt_h;
            f.required_kwh += p.need[t] * p.dt_h;
        }
        let sum: f64 = hours.values().sum();
        let squares: f64 = hours.values().map(|h| h * h).sum();
        f.jain = if squares > 0.0 { sum * sum / (hours.len() as f64 * squares) } else { 1.0 };
        f
    }

    /// The plan file: `customer,period,measure,kw`, in the order of customer, period, measure.
    pub fn to_csv(&self, p: &Problem) -> String {
        let mut rows: Vec<(usize, usize, &str, f64)> = Vec::new();
        for o in &self.orders {
            let first = p.blocks[o.block].0;
            let shed = o.kw.iter().enumerate().filter(|(_, kw)| **kw > 0.0);
            rows.extend(shed.map(|(i, &kw)| (o.customer, first + i, o.measure.name(), kw)));
        }
        rows.extend(self.returns.iter().map(|&(c, t, kw)| (c, t, "rebound", kw)));
        rows.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
        let names: Vec<String> = p.customers.iter().map(|c| quoted(&c.id)).collect();
        let mut text = String::with_capacity(rows.len() * 28 + 32);
        text.push_str("customer,period,measure,kw\n");
        for (customer, period, measure, kw) in rows {
            let start = text.len();
            // Writing to a String cannot fail.
            let _ = write!(text, "{},{period},{measure},{kw:.6}", names[customer]);
            let keep = text.len() - 3;
            while text.len() > keep.max(start) && text.ends_with('0') {
                text.pop();
            }
            text.push('\n');
        }
        text
    }
}

fn quoted(id: &str) -> String {
    if id.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", id.replace('"', "\"\""))
    } else {
        id.to_owned()
    }
}
