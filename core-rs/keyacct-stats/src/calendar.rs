//! Tariff tables by season, kind of day and minute, as the registry keeps them.

use crate::civil::{DAY_MS, day_of_month};

/// Minutes of a day.
pub const MINUTES: usize = 1440;

/// Number of periods: sharp, peak, flat, valley.
pub const PERIODS: usize = 4;
/// Stands for a minute that no slot covers.
pub const NO_PERIOD: u8 = PERIODS as u8;

/// Kind of day of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayType {
    /// Every day.
    All,
    /// Monday to Friday.
    Workday,
    /// Saturday and Sunday.
    Weekend,
    /// Public holidays, see [`SpecialDays`].
    Holiday,
}

/// Civil days that are not what their weekday says, counted from 1970-01-01.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialDays(std::collections::BTreeMap<i64, DayType>);

impl SpecialDays {
    /// From (day, whether it is a holiday); the others are weekend days on which one works.
    pub fn new(days: impl IntoIterator<Item = (i64, bool)>) -> SpecialDays {
        let kind = |holiday| if holiday { DayType::Holiday } else { DayType::Workday };
        SpecialDays(days.into_iter().map(|(day, holiday)| (day, kind(holiday))).collect())
    }

    /// What a civil day is: workday, weekend or holiday.
    pub fn kind(&self, day: i64) -> DayType {
        // 1970-01-01 was a Thursday.
        let weekday = if (day + 3).rem_euclid(7) >= 5 { DayType::Weekend } else { DayType::Workday };
        self.0.get(&day).copied().unwrap_or(weekday)
    }
}

/// Tariff tables, and the days that are special in all of them.
#[derive(Clone, Copy, Debug)]
pub struct Tariffs<'a> {
    /// Slots of each table.
    pub tables: &'a [Vec<Slot>],
    /// Holidays and the like.
    pub special: &'a SpecialDays,
}

impl<'a> Tariffs<'a> {
    /// A view of a table, by its number; without one there is no period anywhere.
    pub fn day(self, table: Option<usize>) -> DayTariff<'a> {
        let slots = table.and_then(|n| self.tables.get(n)).map_or(&[][..], Vec::as_slice);
        DayTariff::new(slots, self.special)
    }
}

/// One row of a tariff table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// First day of the season, month × 100 + day, inclusive.
    pub season_from: u16,
    /// Last day of the season, inclusive; before `season_from` the season goes over the new year.
    pub season_to: u16,
    /// Kind of day.
    pub day_type: DayType,
    /// First minute.
    pub start_min: u16,
    /// Minute after the last.
    pub end_min: u16,
    /// Period: 0 sharp, 1 peak, 2 flat, 3 valley.
    pub period: u8,
}

/// Month × 100 + day of a civil day counted from 1970-01-01.
pub fn month_day(day: i64) -> u16 {
    let of_month = day_of_month(day);
    // The month is found from the distance to 1 March of its year, counted as in `civil`.
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (month * 100 + of_month) as u16
}

/// Period of every minute of one civil day; made again when the day changes.
pub struct DayTariff<'a> {
    slots: &'a [Slot],
    special: &'a SpecialDays,
    day: i64,
    minutes: [u8; MINUTES],
}

impl<'a> DayTariff<'a> {
    /// A view of a tariff table. No slots: no period anywhere.
    pub fn new(slots: &'a [Slot], special: &'a SpecialDays) -> Self {
        DayTariff { slots, special, day: i64::MIN, minutes: [NO_PERIOD; MINUTES] }
    }

    /// The period of a wall-clock instant; of slots that overlap the later one in the table holds. A holiday has its own
    /// slots where the table has some for it, for the rest of it those of a weekend.
    pub fn period(&mut self, local_ms: i64) -> u8 {
        if self.slots.is_empty() {
            return NO_PERIOD;
        }
        let day = local_ms.div_euclid(DAY_MS);
        if day != self.day {
            self.fill(day);
        }
        self.minutes[(local_ms.rem_euclid(DAY_MS) / 60_000) as usize]
    }

    fn fill(&mut self, day: i64) {
        self.day = day;
        self.minutes = [NO_PERIOD; MINUTES];
        let date = month_day(day);
        let kind = self.special.kind(day);
        let usual = if kind == DayType::Holiday { DayType::Weekend } else { kind };
        for slot in self.slots.iter().filter(|s| s.day_type == DayType::All || s.day_type == usual) {
            fill(&mut self.minutes, slot, date);
        }
        for slot in self.slots.iter().filter(|s| kind == DayType::Holiday && s.day_type == kind) {
            fill(&mut self.minutes, slot, date);
        }
    }
}

fn fill(minutes: &mut [u8; MINUTES], slot: &Slot, date: u16) {
    let in_season = if slot.season_from <= slot.season_to {
        (slot.season_from..=slot.season_to).contains(&date)
    } else {
        date >= slot.season_from || date <= slot.season_to
    };
    if !in_season {
        return;
    }
    let (start, end) = ((slot.start_min as usize).min(MINUTES), (slot.end_min as usize).min(MINUTES));
    if start < end {
        minutes[start..end].fill(slot.period);
    } else if end < start {
        minutes[start..].fill(slot.period);
        minutes[..end].fill(slot.period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn month_and_day_of_known_dates() {
        for (day, expected) in
            [(0, 101), (59, 301), (58, 228), (789, 229), (364, 1231), (-1, 1231), (20_606, 602)]
        {
            assert_eq!(month_day(day), expected, "day {day}");
        }
    }

    #[test]
    fn seasons_days_and_slots_over_midnight_choose_the_period() {
        let slots = [
            Slot {
                season_from: 101,
                season_to: 1231,
                day_type: DayType::All,
                start_min: 0,
                end_min: 1440,
                period: 2,
            },
            Slot {
                season_from: 1101,
                season_to: 228,
                day_type: DayType::Workday,
                start_min: 1320,
                end_min: 360,
                period: 3,
            },
        ];
        let none = SpecialDays::default();
        let mut tariff = DayTariff::new(&slots, &none);
        let minute = |day: i64, minute: i64| day * DAY_MS + minute * 60_000;
        // 1970-01-01 is a Thursday in winter, 1970-01-03 a Saturday, 1970-07-01 (day 181) a Wednesday in summer.
        assert_eq!(tariff.period(minute(0, 0)), 3);
        assert_eq!(tariff.period(minute(0, 360)), 2);
        assert_eq!(tariff.period(minute(0, 1320)), 3);
        assert_eq!(tariff.period(minute(2, 0)), 2);
        assert_eq!(tariff.period(minute(181, 0)), 2);
        assert_eq!(DayTariff::new(&[], &none).period(0), NO_PERIOD);
    }

    #[test]
    fn a_holiday_has_its_own_slots_else_those_of_a_weekend_and_a_made_up_workday_those_of_a_workday() {
        let slot = |day_type, start_min, end_min, period| Slot {
            season_from: 101,
            season_to: 1231,
            day_type,
            start_min,
            end_min,
            period,
        };
        let slots = [
            slot(DayType::Holiday, 600, 720, 3),
            slot(DayType::Weekend, 0, 1440, 2),
            slot(DayType::Workday, 0, 1440, 1),
        ];
        // 1970-01-01 is a Thursday, 1970-01-03 a Saturday.
        let special = SpecialDays::new([(0, true), (2, false)]);
        let mut tariff = DayTariff::new(&slots, &special);
        let mut at = |day: i64, minute: i64| tariff.period(day * DAY_MS + minute * 60_000);
        assert_eq!([at(0, 599), at(0, 600), at(0, 719), at(0, 720)], [2, 3, 3, 2]);
        assert_eq!([at(1, 600), at(2, 600), at(3, 600)], [1, 1, 2]);
    }
}
