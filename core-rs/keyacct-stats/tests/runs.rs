//! Readings that are counted together give the bits of one reading after the other.
#![allow(clippy::unwrap_used, reason = "a test stops at the first value that is not as it should be")]

use keyacct_stats::exact::Measured;
use keyacct_stats::month::{Kernel, Meter, MonthTally, Parameters, Reading, Sink, Tally};
use keyacct_stats::reading_run::{MOST, ReadingRun, Readings};
use keyacct_stats::state_bytes::Bytes;
use keyacct_stats::tariff::HalfHours;
use keyacct_stats::voltage::Band;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;

#[derive(Clone, Debug)]
struct Given(Vec<Reading>);

impl Readings for Given {
    fn ts(&self, from: usize) -> impl Iterator<Item = i64> {
        self.0[from..].iter().map(|r| r.ts)
    }
    fn u(&self, phase: usize, from: usize) -> impl Iterator<Item = f64> {
        self.0[from..].iter().map(move |r| r.u[phase])
    }
    fn p(&self, from: usize) -> impl Iterator<Item = f64> {
        self.0[from..].iter().map(|r| r.p)
    }
    fn q(&self, from: usize) -> impl Iterator<Item = f64> {
        self.0[from..].iter().map(|r| r.q)
    }
    fn ep(&self, from: usize) -> impl Iterator<Item = f64> {
        self.0[from..].iter().map(|r| r.ep)
    }
    fn eq(&self, from: usize) -> impl Iterator<Item = f64> {
        self.0[from..].iter().map(|r| r.eq)
    }
    fn reading(&self, n: usize) -> Reading {
        self.0[n]
    }
}

/// What came out, as bytes: NaN and signs of zero count.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Sink for Kept {
    fn day(&mut self, day: i64, tally: &Tally) {
        day.write(&mut self.0);
        tally.write(&mut self.0);
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        day.write(&mut self.0);
        tally.write(&mut self.0);
    }
}

fn one_by_one(readings: &[Reading], interval_ms: i64, of: &Parameters) -> Vec<u8> {
    let mut kept = Kept::default();
    let mut meter = Meter::new(readings[0]);
    for reading in &readings[1..] {
        meter.push(*reading, interval_ms, of, &mut kept).unwrap();
    }
    meter.finish(interval_ms, of, &mut kept);
    kept.0
}

/// In runs of the lengths that `lengths` gives again and again; also how many readings were counted together.
fn in_runs(readings: &Given, lengths: &[usize], interval_ms: i64, of: &Parameters) -> (Vec<u8>, usize) {
    let (mut kept, mut run, mut together) = (Kept::default(), ReadingRun::default(), 0);
    let mut meter = Meter::new(readings.reading(0));
    let (mut done, mut lengths) = (1, lengths.iter().cycle());
    while done < readings.0.len() {
        let len = (*lengths.next().unwrap()).min(readings.0.len() - done);
        run.fill(readings, done, len);
        let (first, end) = (done, done + len);
        while done < end {
            let taken = meter.take(&mut run, done - first, interval_ms, of);
            together += taken;
            done += taken;
            if done < end {
                meter.push(readings.reading(done), interval_ms, of, &mut kept).unwrap();
                done += 1;
            }
        }
    }
    meter.finish(interval_ms, of, &mut kept);
    (kept.0, together)
}

/// Mostly of a few levels, so that there are equals; also none, zeros of both signs, absurd ones, and single or double
/// precision.
fn value(most: f64) -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (0..40).prop_map(move |n| most * f64::from(n) / 40.0),
        6 => 0.0..most,
        4 => (0.0..most).prop_map(|v| f64::from(v as f32)),
        2 => -most..most,
        2 => Just(f64::NAN),
        1 => prop_oneof![Just(0.0), Just(-0.0)],
    ]
}

/// Rarely a value that cannot be: then readings are counted one by one.
fn absurd(most: f64) -> impl Strategy<Value = f64> {
    prop_oneof![400 => value(most), 1 => -1e12..1e12_f64]
}

prop_compose! {
    fn readings(interval_ms: i64)(
        begin in 0..86_400_000_i64,
        steps in prop::collection::vec(
            (
                prop_oneof![
                    20 => Just(interval_ms),
                    1 => Just(0_i64),
                    1 => 1..interval_ms,
                    1 => interval_ms..50 * interval_ms,
                ],
                prop::array::uniform3(absurd(250.0)), absurd(5_000.0), absurd(3_000.0), value(9.0e5), value(9.0e5),
            ),
            1..400,
        ),
    ) -> Given {
        let mut ts = 951_609_600_000 + begin / MINUTE * MINUTE; // 27 February 2000
        Given(steps.into_iter().map(|(step, u, p, q, ep, eq)| {
            ts += step;
            Reading { ts, u, p, q, ep, eq }
        }).collect())
    }
}

prop_compose! {
    fn parameters()(pt in prop_oneof![Just(1.0), Just(100.0), Just(350.0 / 3.0), Just(2_200.0)], floor in 0.0..0.8) -> Parameters {
        let level = |share: f64| Measured(220.0 * pt * share);
        Parameters {
            pt,
            band: Band { floor: level(floor), lower: level(0.9), upper: level(1.07), ceiling: level(1.1) },
            pf_standard: 0.9,
            tariff: HalfHours::parse(&"PFVVFP".repeat(8)).unwrap(),
        }
    }
}

/// Of an interval and its readings.
fn series() -> impl Strategy<Value = (i64, Given)> {
    prop_oneof![Just(15), Just(15), Just(1), Just(5), Just(30), Just(60)]
        .prop_flat_map(|minutes| (Just(minutes * MINUTE), readings(minutes * MINUTE)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn runs_of_any_length_give_the_bits_of_one_reading_after_the_other(
        (interval_ms, readings) in series(),
        lengths in prop::collection::vec(1..=MOST, 1..6),
        of in parameters(),
    ) {
        let expected = one_by_one(&readings.0, interval_ms, &of);
        prop_assert!(in_runs(&readings, &lengths, interval_ms, &of).0 == expected);
    }
}

#[test]
fn a_plain_day_is_counted_together() {
    let day = (0..96).map(|n| {
        let x = f64::from(n) * 0.37;
        Reading {
            ts: 951_609_600_000 + n_ms(n),
            u: [215.0 + x, 240.0 - x, f64::NAN],
            p: x * x,
            q: x,
            ep: x,
            eq: x,
        }
    });
    let of = Parameters {
        pt: 1.0,
        band: Band {
            floor: Measured(154.0),
            lower: Measured(198.0),
            upper: Measured(235.4),
            ceiling: Measured(f64::INFINITY),
        },
        pf_standard: 0.9,
        tariff: HalfHours::parse(&"F".repeat(48)).unwrap(),
    };
    let readings = Given(day.collect());
    let (bytes, together) = in_runs(&readings, &[96], 15 * MINUTE, &of);
    assert_eq!(bytes, one_by_one(&readings.0, 15 * MINUTE, &of));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
        assert_eq!(together, 95);
    }
    #[cfg(not(target_arch = "x86_64"))]
    assert_eq!(together, 95);
}

fn n_ms(n: i32) -> i64 {
    i64::from(n) * 15 * MINUTE
}
