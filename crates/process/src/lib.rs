//! Runs job graphs.
