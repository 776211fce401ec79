//! Delivery streams as templates deploy them.

use crate::resources::{DeliveryPort, PortError};
use millrace_base::Scope;
use millrace_deliver::definition::DeliveryStreamDefinition;
use millrace_deliver::{DeliverError, Deliveries};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// The delivery room behind the template adapter.
pub struct Deployed(pub Deliveries);

fn body(definition: &DeliveryStreamDefinition) -> Result<Value, PortError> {
    serde_json::to_value(definition).map_err(|error| PortError::Failed(error.to_string()))
}

fn port_error(error: DeliverError) -> PortError {
    match error {
        DeliverError::InvalidArgument(_) | DeliverError::Unsupported { .. } => PortError::Invalid(error.to_string()),
        DeliverError::InUse(_) => PortError::Exists(error.to_string()),
        DeliverError::NotFound(_) => PortError::Absent(error.to_string()),
        other => PortError::Failed(other.to_string()),
    }
}

impl DeliveryPort for Deployed {
    fn create(&self, scope: &Scope, definition: DeliveryStreamDefinition) -> Result<(), PortError> {
        self.0.create(scope, body(&definition)?).map(|_| ()).map_err(port_error)
    }

    fn update(&self, scope: &Scope, definition: DeliveryStreamDefinition) -> Result<(), PortError> {
        let name = definition.delivery_stream_name.clone();
        let version = self.0.get(scope, &name).map_err(port_error)?.version_id.to_string();
        let Value::Object(members) = body(&definition)? else { return Ok(()) };
        let renamed = members.into_iter().filter_map(|(name, value)| {
            let destination = name.strip_suffix("DestinationConfiguration")?;
            Some((format!("{destination}DestinationUpdate"), value))
        });
        let update = Value::Object(renamed.collect());
        let id = DeliveryStreamDefinition::DESTINATION_ID;
        self.0.update_destination(scope, &name, &version, id, update).map_err(port_error)
    }

    fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError> {
        block_in_place(|| Handle::current().block_on(self.0.delete(scope, name))).map_err(port_error)
    }

    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError> {
        match self.0.get(scope, name) {
            Ok(_) => Ok(true),
            Err(DeliverError::NotFound(_)) => Ok(false),
            Err(error) => Err(port_error(error)),
        }
    }
}
