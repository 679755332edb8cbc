//! Civil times of device clocks, often sent in part: a date, a year and month, a time of day, no year.

use std::fmt;

/// What is known about the clock that gave a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ClockState {
    /// The device says nothing about its clock.
    #[default]
    Unknown,
    /// The device says that its clock is synchronised.
    Good,
    /// The device, or a check against another clock, says that it is not.
    Suspect,
}

/// A civil time without zone, as a device sent it; parts that were not sent are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Stamp {
    /// Year with its century.
    pub year: Option<u16>,
    /// Month 1..=12.
    pub month: Option<u8>,
    /// Day of the month 1..=31.
    pub day: Option<u8>,
    /// Hour 0..=24; 24 only as 24:00, the end of the day.
    pub hour: Option<u8>,
    /// Minute 0..=59.
    pub minute: Option<u8>,
    /// Second 0..=59.
    pub second: Option<u8>,
    /// Millisecond 0..=999.
    pub milli: Option<u16>,
    /// State of the clock.
    pub clock: ClockState,
}

/// Days of a month; 29 for a February whose year is not known.
pub fn days_in_month(year: Option<u16>, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => match year {
            Some(y) if !(y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400))) => 28,
            _ => 29,
        },
        _ => 31,
    }
}

/// Days from 1970-01-01 to a civil date (proleptic Gregorian).
pub fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let shifted = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The civil date so many days after 1970-01-01: year, month, day (proleptic Gregorian).
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + of_era_year + i64::from(month <= 2), month as u8, day as u8)
}

impl Stamp {
    /// A full stamp to the second.
    pub const fn full(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Stamp {
        Stamp {
            year: Some(year),
            month: Some(month),
            day: Some(day),
            hour: Some(hour),
            minute: Some(minute),
            second: Some(second),
            milli: None,
            clock: ClockState::Unknown,
        }
    }

    /// Whether every part that is there exists in the calendar.
    pub fn is_valid(&self) -> bool {
        let within = |v: Option<u8>, low: u8, high: u8| v.is_none_or(|v| (low..=high).contains(&v));
        let end_of_day =
            self.hour == Some(24) && self.minute.unwrap_or(0) == 0 && self.second.unwrap_or(0) == 0;
        within(self.month, 1, 12)
            && within(self.day, 1, self.month.map_or(31, |m| days_in_month(self.year, m)))
            && (within(self.hour, 0, 23) || end_of_day)
            && within(self.minute, 0, 59)
            && within(self.second, 0, 59)
    }

    /// Whether the calendar day is known.
    pub const fn has_date(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }

    /// Milliseconds of the civil time since 1970-01-01T00:00 of the same zone; none without a whole date.
    /// Parts of the day that were not sent count as zero; 24:00 is the next day's 00:00.
    pub fn civil_ms(&self) -> Option<i64> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let days = days_from_civil(i64::from(year), month, day);
        Some(days * 86_400_000 + self.ms_of_day())
    }

    /// So many minutes later; none without a whole date. 24:00 becomes 00:00 of the next day.
    pub fn plus_minutes(&self, minutes: u32) -> Option<Stamp> {
        let total = self.civil_ms()?.div_euclid(60_000) + i64::from(minutes);
        let (year, month, day) = civil_from_days(total.div_euclid(1440));
        let of_day = total.rem_euclid(1440);
        Some(Stamp {
            year: u16::try_from(year).ok(),
            month: Some(month),
            day: Some(day),
            hour: Some((of_day / 60) as u8),
            minute: Some((of_day % 60) as u8),
            ..*self
        })
    }

    /// Milliseconds since midnight; parts that were not sent count as zero.
    pub fn ms_of_day(&self) -> i64 {
        let part = |v: Option<u8>| i64::from(v.unwrap_or(0));
        ((part(self.hour) * 60 + part(self.minute)) * 60 + part(self.second)) * 1000
            + i64::from(self.milli.unwrap_or(0))
    }
}

/// ISO 8601 with the parts that were sent: `2018-08-28T16:47`, `2018-08`, `16:09:25`, `08-28T16:47`; a day of no known
/// month is `d28 16:19:39`.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (None, None, Some(day)) = (self.year, self.month, self.day) {
            let gap = if self.hour.is_some() { " " } else { "" };
            write!(f, "d{day:02}{gap}")?; // `28T16:19` would read as a month
            return Stamp { day: None, ..*self }.fmt(f);
        }
        let mut gap = "";
        if let Some(v) = self.year {
            write!(f, "{v:04}")?;
            gap = "-";
        }
        for v in [self.month, self.day].into_iter().flatten() {
            write!(f, "{gap}{v:02}")?;
            gap = "-";
        }
        if !gap.is_empty() && (self.hour.is_some() || self.minute.is_some()) {
            f.write_str("T")?;
        }
        gap = "";
        for v in [self.hour, self.minute, self.second].into_iter().flatten() {
            write!(f, "{gap}{v:02}")?;
            gap = ":";
        }
        if let Some(v) = self.milli {
            write!(f, ".{v:03}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_prints_the_parts_that_were_sent() {
        let full = Stamp::full(2018, 8, 28, 16, 47, 5);
        assert_eq!(full.to_string(), "2018-08-28T16:47:05");
        assert_eq!(Stamp { second: None, ..full }.to_string(), "2018-08-28T16:47");
        let month = Stamp { year: Some(2018), month: Some(8), ..Stamp::default() };
        assert_eq!(month.to_string(), "2018-08");
        let time = Stamp { hour: Some(16), minute: Some(9), second: Some(25), ..Stamp::default() };
        assert_eq!(time.to_string(), "16:09:25");
        assert_eq!(Stamp { year: None, second: None, ..full }.to_string(), "08-28T16:47");
    }

    #[test]
    fn midnight_has_two_names() {
        let end = Stamp::full(2024, 2, 29, 24, 0, 0);
        assert!(end.is_valid());
        assert_eq!(end.civil_ms(), Stamp::full(2024, 3, 1, 0, 0, 0).civil_ms());
        assert!(!Stamp::full(2024, 2, 29, 24, 1, 0).is_valid());
        assert!(!Stamp::full(2023, 2, 29, 0, 0, 0).is_valid());
    }

    #[test]
    fn every_day_of_four_centuries_has_one_number() {
        let mut expected = (1970i64, 1u8, 1u8);
        for number in 0..146_097 {
            assert_eq!(civil_from_days(number), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), number);
            let (year, month, day) = expected;
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (month, day) if day == days_in_month(Some(year as u16), month) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn civil_milliseconds_count_from_1970() {
        assert_eq!(Stamp::full(1970, 1, 1, 0, 0, 0).civil_ms(), Some(0));
        // date -u -d 2026-07-01T08:15:30 +%s
        assert_eq!(Stamp::full(2026, 7, 1, 8, 15, 30).civil_ms(), Some(1_782_893_730_000));
    }
}
