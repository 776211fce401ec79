//! The door as clients see it: cases in data files, both formats, both HTTP versions, and what survives a restart.
#![allow(clippy::disallowed_methods, reason = "tests run on the real clock and disk")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;
mod door;
mod parity;
mod protocols;
mod restart;
mod runtime;
mod subscribe;
mod throughput;
mod wire;
