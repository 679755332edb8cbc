//! Data unit identifiers: which points and functions the data belong to, and where the catalogue says their layout.

use super::afn::Afn;
use super::frame::Edition;
use crate::frame::Direction;

/// The highest function that the standard can name: DT2 is 0 to 30.
const LAST_STANDARD_FUNCTION: u16 = 248;

/// The points and functions of one data unit identifier, as two masks with their groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identifier(pub [u8; 4]);

impl Identifier {
    /// Bytes of an identifier.
    pub const SIZE: usize = 4;
    /// The point number that stands for "all valid points".
    pub const ALL_POINTS: u16 = 0xFFFF;

    /// The identifier of one point (0 the terminal) and one function (from 1). None for numbers that no mask can say.
    pub fn of(point: u16, function: u16) -> Option<Identifier> {
        let dt = function.checked_sub(1)?;
        let dt2 = u8::try_from(dt / 8).ok()?;
        let (da1, da2) = match point {
            0 => (0, 0),
            Self::ALL_POINTS => (0xFF, 0),
            point => (1 << ((point - 1) % 8), u8::try_from((point - 1) / 8 + 1).ok()?),
        };
        Some(Identifier([da1, da2, 1 << (dt % 8), dt2]))
    }

    /// The identifier that data begin with, if those bytes can be one.
    pub fn at(data: &[u8]) -> Option<Identifier> {
        let bytes: [u8; 4] = data.get(..Self::SIZE)?.try_into().ok()?;
        let [da1, da2, dt1, _] = bytes;
        let legal = dt1 != 0 && (matches!((da1, da2), (0, 0) | (0xFF, 0)) || (da1 != 0 && da2 != 0));
        legal.then_some(Identifier(bytes))
    }

    /// The points, ascending; P0 alone for the terminal.
    pub fn points(self) -> impl Iterator<Item = u16> {
        let [da1, da2, ..] = self.0;
        let (mask, first) = match (da1, da2) {
            (0, _) => (1, 0),
            (_, 0) => (1, Self::ALL_POINTS),
            (mask, group) => (mask, (u16::from(group) - 1) * 8 + 1),
        };
        (0..8).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first + bit)
    }

    /// Points and functions in the order of their data.
    pub fn members(self) -> Vec<(u16, u16)> {
        self.points().flat_map(|point| self.functions().map(move |function| (point, function))).collect()
    }

    /// The functions, ascending.
    pub fn functions(self) -> impl Iterator<Item = u16> {
        let [.., mask, group] = self.0;
        (0..8).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| u16::from(group) * 8 + bit + 1)
    }
}

/// What stands behind the identifier of one point and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Data that the row of this key describes, if there is one.
    Row(u64),
    /// The row of the first key if there is one, else nothing: a question.
    QueryOr(u64),
    /// The row of the first key, else that of the second one.
    Either(u64, u64),
    /// Nothing says what stands there.
    Unknown,
}

/// The catalogue's key: the function code in hex, then the function in four decimal digits, `0C0025` for F25 of AFN 0CH.
pub const fn body_key(afn: u8, function: u16) -> u64 {
    let f = function as u64;
    let digits = ((f / 1000 % 10) << 12) | ((f / 100 % 10) << 8) | ((f / 10 % 10) << 4) | (f % 10);
    (afn as u64) << 16 | digits
}

/// Where the layout of a unit stands. A key with D0 behind is what the master sends along, one with 05 behind is the
/// layout of Q/GDW 130-2005 where it differs.
pub fn place(afn: u8, direction: Direction, edition: Edition, function: u16) -> Place {
    let key = body_key(afn, function);
    let old = |key: u64| match edition {
        Edition::Gdw130 => Place::Either(key << 8 | 0x05, key),
        Edition::Gdw1376 => Place::Row(key),
    };
    match direction {
        Direction::Down if Afn(afn).is_query() && function <= LAST_STANDARD_FUNCTION => {
            Place::QueryOr(key << 8 | 0xD0)
        }
        Direction::Down if Afn(afn).is_query() => Place::Unknown,
        Direction::Down if matches!(Afn(afn), Afn::EVENTS | Afn::FILE | Afn::RELAY) => {
            Place::Row(key << 8 | 0xD0)
        }
        Direction::Up if Afn(afn) == Afn::QUERY => old(body_key(Afn::SET.0, function)),
        _ => old(key),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)] // a test may fail loudly
mod tests {
    use super::*;

    #[test]
    fn masks_name_points_and_functions() {
        // F25 = 01 03, F33 = 01 04, F129 = 01 10, F161 = 01 14, F8 = 80 00, F16 = 80 01, F88 = 80 0A, F168 = 80 14.
        for (function, dt) in [
            (25, [0x01, 0x03]),
            (33, [0x01, 0x04]),
            (129, [0x01, 0x10]),
            (161, [0x01, 0x14]),
            (8, [0x80, 0x00]),
            (16, [0x80, 0x01]),
            (88, [0x80, 0x0A]),
            (168, [0x80, 0x14]),
        ] {
            let id = Identifier::of(1, function).expect("a function of the standard");
            assert_eq!(id.0, [0x01, 0x01, dt[0], dt[1]]);
            assert_eq!(id.functions().collect::<Vec<_>>(), [function]);
        }
        let both = Identifier([0x81, 0x02, 0x03, 0x00]);
        assert_eq!(both.points().collect::<Vec<_>>(), [9, 16]);
        assert_eq!(both.functions().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(Identifier::of(2040, 2048).map(|id| id.0), Some([0x80, 0xFF, 0x80, 0xFF]));
        assert_eq!(
            (Identifier::of(2041, 1), Identifier::of(1, 0), Identifier::of(1, 2049)),
            (None, None, None)
        );
    }

    #[test]
    fn what_no_identifier_can_be_is_none() {
        for bytes in [[0x14, 0x00, 0x70, 0x70], [0x00, 0x01, 0x01, 0x00], [0x01, 0x01, 0x00, 0x00]] {
            assert_eq!(Identifier::at(&bytes), None);
        }
        assert_eq!(
            Identifier::at(&[0xFF, 0, 1, 0]).map(|id| id.points().collect::<Vec<_>>()),
            Some(vec![0xFFFF])
        );
    }

    #[test]
    fn keys_read_as_the_standard_writes_them() {
        assert_eq!(body_key(0x0C, 25), 0x0C0025);
        assert_eq!(body_key(0x0D, 161), 0x0D0161);
    }
}
