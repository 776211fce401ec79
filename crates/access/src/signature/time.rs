//! Times as signatures write them: `20130101T101500Z`.

use millrace_base::Millis;

const DAY_SECONDS: i64 = 24 * 3600;

/// A time as `20130101T101500Z`, its milliseconds cut off.
pub fn timestamp(time: Millis) -> String {
    let seconds = time.div_euclid(1000);
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The day of a time as `20130101`.
pub fn day(time: Millis) -> String {
    timestamp(time)[..8].to_owned()
}

/// Reads `20130101T101500Z`; none when it is anything else.
pub fn parse(text: &str) -> Option<Millis> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits?.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let days = days(year, month, day);
    let is_date = (1..=12).contains(&month) && civil(days) == (year, month, day);
    let is_time = hour < 24 && minute < 60 && second < 60;
    (is_date && is_time).then_some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. (Years that begin in March make leap days last.)
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// The date of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        for (text, time) in [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799_000),
            ("20150830T123600Z", 1_440_938_160_000),
            ("20261121T201500Z", 1_795_292_100_000),
        ] {
            assert_eq!((parse(text), timestamp(time)), (Some(time), text.to_owned()));
        }
        for day in -800_000..800_000 {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "20150830", "20150230T000000Z", "20151301T000000Z", "20150830T240000Z", "2015083+T123600Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
