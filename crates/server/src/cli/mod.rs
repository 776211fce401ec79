//! The command line, one command a file.

pub mod audit;
pub mod backfill;
pub mod client;
mod credentials;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod keys;
mod pace;
mod package;
pub mod put;
pub mod replay;
pub mod schema;
pub mod sql;
pub mod tail;
pub mod trace;
pub mod up;
