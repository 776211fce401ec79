//! GetDatabase.

use super::{Glue, check_catalog, shapes};
use crate::http::Caller;
use crate::models::glue::{GetDatabaseRequest, GetDatabaseResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: GetDatabaseRequest) -> Result<GetDatabaseResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let database = glue.tables.database(&caller.scope, &input.name)?;
    Ok(GetDatabaseResponse { database: Some(shapes::database(caller, database)) })
}
