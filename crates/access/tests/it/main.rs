//! The access room from outside.

mod decisions;
