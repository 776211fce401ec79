//! Signing keys: what signatures of one day, region and service are made with.

use super::TERMINATOR;
use crate::Secret;
use ring::digest::{Context, SHA256};
use ring::hmac;
use std::fmt::Write;

/// The signing key of a secret: four hashes deep, so it is worth keeping.
pub fn signing_key(secret: &Secret, day: &str, region: &str, service: &str) -> hmac::Key {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", secret.expose()).as_bytes());
    [day, region, service, TERMINATOR].iter().fold(first, |key, part| {
        let tag = hmac::sign(&key, part.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
    })
}

/// The signature of a text, in hexadecimal digits.
pub fn sign(key: &hmac::Key, text: &str) -> String {
    hex(hmac::sign(key, text.as_bytes()).as_ref())
}

/// Whether `signature`, 64 hexadecimal digits in lower case, is that of a text. Takes the same time wherever it differs.
pub fn is_signed(key: &hmac::Key, text: &str, signature: &str) -> bool {
    let mut bytes = [0; 32];
    let digits = signature.as_bytes();
    let is_lower = digits.len() == 64 && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !is_lower {
        return false;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        // 64 digits were counted above, all of one byte.
        *byte = u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16).unwrap_or_default();
    }
    hmac::verify(key, text.as_bytes(), &bytes).is_ok()
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation.
    #[test]
    fn the_documented_key() {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let key = signing_key(&secret, "20150830", "us-east-1", "iam");
        let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                    f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(sign(&key, text), signature);
        assert!(is_signed(&key, text, signature) && !is_signed(&key, text, &signature.to_uppercase()));
        assert!(!is_signed(&key, text, "") && !is_signed(&key, text, &signature.replace("5d", "5e")));
    }
}
