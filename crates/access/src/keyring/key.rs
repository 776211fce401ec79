//! A key: its material in versions, and what its owner says about it.

use super::crypto::KEY_BYTES;
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// Milliseconds of a day.
pub(crate) const DAY: Millis = 86_400_000;

/// A symmetric key. Its newest version encrypts, every version decrypts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Key {
    /// Whose it is.
    pub scope: Scope,
    /// A UUID.
    pub id: String,
    /// When it was created.
    pub created: Millis,
    /// What its owner says of it.
    pub description: String,
    /// Whether it may be used.
    pub state: KeyState,
    /// Who made it.
    pub manager: Manager,
    /// Its key policy, a JSON document.
    pub policy: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How often it is rotated by itself.
    pub rotation: Option<Rotation>,
    /// Its material, oldest first; never empty.
    pub(crate) versions: Vec<Version>,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// It may.
    Enabled,
    /// Not until it is enabled again.
    Disabled,
    /// Not unless the deletion is cancelled before this moment.
    PendingDeletion(Millis),
}

/// Who made a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manager {
    /// A customer, by `CreateKey`.
    Customer,
    /// A service, at the first use of its alias (`alias/aws/kinesis`).
    Aws,
}

/// Rotation by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// 90 to 2560.
    pub period_days: u32,
    /// When the next version is due.
    pub next: Millis,
}

/// Why a version was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationType {
    /// It was due.
    Automatic,
    /// Somebody asked for it.
    OnDemand,
}

/// One version of a key's material.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    #[serde(serialize_with = "to_hex", deserialize_with = "of_hex")]
    pub(crate) material: [u8; KEY_BYTES],
    pub(crate) made: Millis,
    /// `None`: the first.
    pub(crate) by: Option<RotationType>,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Version of {}", self.made)
    }
}

impl Key {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.scope.arn("kms", &format!("key/{}", self.id)).to_string()
    }

    /// How many versions it has.
    pub fn version_count(&self) -> usize {
        self.versions.len()
    }

    /// When its versions after the first were made, and why; oldest first.
    pub fn rotations(&self) -> impl Iterator<Item = (Millis, RotationType)> {
        self.versions.iter().filter_map(|version| Some((version.made, version.by?)))
    }
}

fn to_hex<S: Serializer>(bytes: &[u8; KEY_BYTES], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

fn of_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; KEY_BYTES], D::Error> {
    let text = String::deserialize(deserializer)?;
    unhex(&text).ok_or_else(|| serde::de::Error::custom("a key has 64 hexadecimal digits"))
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of exactly `2N` hexadecimal digits.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
