//! Running one delivery stream: its second half, behind [`crate::stage`] when a function transforms the records.
//!
//! # What is written down
//! Records are buffered in *lanes*, one for each combination of partition keys and one for records whose keys cannot be
//! found. A lane that is large or old enough is *cut*: [`Progress`] with the lanes and the positions up to which their
//! records belong to the cut is put into the catalog, then the objects are written, then progress without the cut. Keys
//! and contents of the objects follow from the positions, so that a run that was killed between any two of these steps
//! reads the same records again and writes the same objects over. An object of many records is converted in steps, and
//! between them the shards are read on: what comes then lies behind the cut's positions.
//!
//! ```text
//! shard  0 ....... base ......................... read position
//!                   │ delivered: lanes that were cut since, each up to where
//!        delivered  │ a record here is pending unless its lane was cut behind it
//! ```
//!
//! A changed definition or table is applied only when nothing is pending: everything that was read under the old one is
//! delivered under the old one.

mod cut;
mod lane;
mod object;
mod parquet;
mod progress;
mod readers;
mod runner;
mod shape;
mod stats;

pub(crate) use cut::{Plan, ShardBirths, Task};
pub(crate) use lane::Held;
pub(crate) use object::{Put, Source, uuid};
pub(crate) use progress::{Applied, Lane, Positions, Progress, TABLE as PROGRESS, catalog_key};
pub(crate) use readers::Readers;
pub use runner::{Parts, Runner, Step};
pub(crate) use shape::{Shape, Target};
pub use stats::{Stats, StatsSnapshot};
