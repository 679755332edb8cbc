//! What every customer can give in every block, and the rows that couple the customers.

use crate::problem::{Lifted, Measure, Problem, to_grid};

/// One measure of one customer in one block. A ceiling is offered at the places where its best value can lie:
/// the lowest ceiling and the loads of the block (for fixed prices the value is linear between them).
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub measure: Measure,
    pub ceiling_kw: f64,
    /// Where the kW of the block's periods begin in [`Offers::kw`].
    pub at: usize,
    /// Its part of the objective.
    pub cost: f64,
    /// Cost of departing from the orders in force; negative where it repeats one.
    pub change: f64,
    /// kWh that will come back.
    pub back_kwh: f64,
}

/// A customer who can give something.
#[derive(Clone, Debug)]
pub(crate) struct Giver {
    pub customer: usize,
    /// Index of his prices: 0, or one more than the index of his area among those with rows of their own.
    pub group: usize,
    /// Blocks that may still be used.
    pub blocks_left: usize,
    /// Cost of the first order; 0 when he is touched already.
    pub touch: f64,
    /// kWh that can still come back to him.
    pub back_cap_kwh: f64,
    pub history_h: f64,
    pub burden: f64,
}

pub(crate) struct Offers {
    pub givers: Vec<Giver>,
    /// Per giver and block the range in `list`.
    pub first: Vec<usize>,
    pub list: Vec<Offer>,
    pub kw: Vec<f64>,
    pub blocks: usize,
}

/// How much the measures cost in a run: the objective itself, or one level of the strict order.
#[derive(Clone, Debug)]
pub(crate) struct Tariff {
    /// Per kWh of shift, avoid, limit, trip.
    pub per_kwh: [f64; 4],
    pub touch: f64,
    pub unmet: f64,
    /// Weights take history into account.
    pub history_factor: f64,
    /// Price on the square of a customer's hours (fairness).
    pub fairness: f64,
    /// Cost of one changed order, against the plan in force.
    pub change: f64,
}

impl Tariff {
    pub(crate) fn of(p: &Problem, fairness: f64) -> Tariff {
        Tariff {
            per_kwh: p.cost,
            touch: p.touch_cost,
            unmet: p.unmet_cost,
            history_factor: p.history_factor,
            fairness,
            change: p.change_cost,
        }
    }

    pub(crate) fn burden(&self, p: &Problem, customer: usize) -> f64 {
        let c = &p.customers[customer];
        c.weight * (1.0 + self.history_factor * c.history_h)
    }
}

impl Offers {
    /// `loose`: ceilings as low as any plan could order them (for the bound); else as low as they are safe.
    pub(crate) fn build(p: &Problem, rows: &Rows, tariff: &Tariff, lifted: Lifted, loose: bool) -> Offers {
        let blocks = p.blocks.len();
        let mut o = Offers { givers: Vec::new(), first: vec![0], list: Vec::new(), kw: Vec::new(), blocks };
        let mut kw = Vec::new();
        for (customer, c) in p.customers.iter().enumerate() {
            if c.class == 0 {
                continue;
            }
            let taken = &rows.fixed_blocks[customer];
            let blocks_left = c.max_blocks.saturating_sub(taken.len());
            let (list_mark, first_mark, kw_mark) = (o.list.len(), o.first.len(), o.kw.len());
            let burden = tariff.burden(p, customer);
            for r in 0..blocks {
                if !taken.contains(&r) && blocks_left > 0 {
                    let before = p.previous_at(customer, r);
                    for measure in Measure::ALL {
                        let same = before.filter(|q| q.measure == measure);
                        let mut rules = lifted;
                        rules.notice |= same.is_some(); // the order is out already
                        if p.why_not(customer, measure, r, rules).is_some() {
                            continue;
                        }
                        let mut add = |ceiling_kw: f64, kw: &[f64], keeps: bool| {
                            let energy: f64 = kw.iter().sum::<f64>() * p.dt_h;
                            let change = match (keeps, before.is_some()) {
                                (true, _) => -tariff.change,
                                (false, true) => 0.0,
                                (false, false) => tariff.change,
                            };
                            o.list.push(Offer {
                                measure,
                                ceiling_kw,
                                at: o.kw.len(),
                                cost: tariff.per_kwh[measure as usize] * burden * energy,
                                change,
                                back_kwh: if measure == Measure::Shift { energy * c.rho } else { 0.0 },
                            });
                            o.kw.extend_from_slice(kw);
                        };
                        if measure == Measure::Limit {
                            let ordered = same.map(|q| q.ceiling_kw);
                            let firm = p.firm_ceiling(customer, r).filter(|_| !lifted.notice);
                            for ceiling in ceilings(p, customer, r, ordered, loose) {
                                if firm.is_some_and(|f| f != ceiling) {
                                    continue;
                                }
                                under(p, customer, r, ceiling, &mut kw);
                                add(ceiling, &kw, ordered == Some(ceiling));
                            }
                        } else {
                            p.quantity(customer, measure, r, &mut kw);
                            add(0.0, &kw, same.is_some());
                        }
                    }
                }
                o.first.push(o.list.len());
            }
            if o.list.len() == list_mark {
                o.first.truncate(first_mark);
                o.kw.truncate(kw_mark);
                continue;
            }
            o.givers.push(Giver {
                customer,
                group: rows.group_of[customer],
                blocks_left,
                touch: if taken.is_empty() { tariff.touch } else { 0.0 },
                back_cap_kwh: rows.back_cap_kwh[customer],
                history_h: c.history_h + taken.iter().map(|&r| p.block_h(r)).sum::<f64>(),
                burden,
            });
        }
        o
    }

    /// The offers of a giver in a block, as a range of `list`.
    pub(crate) fn of(&self, giver: usize, block: usize) -> std::ops::Range<usize> {
        let k = giver * self.blocks + block;
        self.first[k]..self.first[k + 1]
    }
}

/// The kW under a ceiling, period by period.
pub(crate) fn under(p: &Problem, customer: usize, block: usize, ceiling_kw: f64, out: &mut Vec<f64>) {
    out.clear();
    out.extend(p.load_of(customer, p.blocks[block]).iter().map(|b| to_grid((b - ceiling_kw).max(0.0))));
}

fn ceilings(p: &Problem, customer: usize, block: usize, ordered: Option<f64>, loose: bool) -> Vec<f64> {
    let Some(floor) = p.lowest_ceiling(customer, block, loose) else { return Vec::new() };
    let load = p.load_of(customer, p.blocks[block]);
    let top = load.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut list: Vec<f64> = load.iter().copied().filter(|&b| b > floor && b < top).collect();
    list.extend(ordered.filter(|&c| c >= floor - 1e-6 && c < top));
    if floor < top {
        list.push(floor);
    }
    list.sort_by(f64::total_cmp);
    list.dedup();
    list
}

/// The rows that couple customers, after what is fixed.
pub(crate) struct Rows {
    pub periods: usize,
    /// Price groups: 0 without, then every area with rows of its own.
    pub groups: usize,
    pub group_of: Vec<usize>,
    /// The area of a group.
    pub area_of: Vec<Option<usize>>,
    /// What is still missing, per period; not positive = no row.
    pub need: Vec<f64>,
    /// The same per group and period.
    pub group_need: Vec<f64>,
    /// Whether the group has a demand of its own in the period.
    pub group_row: Vec<bool>,
    /// kWh that can still come back in all windows; infinite = no limit.
    pub room_kwh: f64,
    pub group_room_kwh: Vec<f64>,
    /// Headroom left per period, and per group and period, kW.
    pub room: Vec<f64>,
    pub group_room: Vec<f64>,
    /// Blocks of a customer that are fixed.
    pub fixed_blocks: Vec<Vec<usize>>,
    /// kWh that come back after fixed shifts and are not fixed themselves.
    pub owed_kwh: Vec<f64>,
    /// kWh that can still come back to a customer beyond those.
    pub back_cap_kwh: Vec<f64>,
    /// Periods of the return windows in which something may come back.
    pub open_periods: Vec<usize>,
    /// Part of the objective that no order can change: fixed measures, touched customers, demand outside the blocks.
    pub constant: f64,
    /// The part of it that is unmet demand, kWh.
    pub outside_kwh: f64,
}

impl Rows {
    pub(crate) fn build(p: &Problem, tariff: &Tariff) -> Rows {
        let t_n = p.periods;
        let mut areas: Vec<usize> = p.area_need.iter().map(|x| x.0).collect();
        areas.extend(p.area_headroom.iter().map(|x| x.0));
        areas.sort_unstable();
        areas.dedup();
        let group_of_area = |a: usize| areas.binary_search(&a).map_or(0, |k| k + 1);
        let groups = areas.len() + 1;
        let mut rows = Rows {
            periods: t_n,
            groups,
            group_of: p.customers.iter().map(|c| group_of_area(c.area)).collect(),
            area_of: std::iter::once(None).chain(areas.iter().map(|&a| Some(a))).collect(),
            need: p.need.clone(),
            group_need: vec![0.0; groups * t_n],
            group_row: vec![false; groups * t_n],
            room_kwh: 0.0,
            group_room_kwh: vec![0.0; groups],
            room: p.headroom.clone(),
            group_room: vec![f64::INFINITY; groups * t_n],
            fixed_blocks: vec![Vec::new(); p.customers.len()],
            owed_kwh: vec![0.0; p.customers.len()],
            back_cap_kwh: vec![0.0; p.customers.len()],
            open_periods: Vec::new(),
            constant: 0.0,
            outside_kwh: 0.0,
        };
        for &(a, t, kw) in &p.area_need {
            let k = group_of_area(a) * t_n + t;
            rows.group_need[k] = kw;
            rows.group_row[k] = kw > 0.0;
        }
        for &(a, t, kw) in &p.area_headroom {
            rows.group_room[group_of_area(a) * t_n + t] = kw;
        }
        let mut fixed_back = std::collections::HashSet::new();
        for f in &p.fixed {
            let (c, g) = (&p.customers[f.customer], rows.group_of[f.customer]);
            let Some(measure) = f.measure else {
                rows.room[f.period] = (rows.room[f.period] - f.kw).max(0.0);
                let k = g * t_n + f.period;
                rows.group_room[k] = (rows.group_room[k] - f.kw).max(0.0);
                rows.owed_kwh[f.customer] -= f.kw * p.dt_h;
                fixed_back.insert((f.customer, f.period));
                continue;
            };
            rows.need[f.period] -= f.kw;
            rows.group_need[g * t_n + f.period] -= f.kw;
            rows.constant += tariff.per_kwh[measure as usize] * tariff.burden(p, f.customer) * f.kw * p.dt_h;
            if measure == Measure::Shift {
                rows.owed_kwh[f.customer] += f.kw * p.dt_h * c.rho;
            }
            if let Some(r) = p.blocks.iter().position(|&(s, e)| s <= f.period && f.period < e) {
                if rows.fixed_blocks[f.customer].is_empty() {
                    rows.constant += tariff.touch;
                }
                if !rows.fixed_blocks[f.customer].contains(&r) {
                    rows.fixed_blocks[f.customer].push(r);
                }
            }
        }
        rows.returns(p, &fixed_back);
        let inside: Vec<bool> = (0..t_n).map(|t| p.blocks.iter().any(|&(s, e)| s <= t && t < e)).collect();
        for t in (0..t_n).filter(|&t| !inside[t]) {
            rows.outside_kwh += rows.need[t].max(0.0) * p.dt_h;
            rows.need[t] = 0.0;
            for g in 1..groups {
                let k = g * t_n + t;
                rows.outside_kwh += rows.group_need[k].max(0.0) * p.dt_h;
                rows.group_need[k] = 0.0;
                rows.group_row[k] = false;
            }
        }
        rows.constant += tariff.unmet * rows.outside_kwh;
        rows
    }

    fn returns(&mut self, p: &Problem, fixed_back: &std::collections::HashSet<(usize, usize)>) {
        let t_n = p.periods;
        for t in p.windows.iter().flat_map(|&(s, e)| s..e) {
            if self.room[t] > 0.0 && t as i64 >= p.issue {
                self.open_periods.push(t);
                self.room_kwh += self.room[t] * p.dt_h;
                for g in 0..self.groups {
                    self.group_room_kwh[g] += self.group_room[g * t_n + t] * p.dt_h;
                }
            }
        }
        for (k, c) in p.customers.iter().enumerate() {
            let g = self.group_of[k] * t_n;
            let hours = self
                .open_periods
                .iter()
                .filter(|&&t| self.group_room[g + t] > 0.0 && !fixed_back.contains(&(k, t)))
                .count() as f64
                * p.dt_h;
            self.owed_kwh[k] = self.owed_kwh[k].max(0.0);
            self.back_cap_kwh[k] = (c.rebound_kw * hours - self.owed_kwh[k]).max(0.0);
            self.room_kwh -= self.owed_kwh[k];
            self.group_room_kwh[self.group_of[k]] -= self.owed_kwh[k];
        }
        self.room_kwh = self.room_kwh.max(0.0);
        for v in &mut self.group_room_kwh {
            *v = v.max(0.0);
        }
    }
}

impl Problem {
    /// The order in force of a customer in a block.
    pub(crate) fn previous_at(&self, customer: usize, block: usize) -> Option<&crate::problem::Previous> {
        self.previous
            .binary_search_by(|q| (q.customer, q.block).cmp(&(customer, block)))
            .ok()
            .map(|k| &self.previous[k])
    }
}
