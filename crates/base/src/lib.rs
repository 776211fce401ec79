//! The words and the seams that every stage shares.
//!
//! Words: who owns a resource ([`Scope`], [`Arn`]), where a record lies ([`ShardId`], [`SequenceNumber`]), when something
//! happened ([`Millis`]). Seams: [`Clock`], [`Dice`] and [`Disk`], injected everywhere so that a whole pipeline can run in
//! a seeded simulation. What several stages read or count: [`pattern`], [`wildcard_matches`],
//! [`calendar`]. A type comes here only when two stages
//! need it today.

mod background;
pub mod calendar;
mod clock;
mod dice;
mod disk;
mod error;
mod nearest;
pub mod pattern;
mod scope;
mod sequence;
mod wildcard;

pub use background::work_in_background;
pub use clock::{Clock, Millis, SystemClock};
pub use dice::{Dice, SystemDice};
pub use disk::{Disk, DiskFile, NewFile, Sink, Stamp, SystemDisk};
pub use error::Remedy;
pub use nearest::{did_you_mean, nearest};
pub use scope::{Arn, ArnError, Scope};
pub use sequence::{SequenceNumber, SequenceNumberError, ShardId};
pub use wildcard::wildcard_matches;
