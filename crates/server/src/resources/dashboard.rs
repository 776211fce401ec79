//! `AWS::CloudWatch::Dashboard`.

use super::read;
use async_trait::async_trait;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use millrace_watch::{DashboardError, Dashboards};
use serde_json::Value;

/// CloudWatch's dashboards.
pub(super) struct Dashboard {
    pub(super) dashboards: Dashboards,
}

fn failed(error: DashboardError) -> ResourceError {
    match error {
        DashboardError::Name(_) => ResourceError::property("DashboardName", error.to_string()),
        DashboardError::Body(_) => ResourceError::property("DashboardBody", error.to_string()),
        other => ResourceError::Failed(other.to_string()),
    }
}

impl Dashboard {
    fn put(&self, ctx: &Context, name: &str, properties: &Value) -> Result<Created, ResourceError> {
        let body = read::text(properties, "DashboardBody").unwrap_or_default();
        let tags = read::tags(properties.get("Tags"));
        self.dashboards.put(&ctx.scope, name, body, Some(tags)).map_err(failed)?;
        Ok(Created::new(name, []))
    }
}

#[async_trait]
impl ResourceType for Dashboard {
    fn properties(&self) -> &'static [&'static str] {
        &["DashboardBody", "DashboardName", "Tags"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "DashboardName");
        if !ctx.resuming && self.dashboards.get(&ctx.scope, &name).is_ok() {
            return Err(read::taken("dashboard", &name, "DashboardName"));
        }
        self.put(ctx, &name, properties)
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.put(ctx, physical_id, new).map(Updated::InPlace)
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match self.dashboards.delete(&ctx.scope, [physical_id]) {
            Err(DashboardError::Absent(_)) => Ok(()),
            other => other.map_err(failed),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.dashboards.get(&ctx.scope, physical_id).is_ok())
    }
}
