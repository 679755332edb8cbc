//! States of parts of a meter's readings join to the bits that one pass gives, in any split and grouping.
#![allow(clippy::unwrap_used, reason = "a test stops at the first value that is not as it should be")]

use keyacct_stats::day_state::DayState;
use keyacct_stats::exact::Measured;
use keyacct_stats::month::{Kernel, Meter, MonthTally, Parameters, Parts, Reading, Sink, Tally};
use keyacct_stats::state_bytes::Bytes;
use keyacct_stats::tariff::HalfHours;
use keyacct_stats::voltage::Band;
use proptest::prelude::*;

const INTERVAL: i64 = 900_000;

fn parameters() -> Parameters {
    Parameters {
        pt: 350.0 / 3.0,
        band: Band {
            floor: Measured(5_390.0),
            lower: Measured(7_000.0),
            upper: Measured(8_200.0),
            ceiling: Measured(f64::INFINITY),
        },
        pf_standard: 0.9,
        tariff: HalfHours::parse(&"PFVPFV".repeat(8)).unwrap(),
    }
}

/// What came out, as bytes: NaN and signs of zero count.
#[derive(Default)]
struct Kept {
    rows: Vec<u8>,
    parts: Vec<DayState>,
}

impl Sink for Kept {
    fn day(&mut self, day: i64, tally: &Tally) {
        day.write(&mut self.rows);
        tally.write(&mut self.rows);
    }
    fn month(&mut self, day: i64, tally: &MonthTally) {
        day.write(&mut self.rows);
        tally.write(&mut self.rows);
    }
    fn part(&mut self, state: Box<DayState>) {
        self.parts.push(*state);
    }
}

fn in_one_pass(readings: &[Reading]) -> Vec<u8> {
    let mut kept = Kept::default();
    let mut meter = Meter::new(readings[0]);
    for r in &readings[1..] {
        meter.push(*r, INTERVAL, &parameters(), &mut kept).unwrap();
    }
    meter.finish(INTERVAL, &parameters(), &mut kept);
    kept.rows
}

fn parts_of(readings: &[Reading]) -> Vec<DayState> {
    let mut kept = Kept::default();
    let mut parts = Parts::new(readings[0]);
    for r in &readings[1..] {
        parts.push(*r, INTERVAL, &parameters(), &mut kept).unwrap();
    }
    parts.finish(INTERVAL, &parameters(), &mut kept);
    kept.parts
}

fn absorbed(parts: &[DayState]) -> Vec<u8> {
    let mut kept = Kept::default();
    let mut meter = Meter::from_part(parts[0].clone());
    for part in &parts[1..] {
        meter.absorb(part, INTERVAL, &parameters(), &mut kept).unwrap();
        // A state survives being written and read back at any place.
        let mut bytes = Vec::new();
        meter.write(&mut bytes);
        meter = Meter::read(&mut &bytes[..]).unwrap();
    }
    meter.finish(INTERVAL, &parameters(), &mut kept);
    kept.rows
}

fn value(most: f32) -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0.0..most).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(0.0),
        1 => (-most..most).prop_map(f64::from),
    ]
}

prop_compose! {
    /// Readings with gaps, corrections, readings off the grid, over days and the end of a leap February.
    fn readings()(
        steps in prop::collection::vec(
            (
                prop_oneof![6 => Just(INTERVAL), 2 => Just(0_i64), 2 => 1..INTERVAL, 2 => INTERVAL..100_000_000_i64],
                prop::array::uniform3(value(90.0)), value(5_000.0), value(3_000.0), value(9.0e5), value(9.0e5),
            ),
            1..60,
        ),
    ) -> Vec<Reading> {
        let mut ts = 951_700_000_000; // 28 February 2000
        steps.into_iter().map(|(step, u, p, q, ep, eq)| {
            ts += step;
            Reading { ts, u: u.map(f64::abs), p, q, ep, eq }
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_split_and_grouping_gives_the_bits_of_one_pass(
        readings in readings(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        pairs in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let expected = in_one_pass(&readings);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(readings.len())).chain([0, readings.len()]).collect();
        at.sort_unstable();
        at.dedup();
        let mut parts: Vec<DayState> = at.windows(2).flat_map(|w| parts_of(&readings[w[0]..w[1]])).collect();
        prop_assert_eq!(&absorbed(&parts), &expected);
        // Neighbours of one day are joined first, in any order.
        for pair in pairs {
            if parts.len() < 2 {
                break;
            }
            let n = pair.index(parts.len() - 1);
            if parts[n].open.day == parts[n + 1].open.day {
                let later = parts.remove(n + 1);
                let DayState { open, hour } = &mut parts[n];
                open.merge(&later, INTERVAL, &parameters(), hour).unwrap();
            }
        }
        prop_assert_eq!(&absorbed(&parts), &expected);
    }

    #[test]
    fn bytes_that_are_no_state_are_refused_and_never_panic(
        readings in readings(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        parts_of(&readings)[0].write(&mut bytes);
        let whole = bytes.len();
        for end in [0, at.index(whole), whole - 1] {
            prop_assert!(DayState::read(&mut &bytes[..end]).is_none());
        }
        let n = at.index(whole);
        bytes[n] = byte;
        let _ = DayState::read(&mut &bytes[..]);
    }
}

#[test]
fn a_state_of_a_day_takes_about_a_kilobyte() {
    let readings: Vec<Reading> = (0..96)
        .map(|n| {
            let x = f64::from(n as f32 * 0.37 + 51.3);
            Reading { ts: 951_696_000_000 + n * INTERVAL, u: [x; 3], p: x * 3.0, q: x, ep: x, eq: x }
        })
        .collect();
    let mut bytes = Vec::new();
    parts_of(&readings)[0].write(&mut bytes);
    assert!((500..1_200).contains(&bytes.len()), "{} bytes", bytes.len());
}
