//! SQS's errors, in AWS's words.

use crate::models::sqs::faults as modelled;
use crate::wire::{Fault, FaultKind, kinds};
use millrace_queue::{KeyRefusal, QueueError};

/// A parameter breaks its rule; not in the model, but on the wire.
const INVALID_PARAMETER_VALUE: FaultKind =
    FaultKind::new("InvalidParameterValueException", 400).query("InvalidParameterValue");
/// A parameter is missing.
const MISSING_PARAMETER: FaultKind = FaultKind::new("MissingRequiredParameterException", 400).query("MissingParameter");
/// Queues cannot be written to for the moment.
const SERVICE_UNAVAILABLE: FaultKind = FaultKind::new("ServiceUnavailable", 503);

impl From<QueueError> for Fault {
    fn from(error: QueueError) -> Self {
        let kind = match &error {
            QueueError::NoQueue(_) => modelled::QUEUE_DOES_NOT_EXIST,
            QueueError::QueueExists { .. } => modelled::QUEUE_NAME_EXISTS,
            QueueError::InvalidName(_)
            | QueueError::InvalidParameter(_)
            | QueueError::ReceiptExpired(_)
            | QueueError::NotInFlight(_) => INVALID_PARAMETER_VALUE,
            QueueError::InvalidAttributeName(_) => modelled::INVALID_ATTRIBUTE_NAME,
            QueueError::InvalidAttributeValue { .. } => modelled::INVALID_ATTRIBUTE_VALUE,
            QueueError::MissingParameter(_) => MISSING_PARAMETER,
            QueueError::InvalidCharacters => modelled::INVALID_MESSAGE_CONTENTS,
            QueueError::InvalidReceipt(_) => modelled::RECEIPT_HANDLE_IS_INVALID,
            QueueError::OverLimit => modelled::OVER_LIMIT,
            QueueError::PurgeInProgress(_) => modelled::PURGE_QUEUE_IN_PROGRESS,
            QueueError::NotFound(_) => modelled::RESOURCE_NOT_FOUND_EXCEPTION,
            QueueError::Unsupported(_) => modelled::UNSUPPORTED_OPERATION,
            QueueError::DiskFull { .. } | QueueError::Closed => SERVICE_UNAVAILABLE,
            QueueError::Key(KeyRefusal::NotFound(_)) => modelled::KMS_NOT_FOUND.query("KMS.NotFoundException"),
            QueueError::Key(KeyRefusal::Disabled(_)) => modelled::KMS_DISABLED.query("KMS.DisabledException"),
            QueueError::Key(KeyRefusal::InvalidState(_)) => {
                modelled::KMS_INVALID_STATE.query("KMS.InvalidStateException")
            }
            QueueError::Key(KeyRefusal::Failed(_)) => kinds::INTERNAL_FAILURE,
            QueueError::Disk { .. } | QueueError::Corrupt { .. } | QueueError::Catalog(_) => kinds::INTERNAL_FAILURE,
        };
        kind.because(error.to_string())
    }
}

/// The URL is no queue's.
pub fn bad_address(url: &str) -> Fault {
    modelled::INVALID_ADDRESS.because(format!("The address {url} is not valid for this endpoint."))
}

/// A broken rule of the model in SQS's words.
pub fn reword(fault: Fault) -> Fault {
    if fault.kind != kinds::VALIDATION {
        return fault;
    }
    let place = between(&fault.message, "at '", "' failed").unwrap_or_default().to_owned();
    let member = place.rsplit('.').next().unwrap_or_default();
    if fault.message.contains("Member must not be null") {
        let mut letters = member.chars();
        let name: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
        return MISSING_PARAMETER.because(format!("The request must contain the parameter {name}."));
    }
    match unknown_attribute(&fault.message) {
        Some(name) => modelled::INVALID_ATTRIBUTE_NAME.because(format!("Unknown Attribute {name}.")),
        None => INVALID_PARAMETER_VALUE.because(fault.message),
    }
}

/// The first name that is not among those allowed.
fn unknown_attribute(message: &str) -> Option<String> {
    let allowed: Vec<&str> = between(message, "enum value set: [", "]")?.split(", ").collect();
    let shown = between(message, "Value '", "' at '")?.trim_matches(['{', '}', '[', ']']);
    let names = shown.split(", ").map(|part| part.split('=').next().unwrap_or(part));
    names.filter(|name| !allowed.contains(name)).map(str::to_owned).next()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    rest.find(after).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_rules_are_told_as_sqs_tells_them() {
        let broken = |text: &str| reword(kinds::VALIDATION.because(format!("1 validation error detected: {text}")));
        let missing = broken(
            "Value null at 'entries.1.member.messageBody' failed to satisfy constraint: Member must not be null",
        );
        assert_eq!(missing.kind.query_code(), "MissingParameter");
        assert_eq!(missing.message, "The request must contain the parameter MessageBody.");
        let unknown = broken(
            "Value '{DelaySeconds=1, Colour=red}' at 'attributes' failed to satisfy constraint: Map keys must satisfy \
             constraint: [Member must satisfy enum value set: [All, DelaySeconds]]",
        );
        assert_eq!(unknown.kind.code, "InvalidAttributeName");
        assert_eq!(unknown.message, "Unknown Attribute Colour.");
    }
}
