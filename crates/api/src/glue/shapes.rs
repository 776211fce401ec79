//! Between Glue's shapes and those that are kept.

use crate::http::Caller;
use crate::models::glue::{Column, Database, SerDeInfo, StorageDescriptor, Table, TableInput};
use crate::wire::{Text, Timestamp};
use millrace_base::Millis;
use millrace_schema::tables as kept;
use std::collections::BTreeMap;

type Parameters = Option<BTreeMap<Text, Text>>;

pub fn text(text: Option<Text>) -> Option<String> {
    text.map(|text| text.to_string())
}

pub fn parameters(given: Parameters) -> BTreeMap<String, String> {
    given.into_iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn shown(parameters: BTreeMap<String, String>) -> Parameters {
    Some(parameters.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

pub fn database(caller: &Caller, database: kept::Database) -> Database {
    Database {
        name: database.name.into(),
        description: database.description.map(Text::from),
        location_uri: database.location_uri.map(Text::from),
        parameters: shown(database.parameters),
        create_time: Some(Timestamp(database.create_time)),
        catalog_id: Some((*caller.scope.account).into()),
    }
}

fn keep_column(column: Column) -> kept::Column {
    kept::Column { name: column.name.to_string(), ty: text(column.r#type), comment: text(column.comment) }
}

fn column(column: kept::Column) -> Column {
    Column {
        name: column.name.into(),
        r#type: column.ty.map(Text::from),
        comment: column.comment.map(Text::from),
        parameters: None,
    }
}

fn keep_storage(storage: StorageDescriptor) -> kept::StorageDescriptor {
    let serde_info = storage.serde_info.map(|serde| kept::SerDeInfo {
        name: text(serde.name),
        serialization_library: text(serde.serialization_library),
        parameters: parameters(serde.parameters),
    });
    kept::StorageDescriptor {
        columns: storage.columns.into_iter().flatten().map(keep_column).collect(),
        location: text(storage.location),
        input_format: text(storage.input_format),
        output_format: text(storage.output_format),
        compressed: storage.compressed,
        serde_info,
        parameters: parameters(storage.parameters),
    }
}

fn storage(storage: kept::StorageDescriptor) -> StorageDescriptor {
    let serde_info = storage.serde_info.map(|serde| SerDeInfo {
        name: serde.name.map(Text::from),
        serialization_library: serde.serialization_library.map(Text::from),
        parameters: shown(serde.parameters),
    });
    StorageDescriptor {
        columns: Some(storage.columns.into_iter().map(column).collect()),
        location: storage.location.map(Text::from),
        input_format: storage.input_format.map(Text::from),
        output_format: storage.output_format.map(Text::from),
        compressed: Some(storage.compressed.unwrap_or(false)),
        serde_info,
        parameters: shown(storage.parameters),
        ..Default::default()
    }
}

pub fn keep_table(input: TableInput, database: &str, now: Millis) -> kept::Table {
    kept::Table {
        name: input.name.to_string(),
        database_name: database.to_owned(),
        description: text(input.description),
        owner: text(input.owner),
        retention: input.retention,
        storage_descriptor: input.storage_descriptor.map(keep_storage).unwrap_or_default(),
        partition_keys: input.partition_keys.into_iter().flatten().map(keep_column).collect(),
        table_type: text(input.table_type),
        parameters: parameters(input.parameters),
        create_time: now,
        update_time: now,
        version_id: 0,
    }
}

pub fn table(caller: &Caller, table: kept::Table) -> Table {
    Table {
        name: table.name.into(),
        database_name: Some(table.database_name.into()),
        description: table.description.map(Text::from),
        owner: table.owner.map(Text::from),
        create_time: Some(Timestamp(table.create_time)),
        update_time: Some(Timestamp(table.update_time)),
        retention: Some(table.retention.unwrap_or(0)),
        storage_descriptor: Some(storage(table.storage_descriptor)),
        partition_keys: Some(table.partition_keys.into_iter().map(column).collect()),
        table_type: table.table_type.map(Text::from),
        parameters: shown(table.parameters),
        created_by: Some(format!("arn:aws:iam::{}:root", caller.scope.account).into()),
        is_registered_with_lake_formation: Some(false),
        catalog_id: Some((*caller.scope.account).into()),
        version_id: Some(table.version_id.to_string().into()),
        is_multi_dialect_view: Some(false),
        is_materialized_view: Some(false),
    }
}
