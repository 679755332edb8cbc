//! The targets without libFuzzer: their seeds, the inputs that once broke them, and mutations of both, always the same
//! ones. `KEYACCT_FUZZ_MUTATIONS` sets how many of each target.

use std::fs;
use std::path::Path;

use keyacct_fuzz::TARGETS;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// One to four of: a byte changed, a bit flipped, a byte in or out, a piece doubled or cut, a piece of another seed.
fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let piece = at..(at + 1 + random.below(16)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 0xFF, 0x7F, 0x80, 0x68, 0x16][random.below(6)],
            3 => bytes.insert(at, random.next() as u8),
            4 if at < bytes.len() => drop(bytes.drain(piece)),
            5 if at < bytes.len() => {
                let doubled = bytes[piece].to_vec();
                bytes.splice(at..at, doubled);
            }
            6 => bytes.truncate(at),
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend(other.get(from..).unwrap_or_default());
            }
        }
    }
    bytes.truncate(4_096);
    bytes
}

#[test]
fn seeds_regressions_and_their_mutations_keep_every_promise() {
    let mutations =
        std::env::var("KEYACCT_FUZZ_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let mut done = Vec::new();
    for (name, run, seeds) in TARGETS {
        let mut seeds = seeds();
        assert!(seeds.len() > 2, "{name} has seeds");
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
        let mut files: Vec<_> =
            fs::read_dir(found).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        seeds.extend(files.iter().map(|file| fs::read(file).expect("a file that was just listed")));
        for seed in &seeds {
            run(seed);
        }
        let mut random = Random(1);
        for _ in 0..mutations {
            run(&mutated(&mut random, &seeds));
        }
        done.push(format!(
            "{name}: {} seeds, {} of them regressions, {mutations} mutations",
            seeds.len(),
            files.len()
        ));
    }
    println!("{}", done.join("\n"));
}
