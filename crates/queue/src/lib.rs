//! SQS queues and SNS topics: where failures and alarms go.
