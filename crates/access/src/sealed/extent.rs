//! One sealed extent: bytes on disk, and back.

use crate::keyring::crypto::{Forged, NONCE_BYTES, TAG_BYTES, cipher, open_in_place, random, seal_in_place};
use millrace_base::Dice;
use ring::aead::LessSafeKey;

/// Plaintext bytes of an extent.
pub(crate) const EXTENT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a head.
pub(crate) const HEAD_BYTES: usize = 40;
/// What an extent is longer than its plaintext.
pub(crate) const FRAME_BYTES: usize = HEAD_BYTES + TAG_BYTES;
/// The largest extent on disk.
pub(crate) const SEALED_BYTES_MAX: usize = EXTENT_BYTES_MAX + FRAME_BYTES;

const DATA: [u8; 4] = *b"\xe7xt1";
const LENGTH: [u8; 4] = *b"\xe7ln1";
const TABLE: [u8; 4] = *b"\xe7tb1";
const END: [u8; 4] = *b"\xe7en1";
/// How much of a head the check and the tag cover.
const COVERED: usize = 24;
const NONCE: usize = COVERED + 4;

/// What an extent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes.
    Data,
    /// The file's length.
    Length,
    /// A part of the table of a file that is finished.
    Table,
    /// The length of a file that is finished.
    End,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Data, Self::Length, Self::Table, Self::End];

    fn mark(self) -> [u8; 4] {
        match self {
            Self::Data => DATA,
            Self::Length => LENGTH,
            Self::Table => TABLE,
            Self::End => END,
        }
    }

    /// Whether its extents have bytes.
    pub(crate) fn has_text(self) -> bool {
        matches!(self, Self::Data | Self::Table)
    }
}

/// An extent's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// Plaintext bytes.
    pub(crate) len: u32,
    /// Where they belong, in the file or in its table; or the file's length.
    pub(crate) offset: u64,
    /// How many sealed bytes had been synced.
    pub(crate) synced: u64,
}

impl Head {
    /// Bytes of the whole extent on disk.
    pub(crate) fn sealed_len(&self) -> u64 {
        u64::from(self.len) + FRAME_BYTES as u64
    }

    /// The offset after its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.len)
    }

    /// The head that stands at `position`, if one does. Damage is found, forgery only by [`open`].
    pub(crate) fn decode(bytes: &[u8], position: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEAD_BYTES>()?;
        let kind = Kind::ALL.into_iter().find(|kind| bytes.starts_with(&kind.mark()))?;
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let head = Self { kind, len: word(4), offset: long(8), synced: long(16) };
        let fits = if kind.has_text() { (1..=EXTENT_BYTES_MAX as u32).contains(&head.len) } else { head.len == 0 };
        let sane = fits && head.synced <= position && head.offset.checked_add(u64::from(head.len)).is_some();
        (sane && word(COVERED) == check(bytes, position)).then_some(head)
    }

    fn covered(&self) -> [u8; COVERED] {
        let mut bytes = [0; COVERED];
        bytes[..4].copy_from_slice(&self.kind.mark());
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes
    }
}

/// Appends an extent that will stand at `position`.
pub(crate) fn seal(key: &LessSafeKey, dice: &dyn Dice, head: Head, position: u64, text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let nonce: [u8; NONCE_BYTES] = random(dice);
    out.extend_from_slice(&head.covered());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&nonce);
    let sum = check(&out[start..], position);
    out[start + COVERED..start + NONCE].copy_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(text);
    let tag = seal_in_place(key, nonce, &aad(&head, position), &mut out[start + HEAD_BYTES..]);
    out.extend_from_slice(&tag);
}

/// Decrypts an extent, head and all, where it stands.
pub(crate) fn open<'a>(
    key: &LessSafeKey,
    head: &Head,
    position: u64,
    extent: &'a mut [u8],
) -> Result<&'a mut [u8], Forged> {
    let (front, sealed) = extent.split_at_mut_checked(HEAD_BYTES).ok_or(Forged)?;
    let nonce = front[NONCE..].try_into().map_err(|_| Forged)?;
    open_in_place(key, nonce, &aad(head, position), sealed)
}

/// A data key ready for use.
pub(crate) fn data_key(bytes: &[u8; 32]) -> LessSafeKey {
    cipher(bytes)
}

/// True where an extent may begin.
pub(crate) fn marks(bytes: &[u8]) -> bool {
    Kind::ALL.iter().any(|kind| bytes.starts_with(&kind.mark()))
}

fn aad(head: &Head, position: u64) -> [u8; COVERED + 8] {
    let mut aad = [0; COVERED + 8];
    aad[..COVERED].copy_from_slice(&head.covered());
    aad[COVERED..].copy_from_slice(&position.to_le_bytes());
    aad
}

/// FNV-1a over a head and its position, without the sum itself.
fn check(head: &[u8], position: u64) -> u32 {
    let place = position.to_le_bytes();
    let bytes = head[..COVERED].iter().chain(&head[NONCE..HEAD_BYTES]).chain(&place);
    let sum =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    (sum ^ (sum >> 32)) as u32
}
