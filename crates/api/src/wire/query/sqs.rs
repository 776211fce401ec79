//! The names of SQS's older query protocol.
//!
//! AWS's model of today describes SQS's JSON protocol only. The names are those of the last model that described the
//! query protocol: botocore 1.29.165, `sqs/2012-11-05`, where each list and map is flattened under the name given here.

use crate::wire::{QueryName, QueryNames};

const fn list(member: &'static str, name: &'static str) -> QueryName {
    QueryName { operation: "", member, name, entry: None }
}

const fn map(member: &'static str, name: &'static str) -> QueryName {
    QueryName { operation: "", member, name, entry: Some(("Name", "Value")) }
}

const fn tags(operation: &'static str, member: &'static str) -> QueryName {
    QueryName { operation, member, name: "Tag", entry: Some(("Key", "Value")) }
}

const fn successful(operation: &'static str, name: &'static str) -> QueryName {
    QueryName { operation, member: "Successful", name, entry: None }
}

/// SQS's lists and maps in forms and XML.
pub static SQS_NAMES: &QueryNames = &QueryNames {
    inputs: &[
        list("AWSAccountIds", "AWSAccountId"),
        list("Actions", "ActionName"),
        list("AttributeNames", "AttributeName"),
        list("BinaryListValues", "BinaryListValue"),
        list("Entries", "ChangeMessageVisibilityBatchRequestEntry"),
        list("Entries", "DeleteMessageBatchRequestEntry"),
        list("Entries", "SendMessageBatchRequestEntry"),
        list("MessageAttributeNames", "MessageAttributeName"),
        list("MessageSystemAttributeNames", "MessageSystemAttributeName"),
        list("StringListValues", "StringListValue"),
        list("TagKeys", "TagKey"),
        map("Attributes", "Attribute"),
        map("MessageAttributes", "MessageAttribute"),
        map("MessageSystemAttributes", "MessageSystemAttribute"),
        tags("CreateQueue", "tags"),
        tags("", "Tags"),
    ],
    outputs: &[
        list("BinaryListValues", "BinaryListValue"),
        list("Failed", "BatchResultErrorEntry"),
        list("Messages", "Message"),
        list("QueueUrls", "QueueUrl"),
        list("Results", "ListMessageMoveTasksResultEntry"),
        list("StringListValues", "StringListValue"),
        list("queueUrls", "QueueUrl"),
        map("Attributes", "Attribute"),
        map("MessageAttributes", "MessageAttribute"),
        successful("ChangeMessageVisibilityBatch", "ChangeMessageVisibilityBatchResultEntry"),
        successful("DeleteMessageBatch", "DeleteMessageBatchResultEntry"),
        successful("SendMessageBatch", "SendMessageBatchResultEntry"),
        tags("", "Tags"),
    ],
};
