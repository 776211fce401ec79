//! Real functions in real processes, over the real Runtime API. Needs python3 with pip, and a network at the first run.

mod limits;
mod orphans;
mod others;
mod python;
mod world;
