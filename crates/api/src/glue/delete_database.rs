//! DeleteDatabase: the database goes with its tables.

use super::{Glue, check_catalog};
use crate::http::Caller;
use crate::models::glue::{DeleteDatabaseRequest, DeleteDatabaseResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: DeleteDatabaseRequest) -> Result<DeleteDatabaseResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    glue.tables.delete_database(&caller.scope, &input.name)?;
    Ok(DeleteDatabaseResponse {})
}
