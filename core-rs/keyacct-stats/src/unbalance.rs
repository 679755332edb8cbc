//! Unbalance of three phases: voltage by the three line voltages (GB/T 15543-2008), current by its spread (SD 292-88), and
//! the figures of a point from its values.

/// A triangle is missed by so little only where numbers are rounded.
const ROUNDING: f64 = 1e-9;
/// The share of the time that keeps the value told.
const MOST_OF_THE_TIME: f64 = 0.95;

/// Negative over positive sequence, 0..1, from three line voltages; nothing where they make no triangle.
///
/// L = (a⁴+b⁴+c⁴)/(a²+b²+c²)², ε = √((1−√(3−6L))/(1+√(3−6L))). Source: GB/T 15543-2008, annex.
pub fn of_lines(lines: [f64; 3]) -> Option<f64> {
    let squares = lines.map(|v| v * v);
    let sum: f64 = squares.iter().sum();
    if sum <= 0.0 {
        return None;
    }
    let inner = 3.0 - 6.0 * squares.iter().map(|v| v * v).sum::<f64>() / (sum * sum);
    if inner < 0.0 {
        return (inner >= -ROUNDING).then_some(1.0);
    }
    let root = inner.sqrt();
    Some(((1.0 - root) / (1.0 + root)).max(0.0).sqrt())
}

/// Line voltages of phase voltages that stand 120° apart.
pub fn lines_of([a, b, c]: [f64; 3]) -> [f64; 3] {
    [(a, b), (b, c), (c, a)].map(|(x, y)| (x * x + y * y + x * y).sqrt())
}

/// (highest − lowest) / highest of the currents' sizes, 0..1; nothing without current.
pub fn of_currents(amperes: &[f64]) -> Option<f64> {
    let sizes = || amperes.iter().map(|a| a.abs());
    let highest = sizes().fold(0.0, f64::max);
    (highest > 0.0).then(|| (highest - sizes().fold(highest, f64::min)) / highest)
}

/// What a point's values come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Mean, weighed by time.
    pub mean: f64,
    /// The value that 95 % of the time keep.
    pub p95: f64,
    /// Highest value.
    pub max: f64,
    /// First instant that has it.
    pub max_at_ms: i64,
    /// Time above the limit.
    pub over_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    share: f64,
    weight_ms: i64,
    at_ms: i64,
}

/// Values of one point, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Shares(Vec<Value>);

impl Shares {
    /// Adds a value, the time it stands for, and its stamp.
    pub fn add(&mut self, share: f64, weight_ms: i64, at_ms: i64) {
        self.0.push(Value { share, weight_ms, at_ms });
    }

    /// The figures of all values, which are forgotten; nothing without time.
    pub fn take(&mut self, limit: f64) -> Option<Figures> {
        let time: i64 = self.0.iter().map(|value| value.weight_ms).sum();
        let over_ms = self.0.iter().filter(|value| value.share > limit).map(|value| value.weight_ms).sum();
        let mean = sum(self.0.iter().map(|value| value.share * value.weight_ms as f64)) / time as f64;
        self.0.sort_by(|a, b| a.share.total_cmp(&b.share).then(b.at_ms.cmp(&a.at_ms)));
        let highest = self.0.last().copied();
        let (mut kept, mut p95) = (0, 0.0);
        for value in self.0.drain(..) {
            (kept, p95) = (kept + value.weight_ms, value.share);
            if kept as f64 >= MOST_OF_THE_TIME * time as f64 {
                break;
            }
        }
        let highest = highest.filter(|_| time > 0)?;
        Some(Figures { mean, p95, max: highest.share, max_at_ms: highest.at_ms, over_ms })
    }
}

/// A sum with what rounding lost added at the end (Neumaier).
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phase voltages of a positive sequence of 1 and a negative one of `share` at an angle.
    fn phases(share: f64, angle: f64) -> [(f64, f64); 3] {
        [0.0, 1.0, 2.0].map(|k| {
            let turn = k * std::f64::consts::TAU / 3.0;
            let of = |size: f64, at: f64| (size * at.cos(), size * at.sin());
            let (positive, negative) = (of(1.0, -turn), of(share, angle + turn));
            (positive.0 + negative.0, positive.1 + negative.1)
        })
    }

    #[test]
    fn voltage_unbalance_is_negative_over_positive_sequence() {
        for share in [0.0, 0.005, 0.02, 0.3] {
            for angle in [0.0, 1.0, 2.5] {
                let phases = phases(share, angle);
                let lines = [(0, 1), (1, 2), (2, 0)].map(|(a, b): (usize, usize)| {
                    (phases[a].0 - phases[b].0).hypot(phases[a].1 - phases[b].1)
                });
                let found = of_lines(lines).unwrap();
                assert!((found - share).abs() < 2e-8, "{found} of {share} at {angle}");
            }
        }
        assert_eq!(of_lines([0.0; 3]), None);
        assert_eq!(of_lines([1.0, 1.0, 3.0]), None);
        assert_eq!(of_lines([1.0, 1.0, 2.0]), Some(1.0));
        // A millivolt beside a triangle, as meters' last digits leave it; a volt beside one is none.
        assert_eq!(of_lines([171.599, 171.6, 0.0]), Some(1.0));
        assert_eq!(of_lines([170.6, 171.6, 0.0]), None);
        assert!(of_lines(lines_of([230.0; 3])).is_some_and(|share| share < 2e-8));
    }

    #[test]
    fn current_unbalance_is_the_spread_of_the_sizes() {
        assert_eq!(of_currents(&[2.0, -1.5, 1.0]), Some(0.5));
        assert_eq!(of_currents(&[2.0, 2.0]), Some(0.0));
        assert_eq!(of_currents(&[0.0; 3]), None);
        assert_eq!(of_currents(&[]), None);
    }

    #[test]
    fn figures_weigh_by_time_and_keep_the_first_of_equal_extremes() {
        let mut shares = Shares::default();
        assert_eq!(shares.take(0.02), None);
        for (n, share) in [0.01, 0.04, 0.03, 0.04].into_iter().enumerate() {
            shares.add(share, if n == 0 { 97 } else { 1 }, n as i64);
        }
        let found = shares.take(0.02).unwrap();
        assert_eq!((found.p95, found.max, found.max_at_ms, found.over_ms), (0.01, 0.04, 1, 3));
        assert!((found.mean - 0.0108).abs() < 1e-15);
        assert_eq!(shares.take(0.02), None);
    }

    #[test]
    fn a_sum_keeps_what_rounding_loses() {
        assert_eq!(sum([1e16, 1.0, 1.0, -1e16].into_iter()), 2.0);
    }
}
