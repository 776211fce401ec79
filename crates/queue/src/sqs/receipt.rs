//! Receipt handles: opaque texts that name one receive of one message.
//!
//! A handle carries the queue's incarnation, the message's number and the receive's nonce, and a checksum keyed by the
//! queue, so that mistyped and foreign handles are told from stale ones. Nothing is kept for it in memory.

use crc32c::{crc32c, crc32c_append};

const LEN: usize = 8 + 8 + 4 + 4;
/// Marks our handles; AWS's begin with `AQEB`.
const PREFIX: &str = "MRQ1";

/// What a receipt handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The queue's incarnation.
    pub queue: u64,
    /// The message's number.
    pub no: u64,
    /// The receive.
    pub nonce: u32,
}

impl Receipt {
    /// The handle.
    pub fn handle(self) -> String {
        let mut text = String::with_capacity(PREFIX.len() + LEN * 2);
        text.push_str(PREFIX);
        for byte in self.bytes() {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        text
    }

    /// Reads a handle. `None`: it is none of ours.
    pub fn parse(handle: &str) -> Option<Self> {
        let digits = handle.strip_prefix(PREFIX).filter(|digits| digits.len() == LEN * 2 && digits.is_ascii())?;
        let mut bytes = [0; LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let long = |at: usize| Some(u64::from_le_bytes(bytes[at..at + 8].try_into().ok()?));
        let nonce = u32::from_le_bytes(bytes[16..20].try_into().ok()?);
        let receipt = Self { queue: long(0)?, no: long(8)?, nonce };
        (receipt.bytes() == bytes).then_some(receipt)
    }

    fn bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&self.queue.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.no.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.nonce.to_le_bytes());
        let crc = crc32c_append(crc32c(b"millrace receipt"), &bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_round_trip_and_forgeries_do_not() {
        let receipt = Receipt { queue: 7, no: 1 << 40, nonce: 0xdead_beef };
        let handle = receipt.handle();
        assert_eq!(Receipt::parse(&handle), Some(receipt));
        let forged = handle.replacen("07", "08", 1);
        assert_eq!(Receipt::parse(&forged), None);
        assert_eq!(Receipt::parse("AQEBx"), None);
        assert_eq!(Receipt::parse(""), None);
    }
}
