//! Search domains: names for the one index engine of this server.

use crate::resources::{DomainPort, PortError};
use millrace_base::{Clock, Millis, Scope};
use millrace_catalog::Catalog;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;

/// The catalog's table; keys are `account/region/name`.
pub const TABLE: &str = "domain";

/// A domain as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    /// When it was created.
    pub created: Millis,
    /// The template's properties.
    pub properties: Value,
}

/// The domains of every scope. All of them lead to the same indices.
pub struct Domains {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    address: SocketAddr,
}

impl Domains {
    /// Over the catalog; `address` is where the OpenSearch API listens.
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, address: SocketAddr) -> Self {
        Self { catalog, clock, address }
    }
}

/// The names of the domains of a scope.
pub fn domain_names(catalog: &Catalog, scope: &Scope) -> Vec<String> {
    let prefix = format!("{scope}/");
    let found = catalog.list::<serde::de::IgnoredAny>(TABLE, &prefix).unwrap_or_default();
    found.into_iter().filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// A domain's access policy, as JSON.
pub fn domain_policy(catalog: &Catalog, scope: &Scope, name: &str) -> Option<String> {
    let domain: Domain = catalog.get(TABLE, &key(scope, name)).ok()??;
    match domain.properties.get("AccessPolicies")? {
        Value::String(document) => Some(document.clone()),
        document => Some(document.to_string()),
    }
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

impl DomainPort for Domains {
    fn create(&self, scope: &Scope, name: &str, properties: &Value) -> Result<(), PortError> {
        let domain = Domain { created: self.clock.now(), properties: properties.clone() };
        self.catalog.update(|transaction| {
            if transaction.get::<Domain>(TABLE, &key(scope, name))?.is_some() {
                return Err(PortError::Exists(format!("domain {name} already exists")));
            }
            Ok(transaction.put(TABLE, &key(scope, name), &domain)?)
        })
    }

    fn update(&self, scope: &Scope, name: &str, properties: &Value) -> Result<(), PortError> {
        self.catalog.update(|transaction| {
            let old = transaction.get::<Domain>(TABLE, &key(scope, name))?;
            let old = old.ok_or_else(|| PortError::Absent(format!("domain {name} does not exist")))?;
            let new = Domain { properties: properties.clone(), ..old };
            Ok(transaction.put(TABLE, &key(scope, name), &new)?)
        })
    }

    /// The indices stay: other domains lead to the same ones.
    fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError> {
        self.catalog.delete(TABLE, &key(scope, name))?;
        Ok(())
    }

    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError> {
        Ok(self.catalog.get::<Domain>(TABLE, &key(scope, name))?.is_some())
    }

    fn endpoint(&self, _: &Scope, _: &str) -> String {
        self.address.to_string()
    }
}
