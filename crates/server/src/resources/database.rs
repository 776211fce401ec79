//! `AWS::Glue::Database`.

use super::read;
use super::table::{account_only, created, failed};
use async_trait::async_trait;
use millrace_base::Clock;
use millrace_schema::tables::{Database, Tables, TablesError};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// Glue's databases.
pub(super) struct GlueDatabase {
    pub(super) tables: Tables,
    pub(super) clock: Arc<dyn Clock>,
}

impl GlueDatabase {
    fn database(&self, ctx: &Context, properties: &Value) -> Database {
        let text = |path: &str| read::text(properties, path).map(str::to_owned);
        Database {
            name: text("DatabaseInput.Name")
                .or_else(|| text("DatabaseName"))
                .unwrap_or_else(|| ctx.generated_name.clone())
                .to_lowercase(),
            description: text("DatabaseInput.Description"),
            location_uri: text("DatabaseInput.LocationUri"),
            parameters: read::texts(read::at(properties, "DatabaseInput.Parameters")),
            create_time: self.clock.now(),
        }
    }
}

#[async_trait]
impl ResourceType for GlueDatabase {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "CatalogId",
            "DatabaseName",
            "DatabaseInput.Name",
            "DatabaseInput.Description",
            "DatabaseInput.LocationUri",
            "DatabaseInput.Parameters",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        account_only(ctx, properties)
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let database = self.database(ctx, properties);
        let name = database.name.clone();
        let outcome = self.tables.create_database(&ctx.scope, database);
        created(ctx, outcome, "database", name, "DatabaseInput")
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let database = self.database(ctx, new);
        if read::text(new, "DatabaseInput.Name").is_some() && database.name != physical_id {
            return Ok(Updated::NeedsReplacement("its name changed".to_owned()));
        }
        self.tables
            .update_database(&ctx.scope, physical_id, database)
            .map_err(|error| failed(error, "DatabaseInput"))?;
        Ok(Updated::InPlace(Created::new(physical_id, [])))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match self.tables.delete_database(&ctx.scope, physical_id) {
            Err(TablesError::NotFound(_)) => Ok(()),
            other => other.map_err(|error| failed(error, "")),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        match self.tables.database(&ctx.scope, physical_id) {
            Err(TablesError::NotFound(_)) => Ok(false),
            other => other.map(|_| true).map_err(|error| failed(error, "")),
        }
    }
}
