//! AWS's own policies, as far as pipelines attach them: their names, and their documents as AWS publishes them.

/// A policy that AWS keeps for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsPolicy {
    /// Its name.
    pub name: &'static str,
    /// Its path, a part of its ARN.
    pub path: &'static str,
    /// Its JSON.
    pub document: &'static str,
}

const PREFIX: &str = "arn:aws:iam::aws:policy";

const fn policy(path: &'static str, name: &'static str, document: &'static str) -> AwsPolicy {
    AwsPolicy { name, path, document }
}

const LOGS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#;
const KINESIS_TO_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:DescribeStream","kinesis:DescribeStreamSummary","kinesis:GetRecords","kinesis:GetShardIterator","kinesis:ListShards","kinesis:ListStreams","kinesis:SubscribeToShard","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#;
const SQS_TO_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#;
const KINESIS_READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:Get*","kinesis:List*","kinesis:Describe*"],"Resource":"*"}]}"#;
const S3_READ: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#;
const S3_FULL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}"#;
const KINESIS_FULL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kinesis:*","Resource":"*"}]}"#;
const FIREHOSE_FULL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Action":["firehose:*"],"Effect":"Allow","Resource":"*"}]}"#;
const SQS_FULL: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["sqs:*"],"Effect":"Allow","Resource":"*"}]}"#;
const SNS_FULL: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["sns:*"],"Effect":"Allow","Resource":"*"}]}"#;
const SEARCH_FULL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Action":["es:*"],"Effect":"Allow","Resource":"*"}]}"#;
const ADMINISTRATOR: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Those whose documents are known here.
const KNOWN: &[AwsPolicy] = &[
    policy("/service-role/", "AWSLambdaBasicExecutionRole", LOGS),
    policy("/service-role/", "AWSLambdaKinesisExecutionRole", KINESIS_TO_LAMBDA),
    policy("/service-role/", "AWSLambdaSQSQueueExecutionRole", SQS_TO_LAMBDA),
    policy("/", "AdministratorAccess", ADMINISTRATOR),
    policy("/", "AmazonKinesisFirehoseFullAccess", FIREHOSE_FULL),
    policy("/", "AmazonKinesisFullAccess", KINESIS_FULL),
    policy("/", "AmazonKinesisReadOnlyAccess", KINESIS_READ),
    policy("/", "AmazonOpenSearchServiceFullAccess", SEARCH_FULL),
    policy("/", "AmazonS3FullAccess", S3_FULL),
    policy("/", "AmazonS3ReadOnlyAccess", S3_READ),
    policy("/", "AmazonSNSFullAccess", SNS_FULL),
    policy("/", "AmazonSQSFullAccess", SQS_FULL),
];

impl AwsPolicy {
    /// All policies of AWS's that are known by their documents.
    pub fn all() -> &'static [Self] {
        KNOWN
    }

    /// The policy of an ARN, if its document is known.
    pub fn find(arn: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|policy| policy.arn() == arn)
    }

    /// True for the ARN of any policy of AWS's.
    pub fn is_arn(arn: &str) -> bool {
        arn.strip_prefix(PREFIX).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/') && !rest.ends_with('/'))
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("{PREFIX}{}{}", self.path, self.name)
    }

    /// An id of AWS's form that follows from the name.
    pub fn id(&self) -> String {
        let hash = self
            .name
            .bytes()
            .fold(0x811c_9dc5_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("ANPA{:017}", hash % 100_000_000_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Kind, check};

    #[test]
    fn every_document_is_one_and_every_name_is_found() {
        for policy in KNOWN {
            assert!(check(policy.document, Kind::Managed).is_ok(), "{}", policy.name);
            assert_eq!(AwsPolicy::find(&policy.arn()), Some(policy));
            assert!(AwsPolicy::is_arn(&policy.arn()) && policy.id().len() == 21);
        }
        assert!(!AwsPolicy::is_arn("arn:aws:iam::aws:policy/"));
        assert!(!AwsPolicy::is_arn("arn:aws:iam::111111111111:policy/AdministratorAccess"));
    }
}
