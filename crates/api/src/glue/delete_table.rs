//! DeleteTable.

use super::{Glue, check_catalog};
use crate::http::Caller;
use crate::models::glue::{DeleteTableRequest, DeleteTableResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: DeleteTableRequest) -> Result<DeleteTableResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    glue.tables.delete_table(&caller.scope, &input.database_name, &input.name)?;
    Ok(DeleteTableResponse {})
}
