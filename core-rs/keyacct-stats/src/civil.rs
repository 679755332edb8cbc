//! Civil days: numbers since 1970-01-01, and their months.

/// Milliseconds of a civil day without a change of the zone's offset.
pub const DAY_MS: i64 = 86_400_000;

/// Number of the first day of the month that holds a day (both counted from 1970-01-01, proleptic Gregorian).
pub fn first_of_month(day: i64) -> i64 {
    day - day_of_month(day) + 1
}

/// Day of the month, 1 to 31, of a day counted from 1970-01-01.
pub fn day_of_month(day: i64) -> i64 {
    // Years are taken from 1 March, so that the leap day is the last of its year.
    let shifted = day + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    of_year - (153 * month_from_march + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_month_counts_through_two_eras() {
        // A calendar walked day by day, from 1600-01-01 (day −135140) over two eras of 400 years.
        let mut day = -135_140;
        for year in 1600..2400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                let first = day;
                for n in 1..=length {
                    assert_eq!(day_of_month(day), n, "year {year}");
                    assert_eq!(first_of_month(day), first);
                    day += 1;
                }
            }
        }
    }
}
