//! GetTables: those whose names match the expression, a page at a time.

use super::{Glue, check_catalog, page, shapes};
use crate::http::Caller;
use crate::models::glue::{GetTablesRequest, GetTablesResponse};
use crate::wire::{Fault, kinds};
use regex::Regex;

pub fn call(glue: &Glue, caller: &Caller, input: GetTablesRequest) -> Result<GetTablesResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let mut all = glue.tables.tables(&caller.scope, &input.database_name)?;
    if let Some(expression) = &input.expression {
        let whole = Regex::new(&format!("^(?:{})$", expression.as_str()));
        let whole =
            whole.map_err(|error| kinds::INVALID_INPUT.because(format!("Expression '{expression}': {error}")))?;
        all.retain(|table| whole.is_match(&table.name));
    }
    let (found, next_token) = page(all, |table| &table.name, input.next_token.as_ref(), input.max_results);
    let tables = found.into_iter().map(|table| shapes::table(caller, table)).collect();
    Ok(GetTablesResponse { table_list: Some(tables), next_token })
}
