//! One customer at given prices: which blocks, and in each block a shift or his best other measure. Exact.

use crate::offers::Giver;

/// What a block is worth to a customer at given prices; `NEG_INFINITY` where nothing is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worth {
    pub block: usize,
    pub shift: f64,
    pub other: f64,
    /// kWh that come back if the block is shifted.
    pub back_kwh: f64,
    pub hours: f64,
}

/// The answer: gain over doing nothing, and per block 0 nothing, 1 shift, 2 the best other measure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub gain: f64,
    pub picks: Vec<(usize, u8)>,
}

/// Blocks up to which all combinations are tried (3^9 = 19,683).
const ENUMERATED: usize = 9;

/// The best answer. With more than nine worthwhile blocks and a binding return limit the limit is left out: the gain
/// is then too high, never too low, so that a bound made of it holds.
pub(crate) fn best(giver: &Giver, worths: &[Worth], fairness: f64, answer: &mut Answer) {
    answer.gain = 0.0;
    answer.picks.clear();
    let mut list: Vec<Worth> = worths.iter().copied().filter(|w| w.shift > 0.0 || w.other > 0.0).collect();
    if list.is_empty() || giver.blocks_left == 0 {
        return;
    }
    let wanted: f64 = list.iter().filter(|w| w.shift > 0.0).map(|w| w.back_kwh).sum();
    let coupled = fairness > 0.0 || wanted > giver.back_cap_kwh;
    if coupled && list.len() <= ENUMERATED {
        enumerate(giver, &list, fairness, answer);
        return;
    }
    if fairness > 0.0 {
        for w in &mut list {
            // The square of a sum is at least the sum of the squares: a lower cost, a higher gain.
            let price = fairness * w.hours * (2.0 * giver.history_h + w.hours);
            w.shift -= price;
            w.other -= price;
        }
    }
    list.retain(|w| w.shift.max(w.other) > 0.0);
    list.sort_by(|a, b| b.shift.max(b.other).total_cmp(&a.shift.max(a.other)).then(a.block.cmp(&b.block)));
    list.truncate(giver.blocks_left);
    let gain: f64 = list.iter().map(|w| w.shift.max(w.other)).sum::<f64>() - giver.touch;
    if gain <= 0.0 {
        return;
    }
    answer.gain = gain;
    let mut left = giver.back_cap_kwh;
    for w in &list {
        let shift = w.shift >= w.other;
        if shift && w.back_kwh > left {
            if w.other > 0.0 {
                answer.picks.push((w.block, 2));
            }
        } else {
            left -= if shift { w.back_kwh } else { 0.0 };
            answer.picks.push((w.block, if shift { 1 } else { 2 }));
        }
    }
}

/// Extra cost of hours under the fairness option: price x ((h + hours)^2 - h^2).
pub(crate) fn fairness_cost(fairness: f64, history_h: f64, hours: f64) -> f64 {
    fairness * hours * (2.0 * history_h + hours)
}

fn enumerate(giver: &Giver, list: &[Worth], fairness: f64, answer: &mut Answer) {
    struct Walk<'a> {
        giver: &'a Giver,
        list: &'a [Worth],
        fairness: f64,
        picks: [u8; ENUMERATED],
        best: f64,
        best_picks: [u8; ENUMERATED],
    }
    impl Walk<'_> {
        fn go(&mut self, k: usize, used: usize, gain: f64, back: f64, hours: f64) {
            if k == self.list.len() {
                let total =
                    gain - self.giver.touch - fairness_cost(self.fairness, self.giver.history_h, hours);
                if used > 0 && total > self.best {
                    self.best = total;
                    self.best_picks = self.picks;
                }
                return;
            }
            let w = self.list[k];
            self.picks[k] = 0;
            self.go(k + 1, used, gain, back, hours);
            if used == self.giver.blocks_left {
                return;
            }
            if w.other > 0.0 {
                self.picks[k] = 2;
                self.go(k + 1, used + 1, gain + w.other, back, hours + w.hours);
            }
            if w.shift > w.other && back + w.back_kwh <= self.giver.back_cap_kwh {
                self.picks[k] = 1;
                self.go(k + 1, used + 1, gain + w.shift, back + w.back_kwh, hours + w.hours);
            }
        }
    }
    let mut walk =
        Walk { giver, list, fairness, picks: [0; ENUMERATED], best: 0.0, best_picks: [0; ENUMERATED] };
    walk.go(0, 0, 0.0, 0.0, 0.0);
    answer.gain = walk.best;
    if walk.best > 0.0 {
        answer.picks.extend(
            list.iter().zip(walk.best_picks).filter(|(_, pick)| *pick > 0).map(|(w, pick)| (w.block, pick)),
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All 3^n answers, each judged on its own.
    fn slow(giver: &Giver, worths: &[Worth], fairness: f64) -> f64 {
        let mut best = 0.0f64;
        for mut code in 0..3usize.pow(worths.len() as u32) {
            let (mut gain, mut back, mut hours, mut used) = (0.0, 0.0, 0.0, 0);
            for w in worths {
                match code % 3 {
                    0 => {}
                    1 => {
                        gain += w.shift;
                        back += w.back_kwh;
                        hours += w.hours;
                        used += 1;
                    }
                    _ => {
                        gain += w.other;
                        hours += w.hours;
                        used += 1;
                    }
                }
                code /= 3;
            }
            if used > 0 && used <= giver.blocks_left && back <= giver.back_cap_kwh {
                let after = giver.history_h + hours;
                let fair = fairness * (after * after - giver.history_h * giver.history_h);
                best = best.max(gain - giver.touch - fair);
            }
        }
        best
    }

    proptest! {
        #[test]
        fn the_best_answer_is_the_best_of_all(
            rows in prop::collection::vec((-50.0..100.0f64, -50.0..100.0f64, 0.0..30.0f64, 0.5..2.0f64), 0..6),
            blocks_left in 0usize..4, cap in 0.0..60.0f64, touch in 0.0..30.0f64,
            fairness in prop_oneof![Just(0.0), 0.1..3.0f64], history_h in 0.0..20.0f64,
        ) {
            let worths: Vec<Worth> = rows
                .iter()
                .enumerate()
                .map(|(block, &(shift, other, back_kwh, hours))| Worth { block, shift, other, back_kwh, hours })
                .collect();
            let giver = Giver {
                customer: 0, group: 0, blocks_left, touch, back_cap_kwh: cap, history_h, burden: 1.0,
            };
            let mut answer = Answer::default();
            best(&giver, &worths, fairness, &mut answer);
            prop_assert!((answer.gain - slow(&giver, &worths, fairness)).abs() < 1e-9);
        }
    }
}
