//! Glue's databases and tables in the catalog.

use millrace_base::{Scope, SystemDisk};
use millrace_catalog::Catalog;
use millrace_schema::tables::{Column, Database, Table, Tables};

#[test]
fn tables_live_in_their_scope() {
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::new(Catalog::open(&SystemDisk, &dir.path().join("catalog")).unwrap());
    let (here, there) = (Scope::default(), Scope::new("111111111111", "us-east-1"));
    tables.create_database(&here, Database { name: "Lake".into(), ..Database::default() }).unwrap();
    assert!(tables.create_database(&here, Database { name: "lake".into(), ..Database::default() }).is_err());
    let mut table = Table { name: "Orders".into(), database_name: "Lake".into(), ..Table::default() };
    table.storage_descriptor.columns =
        vec![Column { name: "id".into(), ty: Some("bigint".into()), comment: None }, Column::default()];
    tables.create_table(&here, table.clone()).unwrap();
    assert_eq!(tables.table(&here, "LAKE", "orders").unwrap().fields().unwrap().len(), 2);
    assert_eq!(tables.table(&there, "lake", "orders").unwrap_err().to_string(), "Database lake not found.");
    assert_eq!(tables.table(&here, "lake", "x").unwrap_err().to_string(), "Table x not found.");
    tables.update_table(&here, table.clone()).unwrap();
    assert_eq!(tables.table(&here, "lake", "orders").unwrap().version_id, 1);
    table.storage_descriptor.columns[0].ty = Some("bigit".into());
    assert!(tables.update_table(&here, table).unwrap_err().to_string().contains("'bigit' is no type"));
    tables.delete_database(&here, "lake").unwrap();
    assert!(tables.databases(&here).unwrap().is_empty());
}
