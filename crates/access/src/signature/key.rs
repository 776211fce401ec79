//! Signing keys: what signatures of one day, region and service are made with.

use super::TERMINATOR;
use crate::Secret;
use ring::digest::{Context, SHA256};
use ring::hmac;

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
    let Some(bytes) = unhex(signature.as_bytes()) else { return false };
    hmac::verify(key, text.as_bytes(), &bytes).is_ok()
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    hex(context.finish().as_ref())
}

/// Every request is written in hexadecimal digits three times, so this is worth its lines.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// 32 bytes from 64 digits in lower case.
fn unhex(digits: &[u8]) -> Option<[u8; 32]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
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
