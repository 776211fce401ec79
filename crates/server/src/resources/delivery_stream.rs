//! `AWS::KinesisFirehose::DeliveryStream`. The template's properties have the shape of Firehose's own API, so the room of
//! delivery reads them as it reads a `CreateDeliveryStream`.

use super::ports::DeliveryPort;
use super::read;
use async_trait::async_trait;
use millrace_base::Scope;
use millrace_deliver::DeliverError;
use millrace_deliver::definition::DeliveryStreamDefinition;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Firehose's limit.
const NAME_CHARACTERS_MAX: usize = 64;

/// Delivery streams.
pub(super) struct DeliveryStream {
    pub(super) deliveries: Arc<dyn DeliveryPort>,
}

/// The definition, named.
fn definition(ctx: &Context, properties: &Value, name: &str) -> Result<DeliveryStreamDefinition, ResourceError> {
    let mut body = complete(&ctx.scope, properties);
    body["DeliveryStreamName"] = json!(name);
    DeliveryStreamDefinition::from_json(body).map_err(|error| refused(error, properties))
}

/// The properties with something of the right shape for every resource that does not exist yet, so that all else can be
/// checked before anything is changed.
fn complete(scope: &Scope, properties: &Value) -> Value {
    match properties {
        Value::Object(members) => {
            // A processor's parameter is named by its neighbour.
            let parameter = members.get("ParameterName").and_then(Value::as_str);
            let member = |(name, value): (&String, &Value)| {
                let value = if read::is_open(value) {
                    stand_in(scope, parameter.unwrap_or(name))
                } else {
                    complete(scope, value)
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(member).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| complete(scope, item)).collect()),
        other => other.clone(),
    }
}

fn stand_in(scope: &Scope, member: &str) -> Value {
    match member {
        "KinesisStreamARN" => json!(scope.arn("kinesis", "stream/pending").to_string()),
        "BucketARN" => json!("arn:aws:s3:::pending"),
        "LambdaArn" => json!(scope.arn("lambda", "function:pending").to_string()),
        "DomainARN" => json!(scope.arn("es", "domain/pending").to_string()),
        "RoleARN" => json!(format!("arn:aws:iam::{}:role/pending", scope.account)),
        _ => json!("pending"),
    }
}

fn refused(error: DeliverError, properties: &Value) -> ResourceError {
    match error {
        DeliverError::Unsupported { property, cure } => {
            let word = property.split([' ', '.']).next().unwrap_or_default();
            let path = path_of(properties, word, "").unwrap_or_default();
            ResourceError::property(path, format!("{property} is not supported yet: {cure}"))
        }
        DeliverError::InvalidArgument(message) => {
            let word =
                message.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| path_of(properties, word, ""));
            ResourceError::property(word.unwrap_or_default(), message)
        }
        other => ResourceError::Failed(other.to_string()),
    }
}

/// The path of the first member of that name, so that an error finds its line.
fn path_of(properties: &Value, name: &str, path: &str) -> Option<String> {
    let below = |member: &str| if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") };
    if name.is_empty() {
        return None;
    }
    match properties {
        Value::Object(members) if members.contains_key(name) => Some(below(name)),
        Value::Object(members) => members.iter().find_map(|(member, value)| path_of(value, name, &below(member))),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| path_of(item, name, &below(&index.to_string())))
        }
        _ => None,
    }
}

fn name(ctx: &Context, properties: &Value) -> String {
    let name = read::name(ctx, properties, "DeliveryStreamName");
    // The end of a generated name is what makes it unique.
    name.chars().skip(name.chars().count().saturating_sub(NAME_CHARACTERS_MAX)).collect()
}

fn made(ctx: &Context, name: &str) -> Created {
    Created::new(name, [("Arn", ctx.scope.arn("firehose", &format!("deliverystream/{name}")).to_string())])
}

#[async_trait]
impl ResourceType for DeliveryStream {
    /// Whole destinations: what is inside is read by the room of delivery, which refuses what it does not know.
    fn properties(&self) -> &'static [&'static str] {
        &[
            "DeliveryStreamName",
            "DeliveryStreamType",
            "KinesisStreamSourceConfiguration",
            "ExtendedS3DestinationConfiguration",
            "S3DestinationConfiguration",
            "AmazonopensearchserviceDestinationConfiguration",
            "Tags",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        definition(ctx, properties, "pending").map(|_| ())
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = name(ctx, properties);
        let definition = definition(ctx, properties, &name)?;
        read::created(ctx, self.deliveries.create(&ctx.scope, definition))?;
        Ok(made(ctx, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let definition = definition(ctx, new, physical_id)?;
        self.deliveries.update(&ctx.scope, definition).map_err(read::error)?;
        Ok(Updated::InPlace(made(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        read::deleted(self.deliveries.delete(&ctx.scope, physical_id))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        self.deliveries.exists(&ctx.scope, physical_id).map_err(read::error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_yet_is_stood_in_for() {
        let properties = json!({
            "ExtendedS3DestinationConfiguration": {
                "BucketARN": {"Fn::GetAtt": ["Lake", "Arn"]},
                "Prefix": {"Fn::Sub": "${Lake}/"},
                "Parameters": [
                    {"ParameterName": "LambdaArn", "ParameterValue": {"Fn::GetAtt": ["Function", "Arn"]}},
                    {"ParameterName": "NumberOfRetries", "ParameterValue": "3"},
                ],
            },
        });
        let done = complete(&Scope::default(), &properties);
        assert_eq!(done["ExtendedS3DestinationConfiguration"]["BucketARN"], "arn:aws:s3:::pending");
        assert_eq!(done["ExtendedS3DestinationConfiguration"]["Prefix"], "pending");
        let parameters = &done["ExtendedS3DestinationConfiguration"]["Parameters"];
        assert_eq!(parameters[0]["ParameterValue"], "arn:aws:lambda:us-east-1:000000000000:function:pending");
        assert_eq!(parameters[1]["ParameterValue"], "3");
    }

    #[test]
    fn a_member_is_found_by_its_name() {
        let properties = json!({"A": [{"B": 1}, {"C": {"D": 1}}]});
        assert_eq!(path_of(&properties, "D", ""), Some("A.1.C.D".to_owned()));
        assert_eq!(path_of(&properties, "E", ""), None);
    }
}
