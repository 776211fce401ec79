//! Delivery streams at their door: definitions in, records in, objects and documents out.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod definition;
mod lake;
mod lambda;
mod manager;
mod objects;
mod rebuild;
mod reshard;
mod search;
mod simulate;
mod speed;
mod world;
