//! Time stamps of class 2 data: the day, the month, or the start, density and number of the points of a curve.

use keyacct_model::{Kind, Phase, Quality, Quantity, Reading, Stamp, Tariff, Unit, Value};

use crate::cursor::Cursor;
use crate::format::{Part, read_time};
use crate::visit::Visitor;

/// Which stamp a function of AFN 0DH has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampKind {
    /// Td_d: a day (A.20).
    Day,
    /// Td_m: a month (A.21).
    Month,
    /// Td_c: start (A.15), density, number of points.
    Curve,
}

/// The stamp of a function of AFN 0DH (376.1, annex B).
pub const fn stamp_kind(function: u16) -> StampKind {
    match function {
        17..=24
        | 33..=38
        | 44
        | 46
        | 51
        | 52
        | 54
        | 60..=62
        | 65
        | 66
        | 157..=160
        | 177..=184
        | 193..=196 => StampKind::Month,
        73..=110 | 138..=148 | 217 | 218 => StampKind::Curve,
        _ => StampKind::Day,
    }
}

impl StampKind {
    const fn parts(self) -> &'static [Part] {
        match self {
            StampKind::Day => &[Part::Year, Part::Month, Part::Day],
            StampKind::Month => &[Part::Year, Part::Month],
            StampKind::Curve => &[Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute],
        }
    }

    /// Bytes on the wire.
    pub const fn size(self) -> usize {
        match self {
            StampKind::Curve => self.parts().len() + 2,
            _ => self.parts().len(),
        }
    }

    /// The time that values of this kind stand for: freezes and increments close their day or month.
    pub fn stands_for(self, stamp: Stamp, kind: Kind) -> Stamp {
        let closes =
            matches!(kind, Kind::FreezeDay | Kind::FreezeMonth | Kind::FreezeSettlement | Kind::Interval);
        match self {
            StampKind::Day if closes => Stamp { hour: Some(24), minute: Some(0), ..stamp },
            StampKind::Month if closes => {
                let day = stamp.month.map(|month| keyacct_model::time::days_in_month(stamp.year, month));
                Stamp { day, hour: Some(24), minute: Some(0), ..stamp }
            }
            _ => stamp,
        }
    }
}

/// Minutes between two points of a curve, by the density code.
pub const fn step_minutes(density: u8) -> Option<u16> {
    match density {
        1 => Some(15),
        2 => Some(30),
        3 => Some(60),
        254 => Some(5),
        255 => Some(1),
        _ => None,
    }
}

/// The stamp of a unit, as read.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeStamp {
    /// Day, month or first point; none when it is no time.
    pub at: Option<Stamp>,
    /// Minutes from point to point.
    pub step: Option<u16>,
    /// Number of points; 1 unless it is a curve.
    pub points: u8,
}

/// Reads and tells a stamp; none when the data end inside it.
pub fn read_stamp<V: Visitor>(kind: StampKind, data: &mut Cursor<'_>, visitor: &mut V) -> Option<TimeStamp> {
    if data.left() < kind.size() {
        return None;
    }
    let from = data.position();
    let (at, _, quality) = read_time(data.take(kind.parts().len())?, kind.parts());
    let quantity = match kind {
        StampKind::Day => Quantity::DataDate,
        StampKind::Month => Quantity::DataMonth,
        StampKind::Curve => Quantity::CurveStart,
    };
    let value = at.map_or(Value::Null, Value::Time);
    let mut reading = plain(quantity, value, quality);
    visitor.value(from..data.position(), &reading);
    if kind != StampKind::Curve {
        return Some(TimeStamp { at, step: None, points: 1 });
    }
    let from = data.position();
    let [density, points] = data.array()?;
    for (at, quantity, number) in [
        (from, Quantity::CurveDensity, i64::from(density)),
        (from + 1, Quantity::PointCount, i64::from(points)),
    ] {
        reading = plain(quantity, Value::Number(number.into()), Quality::GOOD);
        visitor.value(at..at + 1, &reading);
    }
    Some(TimeStamp { at, step: step_minutes(density), points })
}

/// The last hour's stamp of AFN 0CH F89…F116: hour (BCD) and density. Says the number of points and their step; the day
/// is not sent.
pub fn read_hour<V: Visitor>(data: &mut Cursor<'_>, visitor: &mut V) -> Option<TimeStamp> {
    if data.left() < 2 {
        return None;
    }
    let from = data.position();
    let (at, _, quality) = read_time(data.take(1)?, &[Part::Hour]);
    visitor.value(from..from + 1, &plain(Quantity::CurveStart, at.map_or(Value::Null, Value::Time), quality));
    let density = data.byte()?;
    visitor.value(
        from + 1..from + 2,
        &plain(Quantity::CurveDensity, Value::Number(i64::from(density).into()), Quality::GOOD),
    );
    let step = step_minutes(density);
    Some(TimeStamp { at: None, step, points: step.map_or(0, |minutes| (60 / minutes) as u8) })
}

fn plain(quantity: Quantity, value: Value, quality: Quality) -> Reading {
    Reading {
        quantity,
        phase: Phase::None,
        tariff: Tariff::TOTAL,
        index: 0,
        kind: Kind::Parameter,
        value,
        unit: Unit::None,
        quality,
        time: None,
    }
}

impl TimeStamp {
    /// Time of point `n` from 0, by the rule that the first point stands at the start itself.
    pub fn point(&self, n: u8) -> Option<Stamp> {
        match (self.at?, n, self.step) {
            (start, 0, _) => Some(start),
            (start, n, Some(step)) => start.plus_minutes(u32::from(n) * u32::from(step)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_follow_from_the_start_over_midnight() {
        let start = Stamp { second: None, ..Stamp::full(2026, 2, 28, 23, 30, 0) };
        let curve = TimeStamp { at: Some(start), step: step_minutes(1), points: 3 };
        let told: Vec<_> = (0..3).filter_map(|n| curve.point(n)).map(|t| t.to_string()).collect();
        assert_eq!(told, ["2026-02-28T23:30", "2026-02-28T23:45", "2026-03-01T00:00"]);
        assert_eq!(TimeStamp { step: None, ..curve }.point(1), None);
    }

    #[test]
    fn a_freeze_closes_its_day_or_month() {
        let month = Stamp { year: Some(2024), month: Some(2), ..Stamp::default() };
        assert_eq!(StampKind::Month.stands_for(month, Kind::FreezeMonth).to_string(), "2024-02-29T24:00");
        assert_eq!(StampKind::Month.stands_for(month, Kind::Statistic), month);
    }
}
