//! AES-256-GCM with random nonces, as everything sealed here uses it: `nonce(12) ciphertext tag(16)`.

use millrace_base::Dice;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;
/// What a sealed text is longer than its plaintext.
pub(crate) const SEAL_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The bytes do not belong to this key and context, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

/// A key that can be used.
pub(crate) fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has the length of its algorithm"))
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>(dice: &dyn Dice) -> [u8; N] {
    let mut bytes = [0; N];
    fill(dice, &mut bytes);
    bytes
}

/// Fills with random bytes.
pub(crate) fn fill(dice: &dyn Dice, bytes: &mut [u8]) {
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&dice.roll().to_le_bytes()[..part.len()]);
    }
}

/// Encrypts `text` where it stands.
pub(crate) fn seal_in_place(
    key: &LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG_BYTES] {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text);
    let tag = tag.expect("texts are far shorter than what AES-GCM takes");
    tag.as_ref().try_into().expect("a tag has 16 bytes")
}

/// Decrypts `ciphertext tag` where it stands and gives the plaintext in front of it.
pub(crate) fn open_in_place<'a>(
    key: &LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    text: &'a mut [u8],
) -> Result<&'a mut [u8], Forged> {
    key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text).map_err(|_| Forged)
}

/// `nonce ciphertext tag` of a text.
pub(crate) fn seal(key: &[u8; KEY_BYTES], dice: &dyn Dice, aad: &[u8], text: &[u8]) -> Vec<u8> {
    let nonce = random(dice);
    let mut sealed = Vec::with_capacity(text.len() + SEAL_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(text);
    let tag = seal_in_place(&cipher(key), nonce, aad, &mut sealed[NONCE_BYTES..]);
    sealed.extend_from_slice(&tag);
    sealed
}

/// The text behind `nonce ciphertext tag`.
pub(crate) fn open(key: &[u8; KEY_BYTES], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Forged> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Forged)?;
    let mut text = text.to_vec();
    let len = open_in_place(&cipher(key), *nonce, aad, &mut text)?.len();
    text.truncate(len);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::SimDice;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let dice = SimDice::new(1);
        let key = random(&dice);
        let sealed = seal(&key, &dice, b"place", b"text");
        assert_eq!(sealed.len(), 4 + SEAL_BYTES);
        assert_eq!(open(&key, b"place", &sealed).unwrap(), b"text");
        assert_eq!(open(&key, b"elsewhere", &sealed), Err(Forged));
        assert_eq!(open(&random(&dice), b"place", &sealed), Err(Forged));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, b"place", &changed), Err(Forged), "byte {at}");
        }
        assert_eq!(open(&key, b"place", &sealed[..11]), Err(Forged));
    }
}
