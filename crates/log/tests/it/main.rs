//! The log's tests, in one binary.

mod conformance;
mod crash;
mod damage;
mod disk;
mod kit;
mod retention;
