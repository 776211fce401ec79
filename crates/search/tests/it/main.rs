//! Tests of the engine at its public edge: cases in files, crashes, and how fast it is.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests of the real disk and clock; a helper that fails is a test that fails"
)]

mod cases;
mod crash;
mod lifecycle;
mod rollover;
mod speed;

use bytes::Bytes;
use millrace_base::{SystemClock, SystemDice, SystemDisk};
use millrace_search::{Engine, Parts};
use std::path::Path;
use std::sync::Arc;

/// An engine on the machine's own disk and clock.
pub fn open(dir: &Path) -> Arc<Engine> {
    let parts = Parts {
        dir: dir.to_owned(),
        disk: Arc::new(SystemDisk),
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
    };
    Engine::open(parts).unwrap()
}

/// A document of one number.
pub fn doc(n: u64) -> (String, Bytes) {
    (format!("id-{n}"), Bytes::from(format!("{{\"n\":{n},\"name\":\"doc {n}\"}}")))
}
