//! `AWS::Glue::Table`: the columns of the lake's files.

use super::read;
use async_trait::async_trait;
use millrace_base::Clock;
use millrace_schema::tables::{Column, SerDeInfo, StorageDescriptor, Table, Tables, TablesError};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// Glue's tables.
pub(super) struct GlueTable {
    pub(super) tables: Tables,
    pub(super) clock: Arc<dyn Clock>,
}

/// A room's error at a property.
pub(super) fn failed(error: TablesError, path: &str) -> ResourceError {
    match error {
        TablesError::InvalidInput(message) => ResourceError::property(path, message),
        other => ResourceError::Failed(other.to_string()),
    }
}

/// What creating a thing of the Glue catalog came to. One that exists already is this stack's own only when a deploy resumes.
pub(super) fn created(
    ctx: &Context,
    outcome: Result<(), TablesError>,
    kind: &str,
    name: String,
    path: &str,
) -> Result<Created, ResourceError> {
    match outcome {
        Err(TablesError::AlreadyExists(_)) if ctx.resuming => {}
        Err(TablesError::AlreadyExists(_)) => {
            let message = format!("a Glue {kind} named '{name}' exists already and is not of this stack");
            return Err(ResourceError::Exists(message));
        }
        other => other.map_err(|error| failed(error, path))?,
    }
    Ok(Created::new(name, []))
}

/// Another account's catalog cannot be written to.
pub(super) fn account_only(ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
    match read::text(properties, "CatalogId") {
        Some(id) if id != &*ctx.scope.account => {
            let message = format!(
                "'{id}' is not the account of this deploy, {}: write !Ref AWS::AccountId (other accounts' catalogs are not \
                 supported yet)",
                ctx.scope.account
            );
            Err(ResourceError::property("CatalogId", message))
        }
        _ => Ok(()),
    }
}

impl GlueTable {
    fn table(&self, ctx: &Context, properties: &Value) -> Table {
        let text = |path: &str| read::text(properties, path).map(str::to_owned);
        let input = |member: &str| text(&format!("TableInput.{member}"));
        Table {
            name: input("Name").or_else(|| text("Name")).unwrap_or_else(|| ctx.generated_name.clone()).to_lowercase(),
            database_name: text("DatabaseName").unwrap_or_default(),
            description: input("Description"),
            owner: input("Owner"),
            retention: read::at(properties, "TableInput.Retention").and_then(Value::as_i64).map(|days| days as i32),
            storage_descriptor: storage(read::at(properties, "TableInput.StorageDescriptor").unwrap_or(&Value::Null)),
            partition_keys: columns(read::at(properties, "TableInput.PartitionKeys")),
            table_type: input("TableType"),
            parameters: read::texts(read::at(properties, "TableInput.Parameters")),
            create_time: self.clock.now(),
            update_time: self.clock.now(),
            version_id: 0,
        }
    }
}

fn storage(given: &Value) -> StorageDescriptor {
    let text = |path: &str| read::text(given, path).map(str::to_owned);
    let serde = given.get("SerdeInfo").map(|serde| SerDeInfo {
        name: read::text(serde, "Name").map(str::to_owned),
        serialization_library: read::text(serde, "SerializationLibrary").map(str::to_owned),
        parameters: read::texts(serde.get("Parameters")),
    });
    StorageDescriptor {
        columns: columns(given.get("Columns")),
        location: text("Location"),
        input_format: text("InputFormat"),
        output_format: text("OutputFormat"),
        compressed: given.get("Compressed").and_then(Value::as_bool),
        serde_info: serde,
        parameters: read::texts(given.get("Parameters")),
    }
}

fn columns(given: Option<&Value>) -> Vec<Column> {
    let column = |given: &Value| {
        let text = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
        Column { name: text("Name").unwrap_or_default(), ty: text("Type"), comment: text("Comment") }
    };
    given.and_then(Value::as_array).into_iter().flatten().map(column).collect()
}

#[async_trait]
impl ResourceType for GlueTable {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "CatalogId",
            "DatabaseName",
            "Name",
            "TableInput.Name",
            "TableInput.Description",
            "TableInput.Owner",
            "TableInput.Retention",
            "TableInput.TableType",
            "TableInput.Parameters",
            "TableInput.PartitionKeys.*.Name",
            "TableInput.PartitionKeys.*.Type",
            "TableInput.PartitionKeys.*.Comment",
            "TableInput.StorageDescriptor.Columns.*.Name",
            "TableInput.StorageDescriptor.Columns.*.Type",
            "TableInput.StorageDescriptor.Columns.*.Comment",
            "TableInput.StorageDescriptor.Location",
            "TableInput.StorageDescriptor.InputFormat",
            "TableInput.StorageDescriptor.OutputFormat",
            "TableInput.StorageDescriptor.Compressed",
            "TableInput.StorageDescriptor.SerdeInfo",
            "TableInput.StorageDescriptor.Parameters",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        account_only(ctx, properties)?;
        if properties.get("TableInput").is_none() {
            return Err(ResourceError::property("", "the property 'TableInput' is required here"));
        }
        let lists = ["TableInput.StorageDescriptor.Columns", "TableInput.PartitionKeys"];
        for path in lists {
            for (index, column) in columns(read::at(properties, path)).iter().enumerate() {
                column.field().map_err(|error| failed(error, &format!("{path}.{index}.Type")))?;
            }
        }
        Ok(())
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let table = self.table(ctx, properties);
        let name = table.name.clone();
        let outcome = self.tables.create_table(&ctx.scope, table);
        created(ctx, outcome, "table", name, "TableInput")
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let mut table = self.table(ctx, new);
        table.name = physical_id.to_owned();
        self.tables.update_table(&ctx.scope, table).map_err(|error| failed(error, "TableInput"))?;
        Ok(Updated::InPlace(Created::new(physical_id, [])))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let database = read::text(properties, "DatabaseName").unwrap_or_default();
        match self.tables.delete_table(&ctx.scope, database, physical_id) {
            // Deleting its database takes a table along.
            Err(TablesError::NotFound(_)) => Ok(()),
            other => other.map_err(|error| failed(error, "")),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<bool, ResourceError> {
        let database = read::text(properties, "DatabaseName").unwrap_or_default();
        match self.tables.table(&ctx.scope, database, physical_id) {
            Err(TablesError::NotFound(_)) => Ok(false),
            other => other.map(|_| true).map_err(|error| failed(error, "")),
        }
    }
}
