//! BCD digits as they lie in a frame of DL/T 645, four numbers at a time.

use keyacct_model::decimal::POW10;

/// Numbers that are read at once.
pub const LANES: usize = 4;
/// Bytes that are looked at; those behind the numbers do not matter.
pub const WINDOW: usize = 28;
/// Bytes of the doubles that come out.
pub const DOUBLES: usize = 8 * LANES;

/// How a BCD number of two to four bytes is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BcdForm {
    /// Bytes of one value, 2..=4.
    pub width: usize,
    /// Places after the point.
    pub scale: u8,
    /// Whether the top bit is a minus sign.
    pub signed: bool,
    /// Power of ten of the places.
    pub divisor: f64,
    digits: u32,
    sign: u32,
    values_of_bytes: u32,
    /// Which byte of the window goes where, first byte of each number highest.
    shuffle: [u8; 16],
}

impl BcdForm {
    /// A form; `width` 2..=4.
    pub fn new(width: u8, scale: u8, signed: bool) -> BcdForm {
        let width = usize::from(width.clamp(2, 4));
        let sign = if signed { 1u32 << (8 * width - 1) } else { 0 };
        let digits = (u32::MAX >> (32 - 8 * width)) & !sign;
        let divisor = POW10.get(usize::from(scale)).copied().unwrap_or(1.0);
        let shuffle = std::array::from_fn(|n| (n / 4 * width + n % 4) as u8);
        let values_of_bytes = 0x1_0000 / width as u32 + 1;
        BcdForm { width, scale, signed, divisor, digits, sign, values_of_bytes, shuffle }
    }

    /// Whole values in up to 255 bytes; by multiplication, as a division for each frame would be felt.
    #[inline]
    pub fn values(&self, bytes: usize) -> usize {
        (bytes * self.values_of_bytes as usize) >> 16
    }
}

/// Reads the first four numbers of `sent`, which has them with the offset 33H, into `doubles` (native byte order). Gives
/// a bit for each that has a digit above 9 and means nothing.
#[inline]
pub fn read_four(sent: &[u8; WINDOW], form: &BcdForm, doubles: &mut [u8; DOUBLES]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return x86::read_four(sent, form, doubles);
    }
    read_four_anywhere(sent, form, doubles)
}

/// All four lanes do the same, without a branch.
fn read_four_anywhere(sent: &[u8; WINDOW], form: &BcdForm, doubles: &mut [u8; DOUBLES]) -> u32 {
    const NIBBLES: u32 = 0x0F0F_0F0F;
    const PAIRS: u32 = 0x00FF_00FF;
    let width = form.width & 7; // at most 3 * 7 + 4 bytes: no index can be out of bounds
    let mut wrong = 0;
    let (all, _) = doubles.as_chunks_mut::<8>();
    for (lane, double) in all.iter_mut().enumerate() {
        let at = lane * width;
        let word = without_offset(u32::from_le_bytes([sent[at], sent[at + 1], sent[at + 2], sent[at + 3]]));
        let digits = word & form.digits;
        let (low, high) = (digits & NIBBLES, (digits >> 4) & NIBBLES);
        wrong |= u32::from(((low + 0x0606_0606) | (high + 0x0606_0606)) & 0x1010_1010 != 0) << lane;
        let pairs = high * 10 + low;
        let fours = ((pairs >> 8) & PAIRS) * 100 + (pairs & PAIRS);
        let eights = ((fours >> 16) * 10_000).wrapping_add(fours & 0xFFFF) as i32;
        let number = if word & form.sign == 0 { eights } else { eights.wrapping_neg() };
        *double = (f64::from(number) / form.divisor).to_ne_bytes();
    }
    wrong
}

/// 33H taken from each byte of a word.
#[inline]
pub fn without_offset(sent: u32) -> u32 {
    const OFFSET: u32 = 0x3333_3333;
    const TOP: u32 = 0x8080_8080;
    ((sent | TOP) - OFFSET) ^ ((sent ^ !OFFSET) & TOP)
}

/// The same with vector instructions of 2013 and later.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores take pointers, and a function for newer processors may be called on those only
mod x86 {
    use std::arch::x86_64::*;

    use super::{BcdForm, DOUBLES, WINDOW};

    /// See [`super::read_four`]. To be called where AVX2 has been found only.
    #[inline]
    pub(super) fn read_four(sent: &[u8; WINDOW], form: &BcdForm, doubles: &mut [u8; DOUBLES]) -> u32 {
        // SAFETY: the one caller has asked for AVX2 right before.
        unsafe { avx2(sent, form, doubles) }
    }

    #[target_feature(enable = "avx2")]
    fn avx2(sent: &[u8; WINDOW], form: &BcdForm, doubles: &mut [u8; DOUBLES]) -> u32 {
        // SAFETY: 16 bytes are read of 28, and of 16.
        let (window, shuffle) =
            unsafe { (_mm_loadu_si128(sent.as_ptr().cast()), _mm_loadu_si128(form.shuffle.as_ptr().cast())) };
        let words = _mm_shuffle_epi8(_mm_sub_epi8(window, _mm_set1_epi8(0x33)), shuffle);
        let minus = _mm_and_si128(words, _mm_set1_epi32(form.sign as i32));
        let plus = _mm_cmpeq_epi32(minus, _mm_setzero_si128());
        let digits = _mm_and_si128(words, _mm_set1_epi32(form.digits as i32));
        let nibbles = _mm_set1_epi8(0x0F);
        let low = _mm_and_si128(digits, nibbles);
        let high = _mm_and_si128(_mm_srli_epi16(digits, 4), nibbles);
        let wrong = _mm_cmpgt_epi8(_mm_max_epi8(low, high), _mm_set1_epi8(9));
        let right = _mm_castsi128_ps(_mm_cmpeq_epi32(wrong, _mm_setzero_si128()));
        // 16 high + low - 6 high, then pairs of bytes, then pairs of words. Bytes above 127 exist in wrong ones only.
        let twice = _mm_add_epi8(high, high);
        let pairs = _mm_sub_epi8(digits, _mm_add_epi8(_mm_add_epi8(twice, twice), twice));
        let fours = _mm_maddubs_epi16(pairs, _mm_set1_epi16(100 << 8 | 1));
        let eights = _mm_madd_epi16(fours, _mm_set1_epi32(10_000 << 16 | 1));
        let flip = _mm_andnot_si128(plus, _mm_set1_epi32(-1));
        let numbers = _mm_sub_epi32(_mm_xor_si128(eights, flip), flip);
        let scaled = _mm256_div_pd(_mm256_cvtepi32_pd(numbers), _mm256_set1_pd(form.divisor));
        // SAFETY: 32 bytes are written to 32.
        unsafe { _mm256_storeu_pd(doubles.as_mut_ptr().cast(), scaled) };
        !(_mm_movemask_ps(right) as u32) & 0x0F
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read_bcd;
    use keyacct_model::Value;
    use proptest::prelude::*;

    fn slow(sent: &[u8], scale: u8, signed: bool) -> Option<f64> {
        let plain: Vec<u8> = sent.iter().map(|b| b.wrapping_sub(0x33)).collect();
        match read_bcd(&plain, scale, signed).0 {
            Value::Number(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn digits_are_read_as_one_by_one(
            any in any::<[u8; WINDOW]>(), spoil in any::<u32>(), spoil_more in any::<u32>(),
            signed in any::<bool>(), width in 2u8..=4, scale in 0u8..=6,
        ) {
            // Legal digits, but for the bytes that `spoil` names.
            let sent: [u8; WINDOW] = std::array::from_fn(|n| {
                let spoiled = (spoil & spoil_more) >> n & 1 == 1;
                let byte = if spoiled { any[n] } else { (((any[n] >> 4) % 10) << 4) | ((any[n] & 15) % 10) };
                byte.wrapping_add(0x33)
            });
            let form = BcdForm::new(width, scale, signed);
            for read in [read_four, read_four_anywhere] {
                let mut doubles = [0; DOUBLES];
                let wrong = read(&sent, &form, &mut doubles);
                for (lane, bytes) in sent.chunks(form.width).take(LANES).enumerate() {
                    let mut got = [0; 8];
                    got.copy_from_slice(&doubles[8 * lane..][..8]);
                    let number = slow(bytes, scale, signed);
                    prop_assert_eq!(wrong >> lane & 1 == 1, number.is_none());
                    if let Some(number) = number {
                        prop_assert_eq!(f64::from_ne_bytes(got).to_bits(), number.to_bits());
                    }
                }
            }
        }

        #[test]
        fn whole_values_are_counted_as_by_division(bytes in 0usize..=255, width in 2u8..=4) {
            prop_assert_eq!(BcdForm::new(width, 0, false).values(bytes), bytes / usize::from(width));
        }
    }
}
