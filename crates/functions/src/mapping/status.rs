//! What a mapping says of itself while it runs.

use parking_lot::Mutex;

/// `LastProcessingResult` of a mapping that has seen nothing yet.
pub(crate) const NO_RECORDS: &str = "No records processed";
/// The last batch went well.
pub(crate) const OK: &str = "OK";
/// What every trouble's last result begins with.
pub(crate) const PROBLEM: &str = "PROBLEM: ";
/// The last batch failed: the function raised, crashed, ran out of time, or reported failed items.
pub(crate) const CALL_FAILED: &str = "PROBLEM: Function call failed";

/// The last result of a mapping. Shared by its workers.
#[derive(Debug)]
pub(crate) struct Status {
    last_result: Mutex<String>,
}

impl Default for Status {
    fn default() -> Self {
        Self { last_result: Mutex::new(NO_RECORDS.to_owned()) }
    }
}

impl Status {
    pub(crate) fn set(&self, result: &str) {
        let mut last = self.last_result.lock();
        if *last != result {
            result.clone_into(&mut last);
        }
    }

    /// AWS's words for a trouble of ours.
    pub(crate) fn problem(&self, problem: impl std::fmt::Display) {
        self.set(&format!("{PROBLEM}{problem}"));
    }

    /// A trouble of ours is over; what the function did stays.
    pub(crate) fn recovered(&self) {
        let mut last = self.last_result.lock();
        if last.starts_with(PROBLEM) && *last != CALL_FAILED {
            OK.clone_into(&mut last);
        }
    }

    pub(crate) fn last_result(&self) -> String {
        self.last_result.lock().clone()
    }
}
