//! The Gregorian calendar over days since 1970-01-01, also before its invention (proleptic), and moments as text.
//!
//! Zones and whatever else a calendar needs are chrono's: this is for the crates that only count days.

use crate::Millis;

/// Milliseconds of a day.
pub const DAY_MS: Millis = 86_400_000;

/// Days from 0000-03-01 to 1970-01-01.
const TO_1970: i64 = 719_468;
const DAYS_OF_ERA: i64 = 146_097;

/// The day since 1970-01-01 of a date; months are 1 to 12.
// Howard Hinnant's days_from_civil: years begin in March, so that the leap day is a year's last, and eras of 400 years
// are all alike.
#[inline]
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * DAYS_OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01.
#[inline]
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + TO_1970;
    let (era, of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// How many days a month (1 to 12) has.
#[inline]
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `2026-11-21T16:47:42.123` and what says that it is UTC: some of AWS's services write `Z`, some `+0000`.
pub fn timestamp(moment: Millis, utc: &str) -> String {
    let (year, month, day) = date_of(moment.div_euclid(DAY_MS));
    let of_day = moment.rem_euclid(DAY_MS);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, millis) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}{utc}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than ±4 million days around 1970: each day is the one after the day before, by the calendar's rule.
    #[test]
    fn days_and_dates_agree_with_a_walk_over_the_calendar() {
        let is_leap = |year: i64| year.rem_euclid(400) == 0 || year.rem_euclid(4) == 0 && year.rem_euclid(100) != 0;
        let mut day = days_of(-9_000, 1, 1);
        assert!(day < -4_000_000, "{day}");
        while day < 4_000_000 {
            let (year, ..) = date_of(day);
            let february = if is_leap(year) { 29 } else { 28 };
            for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                assert_eq!(month_days(year, month), length, "{year}-{month}");
                for of_month in 1..=length {
                    assert_eq!((date_of(day), days_of(year, month, of_month)), ((year, month, of_month), day));
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn known_days() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (19_782, (2024, 2, 29)),
            (20_778, (2026, 11, 21)),
            (-25_509, (1900, 2, 28)),
            (-719_528, (0, 1, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!((date_of(days), days_of(date.0, date.1, date.2)), (date, days));
        }
        assert_eq!([1900, 2000, 2023, 2024, 2100].map(|year| month_days(year, 2)), [28, 29, 28, 29, 28]);
    }

    #[test]
    fn moments_are_written_as_aws_writes_them() {
        assert_eq!(timestamp(0, "Z"), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_335_920_046_655, "Z"), "2012-05-02T00:54:06.655Z");
        assert_eq!(timestamp(951_782_400_000, "Z"), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(4_107_542_399_999, "Z"), "2100-02-28T23:59:59.999Z");
        assert_eq!(timestamp(-1, "+0000"), "1969-12-31T23:59:59.999+0000");
        assert_eq!(timestamp(1_795_279_662_123, "+0000"), "2026-11-21T16:47:42.123+0000");
    }
}
