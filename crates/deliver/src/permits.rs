//! What a delivery stream may do: asked in the names of its roles each time that it uses an edge.

use crate::definition::ExtendedS3DestinationConfiguration;
use crate::run::Parts;
use crate::{DeliverError, TransformError};
use millrace_base::Scope;

/// One use of one edge.
#[derive(Debug, Clone, Copy)]
pub struct Edge<'a> {
    /// The delivery stream's account and region.
    pub scope: &'a Scope,
    /// Its name.
    pub delivery: &'a str,
    /// The ARN of the role that its definition names for this edge.
    pub role: &'a str,
    /// For example `s3:PutObject`.
    pub action: &'a str,
    /// The ARN of what is used.
    pub resource: &'a str,
}

/// Decides. Asked once a batch, so an answer is a look into memory.
pub trait Permits: Send + Sync + 'static {
    /// `Err` says in AWS's words why the role may not.
    fn check(&self, edge: &Edge<'_>) -> Result<(), String>;
}

/// Everything may be done: without identities nobody's role says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Permits for Unlimited {
    fn check(&self, _: &Edge<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// What a Kinesis stream is read with.
const READS: [&str; 3] = ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords"];

/// Whether the source may be read.
pub(crate) fn may_read(
    parts: &Parts,
    (scope, delivery): (&Scope, &str),
    source: Option<&crate::definition::KinesisStreamSourceConfiguration>,
) -> Result<(), DeliverError> {
    let Some(source) = source else { return Ok(()) };
    let (role, resource) = (source.role_arn.as_str(), source.kinesis_stream_arn.as_str());
    READS.iter().try_for_each(|action| {
        parts.permits.check(&Edge { scope, delivery, role, action, resource }).map_err(|reason| {
            DeliverError::Denied(format!("Kinesis.AccessDenied: the role of the source may not read it. {reason}"))
        })
    })
}

/// Whether an object may be written.
pub(crate) fn may_put(
    parts: &Parts,
    (scope, delivery): (&Scope, &str),
    role: &str,
    (bucket, key): (&str, &str),
) -> Result<(), DeliverError> {
    let resource = format!("arn:aws:s3:::{bucket}/{key}");
    let edge = Edge { scope, delivery, role, action: "s3:PutObject", resource: &resource };
    // AWS's own words in a delivery stream's error log.
    const WORDS: &str = "S3.AccessDenied: Access was denied. Ensure that the trust policy for the provided IAM role allows \
                         Firehose to assume the role, and the access policy allows access to the S3 bucket.";
    parts.permits.check(&edge).map_err(|reason| DeliverError::Denied(format!("{WORDS} {reason}")))
}

/// Whether the table that records are converted by may be read.
pub(crate) fn may_convert(
    parts: &Parts,
    (scope, delivery): (&Scope, &str),
    s3: &ExtendedS3DestinationConfiguration,
) -> Result<(), DeliverError> {
    let Some(conversion) = s3.conversion() else { return Ok(()) };
    let schema = &conversion.schema_configuration;
    let owner = Scope::new(
        schema.catalog_id.as_deref().unwrap_or(&scope.account),
        schema.region.as_deref().unwrap_or(&scope.region),
    );
    let name = |given: &Option<String>| given.clone().unwrap_or_default();
    let (database, table) = (name(&schema.database_name), name(&schema.table_name));
    let role = schema.role_arn.as_deref().unwrap_or(&s3.role_arn);
    let resources = ["catalog".to_owned(), format!("database/{database}"), format!("table/{database}/{table}")];
    for action in ["glue:GetTable", "glue:GetTableVersions"] {
        for resource in &resources {
            let resource = owner.arn("glue", resource).to_string();
            parts.permits.check(&Edge { scope, delivery, role, action, resource: &resource }).map_err(|reason| {
                DeliverError::Denied(format!("Glue.AccessDenied: the role may not read the table's schema. {reason}"))
            })?;
        }
    }
    Ok(())
}

/// Whether a function may be called.
pub(crate) fn may_call(
    parts: &Parts,
    (scope, delivery): (&Scope, &str),
    role: &str,
    function: &str,
) -> Result<(), TransformError> {
    let edge = Edge { scope, delivery, role, action: "lambda:InvokeFunction", resource: function };
    parts.permits.check(&edge).map_err(TransformError::Denied)
}

/// Whether documents may be put into an index.
pub(crate) fn may_index(
    parts: &Parts,
    (scope, delivery): (&Scope, &str),
    role: &str,
    (domain, index): (&str, &str),
) -> Result<(), DeliverError> {
    let resource = format!("{domain}/{index}/_bulk");
    let edge = Edge { scope, delivery, role, action: "es:ESHttpPost", resource: &resource };
    const WORDS: &str = "OS.AccessDenied: Access was denied. Ensure that the trust policy for the provided IAM role allows \
                         Firehose to assume the role, and the access policy allows access to the OpenSearch domain.";
    parts.permits.check(&edge).map_err(|reason| DeliverError::Denied(format!("{WORDS} {reason}")))
}
