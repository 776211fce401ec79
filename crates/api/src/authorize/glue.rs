//! Glue: the data catalog (catalog, database and table must all be allowed) and the schema registry.

use super::input::Input;
use super::needs::{Need, Needs};

/// The registry of a schema that names none.
const DEFAULT_REGISTRY: &str = "default-registry";

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("glue:{operation}");
    let glue = |resource: &str| input.arn("glue", resource);
    let on = |resources: Vec<String>| Needs::All(vec![Need { action: action.clone(), resources, keys: Vec::new() }]);
    if let Some(resources) = of_catalog(operation, input) {
        let mut all = vec![glue("catalog")];
        all.extend(resources.iter().map(|resource| glue(resource)));
        return on(all);
    }
    match operation {
        "CreateRegistry" => on(vec![glue(&format!("registry/{}", input.text("RegistryName").unwrap_or("*")))]),
        "GetRegistry" | "UpdateRegistry" | "DeleteRegistry" => on(vec![registry(input, "RegistryId")]),
        "ListSchemas" if input.find("RegistryId").is_some() => on(vec![registry(input, "RegistryId")]),
        "ListSchemas" => on(vec![glue("registry/*")]),
        "ListRegistries" | "CheckSchemaVersionValidity" => on(vec!["*".to_owned()]),
        "CreateSchema" => {
            let registry = registry(input, "RegistryId");
            let name = input.text("SchemaName").unwrap_or("*");
            let schema = format!("{}/{name}", registry.replacen(":registry/", ":schema/", 1));
            on(vec![registry, schema])
        }
        "TagResource" | "UntagResource" => on(vec![input.text("ResourceArn").unwrap_or("*").to_owned()]),
        "GetTags" => on(vec![input.text("ResourceArn").unwrap_or("*").to_owned()]),
        _ => on(schema(input)),
    }
}

/// The resources below the catalog that an operation on it is about; nothing for one that is not on it.
fn of_catalog(operation: &str, input: &Input<'_>) -> Option<Vec<String>> {
    let database = |path: &str| format!("database/{}", input.text(path).unwrap_or("*"));
    let table = |path: &str| {
        let database = input.text("DatabaseName").unwrap_or("*");
        format!("table/{database}/{}", input.text(path).unwrap_or("*"))
    };
    Some(match operation {
        "CreateDatabase" => vec![database("DatabaseInput.Name")],
        "GetDatabase" | "UpdateDatabase" => vec![database("Name")],
        "DeleteDatabase" => vec![
            database("Name"),
            format!("table/{}/*", input.text("Name").unwrap_or("*")),
            format!("userDefinedFunction/{}/*", input.text("Name").unwrap_or("*")),
        ],
        "GetDatabases" => vec!["database/*".to_owned()],
        "CreateTable" | "UpdateTable" => vec![database("DatabaseName"), table("TableInput.Name")],
        "GetTable" | "DeleteTable" => vec![database("DatabaseName"), table("Name")],
        "GetTables" => vec![database("DatabaseName"), table("")],
        _ => return None,
    })
}

fn registry(input: &Input<'_>, member: &str) -> String {
    if let Some(arn) = input.text(&format!("{member}.RegistryArn")) {
        return arn.to_owned();
    }
    let name = input.text(&format!("{member}.RegistryName")).unwrap_or(DEFAULT_REGISTRY);
    input.arn("glue", &format!("registry/{name}"))
}

/// A schema and its registry. A version that is named by its id alone is everybody's who may ask for all of them: that is how
/// AWS's own example policies grant `glue:GetSchemaVersion`.
fn schema(input: &Input<'_>) -> Vec<String> {
    if let Some(arn) = input.text("SchemaId.SchemaArn") {
        let registry = arn.rsplit_once('/').map_or(arn, |(registry, _)| registry);
        return vec![registry.replacen(":schema/", ":registry/", 1), arn.to_owned()];
    }
    let Some(name) = input.text("SchemaId.SchemaName") else { return vec!["*".to_owned()] };
    let registry = input.text("SchemaId.RegistryName").unwrap_or(DEFAULT_REGISTRY);
    vec![input.arn("glue", &format!("registry/{registry}")), input.arn("glue", &format!("schema/{registry}/{name}"))]
}
