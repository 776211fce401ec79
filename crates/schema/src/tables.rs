//! Glue's databases and tables: what gives the lake's files their columns. Kept in the catalog.

use crate::hive::parse_type;
use crate::{Field, Typed};
use millrace_base::{Millis, Scope};
use millrace_catalog::{Catalog, CatalogError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DATABASES: &str = "glue-database";
const TABLES: &str = "glue-table";

/// A database: a folder of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Database {
    /// In lower case, as Glue keeps it.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where its tables' data lies by default.
    pub location_uri: Option<String>,
    /// For programs.
    pub parameters: BTreeMap<String, String>,
    /// When it was created.
    pub create_time: Millis,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its Hive type; `string` when absent.
    #[serde(rename = "Type")]
    pub ty: Option<String>,
    /// For people.
    pub comment: Option<String>,
}

/// How a table's files are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct SerDeInfo {
    /// A name for it.
    pub name: Option<String>,
    /// The Java class.
    pub serialization_library: Option<String>,
    /// The class's settings.
    pub parameters: BTreeMap<String, String>,
}

/// Where a table's data lies and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct StorageDescriptor {
    /// The columns that are in the files.
    pub columns: Vec<Column>,
    /// For example `s3://lake/orders/`.
    pub location: Option<String>,
    /// The Java class that reads.
    pub input_format: Option<String>,
    /// The Java class that writes.
    pub output_format: Option<String>,
    /// Whether files are compressed as a whole.
    pub compressed: Option<bool>,
    /// The serializer.
    pub serde_info: Option<SerDeInfo>,
    /// For programs.
    pub parameters: BTreeMap<String, String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Table {
    /// In lower case, as Glue keeps it.
    pub name: String,
    /// The database.
    pub database_name: String,
    /// For people.
    pub description: Option<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Days.
    pub retention: Option<i32>,
    /// Where the data lies and how.
    pub storage_descriptor: StorageDescriptor,
    /// The columns that stand in the keys of the objects, not in them.
    pub partition_keys: Vec<Column>,
    /// For example `EXTERNAL_TABLE`.
    pub table_type: Option<String>,
    /// For programs.
    pub parameters: BTreeMap<String, String>,
    /// When it was created.
    pub create_time: Millis,
    /// When it was changed last.
    pub update_time: Millis,
    /// Counts the changes, from 0.
    pub version_id: u64,
}

/// A refused operation on databases or tables; the texts are Glue's.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// `EntityNotFoundException`
    #[error("{0}")]
    NotFound(String),
    /// `AlreadyExistsException`
    #[error("{0}")]
    AlreadyExists(String),
    /// `InvalidInputException`
    #[error("{0}")]
    InvalidInput(String),
    /// The catalog failed.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
}

impl Table {
    /// The columns that are in the files, as fields.
    pub fn fields(&self) -> Result<Vec<Field>, TablesError> {
        self.storage_descriptor.columns.iter().map(Column::field).collect()
    }
}

impl Column {
    /// The column as a nullable field.
    pub fn field(&self) -> Result<Field, TablesError> {
        let ty = parse_type(self.ty.as_deref().unwrap_or("string"))
            .map_err(|error| TablesError::InvalidInput(format!("Column {}: {error}", self.name)))?;
        Ok(Field { name: self.name.clone(), typed: Typed { ty, nullable: true } })
    }
}

/// The databases and tables of all scopes.
#[derive(Clone)]
pub struct Tables {
    catalog: Catalog,
}

impl Tables {
    /// Those that the catalog keeps.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    /// Adds a database.
    pub fn create_database(&self, scope: &Scope, mut database: Database) -> Result<(), TablesError> {
        database.name = database.name.to_lowercase();
        let key = format!("{scope}/{}", database.name);
        self.catalog.update(|transaction| {
            if transaction.get::<Database>(DATABASES, &key)?.is_some() {
                return Err(TablesError::AlreadyExists("Database already exists.".to_owned()));
            }
            Ok(transaction.put(DATABASES, &key, &database)?)
        })
    }

    /// Changes a database; its name and birth stay.
    pub fn update_database(&self, scope: &Scope, name: &str, mut database: Database) -> Result<(), TablesError> {
        let key = format!("{scope}/{}", name.to_lowercase());
        self.catalog.update(|transaction| {
            let old = transaction.get::<Database>(DATABASES, &key)?.ok_or_else(|| no_database(name))?;
            (database.name, database.create_time) = (old.name, old.create_time);
            Ok(transaction.put(DATABASES, &key, &database)?)
        })
    }

    /// A database by name, in any case.
    pub fn database(&self, scope: &Scope, name: &str) -> Result<Database, TablesError> {
        self.catalog.get(DATABASES, &format!("{scope}/{}", name.to_lowercase()))?.ok_or_else(|| no_database(name))
    }

    /// All databases of a scope, by name.
    pub fn databases(&self, scope: &Scope) -> Result<Vec<Database>, TablesError> {
        let found = self.catalog.list(DATABASES, &format!("{scope}/"))?;
        Ok(found.into_iter().map(|(_, database)| database).collect())
    }

    /// Removes a database and its tables.
    pub fn delete_database(&self, scope: &Scope, name: &str) -> Result<(), TablesError> {
        let tables = self.tables(scope, name)?;
        let name = name.to_lowercase();
        self.catalog.update(|transaction| {
            for table in &tables {
                transaction.delete(TABLES, &table_key(scope, &name, &table.name))?;
            }
            transaction.delete(DATABASES, &format!("{scope}/{name}"))?;
            Ok(())
        })
    }

    /// Adds a table; its column types are checked.
    pub fn create_table(&self, scope: &Scope, mut table: Table) -> Result<(), TablesError> {
        table.fields()?;
        table.name = table.name.to_lowercase();
        table.database_name = table.database_name.to_lowercase();
        table.version_id = 0;
        self.database(scope, &table.database_name)?;
        let key = table_key(scope, &table.database_name, &table.name);
        self.catalog.update(|transaction| {
            if transaction.get::<Table>(TABLES, &key)?.is_some() {
                return Err(TablesError::AlreadyExists("Table already exists.".to_owned()));
            }
            Ok(transaction.put(TABLES, &key, &table)?)
        })
    }

    /// Replaces a table; its birth stays, its version counts up.
    pub fn update_table(&self, scope: &Scope, mut table: Table) -> Result<(), TablesError> {
        table.fields()?;
        table.name = table.name.to_lowercase();
        table.database_name = table.database_name.to_lowercase();
        let key = table_key(scope, &table.database_name, &table.name);
        self.catalog.update(|transaction| {
            let old = transaction.get::<Table>(TABLES, &key)?.ok_or_else(|| no_table(&table.name))?;
            (table.version_id, table.create_time) = (old.version_id + 1, old.create_time);
            Ok(transaction.put(TABLES, &key, &table)?)
        })
    }

    /// A table by name, in any case.
    pub fn table(&self, scope: &Scope, database: &str, name: &str) -> Result<Table, TablesError> {
        let key = table_key(scope, &database.to_lowercase(), &name.to_lowercase());
        match self.catalog.get(TABLES, &key)? {
            Some(table) => Ok(table),
            None => {
                self.database(scope, database)?;
                Err(no_table(name))
            }
        }
    }

    /// All tables of a database, by name.
    pub fn tables(&self, scope: &Scope, database: &str) -> Result<Vec<Table>, TablesError> {
        self.database(scope, database)?;
        let found = self.catalog.list(TABLES, &table_key(scope, &database.to_lowercase(), ""))?;
        Ok(found.into_iter().map(|(_, table)| table).collect())
    }

    /// Removes a table.
    pub fn delete_table(&self, scope: &Scope, database: &str, name: &str) -> Result<(), TablesError> {
        self.table(scope, database, name)?;
        self.catalog.delete(TABLES, &table_key(scope, &database.to_lowercase(), &name.to_lowercase()))?;
        Ok(())
    }
}

fn table_key(scope: &Scope, database: &str, name: &str) -> String {
    format!("{scope}/{database}/{name}")
}

fn no_database(name: &str) -> TablesError {
    TablesError::NotFound(format!("Database {name} not found."))
}

fn no_table(name: &str) -> TablesError {
    TablesError::NotFound(format!("Table {name} not found."))
}
