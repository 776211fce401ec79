//! Whole-system tests.
#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is a test that fails")]

mod late;
mod reshard;
mod simulate;
