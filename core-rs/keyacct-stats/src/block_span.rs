//! Block demand of a span of time that may begin and end within a block, so that spans can be joined.

use crate::exact::{Cut, total};
use crate::four::Powers;
use crate::load::BLOCK_MS;

/// Powers that are further apart, kW, never make the same demand; they are below [`Cut::UNITS_BELOW`].
const CLOSE_KW: f64 = 1e-9;

/// What is known of a block: its number, the time with values and their sum. Without time there is no block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Number of the block since 1970-01-01.
    pub number: i64,
    /// Time with values.
    pub ms: i64,
    /// Σ power × ms, see [`amount`](crate::exact::amount).
    pub sum: i128,
}

impl Block {
    fn demand(&self) -> f64 {
        total(self.sum) / self.ms as f64
    }

    /// Whether its demand is higher; any demand is higher than none. Of blocks with the same time the sums tell most
    /// cases apart without a division.
    #[inline(always)]
    fn above(&self, other: &Block) -> bool {
        (self.ms != other.ms || self.sum > other.sum) && (other.ms == 0 || self.demand() > other.demand())
    }

    /// Whether its demand is lower; any demand is lower than none.
    #[inline(always)]
    fn below(&self, other: &Block) -> bool {
        (self.ms != other.ms || self.sum < other.sum) && (other.ms == 0 || self.demand() < other.demand())
    }
}

/// Highest and lowest block demand with the first block that has them, mean, and the two blocks at the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockSpan {
    /// Time with a value.
    pub weight_ms: i64,
    /// Σ power × ms.
    pub sum: i128,
    /// The first block once a later one has come; what lies before this span may add to it.
    pub head: Block,
    /// The last block; what comes may add to it.
    pub tail: Block,
    /// The block between them with the highest demand, the first of equals.
    pub highest: Block,
    /// The block between them with the lowest demand, the first of equals.
    pub lowest: Block,
}

/// Demands of a span, and their blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demands {
    /// Highest demand and the first block that has it.
    pub highest: (f64, i64),
    /// Lowest demand and the first block that has it.
    pub lowest: (f64, i64),
    /// Mean of the time with values.
    pub mean: f64,
}

impl BlockSpan {
    /// Adds power × ms (see [`amount`](crate::exact::amount)) of `weight_ms` of a block; blocks come in order.
    #[inline(always)]
    pub fn add(&mut self, amount: i128, weight_ms: i64, block: i64) {
        if block != self.tail.number {
            self.close();
            self.tail.number = block;
        }
        self.tail.ms += weight_ms;
        self.tail.sum += amount;
        self.weight_ms += weight_ms;
        self.sum += amount;
    }

    #[inline(always)]
    fn close(&mut self) {
        let block = std::mem::take(&mut self.tail);
        if block.ms > 0 {
            self.judge(block);
        }
    }

    #[inline(always)]
    fn judge(&mut self, block: Block) {
        if self.head.ms == 0 {
            self.head = block;
            return;
        }
        if block.above(&self.highest) {
            self.highest = block;
        }
        if block.below(&self.lowest) {
            self.lowest = block;
        }
    }

    /// Adds powers, NaN for none, that stand for `weight_ms` each, a block or more, and so have a block of their own each.
    /// `of` is what they come to; one is there at least.
    #[inline]
    pub(crate) fn add_blocks(&mut self, powers: &[f64], of: &Powers, weight_ms: i64, ts: &[i64]) {
        let of_power = |p: f64| Block { number: 0, ms: weight_ms, sum: Cut::of(p).over(weight_ms) };
        let block = |n: usize| Block { number: ts[n].div_euclid(BLOCK_MS), ..of_power(powers[n]) };
        let first = powers.iter().position(|p| !p.is_nan());
        let last = powers.iter().rposition(|p| !p.is_nan());
        let (Some(first), Some(last)) = (first, last) else { return };
        let before = block(first);
        self.add(before.sum, weight_ms, before.number);
        if first == last {
            return;
        }
        self.close();
        // What lies between makes whole blocks, of which only the outermost can be the outermost of all: the first of those
        // with its demand, which rounding may make of powers that differ.
        let between = &powers[first + 1..last];
        let same_demand = |extreme: f64| {
            let demand = of_power(extreme).demand();
            let close = |p: &f64| (p - extreme).abs() < CLOSE_KW && of_power(*p).demand() == demand;
            between.iter().position(close).map(|n| block(first + 1 + n))
        };
        if of_power(of.highest).above(&self.highest) {
            let highest = between.iter().fold(f64::NEG_INFINITY, |high, p| p.max(high));
            let found = of_power(highest).above(&self.highest).then(|| same_demand(highest));
            self.highest = found.flatten().unwrap_or(self.highest);
        }
        if of_power(of.lowest).below(&self.lowest) {
            let lowest = between.iter().fold(f64::INFINITY, |low, p| p.min(low));
            let found = of_power(lowest).below(&self.lowest).then(|| same_demand(lowest));
            self.lowest = found.flatten().unwrap_or(self.lowest);
        }
        self.tail = block(last);
        self.weight_ms += (of.present - 1) * weight_ms;
        self.sum += i128::from(of.units) * i128::from(weight_ms) - before.sum;
    }

    /// Adds what a later span gave; the last block of this one and the first of that may be one block.
    pub fn merge(&mut self, later: &BlockSpan) {
        self.weight_ms += later.weight_ms;
        self.sum += later.sum;
        let several = later.head.ms > 0;
        let first = if several { later.head } else { later.tail };
        if first.ms == 0 {
            return;
        }
        if self.tail.ms == 0 || self.tail.number != first.number {
            self.close();
            self.tail = first;
        } else {
            self.tail.ms += first.ms;
            self.tail.sum += first.sum;
        }
        if several {
            self.close();
            if later.highest.ms > 0 && later.highest.above(&self.highest) {
                self.highest = later.highest;
            }
            if later.lowest.ms > 0 && later.lowest.below(&self.lowest) {
                self.lowest = later.lowest;
            }
            self.tail = later.tail;
        }
    }

    /// The demands when nothing comes before or after; nothing without values.
    pub fn demands(&self) -> Option<Demands> {
        let mut whole = *self;
        whole.close();
        let first = whole.head;
        if first.ms == 0 {
            return None;
        }
        // The head is the earliest block, so it also wins what is equal.
        let pick = |inner: bool, block: Block| if inner { block } else { first };
        let highest = pick(whole.highest.ms > 0 && whole.highest.above(&first), whole.highest);
        let lowest = pick(whole.lowest.ms > 0 && whole.lowest.below(&first), whole.lowest);
        Some(Demands {
            highest: (highest.demand(), highest.number),
            lowest: (lowest.demand(), lowest.number),
            mean: total(whole.sum) / whole.weight_ms as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::amount;

    fn span(readings: &[(f64, i64, i64)]) -> BlockSpan {
        let mut span = BlockSpan::default();
        readings.iter().for_each(|&(p, ms, block)| span.add(amount(p, ms), ms, block));
        span
    }

    #[test]
    fn the_demand_of_a_block_is_its_weighted_mean_and_the_first_of_equals_is_named() {
        let all = [(1.0, 300, 4), (4.0, 600, 4), (3.0, 900, 5), (0.5, 900, 7), (0.5, 900, 8)];
        let demands = span(&all).demands().unwrap();
        assert_eq!((demands.highest, demands.lowest), ((3.0, 4), (0.5, 7)));
        assert_eq!(demands.mean, 6300.0 / 3600.0);
        assert_eq!(BlockSpan::default().demands(), None);
    }

    #[test]
    fn a_block_that_two_spans_share_is_one_block() {
        let all = [(1.0, 300, 4), (4.0, 600, 4), (3.0, 900, 5), (9.0, 100, 7), (0.5, 800, 7)];
        for cut in 0..=all.len() {
            for second in cut..=all.len() {
                let (mut a, mut b) = (span(&all[..cut]), span(&all[cut..second]));
                let c = span(&all[second..]);
                let mut left = a;
                left.merge(&b);
                left.merge(&c);
                b.merge(&c);
                a.merge(&b);
                assert_eq!((left, a), (span(&all), span(&all)), "cut at {cut} and {second}");
            }
        }
    }
}
