//! Sealed values: what a store keeps under plain names. One data key is made at each start; a value that is not sealed is
//! from before. The format is [`datakey`](super::datakey)'s, the place of a value is the name that it is kept under.

use super::datakey::{DataKey, DataKeys};
use crate::keyring::{KeyError, KeyName, KeyRing};
use millrace_base::Dice;
use std::sync::Arc;

/// Seals and opens values.
pub struct SealedValues {
    dice: Arc<dyn Dice>,
    /// `None`: new values stay plain.
    own: Option<DataKey>,
    keys: DataKeys,
}

impl SealedValues {
    /// Opens what the ring's keys sealed; seals new values when a key is given.
    pub fn new(ring: KeyRing, dice: Arc<dyn Dice>, key: Option<&KeyName>) -> Result<Self, KeyError> {
        let keys = DataKeys::new(ring, "values");
        let own = key.map(|key| keys.fresh(&*dice, key)).transpose()?;
        Ok(Self { dice, own, keys })
    }

    /// The value as it is kept at `place`.
    pub fn seal(&self, place: &str, value: Vec<u8>) -> Vec<u8> {
        match &self.own {
            Some(key) => key.seal(&*self.dice, place.as_bytes(), &value),
            None => value,
        }
    }

    /// The value behind what is kept at `place`; an error says why there is none.
    pub fn open(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, String> {
        if !DataKeys::is_sealed(kept) {
            return Ok(kept.to_vec());
        }
        self.keys.open(place.as_bytes(), kept).map_err(|error| match error {
            KeyError::InvalidCiphertext => "a sealed value is damaged, or was changed".to_owned(),
            other => format!("its key cannot be had: {other}"),
        })
    }
}

impl millrace_catalog::Seal for SealedValues {
    fn seal(&self, place: &str, value: Vec<u8>) -> Vec<u8> {
        Self::seal(self, place, value)
    }

    fn open(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, String> {
        Self::open(self, place, kept)
    }
}
