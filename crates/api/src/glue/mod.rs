//! AWS Glue: the data catalog (databases and tables, which give the lake's files their columns) and the schema registry.

mod check_schema_version_validity;
mod create_database;
mod create_registry;
mod create_schema;
mod create_table;
mod delete_database;
mod delete_registry;
mod delete_schema;
mod delete_schema_versions;
mod delete_table;
mod get_database;
mod get_databases;
mod get_registry;
mod get_schema;
mod get_schema_by_definition;
mod get_schema_version;
mod get_schema_versions_diff;
mod get_table;
mod get_tables;
mod get_tags;
mod list_registries;
mod list_schema_versions;
mod list_schemas;
mod names;
mod query_schema_version_metadata;
mod register_schema_version;
mod schema_version_metadata;
mod shapes;
mod tag_resource;
mod untag_resource;
mod update_registry;
mod update_schema;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::glue::MODEL;
use crate::wire::{Fault, Model, Text, kinds};
use async_trait::async_trait;
use millrace_base::Clock;
use millrace_catalog::Catalog;
use millrace_schema::registry::Registry;
use millrace_schema::tables::{Tables, TablesError};
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Glue {
    tables: Tables,
    registry: Registry,
    clock: Arc<dyn Clock>,
}

impl Glue {
    /// The service over the tables in `catalog` and the schema registry.
    pub fn new(catalog: Catalog, registry: Registry, clock: Arc<dyn Clock>) -> Self {
        Self { tables: Tables::new(catalog), registry, clock }
    }
}

#[async_trait]
impl Service for Glue {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateDatabase" => blocking(self, call, create_database::call).await,
            "GetDatabase" => blocking(self, call, get_database::call).await,
            "GetDatabases" => blocking(self, call, get_databases::call).await,
            "DeleteDatabase" => blocking(self, call, delete_database::call).await,
            "CreateTable" => blocking(self, call, create_table::call).await,
            "GetTable" => blocking(self, call, get_table::call).await,
            "GetTables" => blocking(self, call, get_tables::call).await,
            "DeleteTable" => blocking(self, call, delete_table::call).await,
            _ => self.registry_call(call).await,
        }
    }
}

impl Glue {
    /// The schema registry's operations.
    async fn registry_call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateRegistry" => blocking(self, call, create_registry::call).await,
            "GetRegistry" => blocking(self, call, get_registry::call).await,
            "ListRegistries" => blocking(self, call, list_registries::call).await,
            "UpdateRegistry" => blocking(self, call, update_registry::call).await,
            "DeleteRegistry" => blocking(self, call, delete_registry::call).await,
            "CreateSchema" => blocking(self, call, create_schema::call).await,
            "GetSchema" => blocking(self, call, get_schema::call).await,
            "ListSchemas" => blocking(self, call, list_schemas::call).await,
            "UpdateSchema" => blocking(self, call, update_schema::call).await,
            "DeleteSchema" => blocking(self, call, delete_schema::call).await,
            "RegisterSchemaVersion" => blocking(self, call, register_schema_version::call).await,
            "GetSchemaVersion" => blocking(self, call, get_schema_version::call).await,
            "ListSchemaVersions" => blocking(self, call, list_schema_versions::call).await,
            "DeleteSchemaVersions" => blocking(self, call, delete_schema_versions::call).await,
            "GetSchemaByDefinition" => blocking(self, call, get_schema_by_definition::call).await,
            "GetSchemaVersionsDiff" => blocking(self, call, get_schema_versions_diff::call).await,
            "CheckSchemaVersionValidity" => blocking(self, call, check_schema_version_validity::call).await,
            "PutSchemaVersionMetadata" => blocking(self, call, schema_version_metadata::put).await,
            "QuerySchemaVersionMetadata" => blocking(self, call, query_schema_version_metadata::call).await,
            "RemoveSchemaVersionMetadata" => blocking(self, call, schema_version_metadata::remove).await,
            "TagResource" => blocking(self, call, tag_resource::call).await,
            "UntagResource" => blocking(self, call, untag_resource::call).await,
            "GetTags" => blocking(self, call, get_tags::call).await,
            _ => Err(call.unsupported("glue")),
        }
    }
}

/// The one catalog that a caller has is its account's.
fn check_catalog(caller: &Caller, id: Option<&Text>) -> Result<(), Fault> {
    match id.filter(|id| id.as_str() != &*caller.scope.account) {
        Some(id) => Err(kinds::ENTITY_NOT_FOUND.because(format!("Catalog {id} not found."))),
        None => Ok(()),
    }
}

/// What follows the page that ends with the token, at most `max` of it, and the next token: the last name.
fn page<T>(all: Vec<T>, name: fn(&T) -> &str, token: Option<&Text>, max: Option<i32>) -> (Vec<T>, Option<Text>) {
    let max = max.map_or(PAGE, |max| (max.unsigned_abs() as usize).min(PAGE));
    let mut rest = all.into_iter().filter(|item| token.is_none_or(|token| name(item) > token.as_str())).peekable();
    let items: Vec<T> = rest.by_ref().take(max).collect();
    let next = rest.peek().and(items.last()).map(|last| Text::from(name(last)));
    (items, next)
}

/// The data catalog's page size, and the largest of all pages.
const PAGE: usize = 100;
/// The schema registry's page size when none is asked for.
const SCHEMAS_PAGE: Option<i32> = Some(25);

impl From<TablesError> for Fault {
    fn from(error: TablesError) -> Self {
        let kind = match &error {
            TablesError::NotFound(_) => kinds::ENTITY_NOT_FOUND,
            TablesError::AlreadyExists(_) => kinds::ALREADY_EXISTS,
            TablesError::InvalidInput(_) => kinds::INVALID_INPUT,
            TablesError::Catalog(_) => kinds::INTERNAL_FAILURE,
        };
        kind.because(error.to_string())
    }
}
