//! The audit: one line of JSON for every control-plane call, each bound to the one before it by a hash.
//!
//! # Format (v1)
//! ```text
//! DATA/audit/audit-000000000001.jsonl          named by the number of its first line, counted from 1
//! line := {…CloudTrail's record…,"chain":{"number":N,"previous":"HEX","hash":"HEX"}}\n
//! hash := SHA-256 of the line up to and without `,"hash":"`; previous := the hash of the line before, 64 zeros at the first
//! ```
//! A line that was changed, moved, put in or taken out breaks the chain at the next one: [`verify`] names the first. Lines cut
//! off at the end break nothing: whoever wants to know keeps the last number and hash that `millrace audit verify` prints.
//!
//! # Durability
//! [`Audit::write`] returns when the line is written, and with `durable` when it is on disk; calls that come together share
//! one sync. The doors ask for `durable` where a call changes something or is denied, before its answer is sent.
//!
//! # Limits
//! A file takes [`FILE_BYTES_MAX`]; beyond [`FILES_MAX`] files the oldest goes. So an audit that does not begin with line 1 has
//! that many files at least, all of them full but the last; else its beginning was cut off, and [`verify`] says so. A line has at most [`LINE_BYTES_MAX`] bytes.
//!
//! # Crash behaviour
//! A last line without its line feed was never acknowledged and is cut at the next start; the chain goes on from the line before.

mod chain;
mod verify;
mod write;

pub use verify::{Broken, Verified, contents, verify};
pub use write::{Audit, AuditError};

/// How much is kept. By it [`verify`] tells a file that had to go from lines that somebody cut off.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    files: usize,
    file_bytes: u64,
}

const CEILING: Ceiling = Ceiling { files: FILES_MAX, file_bytes: FILE_BYTES_MAX };

/// How long a file grows.
pub const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How many files are kept: a gigabyte of audit.
pub const FILES_MAX: usize = 32;
/// How long a line may be: a policy document in a request is the longest there is.
pub const LINE_BYTES_MAX: usize = 256 * 1024;
