//! The built-in copy of `examples/payments`, so that the demo needs nothing but the binary.

use crate::cli::client::CliError;
use crate::cli::package;
use crate::door::DeployRequest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../../../examples/payments/", $path)))),*]
    };
}

/// The template and all that it names, by their paths.
const FILES: &[(&str, &str)] = files![
    "template.yaml",
    "functions/enrich/aws.py",
    "functions/enrich/bins.csv",
    "functions/enrich/categories.csv",
    "functions/enrich/enrich.py",
    "functions/enrich/home_country.py",
    "functions/enrich/index.py",
    "functions/enrich/outage.py",
    "functions/enrich/tables.py",
];
const TEMPLATE: &str = "template.yaml";

/// What deploys the example: the template at `path`, or the built-in one, which is written to `scratch` to be packaged.
#[allow(clippy::disallowed_methods, reason = "the user's own template, and a temporary folder")]
pub fn request(
    path: Option<&PathBuf>,
    scratch: &Path,
    parameters: BTreeMap<String, String>,
) -> Result<DeployRequest, CliError> {
    let template = match path {
        Some(path) => path.clone(),
        None => {
            write(scratch).map_err(|source| CliError::Io { what: "the built-in example", source })?;
            scratch.join(TEMPLATE)
        }
    };
    let file = path.map_or("examples/payments/template.yaml".to_owned(), |path| path.display().to_string());
    let text = std::fs::read_to_string(&template)
        .map_err(|error| CliError::Input(format!("{} cannot be read: {error}", template.display())))?;
    let packages = package::packages(&file, &text, template.parent().unwrap_or(Path::new("")));
    if path.is_none() {
        // Removed whether or not it could be packaged; a folder that stays is in the system's temporary one.
        let _ = std::fs::remove_dir_all(scratch);
    }
    Ok(DeployRequest { stack: "payments".to_owned(), file, template: text, parameters, packages: packages? })
}

#[allow(clippy::disallowed_methods, reason = "a temporary folder")]
fn write(scratch: &Path) -> std::io::Result<()> {
    for (path, text) in FILES {
        let path = scratch.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(scratch))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests look at real files")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_of_the_functions_code_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/payments/functions/enrich");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<String> = entries.filter(|name| name != "__pycache__").collect();
        let built_in = FILES.iter().filter_map(|(path, _)| path.strip_prefix("functions/enrich/"));
        assert_eq!(there, built_in.map(str::to_owned).collect());
    }

    #[test]
    fn the_built_in_example_is_packaged() {
        let scratch = std::env::temp_dir().join(format!("millrace-example-{}", std::process::id()));
        let request = request(None, &scratch, BTreeMap::new()).unwrap();
        assert!(!request.packages.is_empty() && !scratch.exists());
    }
}
