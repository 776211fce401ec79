//! Templates as data: every `tests/cases/NAME.N.yaml` (or `.json`) is planned and deployed in the order of N over adapters
//! that write down what they are asked for, and the whole story is compared with `tests/cases/NAME.expected`.
//! `MILLRACE_UPDATE=1` writes the stories anew. A resource with the text `FAIL` among its properties fails.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests use the real disk and fail loudly"
)]

mod crash;
mod examples;
mod recorder;

use millrace_base::Scope;
use millrace_stack::{Progress, Status, Template};
use recorder::{World, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let names: BTreeSet<String> = files.iter().filter_map(|file| name_of(file)).collect();
    assert!(names.len() >= 10, "the cases are missing");
    let mut wrong = Vec::new();
    for name in names {
        let mut steps: Vec<&PathBuf> = files.iter().filter(|file| name_of(file).as_ref() == Some(&name)).collect();
        steps.sort();
        let told = story(&steps);
        let expected = folder.join(format!("{name}.expected"));
        if std::env::var_os("MILLRACE_UPDATE").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("--- {name} told\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let (name, extension) = name.rsplit_once('.')?;
    matches!(extension, "yaml" | "json").then(|| name.split('.').next().unwrap_or_default().to_owned())
}

fn story(steps: &[&PathBuf]) -> String {
    let world = World::new();
    let mut told = String::new();
    for step in steps {
        let file = step.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(step).unwrap();
        told.push_str(&format!("== {file}\n"));
        told.push_str(&one(&world, file, &text));
    }
    told
}

fn one(world: &World, file: &str, text: &str) -> String {
    let scope = Scope::new("111111111111", "eu-west-1");
    // `# parameter NAME=VALUE` lines stand for the command line.
    let parameters: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# parameter ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let template = match Template::parse(file, text) {
        Ok(template) => template,
        Err(error) => return format!("{error}\n"),
    };
    let deployer = world.deployer();
    let mut told = match deployer.plan(&scope, "demo", &template, &parameters) {
        Ok(plan) => plan.to_string(),
        Err(error) => return format!("{error}\n"),
    };
    let lines = std::sync::Mutex::new(Vec::new());
    let tell = |progress: &Progress| lines.lock().unwrap().push(line(progress));
    let result = wait(deployer.deploy(&scope, "demo", &template, &parameters, &tell));
    told.extend(lines.into_inner().unwrap());
    match result {
        Ok(deployed) => {
            for (name, value) in &deployed.stack.outputs {
                told.push_str(&format!("output {name} = {value}\n"));
            }
        }
        Err(error) => told.push_str(&format!("{error}\n")),
    }
    told.push_str(&world.take_calls());
    told
}

fn line(progress: &Progress) -> String {
    let reason = progress.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match progress.status {
        // The word that follows says the same.
        Status::CreateInProgress | Status::UpdateInProgress | Status::DeleteInProgress => String::new(),
        status => format!("> {} {}{reason}\n", progress.logical_id, status.word()),
    }
}
