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

/// How much work the search may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub chains: usize,
    pub steps: usize,
    pub candidates: usize,
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
        Effort { chains: 2, steps: 400_000, candidates: 2_000 + givers }
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
            list.extend(m.offers.of(giver, block).map(|offer| Candidate { giver, block, offer, regret: 0.0 }));
        }
    }
    s.refresh();
    let zero = m.prices(vec![0.0; m.list.len()]);
    Pool::new(m, &zero, list).descend(s, 7);
    s.refresh();
}

/// The best plan found; deterministic in everything but the time it takes.
pub(crate) fn search<'a>(m: &'a Market<'a>, prices: &Prices, effort: Effort) -> State<'a> {
    let (start, candidates) = answers(m, prices, effort.candidates);
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
    let score = |s: &State<'_>| s.objective() + (HARD - 1.0) * m.tariff.unmet * s.unmet_kwh();
    found.into_iter().reduce(|a, b| if score(&b) < score(&a) { b } else { a }).unwrap_or(start)
}

/// Every giver's best answer to the prices, and the choices that are nearly as good.
fn answers<'a>(m: &'a Market<'a>, prices: &Prices, wanted: usize) -> (State<'a>, Vec<Candidate>) {
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
                list.push(Candidate { giver, block, offer, regret: regret.max(0.0) });
            }
        }
    }
    if list.len() > wanted {
        list.select_nth_unstable_by(wanted, |a, b| a.regret.total_cmp(&b.regret).then(a.offer.cmp(&b.offer)));
        list.truncate(wanted);
    }
    list.sort_by_key(|c| c.offer);
    (s, list)
}

struct Pool<'a> {
    m: &'a Market<'a>,
    list: Vec<Candidate>,
    by_block: Vec<Vec<usize>>,
    /// Sum of a block's cover prices: what a kW over the whole block is worth.
    block_price: Vec<f64>,
    scale: f64,
}

impl<'a> Pool<'a> {
    fn new(m: &'a Market<'a>, prices: &Prices, list: Vec<Candidate>) -> Pool<'a> {
        let mut by_block = vec![Vec::new(); m.offers.blocks];
        for (k, c) in list.iter().enumerate() {
            by_block[c.block].push(k);
        }
        let block_price = m
            .p
            .blocks
            .iter()
            .map(|&(s, e)| {
                (0..m.rows.groups).map(|g| prices.of(g)[s..e].iter().sum::<f64>()).fold(0.0, f64::max)
            })
            .collect();
        let mut regrets: Vec<f64> = list.iter().map(|c| c.regret).collect();
        regrets.sort_by(f64::total_cmp);
        let scale = regrets.get(regrets.len() / 2).copied().unwrap_or(1.0).max(1e-6);
        Pool { m, list, by_block, block_price, scale }
    }

    /// Price of a missing kW at a stage of the cooling: `firm` x what a kW over the block is worth.
    fn penalty(&self, firm: f64) -> Penalty {
        let m = self.m;
        let top = m.tariff.unmet * m.p.dt_h * HARD;
        let mut penalty = Penalty::flat(m, 0.0);
        for (&(s, e), &worth) in m.p.blocks.iter().zip(&self.block_price) {
            let price = (firm * worth).clamp(top * 1e-3, top);
            for t in s..e {
                penalty.system[t] = price;
                for g in (0..m.rows.groups).filter(|g| m.rows.group_row[g * m.rows.periods + t]) {
                    penalty.group[g * m.rows.periods + t] = price;
                }
            }
        }
        penalty
    }

    fn anneal(&self, s: &mut State<'a>, _prices: &Prices, steps: usize, seed: u64) {
        if self.list.is_empty() {
            return;
        }
        const STAGES: usize = 40;
        let mut random = Random::new(seed);
        for stage in 0..STAGES {
            let part = stage as f64 / (STAGES - 1) as f64;
            let heat = self.scale * 0.5 * (0.004f64).powf(part);
            s.penalty = self.penalty(0.6 * (10.0f64).powf(part));
            s.refresh();
            for _ in 0..steps / STAGES {
                self.step(s, &mut random, heat);
            }
        }
    }

    /// One proposal: change one entry, or two of the same block, or set a ceiling anew.
    fn step(&self, s: &mut State<'a>, random: &mut Random, heat: f64) -> f64 {
        let accept = -heat * random.unit().ln();
        let a = self.list[random.below(self.list.len())];
        let mut undo = [(0, 0, Choice::Nothing); 6];
        let mut count = 0;
        let Some(mut delta) = self.toggle(s, a, random, &mut undo, &mut count) else { return 0.0 };
        let kind = random.below(8);
        if kind >= 2 && delta > accept {
            let peers = &self.by_block[a.block];
            let b = self.list[peers[random.below(peers.len())]];
            if b.giver != a.giver
                && let Some(more) = self.toggle(s, b, random, &mut undo, &mut count)
            {
                delta += more;
            }
            if kind >= 6 && delta > accept && count < 5 {
                let c = self.list[peers[random.below(peers.len())]];
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
        let choice = if measure == Measure::Limit && (!held || random.below(2) == 0) {
            let mut trial = std::mem::take(&mut s.trial);
            let found = best_ceiling(s, c.giver, c.block, &mut trial);
            s.trial = trial;
            match found? {
                Choice::Nothing if !held => Choice::Offer(c.offer),
                other => other,
            }
        } else if held {
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
            let other = (0..self.m.offers.blocks).filter(|&r| s.at(c.giver, r) != Choice::Nothing).nth(skip)?;
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

    /// Steps that never make the plan worse, until none is found for a while; then every ceiling and every drop.
    fn descend(&self, s: &mut State<'a>, seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..6 {
            let mut gained = polish(s);
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

/// Drops what is not needed and moves every ceiling to its best place, until nothing gains. The gain.
pub(crate) fn polish(s: &mut State<'_>) -> f64 {
    let mut gained = 0.0;
    let mut trial = Vec::new();
    for _ in 0..8 {
        let mut round = 0.0;
        for giver in 0..s.m.offers.givers.len() {
            for block in 0..s.m.offers.blocks {
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
        }
        gained += round;
        if round <= 1e-7 * s.cost.abs() {
            break;
        }
    }
    gained
}
