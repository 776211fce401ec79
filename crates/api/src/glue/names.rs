//! Which registry, schema or version a request means, and the shapes that several operations answer with.

use super::Glue;
use crate::http::Caller;
use crate::models::glue::{RegistryId, SchemaId, SchemaVersionNumber, faults};
use crate::wire::{Fault, Text, Timestamp, iso};
use millrace_base::{Arn, Millis};
use millrace_schema::registry::store::{DEFAULT_REGISTRY, Resource};
use millrace_schema::registry::{Registry, RegistryError, SchemaKey, SchemaVersion, Uuid, VersionNumber};
use std::collections::BTreeMap;
use std::str::FromStr;

/// There is no other state: what is being deleted is gone when the answer comes.
pub const AVAILABLE: Text = Text::from_static("AVAILABLE");
/// What a deletion answers, as on AWS, where it takes its time.
pub const DELETING: Text = Text::from_static("DELETING");

/// A request that Glue would not take.
pub fn invalid(message: impl Into<String>) -> Fault {
    faults::INVALID_INPUT_EXCEPTION.because(message)
}

/// The registry of a `RegistryId`; nothing when it says nothing.
pub fn registry(caller: &Caller, id: &RegistryId) -> Result<Option<String>, Fault> {
    match (&id.registry_name, &id.registry_arn) {
        (Some(_), Some(_)) => {
            Err(invalid("One of registryName or registryArn has to be provided, both cannot be provided."))
        }
        (Some(name), None) => Ok(Some(name.to_string())),
        (None, Some(arn)) => match resource(arn)? {
            Resource::Registry(scope, name) if scope == caller.scope => Ok(Some(name)),
            Resource::Registry(..) => {
                Err(faults::ENTITY_NOT_FOUND_EXCEPTION.because(format!("Registry is not found. RegistryArn: {arn}")))
            }
            Resource::Schema(_) => Err(invalid(format!("RegistryArn {arn} is not the ARN of a registry."))),
        },
        (None, None) => Ok(None),
    }
}

/// The registry that a request must name.
pub fn named_registry(caller: &Caller, id: &RegistryId) -> Result<String, Fault> {
    registry(caller, id)?.ok_or_else(|| invalid("One of registryName or registryArn has to be provided."))
}

/// The schema of a `SchemaId`; one without a registry is of the default registry.
pub fn schema(caller: &Caller, id: &SchemaId) -> Result<SchemaKey, Fault> {
    match (&id.schema_arn, &id.schema_name, &id.registry_name) {
        (Some(arn), None, None) => match resource(arn)? {
            Resource::Schema(key) if key.scope == caller.scope => Ok(key),
            Resource::Schema(SchemaKey { registry, name, .. }) => {
                // Scopes do not see each other's schemas, so a stranger's schema is not there.
                Err(faults::ENTITY_NOT_FOUND_EXCEPTION.because(format!(
                    "Schema is not found. RegistryName: {registry}, SchemaName: {name}, SchemaArn: {arn}"
                )))
            }
            Resource::Registry(..) => Err(invalid(format!("SchemaArn {arn} is not the ARN of a schema."))),
        },
        (None, Some(name), registry) => {
            let registry = registry.as_ref().map_or(DEFAULT_REGISTRY, Text::as_str);
            Ok(SchemaKey::new(&caller.scope, registry, name))
        }
        (None, None, _) => {
            Err(invalid("At least one of (registryName and schemaName) or schemaArn has to be provided."))
        }
        (Some(_), ..) => Err(invalid(
            "One of (registryName and schemaName) or schemaArn has to be provided, both cannot be provided.",
        )),
    }
}

/// The registry or schema that an ARN names.
pub fn resource(arn: &Text) -> Result<Resource, Fault> {
    let parsed: Option<Arn> = arn.parse().ok();
    parsed.as_ref().and_then(Resource::parse).ok_or_else(|| {
        invalid(format!(
            "{arn} is not the ARN of a registry (arn:aws:glue:REGION:ACCOUNT:registry/NAME) or of a schema \
             (arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/NAME)."
        ))
    })
}

/// The caller's registry or schema that an ARN names, for tagging.
pub fn tagged(caller: &Caller, arn: &Text) -> Result<Resource, Fault> {
    let resource = resource(arn)?;
    let (Resource::Registry(scope, _) | Resource::Schema(SchemaKey { scope, .. })) = &resource;
    if *scope != caller.scope {
        return Err(faults::ENTITY_NOT_FOUND_EXCEPTION.because(format!("Entity is not found. ResourceArn: {arn}")));
    }
    Ok(resource)
}

/// The number that a request means.
pub fn number(given: &SchemaVersionNumber) -> Result<VersionNumber, Fault> {
    match (given.latest_version.unwrap_or(false), given.version_number) {
        (true, None) => Ok(VersionNumber::Latest),
        // The model's range lets through only what fits.
        (false, Some(number)) => Ok(VersionNumber::Number(u32::try_from(number).unwrap_or(u32::MAX))),
        (true, Some(_)) => Err(invalid("Only one of VersionNumber or LatestVersion is required.")),
        (false, None) => Err(invalid("One of version number (or) latest version is required.")),
    }
}

/// The version that a request means: by its id alone, or by schema and number.
pub fn version(
    glue: &Glue,
    caller: &Caller,
    id: Option<&Text>,
    schema_id: Option<&SchemaId>,
    number_given: Option<&SchemaVersionNumber>,
) -> Result<SchemaVersion, Fault> {
    match (id, schema_id, number_given) {
        (Some(id), None, None) => version_by_id(&glue.registry, caller, id),
        (Some(_), ..) => Err(invalid("No other input parameters can be specified when fetching by SchemaVersionId.")),
        (None, Some(schema_id), Some(given)) => {
            Ok(glue.registry.version(&schema(caller, schema_id)?, number(given)?)?)
        }
        (None, Some(_), None) => Err(invalid("One of version number (or) latest version is required.")),
        (None, None, _) => {
            Err(invalid("At least one of (registryName and schemaName) or schemaArn has to be provided."))
        }
    }
}

fn version_by_id(registry: &Registry, caller: &Caller, id: &Text) -> Result<SchemaVersion, Fault> {
    let found = Uuid::from_str(id).ok().map(|id| registry.version_by_id(id)).transpose()?.flatten();
    found.filter(|version| version.schema.scope == caller.scope).ok_or_else(|| {
        let message = format!("Schema version is not found. SchemaVersionId: {id}");
        faults::ENTITY_NOT_FOUND_EXCEPTION.because(message)
    })
}

/// The ARN of a registry.
pub fn registry_arn(caller: &Caller, name: &str) -> Option<Text> {
    Some(Registry::registry_arn(&caller.scope, name).to_string().into())
}

/// A moment as the registry's API has it: a text.
pub fn moment(at: Millis) -> Option<Text> {
    Some(iso(Timestamp(at)).into())
}

/// A text as an answer has it.
pub fn told(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

/// Tags as they are kept.
pub fn kept_tags(given: Option<BTreeMap<Text, Text>>) -> BTreeMap<String, String> {
    given.into_iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Tags as an answer has them.
pub fn shown_tags(tags: BTreeMap<String, String>) -> Option<BTreeMap<Text, Text>> {
    Some(tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::NotFound(_) => faults::ENTITY_NOT_FOUND_EXCEPTION,
            RegistryError::AlreadyExists(_) => faults::ALREADY_EXISTS_EXCEPTION,
            RegistryError::InvalidInput(_) | RegistryError::Incompatible(_) => faults::INVALID_INPUT_EXCEPTION,
            RegistryError::Limit(_) => faults::RESOURCE_NUMBER_LIMIT_EXCEEDED_EXCEPTION,
            RegistryError::Conflict(_) => faults::CONCURRENT_MODIFICATION_EXCEPTION,
            RegistryError::Catalog(_) => faults::INTERNAL_SERVICE_EXCEPTION,
        };
        kind.because(error.to_string())
    }
}
