//! Four values side by side: the loops over a run of readings that vector registers carry.
//!
//! Two forms of the same loops, to the bit: one for processors with AVX2, written out, for compilers do not find it; a plain
//! one for processors other than x86, of which each has some such registers. Each loop of the first takes whole fours; what lies
//! behind the last value is made NaN, or weighs nothing.

use crate::exact::Cut;

/// Values side by side.
pub(crate) const LANES: usize = 4;

/// What the levels of a phase come to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Levels {
    /// Highest level; minus infinity without any.
    pub(crate) highest: f64,
    /// Lowest level; infinity without any.
    pub(crate) lowest: f64,
    /// Time with a level.
    pub(crate) ms: i64,
    /// Sum of the levels.
    pub(crate) sum: Cut,
}

/// What powers come to.
#[derive(Clone, Copy)]
pub(crate) struct Powers {
    /// Highest active power; minus infinity without any.
    pub(crate) highest: f64,
    /// Lowest active power; infinity without any.
    pub(crate) lowest: f64,
    /// The largest of both powers in size.
    pub(crate) largest: f64,
    /// Active powers.
    pub(crate) present: i64,
    /// Their sum in whole units.
    pub(crate) units: i64,
}

/// Asks for a value to be brought near the processor, for it is wanted soon.
#[inline(always)]
pub fn fetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of::<T>()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = std::ptr::from_ref(value).cast::<i8>().wrapping_add(line);
        #[allow(unsafe_code)] // takes a pointer
        // SAFETY: nothing is read, whatever the address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(at);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use plain::{first_of, level_run, power_run, time_above, time_below};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{first_of, level_run, power_run, time_above, time_below};

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain {
    use super::{Cut, Levels, Powers};

    /// As `x86::level_run`.
    pub(crate) fn level_run(
        u: &[f64],
        ratio: f64,
        weight_ms: &[i64],
        n: usize,
        levels: &mut [f64],
    ) -> Levels {
        let mut of = Levels { highest: f64::NEG_INFINITY, lowest: f64::INFINITY, ms: 0, sum: Cut::default() };
        for ((level, u), weight) in levels.iter_mut().zip(&u[..n]).zip(weight_ms) {
            *level = u * ratio;
            of.highest = of.highest.max(*level);
            of.lowest = of.lowest.min(*level);
            of.ms += if level.is_nan() { 0 } else { *weight };
            of.sum.add(Cut::of(if level.is_nan() { 0.0 } else { *level }));
        }
        let fours = n.next_multiple_of(super::LANES);
        levels[n..fours].fill(f64::NAN);
        of
    }

    /// As `x86::power_run`.
    pub(crate) fn power_run<const ROOM: usize>(
        p: &[f64],
        q: &[f64],
        n: usize,
        [units, active, reactive]: &mut [[i64; ROOM]; 3],
    ) -> Powers {
        let (mut highest, mut lowest, mut largest) = (f64::NEG_INFINITY, f64::INFINITY, 0.0_f64);
        let (mut present, mut sum) = (0, 0_i64);
        let whole = |value: f64| Cut::of(if value.is_nan() { 0.0 } else { value }).units();
        for at in 0..n {
            let (p, q) = (p[at], q[at]);
            highest = highest.max(p);
            lowest = lowest.min(p);
            largest = largest.max(q.abs());
            present += i64::from(!p.is_nan());
            units[at] = whole(p);
            sum = sum.wrapping_add(units[at]);
            let both = !p.is_nan() && !q.is_nan();
            active[at] = if both { units[at].max(0) } else { 0 };
            reactive[at] = if both { whole(q.abs()) } else { 0 };
        }
        let largest = largest.max(highest).max(-lowest);
        Powers { highest, lowest, largest, present, units: sum }
    }

    fn time(levels: &[f64], weight_ms: &[i64], n: usize, is_so: impl Fn(f64) -> bool) -> i64 {
        levels[..n].iter().zip(weight_ms).map(|(level, ms)| if is_so(*level) { *ms } else { 0 }).sum()
    }

    /// As `x86::time_above`.
    pub(crate) fn time_above(levels: &[f64], weight_ms: &[i64], n: usize, limit: f64) -> i64 {
        time(levels, weight_ms, n, |level| level > limit)
    }

    /// As `x86::time_below`.
    pub(crate) fn time_below(levels: &[f64], weight_ms: &[i64], n: usize, limit: f64) -> i64 {
        time(levels, weight_ms, n, |level| level < limit)
    }

    /// As `x86::first_of`.
    pub(crate) fn first_of(levels: &[f64], n: usize, value: f64) -> Option<usize> {
        levels[..n].iter().position(|level| *level == value)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Cut, LANES, Levels, Powers};

    /// All ones in the lanes behind the last value, by the number of values that are left.
    const BEHIND: [[i64; LANES]; LANES + 1] =
        [[-1, -1, -1, -1], [0, -1, -1, -1], [0, 0, -1, -1], [0, 0, 0, -1], [0, 0, 0, 0]];

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(from: &[f64; LANES]) -> __m256d {
        #[allow(unsafe_code)] // loads take pointers
        // SAFETY: 32 bytes are read of 32.
        unsafe {
            _mm256_loadu_pd(from.as_ptr())
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_whole(from: &[i64; LANES]) -> __m256i {
        #[allow(unsafe_code)] // loads take pointers
        // SAFETY: 32 bytes are read of 32.
        unsafe {
            _mm256_loadu_si256(from.as_ptr().cast())
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(value: __m256d, to: &mut [f64; LANES]) {
        #[allow(unsafe_code)] // stores take pointers
        // SAFETY: 32 bytes are written to 32.
        unsafe {
            _mm256_storeu_pd(to.as_mut_ptr(), value);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_whole(value: __m256i, to: &mut [i64; LANES]) {
        #[allow(unsafe_code)] // stores take pointers
        // SAFETY: 32 bytes are written to 32.
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), value);
        }
    }

    /// The lanes, one after the other.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn lanes(value: __m256d) -> [f64; LANES] {
        let mut lanes = [0.0; LANES];
        store(value, &mut lanes);
        lanes
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum(value: __m256i) -> i64 {
        let mut lanes = [0; LANES];
        store_whole(value, &mut lanes);
        lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn highest(value: __m256d) -> f64 {
        lanes(value).into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lowest(value: __m256d) -> f64 {
        lanes(value).into_iter().fold(f64::INFINITY, f64::min)
    }

    /// The bits of the two numbers that [`Cut::of`] makes, without what was added.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn cut(value: __m256d) -> (__m256i, __m256i) {
        let (of_high, of_low) = (_mm256_set1_pd(Cut::HIGH), _mm256_set1_pd(Cut::LOW));
        let high = _mm256_add_pd(value, of_high);
        let left = _mm256_sub_pd(value, _mm256_sub_pd(high, of_high));
        let low = _mm256_add_pd(left, of_low);
        let whole = |number, of| _mm256_sub_epi64(_mm256_castpd_si256(number), _mm256_castpd_si256(of));
        (whole(high, of_high), whole(low, of_low))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn is_some(value: __m256d) -> __m256d {
        _mm256_cmp_pd::<_CMP_ORD_Q>(value, value)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn time_if(yes: __m256d, weight: &[i64; LANES]) -> __m256i {
        _mm256_and_si256(_mm256_castpd_si256(yes), load_whole(weight))
    }

    /// Fills `levels` with `n` voltages × ratio, NaN behind them, and adds them up.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn level_run(
        u: &[f64],
        ratio: f64,
        weight_ms: &[i64],
        n: usize,
        levels: &mut [f64],
    ) -> Levels {
        let ratio = _mm256_set1_pd(ratio);
        let (mut high, mut low) = (_mm256_set1_pd(f64::NEG_INFINITY), _mm256_set1_pd(f64::INFINITY));
        let (mut ms, mut of_high, mut of_low) =
            (_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256());
        let fours = u.as_chunks::<LANES>().0.iter().zip(levels.as_chunks_mut::<LANES>().0);
        for (at, ((u, level), weight)) in
            fours.zip(weight_ms.as_chunks::<LANES>().0).enumerate().take(n.div_ceil(LANES))
        {
            let behind = load_whole(&BEHIND[(n - at * LANES).min(LANES)]);
            let value = _mm256_or_pd(_mm256_mul_pd(load(u), ratio), _mm256_castsi256_pd(behind));
            store(value, level);
            // Where one of both is NaN these give the second.
            high = _mm256_max_pd(value, high);
            low = _mm256_min_pd(value, low);
            let some = is_some(value);
            ms = _mm256_add_epi64(ms, time_if(some, weight));
            let (of_this, left) = cut(_mm256_and_pd(value, some));
            of_high = _mm256_add_epi64(of_high, of_this);
            of_low = _mm256_add_epi64(of_low, left);
        }
        let sum_of = Cut::new(sum(of_high), sum(of_low));
        Levels { highest: highest(high), lowest: lowest(low), ms: sum(ms), sum: sum_of }
    }

    /// Fills `units` with what `n` powers are in whole units, 0 for NaN: active, active that counts as energy, size of the
    /// reactive; the last two only where both are there.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn power_run<const ROOM: usize>(
        p: &[f64],
        q: &[f64],
        n: usize,
        [units, active, reactive]: &mut [[i64; ROOM]; 3],
    ) -> Powers {
        let (mut high, mut low) = (_mm256_set1_pd(f64::NEG_INFINITY), _mm256_set1_pd(f64::INFINITY));
        let mut largest = _mm256_setzero_pd();
        let (mut missing, mut all) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let sign = _mm256_set1_pd(-0.0);
        let whole = |value: __m256d| {
            let (high, low) = cut(value);
            _mm256_add_epi64(_mm256_slli_epi64::<28>(high), low)
        };
        let units = units.as_chunks_mut::<LANES>().0.iter_mut();
        let energies = active.as_chunks_mut::<LANES>().0.iter_mut().zip(reactive.as_chunks_mut::<LANES>().0);
        let powers = p.as_chunks::<LANES>().0.iter().zip(q.as_chunks::<LANES>().0);
        for (at, ((p, q), (units, (active, reactive)))) in
            powers.zip(units.zip(energies)).enumerate().take(n.div_ceil(LANES))
        {
            let behind = _mm256_castsi256_pd(load_whole(&BEHIND[(n - at * LANES).min(LANES)]));
            let (p, q) = (_mm256_or_pd(load(p), behind), _mm256_or_pd(load(q), behind));
            high = _mm256_max_pd(p, high);
            low = _mm256_min_pd(p, low);
            let size = _mm256_andnot_pd(sign, q);
            largest = _mm256_max_pd(size, largest);
            let some = is_some(p);
            missing = _mm256_add_epi64(missing, _mm256_castpd_si256(some)); // all ones are −1
            let of_p = whole(_mm256_and_pd(p, some));
            all = _mm256_add_epi64(all, of_p);
            store_whole(of_p, units);
            let both = _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_ORD_Q>(p, q));
            let export = _mm256_cmpgt_epi64(_mm256_setzero_si256(), of_p);
            store_whole(_mm256_and_si256(_mm256_andnot_si256(export, of_p), both), active);
            let of_q = whole(_mm256_castsi256_pd(_mm256_and_si256(_mm256_castpd_si256(size), both)));
            store_whole(of_q, reactive);
        }
        let (highest, lowest) = (highest(high), lowest(low));
        let largest = self::highest(largest).max(highest).max(-lowest);
        Powers { highest, lowest, largest, present: -sum(missing), units: sum(all) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn time<const COMPARE: i32>(levels: &[f64], weight_ms: &[i64], n: usize, limit: f64) -> i64 {
        let limit = _mm256_set1_pd(limit);
        let mut ms = _mm256_setzero_si256();
        let fours = levels.as_chunks::<LANES>().0.iter().zip(weight_ms.as_chunks::<LANES>().0);
        for (level, weight) in fours.take(n.div_ceil(LANES)) {
            ms = _mm256_add_epi64(ms, time_if(_mm256_cmp_pd::<COMPARE>(load(level), limit), weight));
        }
        sum(ms)
    }

    /// Time of the first `n` levels that are above a limit.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn time_above(levels: &[f64], weight_ms: &[i64], n: usize, limit: f64) -> i64 {
        time::<_CMP_GT_OQ>(levels, weight_ms, n, limit)
    }

    /// Time of the first `n` levels that are below a limit.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn time_below(levels: &[f64], weight_ms: &[i64], n: usize, limit: f64) -> i64 {
        time::<_CMP_LT_OQ>(levels, weight_ms, n, limit)
    }

    /// Number of the first of `n` levels that is equal to a value.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn first_of(levels: &[f64], n: usize, value: f64) -> Option<usize> {
        let value = _mm256_set1_pd(value);
        for (at, level) in levels.as_chunks::<LANES>().0.iter().enumerate().take(n.div_ceil(LANES)) {
            let equal = _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(load(level), value));
            if equal != 0 {
                return Some(at * LANES + equal.trailing_zeros() as usize);
            }
        }
        None
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    const ROOM: usize = 24;

    #[test]
    fn both_forms_give_the_same_bits() {
        if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("bmi2") {
            return;
        }
        let some = [231.4, -0.0, f64::NAN, 0.0, 198.0, 251.3, 231.4, -7.25, 1.0e-13, 16_384.5];
        for n in 1..=19 {
            for turn in 0..some.len() {
                let column = |by: usize| -> [f64; ROOM] {
                    std::array::from_fn(|at| some[(at * by + turn) % some.len()] * (1.0 + at as f64 / 7.0))
                };
                let mut weights = [0; ROOM];
                weights[..n].iter_mut().enumerate().for_each(|(at, ms)| *ms = 60_000 + at as i64);
                #[allow(unsafe_code)] // functions for newer processors may be called on those only
                // SAFETY: the processor has been asked above.
                unsafe {
                    same(&column(1), &column(3), &weights, n);
                }
            }
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn same(p: &[f64; ROOM], q: &[f64; ROOM], weights: &[i64; ROOM], n: usize) {
        let (mut levels, mut others) = ([1.0; ROOM], [1.0; ROOM]);
        let (a, b) =
            (level_run(p, 3.5, weights, n, &mut levels), plain::level_run(p, 3.5, weights, n, &mut others));
        let bits = |levels: &[f64]| levels[..n].iter().map(|level| level.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&levels), bits(&others));
        assert!(levels[n..n.next_multiple_of(LANES)].iter().all(|level| level.is_nan()));
        assert_eq!((a.highest, a.lowest, a.ms, a.sum), (b.highest, b.lowest, b.ms, b.sum));
        for limit in [231.4 * 3.5, 0.0, a.highest, a.lowest] {
            assert_eq!(time_above(&levels, weights, n, limit), plain::time_above(&levels, weights, n, limit));
            assert_eq!(time_below(&levels, weights, n, limit), plain::time_below(&levels, weights, n, limit));
            assert_eq!(first_of(&levels, n, limit), plain::first_of(&levels, n, limit));
        }
        let (mut units, mut other) = ([[0; ROOM]; 3], [[0; ROOM]; 3]);
        let (a, b) = (power_run(p, q, n, &mut units), plain::power_run(p, q, n, &mut other));
        assert_eq!((a.highest, a.lowest, a.largest), (b.highest, b.lowest, b.largest));
        assert_eq!((a.present, a.units), (b.present, b.units));
        units.iter().zip(&other).for_each(|(units, other)| assert_eq!(units[..n], other[..n]));
    }
}
