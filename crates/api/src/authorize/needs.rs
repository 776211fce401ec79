//! What a call needs: the actions that must be allowed, each on its resources.

use super::input::Input;
use super::{cloudwatch, firehose, glue, iam, kinesis, kinesisanalytics, kms, lambda, logs, sns, sqs, sts};
use std::borrow::Cow;

/// Condition keys with their values.
pub type Keys = Vec<(Cow<'static, str>, Vec<String>)>;

/// One action that a call needs, on each of some resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// For example `kinesis:PutRecord`.
    pub action: String,
    /// Their ARNs; `*` for an action that has none.
    pub resources: Vec<String>,
    /// Condition keys of the service, in lower case, with their values.
    pub keys: Keys,
}

/// What is known of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// All of these.
    All(Vec<Need>),
    /// The operation finds its resource by itself, and asks then.
    Later,
    /// Everybody may: `GetCallerIdentity`.
    Nothing,
}

impl Need {
    /// An action on one resource.
    pub fn on(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resources: vec![resource.into()], keys: Vec::new() }
    }

    /// The same with a condition key, if it has a value.
    pub fn with(mut self, key: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.keys.push((key.into(), vec![value.to_owned()]));
        }
        self
    }

    /// That a role may be handed to a service.
    pub fn pass_role(role: &str, service: &str) -> Self {
        Self::on("iam:PassRole", role).with("iam:passedtoservice", Some(service))
    }
}

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Self::All(vec![need])
    }
}

/// What an operation of a service needs; `service` is the name in the service's actions.
pub fn needs(service: &str, operation: &str, input: &Input<'_>) -> Needs {
    match service {
        "kinesis" => kinesis::needs(operation, input),
        "firehose" => firehose::needs(operation, input),
        "glue" => glue::needs(operation, input),
        "iam" => iam::needs(operation, input),
        "sts" => sts::needs(operation, input),
        "sqs" => sqs::needs(operation, input),
        "sns" => sns::needs(operation, input),
        "lambda" => lambda::needs(operation, input),
        "logs" => logs::needs(operation, input),
        "cloudwatch" => cloudwatch::needs(operation, input),
        "kinesisanalytics" => kinesisanalytics::needs(operation, input),
        "kms" => kms::needs(operation, input),
        // A service that nobody has written down here is open to those who may do everything in it.
        other => Need::on(format!("{other}:{operation}"), "*").into(),
    }
}
