//! Registered consumers as requests name them and as answers describe them.
//!
//! A consumer can be used as soon as it is registered; the answer to its registration says CREATING, as AWS's does.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::Consumer;
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::Arn;
use millrace_log::StreamConsumer;

pub const ACTIVE: Text = Text::from_static("ACTIVE");
pub const CREATING: Text = Text::from_static("CREATING");

impl Kinesis {
    /// The consumer that a request names by its ARN, by its stream's ARN and its name, or by all of them.
    pub(super) fn consumer(
        &self,
        caller: &Caller,
        arn: Option<&Text>,
        stream: Option<&Text>,
        name: Option<&Text>,
    ) -> Result<StreamConsumer, Fault> {
        let missing = |what: &str| faults::no_consumer(what, &caller.scope.account);
        let by_name = match (stream, name) {
            (Some(stream), Some(name)) => {
                let stream = self.stream(caller, None, Some(stream))?;
                Some(self.consumers.get(&stream, name)?.ok_or_else(|| missing(name))?)
            }
            (None, None) if arn.is_some() => None,
            (Some(_), None) if arn.is_some() => None,
            _ => {
                let message = "Either ConsumerARN, or both StreamARN and ConsumerName must be provided.";
                return Err(kinds::INVALID_ARGUMENT.because(message));
            }
        };
        let Some(arn) = arn else { return by_name.ok_or_else(|| missing("")) };
        let found = self.consumer_of(caller, arn)?;
        let of_stream = stream.is_none_or(|stream| *stream == super::describe::arn(&found.stream));
        if !of_stream || by_name.is_some_and(|named| named != found) {
            let message = format!("ConsumerARN {arn}, StreamARN and ConsumerName name different consumers.");
            return Err(kinds::INVALID_ARGUMENT.because(message));
        }
        Ok(found)
    }

    /// The consumer with an ARN.
    pub(super) fn consumer_of(&self, caller: &Caller, arn: &Text) -> Result<StreamConsumer, Fault> {
        let missing = || faults::no_consumer(arn, &caller.scope.account);
        let parsed: Arn = arn.parse().map_err(|_| kinds::INVALID_ARGUMENT.because(format!("{arn} is not an ARN.")))?;
        // Scopes do not see each other's consumers.
        if parsed.scope != caller.scope || &*parsed.service != "kinesis" {
            return Err(missing());
        }
        self.consumers.find(&*self.log, &parsed)?.ok_or_else(missing)
    }
}

/// A consumer as most answers describe it.
pub fn describe(consumer: &StreamConsumer, status: Text) -> Consumer {
    Consumer {
        consumer_name: Text::from(&*consumer.name),
        consumer_arn: consumer.arn().to_string().into(),
        consumer_status: status,
        consumer_creation_timestamp: Timestamp(consumer.created),
    }
}
