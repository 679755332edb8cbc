//! A plan under construction: what every customer does in every block, what is still missing, what it costs.

use crate::customer::fairness_cost;
use crate::offers::under;
use crate::price::Market;
use crate::problem::Measure;

/// What a giver does in a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Choice {
    Nothing,
    /// An offer as it stands.
    Offer(usize),
    /// A limit with a ceiling of its own, kW. The offer is any limit offer of the same customer and block.
    Ceiling(usize, f64),
}

/// Price of a missing kW per period, for the system and per group.
#[derive(Clone, Debug)]
pub(crate) struct Penalty {
    pub system: Vec<f64>,
    pub group: Vec<f64>,
}

impl Penalty {
    /// The same price in every row that asks for something.
    pub(crate) fn flat(m: &Market<'_>, price: f64) -> Penalty {
        let rows = m.rows;
        Penalty {
            system: vec![price; rows.periods],
            group: rows.group_row.iter().map(|&r| if r { price } else { 0.0 }).collect(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct State<'a> {
    pub m: &'a Market<'a>,
    pub choice: Vec<Choice>,
    pub used: Vec<usize>,
    pub hours: Vec<f64>,
    pub back_kwh: Vec<f64>,
    /// Demand not yet met per period, and per group and period; negative = more than asked.
    pub left: Vec<f64>,
    pub group_left: Vec<f64>,
    pub total_back_kwh: f64,
    pub group_back_kwh: Vec<f64>,
    /// Cost of all orders (measures, touches, changes, fairness), without unmet demand.
    pub cost: f64,
    pub penalty: Penalty,
    /// Shifts that could not be returned; closed for good.
    pub no_shift: Vec<bool>,
    kw: Vec<f64>,
    entry_cost: Vec<f64>,
    offset: Vec<usize>,
    width: usize,
    scratch: Vec<f64>,
    /// Room for trial ceilings.
    pub trial: Vec<f64>,
}

impl<'a> State<'a> {
    pub(crate) fn new(m: &'a Market<'a>, penalty: Penalty) -> State<'a> {
        let mut offset = Vec::new();
        let mut width = 0;
        for &(s, e) in &m.p.blocks {
            offset.push(width);
            width += e - s;
        }
        let givers = m.offers.givers.len();
        State {
            m,
            choice: vec![Choice::Nothing; givers * m.offers.blocks],
            used: vec![0; givers],
            hours: vec![0.0; givers],
            back_kwh: vec![0.0; givers],
            left: m.rows.need.clone(),
            group_left: m.rows.group_need.clone(),
            total_back_kwh: 0.0,
            group_back_kwh: vec![0.0; m.rows.groups],
            cost: m.tariff.change * m.p.previous.len() as f64,
            penalty,
            no_shift: vec![false; givers],
            kw: vec![0.0; givers * width],
            entry_cost: vec![0.0; givers * m.offers.blocks],
            offset,
            width,
            scratch: Vec::new(),
            trial: Vec::new(),
        }
    }

    pub(crate) fn at(&self, giver: usize, block: usize) -> Choice {
        self.choice[giver * self.m.offers.blocks + block]
    }

    /// The kW of a giver in a block.
    pub(crate) fn kw_of(&self, giver: usize, block: usize) -> &[f64] {
        let (s, e) = self.m.p.blocks[block];
        let base = giver * self.width + self.offset[block];
        &self.kw[base..base + (e - s)]
    }

    pub(crate) fn measure(&self, choice: Choice) -> Option<Measure> {
        match choice {
            Choice::Nothing => None,
            Choice::Offer(k) | Choice::Ceiling(k, _) => Some(self.m.offers.list[k].measure),
        }
    }

    fn back_of(&self, choice: Choice) -> f64 {
        match choice {
            Choice::Offer(k) => self.m.offers.list[k].back_kwh,
            _ => 0.0,
        }
    }

    /// Whether the rules let a giver take a choice in a block, the rest of the plan being as it is.
    pub(crate) fn allowed(&self, giver: usize, block: usize, choice: Choice) -> bool {
        if choice == Choice::Nothing {
            return true;
        }
        let g = &self.m.offers.givers[giver];
        let old = self.at(giver, block);
        if old == Choice::Nothing && self.used[giver] >= g.blocks_left {
            return false;
        }
        let more = self.back_of(choice) - self.back_of(old);
        if more <= 0.0 {
            return true;
        }
        !self.no_shift[giver]
            && self.back_kwh[giver] + more <= g.back_cap_kwh
            && self.total_back_kwh + more <= self.m.rows.room_kwh
            && self.group_back_kwh[g.group] + more <= self.m.rows.group_room_kwh[g.group]
    }

    /// Takes a choice; the change of cost and penalty.
    pub(crate) fn set(&mut self, giver: usize, block: usize, choice: Choice) -> f64 {
        let m = self.m;
        let g = &m.offers.givers[giver];
        let slot = giver * m.offers.blocks + block;
        let old = self.choice[slot];
        let (s, e) = m.p.blocks[block];
        let n = e - s;
        let mut delta = 0.0;
        let mut fresh = std::mem::take(&mut self.scratch);
        let new_cost = match choice {
            Choice::Nothing => {
                fresh.clear();
                fresh.resize(n, 0.0);
                0.0
            }
            Choice::Offer(k) => {
                let o = &m.offers.list[k];
                fresh.clear();
                fresh.extend_from_slice(&m.offers.kw[o.at..o.at + n]);
                o.cost + o.change
            }
            Choice::Ceiling(k, ceiling) => {
                under(m.p, g.customer, block, ceiling, &mut fresh);
                let energy = fresh.iter().sum::<f64>() * m.p.dt_h;
                let change = if m.p.previous_at(g.customer, block).is_some() { 0.0 } else { m.tariff.change };
                m.tariff.per_kwh[m.offers.list[k].measure as usize] * g.burden * energy + change
            }
        };
        let base = giver * self.width + self.offset[block];
        let area = g.group * m.rows.periods;
        for (i, t) in (s..e).enumerate() {
            let step = fresh[i] - self.kw[base + i];
            if step == 0.0 {
                continue;
            }
            let left = self.left[t];
            self.left[t] = left - step;
            delta += self.penalty.system[t] * ((left - step).max(0.0) - left.max(0.0));
            let left = self.group_left[area + t];
            self.group_left[area + t] = left - step;
            delta += self.penalty.group[area + t] * ((left - step).max(0.0) - left.max(0.0));
            self.kw[base + i] = fresh[i];
        }
        self.scratch = fresh;
        let mut cost = new_cost - self.entry_cost[slot];
        self.entry_cost[slot] = new_cost;
        let (was, is) = (old != Choice::Nothing, choice != Choice::Nothing);
        if was != is {
            let hours = self.hours[giver];
            let block_h = m.p.block_h(block);
            let after = if is { hours + block_h } else { hours - block_h };
            if m.tariff.fairness > 0.0 {
                cost += fairness_cost(m.tariff.fairness, g.history_h, after)
                    - fairness_cost(m.tariff.fairness, g.history_h, hours);
            }
            self.hours[giver] = after;
            if is {
                cost += if self.used[giver] == 0 { g.touch } else { 0.0 };
                self.used[giver] += 1;
            } else {
                self.used[giver] -= 1;
                cost -= if self.used[giver] == 0 { g.touch } else { 0.0 };
            }
        }
        let back = self.back_of(choice) - self.back_of(old);
        if back != 0.0 {
            self.back_kwh[giver] += back;
            self.total_back_kwh += back;
            self.group_back_kwh[g.group] += back;
        }
        self.choice[slot] = choice;
        self.cost += cost;
        delta + cost
    }

    /// Takes the choices of another state over the same customers and blocks.
    pub(crate) fn take(&mut self, choice: &[Choice]) {
        for (slot, &c) in choice.iter().enumerate() {
            let (giver, block) = (slot / self.m.offers.blocks, slot % self.m.offers.blocks);
            self.set(giver, block, c);
        }
        self.refresh();
    }

    /// Unmet demand in the blocks, kWh (system and areas).
    pub(crate) fn unmet_kwh(&self) -> f64 {
        let area: f64 = self
            .group_left
            .iter()
            .zip(&self.m.rows.group_row)
            .map(|(v, &row)| if row { v.max(0.0) } else { 0.0 })
            .sum();
        (self.left.iter().map(|v| v.max(0.0)).sum::<f64>() + area) * self.m.p.dt_h
    }

    /// The objective of the run: cost, fixed part and unmet demand at its true price.
    pub(crate) fn objective(&self) -> f64 {
        self.cost + self.m.rows.constant + self.m.tariff.unmet * self.unmet_kwh()
    }

    /// Sums anew what `set` carries along, so that rounding does not pile up.
    pub(crate) fn refresh(&mut self) {
        let m = self.m;
        self.left.clone_from(&m.rows.need);
        self.group_left.clone_from(&m.rows.group_need);
        let mut cost = m.tariff.change * m.p.previous.len() as f64;
        for (k, g) in m.offers.givers.iter().enumerate() {
            if self.used[k] == 0 {
                continue;
            }
            cost += g.touch + fairness_cost(m.tariff.fairness, g.history_h, self.hours[k]);
            for (r, &(s, e)) in m.p.blocks.iter().enumerate() {
                cost += self.entry_cost[k * m.offers.blocks + r];
                let base = k * self.width + self.offset[r];
                for (i, t) in (s..e).enumerate() {
                    self.left[t] -= self.kw[base + i];
                    self.group_left[g.group * m.rows.periods + t] -= self.kw[base + i];
                }
            }
        }
        self.cost = cost;
    }
}
