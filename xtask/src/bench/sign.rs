//! Signature Version 4 for the load generators: requests are signed once, before the clock runs.

use ring::{digest, hmac};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// Signs with one access key.
pub struct Signer {
    key: String,
    secret: String,
}

impl Signer {
    /// An access key's signer.
    pub fn new(key: String, secret: String) -> Self {
        Self { key, secret }
    }

    /// A key id that a server without `--auth on` takes for its account.
    pub fn unchecked() -> Self {
        Self::new("000000000000".to_owned(), "any".to_owned())
    }

    /// A signed Kinesis request, ready to be sent any number of times within 15 minutes.
    pub fn kinesis(&self, operation: &str, body: &str) -> Vec<u8> {
        let target = format!("x-amz-target:Kinesis_20131202.{operation}");
        self.signed("kinesis", "application/x-amz-json-1.1", Some(&target), body)
    }

    /// A signed request of the query protocol.
    pub fn form(&self, service: &str, body: &str) -> Vec<u8> {
        self.signed(service, "application/x-www-form-urlencoded", None, body)
    }

    fn signed(&self, service: &str, content_type: &str, target: Option<&str>, body: &str) -> Vec<u8> {
        let time = now();
        let day = &time[..8];
        let mut headers = format!("content-type:{content_type}\nhost:127.0.0.1\nx-amz-date:{time}\n");
        let mut names = "content-type;host;x-amz-date".to_owned();
        if let Some(target) = target {
            let _to_a_string = writeln!(headers, "{target}");
            names.push_str(";x-amz-target");
        }
        let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", sha256(body.as_bytes()));
        let scope = format!("{day}/us-east-1/{service}/aws4_request");
        let asked = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let start = format!("AWS4{}", self.secret).into_bytes();
        let key =
            [day, "us-east-1", service, "aws4_request"].iter().fold(start, |key, part| mac(&key, part.as_bytes()));
        let signature = hex(&mac(&key, asked.as_bytes()));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.key);
        let lines = headers.replace('\n', "\r\n");
        format!(
            "POST / HTTP/1.1\r\n{lines}authorization:{authorization}\r\ncontent-length:{}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The time as `20261121T200000Z`.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, rest) = (since / 86_400, since % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a number of days since 1970, in the proleptic Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(20_778), (2026, 11, 21));
        assert_eq!(civil(19_782), (2024, 2, 29));
    }
}
