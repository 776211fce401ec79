//! GetDatabases: by name, a page at a time.

use super::{Glue, check_catalog, page, shapes};
use crate::http::Caller;
use crate::models::glue::{GetDatabasesRequest, GetDatabasesResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: GetDatabasesRequest) -> Result<GetDatabasesResponse, Fault> {
    check_catalog(caller, input.catalog_id.as_ref())?;
    let all = glue.tables.databases(&caller.scope)?;
    let (found, next_token) = page(all, |database| &database.name, input.next_token.as_ref(), input.max_results);
    let database_list = found.into_iter().map(|database| shapes::database(caller, database)).collect();
    Ok(GetDatabasesResponse { database_list, next_token })
}
