//! Keyed state: groups, their accumulators, and panes of both.

mod accumulator;
mod keys;
mod numbers;
mod pane;
mod seen;

pub(crate) use accumulator::{AccSpec, Accumulator};
pub(crate) use keys::{Encoded, KeyCoder, KeyTable};
pub(crate) use numbers::{from_longs, longs};
pub(crate) use pane::{Grouping, Pane};
pub(crate) use seen::Seen;
