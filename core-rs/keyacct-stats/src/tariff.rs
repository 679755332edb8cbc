//! Tariff period of each half hour of a day, packed so that it lies beside the limits of its meter.

/// Half-hour slots of a day.
pub const SLOTS: usize = 48;
/// Milliseconds of a slot.
pub const SLOT_MS: i64 = 1_800_000;

/// Peak, flat or valley for each half hour: two bits a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfHours(u128);

/// The letters of the periods, in the order of their numbers.
pub const LETTERS: [u8; 3] = *b"PFV";

impl HalfHours {
    /// From 48 letters `P`, `F`, `V`. The error is the position (from 0) of the first wrong one, or the wrong length.
    ///
    /// # Errors
    /// When the text is not 48 such letters.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() != SLOTS {
            return Err(format!("{} letters, {SLOTS} are needed", text.chars().count()));
        }
        let mut packed = 0_u128;
        for (slot, letter) in text.bytes().enumerate() {
            let Some(number) = LETTERS.iter().position(|&l| l == letter) else {
                return Err(format!("letter {} is none of P, F, V", slot + 1));
            };
            packed |= (number as u128) << (2 * slot);
        }
        Ok(HalfHours(packed))
    }

    /// The periods as one number, for comparing and keeping.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// The periods of such a number; nothing when a slot of it has none.
    pub fn from_bits(bits: u128) -> Option<Self> {
        let slots = HalfHours(bits);
        let known = (0..SLOTS as u32).all(|slot| slots.period(slot) < LETTERS.len());
        (known && bits >> (2 * SLOTS) == 0).then_some(slots)
    }

    /// Number of the period (0 peak, 1 flat, 2 valley) of a slot below 48.
    #[inline(always)]
    pub fn period(self, slot: u32) -> usize {
        (self.0 >> (2 * slot)) as usize & 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_keeps_its_letter() {
        let text: String = (0..SLOTS).map(|n| LETTERS[(n * 7 + n / 5) % 3] as char).collect();
        let packed = HalfHours::parse(&text).unwrap();
        for (slot, letter) in text.bytes().enumerate() {
            assert_eq!(LETTERS[packed.period(slot as u32)], letter);
        }
        assert!(HalfHours::parse(&text[1..]).is_err());
        assert!(HalfHours::parse(&text.replace('V', "S")).unwrap_err().contains("none of P, F, V"));
    }
}
