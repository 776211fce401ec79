//! GetTable.

use super::{Glue, check_catalog, shapes};
use crate::http::Caller;
use crate::models::glue::{GetTableRequest, GetTableResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: GetTableRequest) -> Result<GetTableResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let table = glue.tables.table(&caller.scope, &input.database_name, &input.name)?;
    Ok(GetTableResponse { table: Some(shapes::table(caller, table)) })
}
