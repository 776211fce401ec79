//! What is deployed: one fact a stack in the catalog's table `stack`, under `account/region/name`.

use crate::fold::{Known, KnownMap};
use crate::resource::Status;
use crate::template::Policy;
use millrace_base::{Millis, Scope};
use millrace_catalog::{Catalog, CatalogError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const TABLE: &str = "stack";

/// A stack's condition, in CloudFormation's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StackStatus {
    /// A deploy is at work, or died at it: the next one goes on where it stopped.
    UpdateInProgress,
    /// The first deploy succeeded.
    CreateComplete,
    /// A later deploy succeeded.
    UpdateComplete,
    /// The first deploy failed and was undone.
    RollbackComplete,
    /// A later deploy failed and was undone.
    UpdateRollbackComplete,
    /// Undoing or deleting failed too; the resources that are left are listed.
    RollbackFailed,
    /// Being deleted.
    DeleteInProgress,
}

/// A deployed stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackState {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub id: String,
    /// How it stands.
    pub status: StackStatus,
    /// When it was first deployed.
    pub created: Millis,
    /// When it was last deployed.
    pub updated: Millis,
    /// The template's description.
    pub description: Option<String>,
    /// The parameters of the last deploy; those with `NoEcho` as `****`.
    pub parameters: BTreeMap<String, String>,
    /// Its resources in the order in which they were created.
    pub resources: Vec<ResourceState>,
    /// Resources that were replaced or dropped and are still to be removed.
    pub leaving: Vec<ResourceState>,
    /// The outputs of the last deploy.
    pub outputs: BTreeMap<String, String>,
    /// Counts names that were generated, so that a replacement gets another one.
    pub generation: u64,
}

/// A deployed resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceState {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub type_name: String,
    /// Its name in its service.
    pub physical_id: String,
    /// The name that was generated for it, used or not.
    pub generated_name: String,
    /// Its properties, references resolved.
    pub properties: Value,
    /// What `Fn::GetAtt` gives.
    pub attributes: BTreeMap<String, Value>,
    /// How it stands.
    pub status: Status,
    pub(crate) deletion: Policy,
    pub(crate) replacement: Policy,
}

impl StackState {
    pub(crate) fn load(catalog: &Catalog, scope: &Scope, name: &str) -> Result<Option<Self>, CatalogError> {
        catalog.get(TABLE, &key(scope, name))
    }

    pub(crate) fn all(catalog: &Catalog, scope: &Scope) -> Result<Vec<Self>, CatalogError> {
        let found = catalog.list(TABLE, &format!("{scope}/"))?;
        Ok(found.into_iter().map(|(_, state)| state).collect())
    }

    /// Whether a text stands anywhere in any stack of any scope.
    pub(crate) fn any_mentions(catalog: &Catalog, text: &str) -> Result<bool, CatalogError> {
        let all = catalog.list::<serde_json::Value>(TABLE, "")?;
        Ok(all.iter().any(|(_, state)| state.to_string().contains(text)))
    }

    pub(crate) fn save(&self, catalog: &Catalog, scope: &Scope) -> Result<(), CatalogError> {
        catalog.put(TABLE, &key(scope, &self.name), self)
    }

    pub(crate) fn forget(&self, catalog: &Catalog, scope: &Scope) -> Result<(), CatalogError> {
        catalog.delete(TABLE, &key(scope, &self.name)).map(|_| ())
    }

    /// The resource of that name, if it has been created.
    pub fn resource(&self, logical_id: &str) -> Option<&ResourceState> {
        self.resources.iter().find(|resource| resource.logical_id == logical_id)
    }

    /// Adds a resource, or puts it in the place of the one of its name.
    pub(crate) fn set(&mut self, state: ResourceState) {
        match self.resources.iter_mut().find(|resource| resource.logical_id == state.logical_id) {
            Some(place) => *place = state,
            None => self.resources.push(state),
        }
    }

    pub(crate) fn remove(&mut self, logical_id: &str) {
        self.resources.retain(|resource| resource.logical_id != logical_id);
    }

    /// What references resolve to: every resource that is complete.
    pub(crate) fn known(&self) -> KnownMap {
        let complete = self.resources.iter().filter(|resource| resource.is_there());
        complete.map(|resource| (resource.logical_id.clone(), resource.known())).collect()
    }
}

impl ResourceState {
    /// Whether it was created: an update that did not end leaves the resource as it was.
    pub fn is_there(&self) -> bool {
        !matches!(self.status, Status::CreateInProgress | Status::CreateFailed)
    }

    pub(crate) fn known(&self) -> Known {
        Known { physical_id: self.physical_id.clone(), attributes: self.attributes.clone() }
    }
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}
