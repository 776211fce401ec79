//! Moments as mappings write them: in failure records, in the windows of events, in object keys.

use crate::timestamp;
use millrace_base::Millis;

/// `2019-11-14T00:38:06.021Z`.
pub(crate) fn iso_millis(moment: Millis) -> String {
    timestamp(moment).replace("+0000", "Z")
}

/// `2020-12-09T07:04:00Z`.
pub(crate) fn iso_secs(moment: Millis) -> String {
    format!("{}Z", to_the_second(moment))
}

/// `2019/11/14/2019-11-14T00.38.06`.
pub(crate) fn object_path(moment: Millis) -> String {
    let text = to_the_second(moment);
    let date = text.split('T').next().unwrap_or_default().replace('-', "/");
    format!("{date}/{}", text.replace(':', "."))
}

/// `2019-11-14T00:38:06`.
fn to_the_second(moment: Millis) -> String {
    let text = timestamp(moment);
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
    }
}
