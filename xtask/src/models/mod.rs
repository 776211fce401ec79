//! `cargo xtask models`: AWS's own service models → typed shapes in `crates/api/src/models`.
//!
//! The models are botocore's (`data/SERVICE/DATE/service-2.json`), so a new AWS release is one command. Generated is what
//! the operations in [`services::SERVICES`] reach: structures with their members, the rules that inputs must keep, the
//! errors, and for REST services the routes. The files are committed; `--check` fails when they are not what the models give.

mod generate;
mod names;
mod services;

use crate::{shell, venv};
use generate::Generator;
use serde_json::Value;
use services::SERVICES;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Writes the models, or with `--check` compares them. An argument that is no flag is botocore's folder.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = arguments.iter().any(|argument| argument == "--check");
    let botocore = match arguments.iter().find(|argument| !argument.starts_with('-')) {
        Some(folder) => PathBuf::from(folder),
        None => find_botocore()?,
    };
    let version = version(&botocore)?;
    let folder = shell::root().join("crates/api/src/models");
    for service in SERVICES {
        let (date, model) = load(&botocore, service.model)?;
        let source = format!("botocore {version}, {} {date}", service.model);
        let text = rustfmt(&Generator::new(&model, service)?.file(&source)?)?;
        let path = folder.join(format!("{}.rs", service.model));
        if !check {
            std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            println!("{}", path.display());
        } else if std::fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            println!("{} is what the model gives", path.display());
        } else {
            return Err(format!("{} differs from its model: run `cargo xtask models`", path.display()));
        }
    }
    Ok(())
}

fn find_botocore() -> Result<PathBuf, String> {
    let mut python = Command::new(venv::ensure()?.join("python"));
    let folder = shell::output(python.args(["-c", "import botocore, os; print(os.path.dirname(botocore.__file__))"]))?;
    Ok(PathBuf::from(folder.trim()))
}

fn version(botocore: &Path) -> Result<String, String> {
    let path = botocore.join("__init__.py");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
    line.map(|version| version.trim_matches(['\'', '"']).to_owned()).ok_or(format!("{} has no version", path.display()))
}

/// The newest model of a service, with its date.
fn load(botocore: &Path, service: &str) -> Result<(String, Value), String> {
    let folder = botocore.join("data").join(service);
    let unreadable = |error| format!("cannot read {}: {error}", folder.display());
    let entries = std::fs::read_dir(&folder).map_err(unreadable)?.filter_map(Result::ok);
    let dates = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let date = dates.max().ok_or_else(|| format!("{} is empty", folder.display()))?;
    let plain = folder.join(&date).join("service-2.json");
    let packed = plain.with_extension("json.gz");
    let text = if packed.exists() {
        let bytes = std::fs::read(&packed).map_err(unreadable)?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(unreadable)?;
        text
    } else {
        std::fs::read_to_string(&plain).map_err(unreadable)?
    };
    let model = serde_json::from_str(&text).map_err(|error| format!("{} is not JSON: {error}", plain.display()))?;
    Ok((date, model))
}

fn rustfmt(text: &str) -> Result<String, String> {
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--emit", "stdout", "--config-path"]).arg(shell::root());
    let mut child = rustfmt
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start rustfmt: {error}; `rustup component add rustfmt` installs it"))?;
    let mut input = child.stdin.take().ok_or("rustfmt has no input")?;
    std::io::Write::write_all(&mut input, text.as_bytes()).map_err(|error| format!("rustfmt: {error}"))?;
    drop(input);
    let done = child.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    if !done.status.success() {
        return Err(format!("rustfmt refuses the generated text: {}", done.status));
    }
    String::from_utf8(done.stdout).map_err(|error| format!("rustfmt: {error}"))
}
