//! The command line, one command a file.

pub mod client;
pub mod demo;
pub mod dlq;
mod package;
pub mod put;
pub mod sql;
pub mod tail;
pub mod up;
