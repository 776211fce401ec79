//! The command line, one command a file.

pub mod audit;
pub mod backfill;
pub mod client;
mod credentials;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod keys;
mod package;
mod pace;
pub mod put;
pub mod replay;
pub mod schema;
pub mod sql;
pub mod tail;
pub mod trace;
pub mod up;
