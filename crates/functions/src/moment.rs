//! Moments as AWS writes them: in configurations, records of failures, logs, the windows of events, object keys.

use millrace_base::{Millis, calendar};

/// `2019-11-14T00:38:06.021+0000`: configurations of functions and layers.
pub(crate) fn configured(moment: Millis) -> String {
    calendar::timestamp(moment, "+0000")
}

/// `2019-11-14T00:38:06.021Z`.
pub(crate) fn iso_millis(moment: Millis) -> String {
    calendar::timestamp(moment, "Z")
}

/// `2020-12-09T07:04:00Z`.
pub(crate) fn iso_secs(moment: Millis) -> String {
    format!("{}Z", to_the_second(moment))
}

/// `2019/11/14/2019-11-14T00.38.06`.
pub(crate) fn object_path(moment: Millis) -> String {
    format!("{}/{}", date_path(moment), to_the_second(moment).replace(':', "."))
}

/// `2019/11/14`.
pub(crate) fn date_path(moment: Millis) -> String {
    let (year, month, day) = calendar::date_of(moment.div_euclid(calendar::DAY_MS));
    format!("{year:04}/{month:02}/{day:02}")
}

/// `2019-11-14T00:38:06`.
fn to_the_second(moment: Millis) -> String {
    let text = iso_millis(moment);
    text.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc() {
        assert_eq!(iso_millis(1_573_691_886_021), "2019-11-14T00:38:06.021Z");
        assert_eq!(iso_secs(1_607_497_440_000), "2020-12-09T07:04:00Z");
        assert_eq!(object_path(951_782_399_999), "2000/02/28/2000-02-28T23.59.59");
        assert_eq!(iso_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(configured(1_795_279_662_123), "2026-11-21T16:47:42.123+0000");
        assert_eq!(date_path(1_709_251_199_999), "2024/02/29");
    }
}
