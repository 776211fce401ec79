//! Times as signatures write them: `20130101T101500Z`.

use millrace_base::Millis;
use millrace_base::calendar::{DAY_MS, date_of, days_of, month_days};

/// A time as `20130101T101500Z`, its milliseconds cut off.
pub fn timestamp(time: Millis) -> String {
    let (year, month, day) = date_of(time.div_euclid(DAY_MS));
    let second = time.rem_euclid(DAY_MS) / 1000;
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
    let is_date = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    let is_time = hour < 24 && minute < 60 && second < 60;
    (is_date && is_time).then_some(((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
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
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "20150830", "20150230T000000Z", "20151301T000000Z", "20150830T240000Z", "2015083+T123600Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
