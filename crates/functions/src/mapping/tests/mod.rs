//! Mappings in a simulated world: behaviours that AWS was recorded with, and seeded runs with kills.

mod manager;
mod queue_simulate;
mod queues;
mod recorded;
mod simulate;
mod speed;
mod windows;
mod world;
