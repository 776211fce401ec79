//! A world for simulations: one seed decides the clock's jumps, the dice, what the disk loses, and when the process dies.
//!
//! [`SimDisk`] is stricter than a real disk: what was not synced may be lost, torn or reordered at a [`SimDisk::crash`],
//! names included, and
//! a file whose sync failed never syncs again in the same process.

mod clock;
mod content;
mod dice;
mod disk;
mod faults;
mod names;

pub use clock::SimClock;
pub use dice::SimDice;
pub use disk::SimDisk;
pub use faults::Call;
