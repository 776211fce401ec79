//! CreateDatabase.

use super::{Glue, check_catalog, shapes};
use crate::http::Caller;
use crate::models::glue::{CreateDatabaseRequest, CreateDatabaseResponse};
use crate::wire::Fault;
use millrace_schema::tables::Database;

pub fn call(glue: &Glue, caller: &Caller, input: CreateDatabaseRequest) -> Result<CreateDatabaseResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let given = input.database_input;
    let database = Database {
        name: given.name.to_string(),
        description: shapes::text(given.description),
        location_uri: shapes::text(given.location_uri),
        parameters: shapes::parameters(given.parameters),
        create_time: glue.clock.now(),
    };
    glue.tables.create_database(&caller.scope, database)?;
    Ok(CreateDatabaseResponse {})
}
