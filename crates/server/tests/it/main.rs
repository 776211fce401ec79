//! Whole-system tests.
#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is a test that fails")]

#[path = "../../../log/tests/it/kit.rs"]
mod kit;
mod late;
#[path = "../../../log/tests/it/conformance.rs"]
mod log_conformance;
#[path = "../../../log/tests/it/crash.rs"]
mod log_crash;
mod reshard;
mod sealed;
mod simulate;
#[path = "../../../queue/tests/it/sqs_kit.rs"]
mod sqs_kit;
#[path = "../../../queue/tests/it/sqs_simulate.rs"]
mod sqs_simulate;

/// The log's and the queues' suites run over sealed disks here.
use sealed::over;
