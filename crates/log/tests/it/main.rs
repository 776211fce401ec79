//! The log's tests, in one binary.

mod disk;
mod kit;
