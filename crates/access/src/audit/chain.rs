//! Links of the chain: what a line's hash covers.

use ring::digest::{SHA256, digest};
use std::fmt::Write;

/// What stands before the first line.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What a line ends with, from the hash on.
const HASH: &str = ",\"hash\":\"";
const END: &str = "\"}}";

/// The end of the chain: what the next line is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number of the last line; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for Link {
    fn default() -> Self {
        Self { number: 0, hash: BEGINNING.to_owned() }
    }
}

impl Link {
    /// A record (a JSON object) as the line that follows, without its line feed; `self` is then that line's link.
    pub fn bind(&mut self, record: &str) -> String {
        let open = record.trim_end().strip_suffix('}').unwrap_or(record);
        let comma = if open.ends_with('{') { "" } else { "," };
        let mut line =
            format!("{open}{comma}\"chain\":{{\"number\":{},\"previous\":\"{}\"", self.number + 1, self.hash);
        let hash = hex(digest(&SHA256, line.as_bytes()).as_ref());
        line.push_str(HASH);
        line.push_str(&hash);
        line.push_str(END);
        *self = Self { number: self.number + 1, hash };
        line
    }
}

/// A line's link, and the hash that it says the line before has. Fails with what is wrong with the line itself.
pub fn read(line: &str) -> Result<(Link, String), &'static str> {
    let at = line.rfind(HASH).ok_or("has no hash")?;
    let hash = line[at + HASH.len()..].strip_suffix(END).ok_or("does not end with its hash")?;
    let covered = &line[..at];
    if hex(digest(&SHA256, covered.as_bytes()).as_ref()) != hash {
        return Err("was changed: its hash is another");
    }
    let at = covered.rfind("\"chain\":{\"number\":").ok_or("has no place in the chain")?;
    let (number, previous) =
        covered[at + "\"chain\":{\"number\":".len()..].split_once(",\"previous\":\"").ok_or("has no line before it")?;
    let number = number.parse().map_err(|_| "has no number")?;
    let previous = previous.strip_suffix('"').ok_or("has no line before it")?;
    Ok((Link { number, hash: hash.to_owned() }, previous.to_owned()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
