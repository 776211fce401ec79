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
#[allow(dead_code, reason = "the queues' own tests use all of it")]
mod sqs_kit;
#[path = "../../../queue/tests/it/sqs_simulate.rs"]
mod sqs_simulate;

/// The log's and the queues' suites run over sealed disks here.
use sealed::over;

/// How many seeds the log's and the queues' simulations try here: `MILLRACE_SEEDS`, else a part of what is usual in their own
/// crates, which is enough to meet everything that they ask for.
fn seeds(usual: u64) -> u64 {
    std::env::var("MILLRACE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual / 20)
}
