//! The door as clients see it: cases in data files, both formats, both HTTP versions, and what survives a restart.

mod cases;
mod door;
mod parity;
mod protocols;
mod restart;
mod throughput;
