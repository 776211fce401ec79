//! The log's tests, in one binary.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod conformance;
mod consumers;
mod crash;
mod damage;
mod disk;
mod fixture;
mod kit;
mod reshard;
mod retention;
mod together;
