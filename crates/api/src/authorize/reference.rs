//! What operations need, held against AWS's *Service Authorization Reference* as `tests/reference/record.py` recorded it: every
//! action is one of AWS's, and every resource has the form of one that AWS lists for the action.

use super::input::Input;
use super::needs::{Needs, needs};
use crate::wire::Members;
use millrace_base::Scope;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where this differs from the reference, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("glue:GetTags", "the reference forgets the registry's resources, which TagResource has"),
    ("iam:GetAccessKeyLastUsed", "AWS decides by the key's user; not to tell who that is, a grant on all is asked for"),
    ("kinesis:DisableEnhancedMonitoring", STREAM),
    ("kinesis:EnableEnhancedMonitoring", STREAM),
    ("kinesis:UpdateShardCount", STREAM),
    ("kinesis:UpdateStreamMode", STREAM),
    ("kinesis:GetRecords", "asked by the operation, for the stream that is in the iterator"),
    ("kms:ReEncrypt", "asked by the operation as ReEncryptFrom and ReEncryptTo, for the keys that it finds"),
    ("logs:DescribeLogGroups", "groups are asked for one by one where they are named, as AWS's guide to Logs has it"),
    ("sns:GetSubscriptionAttributes", SUBSCRIPTION),
    ("sns:SetSubscriptionAttributes", SUBSCRIPTION),
    ("sns:Unsubscribe", SUBSCRIPTION),
    (
        "sqs:CancelMessageMoveTask",
        "the queue stands in a handle that only the operation can read: a grant on all is asked for",
    ),
    ("sts:GetCallerIdentity", "everybody may, as AWS's documentation of the operation says"),
    ("sts:GetSessionToken", "everybody may, as AWS's documentation of the operation says"),
];

const STREAM: &str = "the reference lists no resource; a grant on the stream is enough here, and so is one on all";
const SUBSCRIPTION: &str = "the reference lists no resource; a grant on the topic is enough here, and so is one on all";

/// An input in which every name that needs look for has a value.
struct Named(Value);

impl Members for Named {
    fn member(&self, name: &str) -> Option<&dyn Members> {
        self.0.get(name).map(|value| value as &dyn Members)
    }
}

impl Members for Value {
    fn member(&self, name: &str) -> Option<&dyn Members> {
        self.get(name).map(|value| value as &dyn Members)
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn items(&self) -> Vec<&dyn Members> {
        self.as_array().into_iter().flatten().map(|item| item as &dyn Members).collect()
    }

    fn keys(&self) -> Vec<&str> {
        self.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }
}

fn every_name(service: &str, operation: &str) -> Value {
    let own = |resource: &str| format!("arn:aws:{service}:us-east-1:000000000000:{resource}");
    let role = "arn:aws:iam::000000000000:role/r";
    match service {
        "kinesis" => {
            json!({"StreamName": "s", "ConsumerARN": own("stream/s/consumer/c:1"), "ResourceARN": own("stream/s")})
        }
        "firehose" => json!({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": {"RoleARN": role}}),
        "glue" => json!({
            "DatabaseName": "d", "Name": "n", "TableInput": {"Name": "t"}, "DatabaseInput": {"Name": "d"},
            "RegistryName": "r", "SchemaName": "s", "RegistryId": {"RegistryName": "r"},
            "SchemaId": {"SchemaName": "s"}, "ResourceArn": own("registry/r"),
        }),
        "iam" => of_iam(operation),
        "sts" => json!({"RoleArn": role, "Tags": [{"Key": "k", "Value": "v"}], "SourceIdentity": "s"}),
        "sqs" => {
            json!({"QueueName": "q", "QueueUrl": "http://h/000000000000/q", "SourceArn": own("q"), "DestinationArn": own("r")})
        }
        "sns" => json!({
            "TopicArn": own("t"), "ResourceArn": own("t"), "Name": "t", "SubscriptionArn": own("t:id"),
        }),
        "lambda" => json!({
            "FunctionName": "f", "LayerName": "l", "UUID": "u", "Arn": own("layer:l:1"), "Resource": own("function:f"),
            "Role": role, "Layers": [own("layer:l:1")], "Qualifier": "live",
        }),
        "logs" => json!({"logGroupName": "g", "logStreamName": "s"}),
        "cloudwatch" => json!({
            "AlarmName": "a", "AlarmNames": ["a"], "Name": "m", "AlarmMuteRuleName": "m", "DashboardName": "d",
            "DashboardNames": ["d"], "ResourceARN": own("alarm:a"),
        }),
        "kinesisanalytics" => json!({"ApplicationName": "a", "ServiceExecutionRole": role}),
        "kms" => json!({"KeyId": "k", "TargetKeyId": "k", "AliasName": "alias/a", "EncryptionContext": {"a": "b"}}),
        other => panic!("{other} has no names"),
    }
}

/// IAM tells what a call is about by which names it has, so each has its own.
fn of_iam(operation: &str) -> Value {
    let has = |word: &str| operation.contains(word);
    let mut names = json!({"PolicyName": "p", "AWSServiceName": "x.amazonaws.com"});
    let arn = "arn:aws:iam::000000000000:policy/p";
    let named = [
        (has("Role"), "RoleName", "r"),
        (has("User") || has("AccessKey"), "UserName", "u"),
        (has("Group"), "GroupName", "g"),
        (
            operation.starts_with("Attach")
                || operation.starts_with("Detach")
                || !(has("Role") || has("User") || has("Group") || has("AccessKey")),
            "PolicyArn",
            arn,
        ),
        (has("Simulate"), "PolicySourceArn", "arn:aws:iam::000000000000:role/r"),
    ];
    for (_, name, value) in named.into_iter().filter(|(is_there, ..)| *is_there) {
        names[name] = json!(value);
    }
    names
}

/// The services, each with the operations that are served: what their models are generated by.
fn services() -> Vec<(&'static str, Vec<&'static str>)> {
    let table = include_str!("../../../../xtask/src/models/services.rs");
    let quoted = |text: &'static str| text.split('"').skip(1).step_by(2).collect::<Vec<_>>();
    let services = table.split("model: \"").skip(1);
    let read = services.map(|service| {
        let (name, rest) = service.split_once('"').unwrap();
        let (_, rest) = rest.split_once("operations: &[").unwrap();
        // Policies know its second version by the name of the first.
        let name = name.strip_suffix("v2").unwrap_or(name);
        (name, quoted(rest.split_once(']').unwrap().0))
    });
    read.collect()
}

/// Whether an ARN has a format such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`.
fn has_format(arn: &str, format: &str) -> bool {
    let mut fixed = format.split("${").map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let Some(mut rest) = arn.strip_prefix(fixed.next().unwrap_or_default()) else { return false };
    let fixed: Vec<&str> = fixed.collect();
    for (place, part) in fixed.iter().enumerate() {
        let is_last = place + 1 == fixed.len();
        let found = if is_last && part.is_empty() { Some(rest.len()) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// What is wrong with one need of an operation, if something is.
fn wrong(reference: &Value, action: &str, resource: &str) -> Option<String> {
    let (service, name) = action.split_once(':')?;
    let Some(kinds) = reference["services"][service]["actions"][name].as_array() else {
        return Some(format!("{action} is no action of AWS's"));
    };
    let formats = &reference["services"][service]["arns"];
    // What another service's resource looks like is said there.
    let format = |kind: &Value| formats[kind.as_str().unwrap_or_default()].as_str().map(str::to_owned);
    let fits = match resource {
        "*" => kinds.is_empty(),
        arn => kinds.iter().filter_map(format).any(|format| has_format(arn, &format)),
    };
    (!fits).then(|| format!("{action} is asked for {resource}, and is for {kinds:?}"))
}

#[test]
fn every_operation_asks_for_awss_actions_on_awss_resources() {
    let reference: Value = serde_json::from_str(include_str!("../../tests/reference/actions.json")).unwrap();
    let scope = Scope::default();
    let (mut found, mut asked) = (BTreeMap::<String, Vec<String>>::new(), BTreeSet::new());
    for (service, operations) in services() {
        for operation in operations {
            let named = Named(every_name(service, operation));
            let input = Input { members: &named, scope: &scope, identities: None, facts: None };
            let Needs::All(all) = needs(service, operation, &input) else {
                found.entry(format!("{service}:{operation}")).or_default().push("is decided elsewhere".into());
                continue;
            };
            assert!(!all.is_empty(), "{service}:{operation} asks for nothing");
            for need in all {
                for resource in &need.resources {
                    asked.insert(need.action.clone());
                    let said = wrong(&reference, &need.action, resource);
                    found.entry(format!("{service}:{operation}")).or_default().extend(said);
                }
            }
        }
    }
    found.retain(|_, wrong| !wrong.is_empty());
    let known: BTreeSet<&str> = DIFFERENCES.iter().map(|(operation, _)| *operation).collect();
    let different: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let new: Vec<_> = found.iter().filter(|(operation, _)| !known.contains(operation.as_str())).collect();
    assert!(new.is_empty(), "{} differ from the reference: {new:#?}", new.len());
    assert_eq!(known.difference(&different).collect::<Vec<_>>(), Vec::<&&str>::new(), "these differ no more");
    assert!(asked.len() > 250, "{} actions", asked.len());
}

#[test]
fn formats_of_arns_are_told_apart() {
    let queue = "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}";
    assert!(has_format("arn:aws:sqs:us-east-1:000000000000:q", queue));
    assert!(!has_format("arn:aws:sns:us-east-1:000000000000:q", queue));
    let consumer = "arn:${Partition}:kinesis:${Region}:${Account}:${Type}/${Stream}/consumer/${Consumer}:${Time}";
    assert!(has_format("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1", consumer));
    assert!(!has_format("arn:aws:kinesis:us-east-1:000000000000:stream/s", consumer));
}
