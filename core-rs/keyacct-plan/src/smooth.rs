//! The customers' answers with a soft maximum in place of the hard one (temperature `tau`): value, supply, and how
//! supply reacts to prices. As tau falls the value goes to the exact one; until then it is smooth, so that Newton's
//! method can move the prices of all rows at once.

use crate::offers::{Giver, Offers, Rows};
use crate::parallel;
use crate::price::Prices;
use crate::problem::{Measure, Problem};

/// Pieces of the work; fixed, so that sums do not depend on the number of threads.
const PIECES: usize = 16;

/// Blocks taken into the soft maximum of one customer (3^7 = 2,187 combinations).
const SOFT_BLOCKS: usize = 7;

/// Sum over the customers at some prices.
pub(crate) struct Response {
    /// Sum of the soft maxima.
    pub value: f64,
    /// Expected kW per group and period.
    pub supply: Vec<f64>,
    /// Expected returning kWh per group, and its derivative.
    pub back_kwh: Vec<f64>,
    pub back_slope: Vec<f64>,
    /// Per group: how the supply of one period rises with the price of another, over the periods of all blocks in
    /// their order (see [`places`]).
    pub slope: Vec<Vec<f64>>,
}

/// Place of every period among those of the blocks, and how many there are.
pub(crate) fn places(p: &Problem) -> (Vec<Option<usize>>, usize) {
    let mut place = vec![None; p.periods];
    let mut count = 0;
    for &(s, e) in &p.blocks {
        for slot in &mut place[s..e] {
            *slot = Some(count);
            count += 1;
        }
    }
    (place, count)
}

/// Where the customers meet: the problem, its rows and offers.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub p: &'a Problem,
    pub rows: &'a Rows,
    pub offers: &'a Offers,
    pub fairness: f64,
}

/// How soft the maximum is, and whether the reaction to prices is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Softness {
    pub tau: f64,
    pub with_slope: bool,
}

pub(crate) fn response(scene: Scene<'_>, prices: &Prices, soft: Softness, threads: usize) -> Response {
    let parts = parallel::map(PIECES, threads, |piece| {
        let mut part = Response::empty(scene.p, scene.rows, soft.with_slope);
        let mut work = Work::default();
        for giver in parallel::range(scene.offers.givers.len(), PIECES, piece) {
            part.add(scene, prices, giver, soft, &mut work);
        }
        part
    });
    let mut sum = Response::empty(scene.p, scene.rows, soft.with_slope);
    for part in parts {
        sum.value += part.value;
        let pairs = [
            (&mut sum.supply, &part.supply),
            (&mut sum.back_kwh, &part.back_kwh),
            (&mut sum.back_slope, &part.back_slope),
        ];
        for (into, from) in pairs {
            into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        }
        for (into, from) in sum.slope.iter_mut().zip(&part.slope) {
            into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        }
    }
    sum
}

#[derive(Default)]
struct Work {
    soft: Vec<Soft>,
    gains: Vec<f64>,
    totals: Vec<f64>,
    backs: Vec<f64>,
    used: Vec<u8>,
    point: Vec<f64>,
    /// Expected kW of the blocks in `soft`, one after another: if shift is taken, if the other measure is.
    if_taken: [Vec<f64>; 2],
    /// Probability of two choices together; row and column are 2 x place in `soft` + (0 shift, 1 other).
    pairs: Vec<f64>,
}

/// One block of one customer: log weights (gain / tau), and after the sum the probabilities.
struct Soft {
    block: usize,
    shift: f64,
    other: f64,
    back_kwh: f64,
    hours: f64,
    p_shift: f64,
    p_other: f64,
    gains_at: usize,
    /// First place among the periods of all blocks.
    place: usize,
}

impl Response {
    fn empty(p: &Problem, rows: &Rows, with_slope: bool) -> Response {
        let size = if with_slope { p.blocks.iter().map(|&(s, e)| e - s).sum::<usize>().pow(2) } else { 0 };
        let slope = vec![vec![0.0; size]; if with_slope { rows.groups } else { 0 }];
        Response {
            value: 0.0,
            supply: vec![0.0; rows.groups * rows.periods],
            back_kwh: vec![0.0; rows.groups],
            back_slope: vec![0.0; rows.groups],
            slope,
        }
    }

    fn add(&mut self, scene: Scene<'_>, prices: &Prices, index: usize, softness: Softness, w: &mut Work) {
        let Scene { p, offers, fairness, .. } = scene;
        let tau = softness.tau;
        let giver = &offers.givers[index];
        let pay = prices.of(giver.group);
        let back_price = prices.back[giver.group];
        w.soft.clear();
        w.gains.clear();
        let mut end = 0;
        for (r, &(s, e)) in p.blocks.iter().enumerate() {
            let place = end;
            end += e - s;
            let range = offers.of(index, r);
            if range.is_empty() {
                continue;
            }
            let gains_at = w.gains.len();
            let (mut shift, mut top, mut back_kwh) = (f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0);
            for o in &offers.list[range] {
                let kw = &offers.kw[o.at..o.at + (e - s)];
                let worth: f64 = kw.iter().zip(&pay[s..e]).map(|(a, b)| a * b).sum();
                let gain = (worth - o.cost - o.change - back_price * o.back_kwh) / tau;
                w.gains.push(gain);
                if o.measure == Measure::Shift {
                    shift = gain;
                    back_kwh = o.back_kwh;
                } else {
                    top = top.max(gain);
                }
            }
            let mut other = f64::NEG_INFINITY;
            if top > f64::NEG_INFINITY {
                let skip = usize::from(shift > f64::NEG_INFINITY);
                let sum: f64 = w.gains[gains_at + skip..].iter().map(|g| (g - top).exp()).sum();
                other = top + sum.ln();
            }
            if shift.max(other) > -30.0 {
                let hours = p.block_h(r);
                w.soft.push(Soft {
                    block: r,
                    shift,
                    other,
                    back_kwh,
                    hours,
                    p_shift: 0.0,
                    p_other: 0.0,
                    gains_at,
                    place,
                });
            }
        }
        if w.soft.is_empty() || giver.blocks_left == 0 {
            return;
        }
        if w.soft.len() > SOFT_BLOCKS {
            w.soft.sort_by(|a, b| b.shift.max(b.other).total_cmp(&a.shift.max(a.other)));
            w.soft.truncate(SOFT_BLOCKS);
        }
        self.value += tau * soft_maximum(giver, w, tau, fairness);
        self.account(scene, index, softness, w);
    }

    /// Adds the expected kW of one customer, and their covariance / tau, to the sums.
    fn account(&mut self, scene: Scene<'_>, index: usize, softness: Softness, w: &mut Work) {
        let Scene { p, offers, .. } = scene;
        let Softness { tau, with_slope } = softness;
        let giver = &offers.givers[index];
        let total = p.blocks.iter().map(|&(s, e)| e - s).sum::<usize>();
        for kw in &mut w.if_taken {
            kw.clear();
            kw.resize(total, 0.0);
        }
        for soft in &w.soft {
            if soft.p_shift + soft.p_other < 1e-9 {
                continue;
            }
            let (s, e) = p.blocks[soft.block];
            let n = e - s;
            let here = soft.place..soft.place + n;
            for (at, o) in (soft.gains_at..).zip(&offers.list[offers.of(index, soft.block)]) {
                let kw = &offers.kw[o.at..o.at + n];
                let (taken, part, probability) = if o.measure == Measure::Shift {
                    (0, 1.0, soft.p_shift)
                } else {
                    let part = (w.gains[at] - soft.other).exp();
                    (1, part, soft.p_other * part)
                };
                if probability < 1e-10 {
                    continue;
                }
                w.if_taken[taken][here.clone()].iter_mut().zip(kw).for_each(|(m, v)| *m += v * part);
                if with_slope {
                    // The spread of one block by itself; what two blocks share follows below.
                    let matrix = &mut self.slope[giver.group];
                    for (i, a) in kw.iter().enumerate() {
                        let a = a * probability / tau;
                        let row = (soft.place + i) * total + soft.place;
                        matrix[row..row + n].iter_mut().zip(kw).for_each(|(m, b)| *m += a * b);
                    }
                }
            }
            w.point.clear();
            let (shift, other) = (&w.if_taken[0][here.clone()], &w.if_taken[1][here]);
            w.point.extend(shift.iter().zip(other).map(|(a, b)| a * soft.p_shift + b * soft.p_other));
            if with_slope {
                let matrix = &mut self.slope[giver.group];
                for (i, a) in w.point.iter().enumerate() {
                    let a = a / tau;
                    let row = (soft.place + i) * total + soft.place;
                    matrix[row..row + n].iter_mut().zip(&w.point).for_each(|(m, b)| *m -= a * b);
                }
            }
            let base = giver.group * p.periods + s;
            self.supply[base..base + n].iter_mut().zip(&w.point).for_each(|(a, b)| *a += b);
            self.back_kwh[giver.group] += soft.p_shift * soft.back_kwh;
            self.back_slope[giver.group] +=
                soft.p_shift * (1.0 - soft.p_shift) * soft.back_kwh * soft.back_kwh / tau;
        }
        if with_slope {
            self.between_blocks(scene, giver.group, tau, total, w);
        }
    }

    /// Adds how the blocks of one customer stand in each other's way, or help to pay for touching him.
    fn between_blocks(&mut self, scene: Scene<'_>, group: usize, tau: f64, total: usize, w: &Work) {
        let matrix = &mut self.slope[group];
        let wide = 2 * w.soft.len();
        for (x, a) in w.soft.iter().enumerate() {
            for (y, b) in w.soft.iter().enumerate().skip(x + 1) {
                let (m, n) = (scene.p.block_len(a.block), scene.p.block_len(b.block));
                for (i, alone_a) in [a.p_shift, a.p_other].into_iter().enumerate() {
                    for (j, alone_b) in [b.p_shift, b.p_other].into_iter().enumerate() {
                        let common = (w.pairs[(2 * x + i) * wide + 2 * y + j] - alone_a * alone_b) / tau;
                        if common.abs() * tau < 1e-9 {
                            continue;
                        }
                        let right = &w.if_taken[j][b.place..b.place + n];
                        for (k, left) in w.if_taken[i][a.place..a.place + m].iter().enumerate() {
                            let factor = common * left;
                            let row = (a.place + k) * total + b.place;
                            matrix[row..row + n].iter_mut().zip(right).for_each(|(m, v)| *m += factor * v);
                            for (l, v) in right.iter().enumerate() {
                                matrix[(b.place + l) * total + a.place + k] += factor * v;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// log of the sum of exp(gain / tau) over all allowed combinations (doing nothing included); fills the probabilities.
fn soft_maximum(giver: &Giver, w: &mut Work, tau: f64, fairness: f64) -> f64 {
    let k = w.soft.len();
    let any_shift = w.soft.iter().any(|s| s.shift > -30.0);
    // Base 3 (nothing, shift, other) where the return limit or fairness tells shift from other, else base 2.
    let wanted: f64 = w.soft.iter().filter(|s| s.shift > -30.0).map(|s| s.back_kwh).sum();
    let base = if any_shift && wanted > giver.back_cap_kwh { 3 } else { 2 };
    w.totals.clear();
    w.backs.clear();
    w.used.clear();
    w.totals.push(0.0);
    w.backs.push(0.0);
    w.used.push(0);
    for soft in &w.soft {
        let n = w.totals.len();
        let any = log_add(soft.shift, soft.other);
        let digits = [
            (if base == 3 { soft.shift } else { any }, if base == 3 { soft.back_kwh } else { 0.0 }),
            (soft.other, 0.0),
        ];
        for (gain, back) in digits.into_iter().take(base - 1) {
            for j in 0..n {
                w.totals.push(w.totals[j] + gain);
                w.backs.push(w.backs[j] + back);
                w.used.push(w.used[j] + 1);
            }
        }
    }
    let mut top = 0.0f64;
    for (j, total) in w.totals.iter_mut().enumerate() {
        if usize::from(w.used[j]) > giver.blocks_left || w.backs[j] > giver.back_cap_kwh {
            *total = f64::NEG_INFINITY;
        } else if j > 0 {
            *total -= giver.touch / tau;
            if fairness > 0.0 {
                let mut hours = 0.0;
                let mut code = j;
                for soft in &w.soft {
                    hours += if code % base > 0 { soft.hours } else { 0.0 };
                    code /= base;
                }
                *total -= crate::customer::fairness_cost(fairness, giver.history_h, hours) / tau;
            }
        }
        top = top.max(*total);
    }
    let mut sum = 0.0;
    for total in &mut w.totals {
        *total = if *total > top - 40.0 { (*total - top).exp() } else { 0.0 };
        sum += *total;
    }
    let wide = 2 * k;
    w.pairs.clear();
    w.pairs.resize(wide * wide, 0.0);
    let mut held = [0usize; SOFT_BLOCKS];
    for (j, weight) in w.totals.iter().enumerate().skip(1) {
        if *weight > 1e-12 * sum {
            let (mut code, mut count) = (j, 0);
            for block in 0..k {
                if code % base > 0 {
                    held[count] = 2 * block + code % base - 1;
                    count += 1;
                }
                code /= base;
            }
            let weight = weight / sum;
            for (x, &a) in held[..count].iter().enumerate() {
                for &b in &held[x..count] {
                    w.pairs[a * wide + b] += weight;
                }
            }
        }
    }
    if base == 2 {
        // Shift and the other measure exclude each other, but no other block minds which of them it is.
        let part: Vec<f64> = w
            .soft
            .iter()
            .map(|soft| match soft.shift > f64::NEG_INFINITY {
                true => (soft.shift - log_add(soft.shift, soft.other)).exp(),
                false => 0.0,
            })
            .collect();
        for x in 0..k {
            for y in x..k {
                let both = w.pairs[2 * x * wide + 2 * y];
                let split =
                    |place: usize, other: usize| if other == 0 { part[place] } else { 1.0 - part[place] };
                for i in 0..2 {
                    for j in 0..2 {
                        w.pairs[(2 * x + i) * wide + 2 * y + j] = match (x == y, i == j) {
                            (false, _) => both * split(x, i) * split(y, j),
                            (true, true) => both * split(x, i),
                            (true, false) => 0.0,
                        };
                    }
                }
            }
        }
    }
    for (x, soft) in w.soft.iter_mut().enumerate() {
        soft.p_shift = w.pairs[2 * x * wide + 2 * x];
        soft.p_other = w.pairs[(2 * x + 1) * wide + 2 * x + 1];
    }
    top + sum.ln()
}

fn log_add(a: f64, b: f64) -> f64 {
    let top = a.max(b);
    if top == f64::NEG_INFINITY { top } else { top + ((a - top).exp() + (b - top).exp()).ln() }
}
