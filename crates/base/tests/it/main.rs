//! The words that stages share, tried at their public door.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod pattern;
