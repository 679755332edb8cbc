//! The plan near the customers' best answers: annealing over the choices that the prices leave nearly open, with soft
//! prices on missing kW that harden as it cools, then plain descent. Every step is counted, none is timed.

use crate::ceiling::best_ceiling;
use crate::customer::{Answer, best};
use crate::parallel;
use crate::price::{Market, Prices};
use crate::problem::Measure;
use crate::random::Random;
use crate::state::{Choice, Penalty, State};

/// Soft unmet price against the true one at the end of the search: above 1, so that demand is met where it can be.
const HARD: f64 = 3.0;

/// Temperature at the beginning, against the regret of a choice that is nearly open, and its fall until the end.
const HEAT: (f64, f64) = (0.2, 0.004);

/// Soft unmet price: factor on the row's price at the beginning and its growth, and the share of the block's price that
/// every row gets. Chains differ, as no one setting is the best for all problems.
const FIRMNESS: [((f64, f64), f64); 3] = [((0.8, 20.0), 0.05), ((0.8, 40.0), 0.02), ((0.5, 40.0), 0.05)];

/// Enough steps for a small problem.
const STEPS_PER_CHOICE: usize = 1_500;

/// Orders of a block that an exchange may touch.
const REACH: usize = 60;

/// Fewer customers than this are searched from several prices.
const VERY_SMALL: usize = 60;

/// How much work the search may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub chains: usize,
    pub steps: usize,
    pub candidates: usize,
    /// Choices kept for every area and block at least.
    pub quota: usize,
}

/// A choice that the prices leave nearly open.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    giver: usize,
    block: usize,
    offer: usize,
    regret: f64,
}

impl Effort {
    /// Work that fits the number of customers.
    pub(crate) fn of(givers: usize) -> Effort {
        let small = givers < 300;
        let candidates = 2_000 + givers;
        Effort {
            chains: if givers < VERY_SMALL {
                10
            } else if small {
                6
            } else {
                2
            },
            steps: (300 * candidates).clamp(400_000, 4_000_000),
            candidates,
            quota: if givers > 3_000 { 400 } else { 150 },
        }
    }
}

/// Takes the shifts of some customers back, closes shift to them, and mends the plan with what is left.
pub(crate) fn without_shift(s: &mut State<'_>, customers: &[usize]) {
    let m = s.m;
    s.penalty = Penalty::flat(m, HARD * m.tariff.unmet * m.p.dt_h);
    let mut list = Vec::new();
    for (giver, g) in m.offers.givers.iter().enumerate() {
        if customers.binary_search(&g.customer).is_ok() {
            s.no_shift[giver] = true;
            for block in 0..m.offers.blocks {
                if s.measure(s.at(giver, block)) == Some(Measure::Shift) {
                    s.set(giver, block, Choice::Nothing);
                }
            }
        }
        for block in 0..m.offers.blocks {
            list.extend(m.offers.of(giver, block).map(|offer| Candidate {
                giver,
                block,
                offer,
                regret: 0.0,
            }));
        }
    }
    s.refresh();
    let zero = m.prices(vec![0.0; m.list.len()]);
    Pool::new(m, &zero, list).descend(s, 7);
    s.refresh();
}

/// The best plan found from any of some prices. The best prices leave the right choices open where many customers average
/// out; a very small problem is also searched from softer ones.
pub(crate) fn search_from<'a>(m: &'a Market<'a>, prices: &Prices, softer: &[Prices]) -> State<'a> {
    let effort = Effort::of(m.offers.givers.len());
    let mut best = search(m, prices, effort);
    if m.offers.givers.len() < VERY_SMALL {
        for other in softer {
            let found = search(m, other, effort);
            if score(&found) < score(&best) {
                best = found;
            }
        }
    }
    best
}

/// What the search minimises: the objective, missing kW dearer than they are.
fn score(s: &State<'_>) -> f64 {
    s.objective() + (HARD - 1.0) * s.m.tariff.unmet * s.unmet_kwh()
}

/// The best plan found; deterministic in everything but the time it takes.
pub(crate) fn search<'a>(m: &'a Market<'a>, prices: &Prices, effort: Effort) -> State<'a> {
    let (start, candidates) = answers(m, prices, effort);
    let pool = Pool::new(m, prices, candidates);
    let found = parallel::map(effort.chains, m.threads, |chain| {
        let mut s = start.clone();
        pool.anneal(&mut s, prices, effort.steps, chain as u64 + 1);
        s.penalty = Penalty::flat(m, HARD * m.tariff.unmet * m.p.dt_h);
        s.refresh();
        pool.descend(&mut s, chain as u64 + 101);
        s.refresh();
        s
    });
    found.into_iter().reduce(|a, b| if score(&b) < score(&a) { b } else { a }).unwrap_or(start)
}

/// Every giver's best answer to the prices, and the choices that are nearly as good.
fn answers<'a>(m: &'a Market<'a>, prices: &Prices, effort: Effort) -> (State<'a>, Vec<Candidate>) {
    let mut s = State::new(m, Penalty::flat(m, 0.0));
    let (mut worths, mut picked, mut answer) = (Vec::new(), Vec::new(), Answer::default());
    let mut list = Vec::new();
    for (giver, g) in m.offers.givers.iter().enumerate() {
        m.worths(prices, giver, &mut worths, &mut picked);
        best(g, &worths, m.tariff.fairness, &mut answer);
        let pay = prices.of(g.group);
        let mut gain_at = vec![0.0; m.offers.blocks];
        let mut weakest = f64::INFINITY;
        for &(block, pick) in &answer.picks {
            let offer = picked[block][usize::from(pick) - 1];
            gain_at[block] = m.gain(prices, pay, g.group, offer, m.p.blocks[block]);
            weakest = gain_at[block].min(weakest);
            if s.allowed(giver, block, Choice::Offer(offer)) {
                s.set(giver, block, Choice::Offer(offer));
            }
        }
        let count = answer.picks.len();
        for (block, &held) in gain_at.iter().enumerate() {
            let taken = answer.picks.iter().any(|x| x.0 == block);
            for offer in m.offers.of(giver, block) {
                let gain = m.gain(prices, pay, g.group, offer, m.p.blocks[block]);
                let regret = if taken {
                    let drop = if count == 1 { held - g.touch } else { held };
                    (held - gain).min(if held == gain { drop } else { f64::INFINITY })
                } else if count == 0 {
                    g.touch - gain
                } else if count >= g.blocks_left {
                    weakest - gain
                } else {
                    -gain
                };
                let regret = regret.max(0.0);
                // One per measure: a limit's ceiling is set anew whenever it is tried.
                match list.last_mut() {
                    Some(c) if same_measure(m, c, giver, block, offer) => {
                        if regret < c.regret {
                            *c = Candidate { giver, block, offer, regret };
                        }
                    }
                    _ => list.push(Candidate { giver, block, offer, regret }),
                }
            }
        }
    }
    let by_regret = |a: &Candidate, b: &Candidate| a.regret.total_cmp(&b.regret).then(a.offer.cmp(&b.offer));
    list.sort_by(by_regret);
    // Near choices of every area and block: where prices are high, regrets are too.
    let share = (effort.candidates as f64 / list.len().max(1) as f64).min(1.0);
    let place = |c: &Candidate| m.offers.givers[c.giver].group * m.offers.blocks + c.block;
    let mut quota = vec![0usize; m.rows.groups * m.offers.blocks];
    list.iter().for_each(|c| quota[place(c)] += 1);
    quota.iter_mut().for_each(|q| *q = ((*q as f64 * share) as usize).max(effort.quota));
    let (mut near, mut rest) = (Vec::new(), Vec::new());
    for c in list {
        let left = &mut quota[place(&c)];
        if *left > 0 {
            *left -= 1;
            near.push(c);
        } else {
            rest.push(c);
        }
    }
    let mut list = near;
    // What a candidate can push out must be able to come back.
    let mut nearest = vec![f64::INFINITY; m.offers.givers.len()];
    for c in &list {
        nearest[c.giver] = nearest[c.giver].min(c.regret);
    }
    list.extend(rest.into_iter().filter_map(|mut c| {
        let held = s.measure(s.at(c.giver, c.block)) == Some(m.offers.list[c.offer].measure);
        c.regret = nearest[c.giver];
        (held && c.regret < f64::INFINITY).then_some(c)
    }));
    list.sort_by(by_regret);
    (s, list)
}

fn same_measure(m: &Market<'_>, c: &Candidate, giver: usize, block: usize, offer: usize) -> bool {
    c.giver == giver && c.block == block && m.offers.list[c.offer].measure == m.offers.list[offer].measure
}

struct Pool<'a> {
    m: &'a Market<'a>,
    list: Vec<Candidate>,
    by_block: Vec<Vec<usize>>,
    /// Sum of a block's cover prices: what a kW over the whole block is worth.
    block_price: Vec<f64>,
    scale: f64,
    mean_cost: f64,
    /// What it costs to miss a part of a usual offer: the height of the walls between plans of a small problem.
    mean_unmet: f64,
}

impl<'a> Pool<'a> {
    fn new(m: &'a Market<'a>, prices: &Prices, list: Vec<Candidate>) -> Pool<'a> {
        let mut by_block = vec![Vec::new(); m.offers.blocks];
        for (k, c) in list.iter().enumerate() {
            by_block[c.block].push(k);
        }
        let block_price =
            m.p.blocks
                .iter()
                .map(|&(s, e)| {
                    (0..m.rows.groups).map(|g| prices.of(g)[s..e].iter().sum::<f64>()).fold(0.0, f64::max)
                })
                .collect();
        let near = (3 * m.list.len()).min(list.len().saturating_sub(1));
        let positive = list.iter().position(|c| c.regret > 1e-9).unwrap_or(0);
        let scale =
            list.get((positive + near).min(list.len().saturating_sub(1))).map_or(1.0, |c| c.regret).max(1e-6);
        let mean_cost = m.offers.list.iter().map(|o| o.cost).sum::<f64>() / m.offers.list.len().max(1) as f64;
        let mean_kwh = m.offers.kw.iter().sum::<f64>() * m.p.dt_h / m.offers.list.len().max(1) as f64;
        let mean_unmet = 0.3 * m.tariff.unmet * mean_kwh;
        Pool { m, list, by_block, block_price, scale, mean_cost, mean_unmet }
    }

    /// Price of a missing kW at a stage of the cooling: `firm` x (the row's price + `share` of what a kW over the whole
    /// block is worth, so that rows without a price are not forgotten).
    fn penalty(&self, prices: &Prices, firm: f64, share: f64) -> Penalty {
        let m = self.m;
        let top = m.tariff.unmet * m.p.dt_h * HARD;
        let mut penalty = Penalty::flat(m, 0.0);
        for (&(s, e), &worth) in m.p.blocks.iter().zip(&self.block_price) {
            for t in s..e {
                let common = prices.of(0)[t];
                penalty.system[t] = (firm * (common + share * worth)).clamp(top * 1e-3, top);
                for g in (0..m.rows.groups).filter(|g| m.rows.group_row[g * m.rows.periods + t]) {
                    let own = prices.of(g)[t] - common;
                    penalty.group[g * m.rows.periods + t] =
                        (firm * (own + share * worth)).clamp(top * 1e-3, top);
                }
            }
        }
        penalty
    }

    fn anneal(&self, s: &mut State<'a>, prices: &Prices, steps: usize, seed: u64) {
        if self.list.is_empty() {
            return;
        }
        const STAGES: usize = 40;
        let steps = steps.min(STEPS_PER_CHOICE * self.list.len());
        let mut random = Random::new(seed);
        let (firm, share) = FIRMNESS[seed as usize % FIRMNESS.len()];
        for stage in 0..STAGES {
            let part = stage as f64 / (STAGES - 1) as f64;
            let heat = if seed as usize > FIRMNESS.len() {
                // Small problems have little to average over: here the true price and a hot start find more.
                s.penalty = Penalty::flat(self.m, self.m.tariff.unmet * self.m.p.dt_h);
                let warm = self.mean_cost * 3.0;
                let hot = if seed as usize > FIRMNESS.len() + 1 { self.mean_unmet.max(warm) } else { warm };
                hot * (warm * 1e-4 / hot).powf(part)
            } else {
                s.penalty = self.penalty(prices, firm.0 * firm.1.powf(part), share);
                self.scale * HEAT.0 * HEAT.1.powf(part)
            };
            s.refresh();
            for _ in 0..steps / STAGES {
                self.step(s, &mut random, heat);
            }
        }
    }

    /// One proposal: change one entry, or two of the same block, or set a ceiling anew.
    fn step(&self, s: &mut State<'a>, random: &mut Random, heat: f64) -> f64 {
        let accept = -heat * random.unit().ln();
        let a = self.list[random.near(self.list.len())];
        let mut undo = [(0, 0, Choice::Nothing); 6];
        let mut count = 0;
        let Some(mut delta) = self.toggle(s, a, random, &mut undo, &mut count) else { return 0.0 };
        let kind = random.below(8);
        if kind >= 2 && delta > accept {
            let peers = &self.by_block[a.block];
            let b = self.list[peers[random.near(peers.len())]];
            if b.giver != a.giver
                && let Some(more) = self.toggle(s, b, random, &mut undo, &mut count)
            {
                delta += more;
            }
            if kind >= 6 && delta > accept && count < 5 {
                let c = self.list[peers[random.near(peers.len())]];
                if c.giver != a.giver
                    && c.giver != b.giver
                    && let Some(more) = self.toggle(s, c, random, &mut undo, &mut count)
                {
                    delta += more;
                }
            }
        }
        if delta > accept {
            for &(giver, block, choice) in undo[..count].iter().rev() {
                s.set(giver, block, choice);
            }
            return 0.0;
        }
        delta
    }

    /// Takes a candidate's offer (a limit at its best ceiling), or drops it if it is held; `None` if the rules forbid.
    fn toggle(
        &self,
        s: &mut State<'a>,
        c: Candidate,
        random: &mut Random,
        undo: &mut [(usize, usize, Choice); 6],
        count: &mut usize,
    ) -> Option<f64> {
        let old = s.at(c.giver, c.block);
        let measure = self.m.offers.list[c.offer].measure;
        let held = s.measure(old) == Some(measure);
        let way = random.below(4);
        let choice = if measure == Measure::Limit && (!held || way < 2) {
            let mut trial = std::mem::take(&mut s.trial);
            let found = best_ceiling(s, c.giver, c.block, &mut trial);
            s.trial = trial;
            match found? {
                Choice::Nothing if !held => Choice::Offer(c.offer),
                other => other,
            }
        } else if held && (measure != Measure::Limit || way == 2) {
            Choice::Nothing
        } else {
            Choice::Offer(c.offer)
        };
        if choice == old {
            return None;
        }
        let mut delta = 0.0;
        let g = &self.m.offers.givers[c.giver];
        if old == Choice::Nothing && s.used[c.giver] >= g.blocks_left {
            // One of his other blocks has to go.
            let skip = random.below(s.used[c.giver]);
            let other =
                (0..self.m.offers.blocks).filter(|&r| s.at(c.giver, r) != Choice::Nothing).nth(skip)?;
            undo[*count] = (c.giver, other, s.at(c.giver, other));
            *count += 1;
            delta += s.set(c.giver, other, Choice::Nothing);
        }
        if !s.allowed(c.giver, c.block, choice) {
            if *count > 0 && delta != 0.0 {
                *count -= 1;
                let (giver, block, before) = undo[*count];
                s.set(giver, block, before);
            }
            return None;
        }
        undo[*count] = (c.giver, c.block, old);
        *count += 1;
        Some(delta + s.set(c.giver, c.block, choice))
    }

    /// Systematic exchanges, block by block: a candidate comes in as the prices would have it and the dearest orders
    /// give way; or an order goes and the cheapest candidates fill the hole. Kept when the plan gains. The gain.
    fn exchange(&self, s: &mut State<'a>) -> f64 {
        let mut gained = 0.0;
        for block in 0..self.m.offers.blocks {
            for inward in [true, false] {
                let mut dear = self.dearest(s, block);
                let targets: Vec<Candidate> = if inward {
                    self.by_block[block].iter().map(|&k| self.list[k]).collect()
                } else {
                    dear.iter()
                        .map(|&(giver, _)| Candidate { giver, block, offer: usize::MAX, regret: 0.0 })
                        .collect()
                };
                for c in targets {
                    let old = s.at(c.giver, block);
                    let choice = if inward { Choice::Offer(c.offer) } else { Choice::Nothing };
                    if choice == old || !s.allowed(c.giver, block, choice) {
                        continue;
                    }
                    let mut undo = vec![(c.giver, old)];
                    let mut delta = s.set(c.giver, block, choice);
                    if inward {
                        for &(giver, _) in dear.iter().filter(|x| x.0 != c.giver).take(REACH) {
                            delta += self.ease(s, giver, block, &mut undo);
                        }
                    } else {
                        for &k in self.by_block[block].iter().take(2 * REACH) {
                            if delta < 0.0 {
                                break;
                            }
                            if self.list[k].giver != c.giver {
                                delta += self.fill(s, self.list[k], &mut undo);
                            }
                        }
                    }
                    if delta < -1e-6 {
                        gained -= delta;
                        if inward {
                            dear = self.dearest(s, block);
                        }
                    } else {
                        for &(giver, before) in undo.iter().rev() {
                            s.set(giver, block, before);
                        }
                    }
                }
            }
        }
        gained
    }

    /// The givers with an order in a block, dearest kWh first.
    fn dearest(&self, s: &State<'a>, block: usize) -> Vec<(usize, f64)> {
        let mut list: Vec<(usize, f64)> = (0..self.m.offers.givers.len())
            .filter_map(|giver| {
                let measure = s.measure(s.at(giver, block))?;
                Some((giver, self.m.tariff.per_kwh[measure as usize] * self.m.offers.givers[giver].burden))
            })
            .collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        list
    }

    /// Raises a ceiling or drops an order if the plan gains by it.
    fn ease(&self, s: &mut State<'a>, giver: usize, block: usize, undo: &mut Vec<(usize, Choice)>) -> f64 {
        let old = s.at(giver, block);
        let choice = if s.measure(old) == Some(Measure::Limit) {
            let mut trial = std::mem::take(&mut s.trial);
            let found = best_ceiling(s, giver, block, &mut trial).unwrap_or(old);
            s.trial = trial;
            found
        } else {
            Choice::Nothing
        };
        self.keep_if_better(s, giver, block, old, choice, undo)
    }

    /// Takes a candidate, or lowers its ceiling, if the plan gains by it.
    fn fill(&self, s: &mut State<'a>, c: Candidate, undo: &mut Vec<(usize, Choice)>) -> f64 {
        let old = s.at(c.giver, c.block);
        let choice = if self.m.offers.list[c.offer].measure == Measure::Limit {
            let mut trial = std::mem::take(&mut s.trial);
            let found = best_ceiling(s, c.giver, c.block, &mut trial).unwrap_or(old);
            s.trial = trial;
            found
        } else {
            Choice::Offer(c.offer)
        };
        self.keep_if_better(s, c.giver, c.block, old, choice, undo)
    }

    fn keep_if_better(
        &self,
        s: &mut State<'a>,
        giver: usize,
        block: usize,
        old: Choice,
        choice: Choice,
        undo: &mut Vec<(usize, Choice)>,
    ) -> f64 {
        if choice == old || !s.allowed(giver, block, choice) {
            return 0.0;
        }
        let delta = s.set(giver, block, choice);
        if delta < -1e-9 {
            undo.push((giver, old));
            return delta;
        }
        s.set(giver, block, old);
        0.0
    }

    /// Steps that never make the plan worse, until none is found for a while; then every ceiling and every drop.
    fn descend(&self, s: &mut State<'a>, seed: u64) {
        let mut random = Random::new(seed);
        repair(s);
        for _ in 0..6 {
            let mut gained = polish(s);
            gained += self.exchange(s);
            if !self.list.is_empty() {
                for _ in 0..self.list.len() * 12 {
                    gained -= self.step(s, &mut random, 0.0);
                }
            }
            if gained < 1e-6 * s.cost.abs() {
                break;
            }
        }
        polish(s);
    }
}

/// While demand is missing: of everything that the rules leave open, near or far, what helps most for its cost.
fn repair(s: &mut State<'_>) {
    let m = s.m;
    let mut trial = Vec::new();
    for (block, &(a, b)) in m.p.blocks.iter().enumerate() {
        for _ in 0..200 {
            let t_n = m.rows.periods;
            let short = |left: &[f64]| left.iter().any(|v| *v > 1e-6);
            let system = short(&s.left[a..b]);
            let open: Vec<bool> = (0..m.rows.groups)
                .map(|g| {
                    let rows = g * t_n + a..g * t_n + b;
                    system || m.rows.group_row[rows.start] && short(&s.group_left[rows])
                })
                .collect();
            let mut top = (-1e-6, 0, Choice::Nothing);
            if !open.contains(&true) {
                break;
            }
            for giver in (0..m.offers.givers.len()).filter(|&k| open[m.offers.givers[k].group]) {
                let old = s.at(giver, block);
                let mut choices: Vec<Choice> = m
                    .offers
                    .of(giver, block)
                    .filter(|&k| m.offers.list[k].measure != Measure::Limit)
                    .map(Choice::Offer)
                    .collect();
                choices.extend(best_ceiling(s, giver, block, &mut trial));
                for choice in choices {
                    if choice == old || !s.allowed(giver, block, choice) {
                        continue;
                    }
                    let delta = s.set(giver, block, choice);
                    s.set(giver, block, old);
                    if delta < top.0 {
                        top = (delta, giver, choice);
                    }
                }
            }
            if top.2 == Choice::Nothing {
                break;
            }
            s.set(top.1, block, top.2);
        }
    }
    s.refresh();
}

/// Drops what is not needed and moves every ceiling to its best place, until nothing gains. The gain.
pub(crate) fn polish(s: &mut State<'_>) -> f64 {
    let mut gained = 0.0;
    let mut trial = Vec::new();
    // Dearest first: what is given up must not be the cheap kW.
    let m = s.m;
    let mut order: Vec<(f64, usize, usize)> = Vec::new();
    for (giver, g) in m.offers.givers.iter().enumerate() {
        for block in 0..m.offers.blocks {
            if let Some(measure) = s.measure(s.at(giver, block)) {
                order.push((m.tariff.per_kwh[measure as usize] * g.burden, giver, block));
            }
        }
    }
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for _ in 0..8 {
        let mut round = 0.0;
        for &(_, giver, block) in &order {
            let old = s.at(giver, block);
            if old == Choice::Nothing {
                continue;
            }
            if s.measure(old) == Some(Measure::Limit)
                && let Some(choice) = best_ceiling(s, giver, block, &mut trial)
                && choice != old
            {
                let delta = s.set(giver, block, choice);
                if delta > 0.0 {
                    s.set(giver, block, old);
                } else {
                    round -= delta;
                }
                continue;
            }
            let delta = s.set(giver, block, Choice::Nothing);
            if delta >= 0.0 {
                s.set(giver, block, old);
            } else {
                round -= delta;
            }
        }
        gained += round;
        if round <= 1e-7 * s.cost.abs() {
            break;
        }
    }
    gained
}
