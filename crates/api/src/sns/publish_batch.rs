//! PublishBatch: up to ten messages, each published or not on its own.

use super::{Sns, message, topic};
use crate::models::sns::{BatchResultErrorEntry, PublishBatchInput, PublishBatchResponse, PublishBatchResultEntry};
use crate::wire::Fault;
use std::iter::zip;

pub async fn call(sns: &Sns, input: PublishBatchInput) -> Result<PublishBatchResponse, Fault> {
    let key = topic(&input.topic_arn)?;
    let mut entries = Vec::with_capacity(input.publish_batch_request_entries.len());
    for entry in input.publish_batch_request_entries {
        let id = entry.id.to_string();
        entries.push((id, message::of_entry(entry)?));
    }
    let results = sns.topics.publish_batch(&key, &entries).await?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for ((id, _), result) in zip(entries, results) {
        match result {
            Ok(published) => successful.push(PublishBatchResultEntry {
                id: Some(id.into()),
                message_id: Some(published.message_id.into()),
                sequence_number: published.sequence_number.map(Into::into),
            }),
            Err(error) => failed.push(failure(id, Fault::from(error))),
        }
    }
    Ok(PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
}

fn failure(id: String, fault: Fault) -> BatchResultErrorEntry {
    BatchResultErrorEntry {
        id: id.into(),
        code: fault.kind.query_code().into(),
        sender_fault: fault.kind.is_sender(),
        message: Some(fault.message.into()),
    }
}
