//! What all batches have in common: the rules of their entries, and what became of each.

use crate::models::sqs::{BatchResultErrorEntry, SendMessageBatchResultEntry, faults};
use crate::wire::{Fault, Rule, Text, structures};
use millrace_queue::QueueError;

/// AWS's quota.
const ENTRIES_MAX: usize = 10;
const ID_CHARS_MAX: usize = 80;

static ANY: Rule = Rule::new();

structures! {
    /// What became of a batch's entries. Lists without entries are left out, as AWS does.
    BatchResult {
        /// The entries that were carried out.
        optional successful "Successful" Vec<Done>, ANY;
        /// The entries that were not, and why.
        optional failed "Failed" Vec<BatchResultErrorEntry>, ANY;
    }
    /// An entry that was carried out.
    Done {
        /// Its id.
        required id "Id" Text, ANY;
    }
    /// What became of a batch of messages. Lists without entries are left out, as AWS does.
    SendBatchResult {
        /// The messages that were kept.
        optional successful "Successful" Vec<SendMessageBatchResultEntry>, ANY;
        /// The messages that were not, and why.
        optional failed "Failed" Vec<BatchResultErrorEntry>, ANY;
    }
}

/// Whether a batch of `operation` may be carried out.
pub fn check<'a>(operation: &str, ids: impl ExactSizeIterator<Item = &'a Text> + Clone) -> Result<(), Fault> {
    let len = ids.len();
    if len == 0 {
        let message = format!("There should be at least one {operation}RequestEntry in the request.");
        return Err(faults::EMPTY_BATCH_REQUEST.because(message));
    }
    if len > ENTRIES_MAX {
        let message = format!("Maximum number of entries per request are {ENTRIES_MAX}. You have sent {len}.");
        return Err(faults::TOO_MANY_ENTRIES_IN_BATCH_REQUEST.because(message));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if ids.clone().any(|id| id.is_empty() || id.len() > ID_CHARS_MAX || !id.bytes().all(plain)) {
        let message = format!(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most \
             {ID_CHARS_MAX} letters long."
        );
        return Err(faults::INVALID_BATCH_ENTRY_ID.because(message));
    }
    let twice = ids.clone().enumerate().find(|(at, id)| ids.clone().take(*at).any(|other| other == *id));
    match twice {
        Some((_, id)) => Err(faults::BATCH_ENTRY_IDS_NOT_DISTINCT.because(format!("Id {id} repeated."))),
        None => Ok(()),
    }
}

/// An entry that was not carried out.
pub fn failure(id: Text, fault: Fault) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id,
        sender_fault: fault.kind.is_sender(),
        code: fault.kind.query_code().into(),
        message: Some(fault.message.into()),
    }
}

/// What became of entries that have nothing to tell but whether they were carried out.
pub fn result(outcomes: impl IntoIterator<Item = (Text, Result<(), QueueError>)>) -> BatchResult {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in outcomes {
        match outcome {
            Ok(()) => successful.push(Done { id }),
            Err(error) => failed.push(failure(id, error.into())),
        }
    }
    BatchResult { successful: some(successful), failed: some(failed) }
}

/// A list that has something in it.
pub fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
