//! Meters in work that are put aside on the disk while none of their readings is at hand: a state is two kilobytes, and of
//! a hundred thousand meters only a few are met in a while.

use keyacct_model::Result;
use keyacct_stats::state_bytes::Bytes;

use crate::scratch_file::{Mark, Scratch, ScratchFile};

/// Bytes of old states that a file may hold beside four times what is still wanted.
const SPARE: u64 = 64 << 20;

/// Meters that have been put aside.
pub(crate) struct ParkedMeters {
    scratch: Scratch,
    file: ScratchFile,
    /// Where each meter lies.
    at: Vec<Mark>,
    /// Bytes of those that are still there.
    wanted: u64,
    bytes: Vec<u8>,
}

impl ParkedMeters {
    /// Of so many meters, none yet.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn new(scratch: &Scratch, meters: usize) -> Result<Self> {
        Ok(ParkedMeters {
            scratch: scratch.clone(),
            file: scratch.file()?,
            at: vec![Mark::NONE; meters],
            wanted: 0,
            bytes: Vec::new(),
        })
    }

    /// Puts a meter aside.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn park(&mut self, meter: u32, state: &impl Bytes) -> Result<()> {
        self.bytes.clear();
        state.write(&mut self.bytes);
        self.at[meter as usize] = self.file.put(&self.bytes)?;
        self.wanted += self.bytes.len() as u64;
        if self.file.length() > SPARE + 4 * self.wanted {
            self.pack()?;
        }
        Ok(())
    }

    /// Takes a meter back, if it has been put aside.
    ///
    /// # Errors
    /// `write.*`.
    pub(crate) fn take<K: Bytes>(&mut self, meter: u32) -> Result<Option<K>> {
        let mark = std::mem::replace(&mut self.at[meter as usize], Mark::NONE);
        if mark == Mark::NONE {
            return Ok(None);
        }
        self.wanted -= mark.length() as u64;
        self.file.get_as(mark).map(Some)
    }

    /// Leaves behind what has been taken back.
    fn pack(&mut self) -> Result<()> {
        let mut into = self.scratch.file()?;
        for mark in self.at.iter_mut().filter(|mark| **mark != Mark::NONE) {
            *mark = into.put(self.file.get(*mark)?)?;
        }
        self.file = into;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_comes_back_once_as_it_was_last() {
        let mut parked = ParkedMeters::new(&Scratch::in_folder(&std::env::temp_dir()), 3).unwrap();
        for turn in 0..3_i64 {
            parked.park(1, &(turn, 7_i64)).unwrap();
            parked.park(2, &vec![turn; 9]).unwrap();
            assert_eq!(parked.take::<(i64, i64)>(1).unwrap(), Some((turn, 7)));
            assert_eq!(parked.take::<(i64, i64)>(1).unwrap(), None);
            assert_eq!(parked.take::<Vec<i64>>(2).unwrap(), Some(vec![turn; 9]));
        }
        assert_eq!(parked.take::<i64>(0).unwrap(), None);
    }

    #[test]
    fn what_was_taken_back_does_not_fill_the_disk() {
        let mut parked = ParkedMeters::new(&Scratch::in_folder(&std::env::temp_dir()), 2).unwrap();
        parked.park(0, &42_i64).unwrap();
        let large = "x".repeat(60_000);
        for _ in 0..3_000 {
            parked.park(1, &large).unwrap();
            assert_eq!(parked.take::<String>(1).unwrap().as_deref(), Some(&*large));
        }
        assert!(parked.file.length() < SPARE + 400_000, "{}", parked.file.length());
        assert_eq!(parked.take::<i64>(0).unwrap(), Some(42));
    }
}
