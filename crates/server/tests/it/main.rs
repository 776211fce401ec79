//! Whole-system tests.

mod simulate;
