//! Prices on the rows that couple customers, and the bound they prove.
//!
//! For any prices >= 0 (cover rows: not above the cost of an unmet kW) the sum of price x demand less every
//! customer's best gain is a lower bound of the objective of every allowed plan. It is concave in the prices. It is
//! climbed on a smoothed copy (see `smooth`) by projected Newton steps, the temperature falling step by step.

use crate::customer::{Answer, Worth, best};
use crate::offers::{Offers, Rows, Tariff};
use crate::parallel;
use crate::problem::{Measure, Problem};
use crate::smooth::{Response, Scene, Softness, places, response};

/// A row that couples customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Cover of the system in a period.
    System(usize),
    /// Cover of a price group's area in a period.
    Area(usize, usize),
    /// Returning energy of all, or of a price group's area.
    Back(Option<usize>),
}

/// Prices per row, and what they sum to for each price group.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    pub row: Vec<f64>,
    /// Per group and period, per kW.
    pub pay: Vec<f64>,
    /// Per group, per kWh that comes back.
    pub back: Vec<f64>,
    periods: usize,
}

impl Prices {
    pub(crate) fn of(&self, group: usize) -> &[f64] {
        &self.pay[group * self.periods..(group + 1) * self.periods]
    }
}

pub(crate) struct Market<'a> {
    pub p: &'a Problem,
    pub rows: &'a Rows,
    pub offers: &'a Offers,
    pub tariff: &'a Tariff,
    pub list: Vec<Row>,
    pub threads: usize,
}

impl<'a> Market<'a> {
    pub(crate) fn new(
        p: &'a Problem,
        rows: &'a Rows,
        offers: &'a Offers,
        tariff: &'a Tariff,
        threads: usize,
    ) -> Self {
        let mut list = Vec::new();
        list.extend((0..p.periods).filter(|&t| rows.need[t] > 0.0).map(Row::System));
        for g in 1..rows.groups {
            let own =
                |t: &usize| rows.group_row[g * p.periods + t] && rows.group_need[g * p.periods + t] > 0.0;
            list.extend((0..p.periods).filter(own).map(|t| Row::Area(g, t)));
        }
        // A return row can bind only if all shifts together could overfill it.
        let mut wanted = vec![0.0; rows.groups];
        for (k, giver) in offers.givers.iter().enumerate() {
            let shifts: f64 = (0..offers.blocks)
                .flat_map(|r| offers.list[offers.of(k, r)].iter())
                .map(|o| o.back_kwh)
                .sum();
            wanted[giver.group] += shifts.min(giver.back_cap_kwh);
        }
        if wanted.iter().sum::<f64>() > rows.room_kwh {
            list.push(Row::Back(None));
        }
        list.extend(
            (1..rows.groups).filter(|&g| wanted[g] > rows.group_room_kwh[g]).map(|g| Row::Back(Some(g))),
        );
        Market { p, rows, offers, tariff, list, threads }
    }

    /// Highest sensible price of a row.
    pub(crate) fn cap(&self, row: Row) -> f64 {
        match row {
            Row::Back(_) => f64::INFINITY,
            _ => self.tariff.unmet * self.p.dt_h,
        }
    }

    /// What a row asks for (kW), or less what it has room for (kWh).
    pub(crate) fn demand(&self, row: Row) -> f64 {
        match row {
            Row::System(t) => self.rows.need[t],
            Row::Area(g, t) => self.rows.group_need[g * self.p.periods + t],
            Row::Back(None) => -self.rows.room_kwh,
            Row::Back(Some(g)) => -self.rows.group_room_kwh[g],
        }
    }

    pub(crate) fn prices(&self, row: Vec<f64>) -> Prices {
        let t_n = self.p.periods;
        let mut pay = vec![0.0; self.rows.groups * t_n];
        let mut back = vec![0.0; self.rows.groups];
        for (&kind, &v) in self.list.iter().zip(&row) {
            match kind {
                Row::System(t) => (0..self.rows.groups).for_each(|g| pay[g * t_n + t] += v),
                Row::Area(g, t) => pay[g * t_n + t] += v,
                Row::Back(None) => back.iter_mut().for_each(|b| *b += v),
                Row::Back(Some(g)) => back[g] += v,
            }
        }
        Prices { row, pay, back, periods: t_n }
    }

    fn constant(&self) -> f64 {
        self.rows.constant + self.tariff.change * self.p.previous.len() as f64
    }

    fn asked(&self, prices: &Prices) -> f64 {
        self.list.iter().zip(&prices.row).map(|(&r, v)| self.demand(r) * v).sum()
    }

    /// What the blocks are worth to a giver at some prices; `picked[block]` is his best other offer.
    pub(crate) fn worths(
        &self,
        prices: &Prices,
        giver: usize,
        out: &mut Vec<Worth>,
        picked: &mut Vec<[usize; 2]>,
    ) {
        let g = &self.offers.givers[giver];
        let pay = prices.of(g.group);
        out.clear();
        picked.clear();
        picked.resize(self.offers.blocks, [usize::MAX; 2]);
        for (r, &(s, e)) in self.p.blocks.iter().enumerate() {
            let mut w = Worth {
                block: r,
                shift: f64::NEG_INFINITY,
                other: f64::NEG_INFINITY,
                back_kwh: 0.0,
                hours: self.p.block_h(r),
            };
            for k in self.offers.of(giver, r) {
                let o = &self.offers.list[k];
                let gain = self.gain(prices, pay, g.group, k, (s, e));
                if o.measure == Measure::Shift {
                    w.shift = gain;
                    w.back_kwh = o.back_kwh;
                    picked[r][0] = k;
                } else if gain > w.other {
                    w.other = gain;
                    picked[r][1] = k;
                }
            }
            if w.shift.max(w.other) > f64::NEG_INFINITY {
                out.push(w);
            }
        }
    }

    /// What an offer earns at some prices, over its cost.
    pub(crate) fn gain(
        &self,
        prices: &Prices,
        pay: &[f64],
        group: usize,
        offer: usize,
        span: (usize, usize),
    ) -> f64 {
        let o = &self.offers.list[offer];
        let kw = &self.offers.kw[o.at..o.at + (span.1 - span.0)];
        let worth: f64 = kw.iter().zip(&pay[span.0..span.1]).map(|(a, b)| a * b).sum();
        worth - o.cost - o.change - prices.back[group] * o.back_kwh
    }

    /// The exact bound at some prices.
    pub(crate) fn bound(&self, prices: &Prices) -> f64 {
        const PIECES: usize = 16;
        let gains = parallel::map(PIECES, self.threads, |piece| {
            let (mut worths, mut picked, mut answer) = (Vec::new(), Vec::new(), Answer::default());
            let mut sum = 0.0;
            for giver in parallel::range(self.offers.givers.len(), PIECES, piece) {
                self.worths(prices, giver, &mut worths, &mut picked);
                best(&self.offers.givers[giver], &worths, self.tariff.fairness, &mut answer);
                sum += answer.gain;
            }
            sum
        });
        self.constant() + self.asked(prices) - gains.iter().sum::<f64>()
    }

    fn smooth(&self, prices: &Prices, tau: f64, with_slope: bool) -> (f64, Response) {
        let scene = Scene { p: self.p, rows: self.rows, offers: self.offers, fairness: self.tariff.fairness };
        let r = response(scene, prices, Softness { tau, with_slope }, self.threads);
        (self.constant() + self.asked(prices) - r.value, r)
    }

    /// How far demand exceeds the expected supply, row by row.
    fn excess(&self, r: &Response) -> Vec<f64> {
        let t_n = self.p.periods;
        self.list
            .iter()
            .map(|&row| {
                self.demand(row)
                    - match row {
                        Row::System(t) => (0..self.rows.groups).map(|g| r.supply[g * t_n + t]).sum::<f64>(),
                        Row::Area(g, t) => r.supply[g * t_n + t],
                        Row::Back(None) => -r.back_kwh.iter().sum::<f64>(),
                        Row::Back(Some(g)) => -r.back_kwh[g],
                    }
            })
            .collect()
    }

    /// The matrix of how supply reacts to prices, rows x rows.
    fn reaction(&self, r: &Response) -> Vec<f64> {
        let n = self.list.len();
        let mut h = vec![0.0; n * n];
        let (place, total) = places(self.p);
        let slope = |g: usize, t: usize, q: usize| -> f64 {
            match (place[t], place[q]) {
                (Some(i), Some(j)) => r.slope[g][i * total + j],
                _ => 0.0,
            }
        };
        for (i, &a) in self.list.iter().enumerate() {
            for (j, &b) in self.list.iter().enumerate() {
                h[i * n + j] = match (a, b) {
                    (Row::System(t), Row::System(q)) => (0..self.rows.groups).map(|g| slope(g, t, q)).sum(),
                    (Row::System(t), Row::Area(g, q)) | (Row::Area(g, t), Row::System(q)) => slope(g, t, q),
                    (Row::Area(g, t), Row::Area(k, q)) if g == k => slope(g, t, q),
                    (Row::Back(None), Row::Back(None)) => r.back_slope.iter().sum(),
                    (Row::Back(x), Row::Back(y)) => match (x, y) {
                        (Some(g), None) | (None, Some(g)) => r.back_slope[g],
                        (Some(g), Some(k)) if g == k => r.back_slope[g],
                        _ => 0.0,
                    },
                    _ => 0.0,
                };
            }
        }
        h
    }

    /// Climbs to the best prices. Returns them with the bound.
    pub(crate) fn climb(&self) -> (Prices, f64) {
        self.climb_by_stages(|_| {})
    }

    /// As [`Market::climb`]; shows the prices of every temperature on the way.
    pub(crate) fn climb_by_stages(&self, mut stage: impl FnMut(&Prices)) -> (Prices, f64) {
        let n = self.list.len();
        let count = self.offers.list.len().max(1) as f64;
        let mean_cost = self.offers.list.iter().map(|o| o.cost).sum::<f64>() / count;
        let mean_kw = self.offers.kw.iter().sum::<f64>() / self.offers.kw.len().max(1) as f64;
        let span = self.offers.kw.len() as f64 / count;
        let guess = 0.3 * mean_cost / (mean_kw * span).max(1e-9);
        let start =
            self.list.iter().map(|&r| if matches!(r, Row::Back(_)) { 0.0 } else { guess.min(self.cap(r)) });
        let mut prices = self.prices(start.collect());
        let mut top = (prices.clone(), self.bound(&prices));
        if n == 0 || self.offers.givers.is_empty() {
            let full = self.prices(
                self.list
                    .iter()
                    .map(|&r| if matches!(r, Row::Back(_)) { 0.0 } else { self.cap(r) })
                    .collect(),
            );
            let value = self.bound(&full);
            return if value > top.1 { (full, value) } else { top };
        }
        let mut tau = mean_cost.max(1e-6) * 0.5;
        let mut idle = 0;
        for _ in 0..24 {
            prices = self.newton(prices, tau);
            stage(&prices);
            let value = self.bound(&prices);
            let gain = value - top.1;
            if value > top.1 {
                top = (prices.clone(), value);
            }
            idle = if gain > 1e-6 * value.abs() { 0 } else { idle + 1 };
            if idle >= 3 {
                break;
            }
            tau *= 0.4;
        }
        top
    }

    /// Projected Newton steps on the smoothed bound at one temperature.
    fn newton(&self, mut prices: Prices, tau: f64) -> Prices {
        let n = self.list.len();
        let mut damping = 1e-6;
        let (mut value, mut r) = self.smooth(&prices, tau, true);
        for _ in 0..40 {
            let up = self.excess(&r);
            let caps: Vec<f64> = self.list.iter().map(|&row| self.cap(row)).collect();
            let free: Vec<usize> = (0..n)
                .filter(|&i| {
                    !(prices.row[i] <= 0.0 && up[i] <= 0.0 || prices.row[i] >= caps[i] && up[i] >= 0.0)
                })
                .collect();
            if free.is_empty() {
                break;
            }
            let h = self.reaction(&r);
            let scale = (0..n).map(|i| h[i * n + i]).fold(0.0, f64::max).max(1e-12);
            let mut moved = false;
            for _ in 0..8 {
                let lift = |i: usize| damping * (h[i * n + i] + 1e-3 * scale) + 1e-9 * scale;
                let Some(next) = step(&h, &up, &free, &prices.row, &caps, lift) else {
                    damping = (damping * 10.0).max(1e-6);
                    continue;
                };
                let expected: f64 = (0..n).map(|i| up[i] * (next[i] - prices.row[i])).sum();
                let trial = self.prices(next);
                let (trial_value, trial_r) = self.smooth(&trial, tau, true);
                if trial_value >= value + 1e-4 * expected.max(0.0) && trial_value > value {
                    let small = trial_value - value < 1e-8 * value.abs();
                    prices = trial;
                    value = trial_value;
                    r = trial_r;
                    damping *= 0.2;
                    moved = !small;
                    break;
                }
                damping = (damping * 8.0).max(1e-3);
            }
            if !moved {
                break;
            }
        }
        prices
    }
}

/// The top of the local model within 0 and the caps: rows that would leave them are held at their edge and the others
/// solved again. `None` when the matrix is not positive definite.
fn step(
    h: &[f64],
    up: &[f64],
    free: &[usize],
    at: &[f64],
    caps: &[f64],
    lift: impl Fn(usize) -> f64,
) -> Option<Vec<f64>> {
    let n = at.len();
    let mut next = at.to_vec();
    let mut moving = free.to_vec();
    while !moving.is_empty() {
        let size = moving.len();
        let mut a = vec![0.0; size * size];
        let mut d = vec![0.0; size];
        for (x, &i) in moving.iter().enumerate() {
            for (y, &j) in moving.iter().enumerate() {
                a[x * size + y] = h[i * n + j];
            }
            a[x * size + x] += lift(i);
            let held: f64 = (0..n).map(|j| h[i * n + j] * (next[j] - at[j])).sum();
            d[x] = up[i] - held;
        }
        if !solve_spd(&mut a, &mut d, size) {
            return None;
        }
        let inside = |i: usize, d: f64| (0.0..=caps[i]).contains(&(at[i] + d));
        let (stay, leave): (Vec<_>, Vec<_>) = moving.iter().zip(&d).partition(|(i, d)| inside(**i, **d));
        if leave.is_empty() {
            stay.into_iter().for_each(|(&i, d)| next[i] = at[i] + d);
            return Some(next);
        }
        leave.into_iter().for_each(|(&i, d)| next[i] = (at[i] + d).clamp(0.0, caps[i]));
        let kept: Vec<usize> =
            moving.iter().zip(&d).filter(|(i, d)| inside(**i, **d)).map(|x| *x.0).collect();
        moving = kept;
    }
    Some(next)
}

/// Solves a x = b in place by Cholesky; false when `a` is not positive definite.
pub(crate) fn solve_spd(a: &mut [f64], b: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        let (done, rest) = a.split_at_mut(j * n);
        let row = &mut rest[..n];
        for k in 0..j {
            let other = &done[k * n..k * n + k];
            let dot: f64 = row[..k].iter().zip(other).map(|(x, y)| x * y).sum();
            row[k] = (row[k] - dot) / done[k * n + k];
        }
        let d = row[j] - row[..j].iter().map(|x| x * x).sum::<f64>();
        if d <= 0.0 || !d.is_finite() {
            return false;
        }
        row[j] = d.sqrt();
    }
    for j in 0..n {
        let dot: f64 = (0..j).map(|k| a[j * n + k] * b[k]).sum();
        b[j] = (b[j] - dot) / a[j * n + j];
    }
    for j in (0..n).rev() {
        let dot: f64 = (j + 1..n).map(|k| a[k * n + j] * b[k]).sum();
        b[j] = (b[j] - dot) / a[j * n + j];
    }
    true
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_small_system_is_solved() {
        let mut a = vec![4.0, 2.0, 2.0, 3.0];
        let mut b = vec![10.0, 8.0];
        assert!(super::solve_spd(&mut a, &mut b, 2));
        assert!((b[0] - 1.75).abs() < 1e-12 && (b[1] - 1.5).abs() < 1e-12, "{b:?}");
        assert!(!super::solve_spd(&mut [1.0, 2.0, 2.0, 1.0], &mut [1.0, 1.0], 2));
    }
}
