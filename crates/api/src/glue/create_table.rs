//! CreateTable.

use super::{Glue, check_catalog, shapes};
use crate::http::Caller;
use crate::models::glue::{CreateTableRequest, CreateTableResponse};
use crate::wire::{Fault, kinds};

pub fn call(glue: &Glue, caller: &Caller, input: CreateTableRequest) -> Result<CreateTableResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let given = input.table_input.ok_or_else(|| kinds::INVALID_INPUT.because("TableInput must be given."))?;
    let table = shapes::keep_table(given, &input.database_name, glue.clock.now());
    glue.tables.create_table(&caller.scope, table)?;
    Ok(CreateTableResponse {})
}
