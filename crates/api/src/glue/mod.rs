//! AWS Glue's data catalog: the databases and tables that give the lake's files their columns.

mod create_database;
mod create_table;
mod delete_database;
mod delete_table;
mod get_database;
mod get_databases;
mod get_table;
mod get_tables;
mod shapes;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::glue::MODEL;
use crate::wire::{Fault, Model, Text, kinds};
use async_trait::async_trait;
use millrace_base::Clock;
use millrace_catalog::Catalog;
use millrace_schema::tables::{Tables, TablesError};
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Glue {
    tables: Tables,
    clock: Arc<dyn Clock>,
}

impl Glue {
    /// The service over the tables in `catalog`.
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>) -> Self {
        Self { tables: Tables::new(catalog), clock }
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
            other => Err(kinds::UNSUPPORTED.because(format!(
                "Millrace does not support {other} of Glue yet: docs/compat/glue.md lists what it does."
            ))),
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

/// Glue's page size.
const PAGE: usize = 100;

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
