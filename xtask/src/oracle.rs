//! Re-records the golden files of `tests/sql` with a real Apache Flink.
//!
//! A case is `NAME.sql` with `NAME.golden` beside it: what Flink printed, a line `--` after each query, and a last line
//! `error` when Flink gave up. In the scripts `${DATA}` is the folder of inputs and `${OUT}` a fresh folder for sinks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo xtask oracle [FLINK_SQL] [NAME …]`: all cases, or those named.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask stands alone")?;
    let (oracle, names) = match arguments.split_first() {
        Some((first, names)) if Path::new(first).is_file() => (PathBuf::from(first), names),
        _ => (root.join("../shared/oracle/flink-sql"), arguments),
    };
    if !oracle.is_file() {
        return Err(format!(
            "there is no {}: name the script that runs SQL on a real Flink as first argument",
            oracle.display()
        ));
    }
    let cases = root.join("tests/sql");
    for script in scripts(&cases, names)? {
        record(&oracle, &cases, &script)?;
    }
    Ok(())
}

fn scripts(cases: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    if !names.is_empty() {
        return Ok(names.iter().map(|name| cases.join(format!("{name}.sql"))).collect());
    }
    let entries = fs::read_dir(cases).map_err(|error| format!("{}: {error}", cases.display()))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    found.sort();
    Ok(found)
}

fn record(oracle: &Path, cases: &Path, script: &Path) -> Result<(), String> {
    let about = |error: std::io::Error| format!("{}: {error}", script.display());
    let name = script.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let work = std::env::temp_dir().join(format!("millrace-oracle-{}-{name}", std::process::id()));
    fs::create_dir_all(work.join("out")).map_err(about)?;
    let text = fs::read_to_string(script).map_err(about)?;
    let data = cases.join("data");
    let text = text.replace("${DATA}", &data.to_string_lossy()).replace("${OUT}", &work.join("out").to_string_lossy());
    let file = work.join("case.sql");
    fs::write(&file, text).map_err(about)?;
    let output = Command::new(oracle).arg(&file).output().map_err(|error| format!("{}: {error}", oracle.display()))?;
    let mut golden = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        println!("{name}: {} lines", golden.lines().count());
    } else {
        let reason = String::from_utf8_lossy(&output.stderr);
        let causes: Vec<&str> =
            reason.lines().filter(|line| line.contains("Caused by") || line.contains("Exception")).collect();
        println!("{name}: error: {}", causes.last().copied().unwrap_or("no reason given"));
        golden.push_str("error\n");
    }
    fs::write(script.with_extension("golden"), golden).map_err(about)?;
    fs::remove_dir_all(&work).map_err(about)
}
