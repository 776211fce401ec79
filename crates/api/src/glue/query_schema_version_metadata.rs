//! QuerySchemaVersionMetadata: by key and value, or all; a page of keys at a time.

use super::names::{moment, version};
use super::{Glue, SCHEMAS_PAGE, page};
use crate::http::Caller;
use crate::models::glue::{
    MetadataInfo, MetadataKeyValuePair, OtherMetadataValueListItem, QuerySchemaVersionMetadataInput,
    QuerySchemaVersionMetadataResponse,
};
use crate::wire::{Fault, Text};
use millrace_schema::registry::store::MetadataValue;

/// The values of a key, the oldest first.
type Values = (String, Vec<MetadataValue>);

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: QuerySchemaVersionMetadataInput,
) -> Result<QuerySchemaVersionMetadataResponse, Fault> {
    let QuerySchemaVersionMetadataInput { schema_id, schema_version_number, schema_version_id, .. } = &input;
    let found = version(glue, caller, schema_version_id.as_ref(), schema_id.as_ref(), schema_version_number.as_ref())?;
    let asked = input.metadata_list.unwrap_or_default();
    let chosen = |(key, values): Values| {
        let values: Vec<_> = values.into_iter().filter(|value| is_asked(&asked, &key, value)).collect();
        (!values.is_empty()).then_some((key, values))
    };
    let all: Vec<Values> = found.metadata.into_iter().filter_map(chosen).collect();
    let max = input.max_results.or(SCHEMAS_PAGE);
    let (found_keys, next_token) = page(all, |(key, _)| key, input.next_token.as_ref(), max);
    Ok(QuerySchemaVersionMetadataResponse {
        metadata_info_map: Some(found_keys.into_iter().filter_map(shown).collect()),
        schema_version_id: Some(found.id.to_string().into()),
        next_token,
    })
}

/// Whether a pair is asked for: half a pair asks for all that have that half, no pair at all for everything.
fn is_asked(asked: &[MetadataKeyValuePair], key: &str, value: &MetadataValue) -> bool {
    let fits = |given: &Option<Text>, there: &str| given.as_ref().is_none_or(|given| given.as_str() == there);
    asked.is_empty()
        || asked.iter().any(|pair| fits(&pair.metadata_key, key) && fits(&pair.metadata_value, &value.value))
}

/// The newest value stands for the key, the others behind it.
fn shown((key, values): Values) -> Option<(Text, MetadataInfo)> {
    let mut newest_first = values.into_iter().rev();
    let newest = newest_first.next()?;
    let other = |value: MetadataValue| OtherMetadataValueListItem {
        created_time: moment(value.created),
        metadata_value: Some(value.value.into()),
    };
    let others: Vec<_> = newest_first.map(other).collect();
    let info = MetadataInfo {
        created_time: moment(newest.created),
        metadata_value: Some(newest.value.into()),
        other_metadata_value_list: (!others.is_empty()).then_some(others),
    };
    Some((key.into(), info))
}
