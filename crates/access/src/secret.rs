//! Secrets: texts that signatures are made with, which show themselves to nobody who does not ask for them.

use ring::hmac;
use std::fmt;

/// The letters of secrets and tokens.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret. Its `Debug` says that there is one and no more.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The secret with this text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for signatures, and for the one answer that hands it out.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is it; takes the same time wherever they differ.
    pub fn is(&self, given: &str) -> bool {
        // The tag of one is compared with the tag of the other, both under a key that nobody chose.
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, self.0.as_bytes());
        given.len() == self.0.len() && hmac::verify(&key, given.as_bytes(), tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What all secrets that Millrace hands out follow from, so that none of them needs to be kept.
#[derive(Clone)]
pub(crate) struct Vault(hmac::Key);

impl Vault {
    /// The vault of a key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The secret of `len` letters that belongs to `name` and serves as `purpose`. Neither may contain a zero byte.
    pub fn secret(&self, purpose: &str, name: &str, len: usize) -> Secret {
        let mut text = String::with_capacity(len);
        for block in 0u32.. {
            let tag = hmac::sign(&self.0, format!("{purpose}\0{name}\0{block}").as_bytes());
            let letters = tag.as_ref().iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
            text.extend(letters.take(len - text.len()));
            if text.len() == len {
                break;
            }
        }
        Secret::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_follows_from_key_purpose_and_name() {
        let vault = Vault::new(&[7; 32]);
        let secret = vault.secret("secret", "AKIA", 40);
        assert_eq!(secret.expose().len(), 40);
        assert_eq!(secret, vault.secret("secret", "AKIA", 40));
        assert_eq!(vault.secret("token", "AKIA", 356).expose().len(), 356);
        for other in [vault.secret("token", "AKIA", 40), Vault::new(&[8; 32]).secret("secret", "AKIA", 40)] {
            assert_ne!(secret, other);
        }
    }

    #[test]
    fn a_secret_is_compared_and_not_shown() {
        let secret = Secret::new("wJalrXUtnFEMI");
        assert!(secret.is("wJalrXUtnFEMI") && !secret.is("wJalrXUtnFEMJ") && !secret.is("wJalr") && !secret.is(""));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
