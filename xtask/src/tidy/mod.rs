//! `cargo xtask tidy`: style as a test. Each finding names the file, the line and the cure.
//!
//! Rules over Rust sources are in [`sources`], over manifests in [`manifests`], over everything else in [`documents`].

mod documents;
mod manifests;
mod sources;

use crate::shell;
use std::path::PathBuf;
use std::process::Command;

/// A file of the project, with its path from the root, `/` between the parts.
pub struct File {
    /// For example `crates/log/src/segment.rs`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl File {
    /// True for a file with this ending, for example `rs`.
    pub fn is(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    /// A finding in this file.
    pub fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

/// Something to put right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// From the root.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// Checks every file that git tracks or would track.
pub fn run(_arguments: &[String]) -> Result<(), String> {
    let paths = paths()?;
    let files: Vec<File> = paths.iter().filter_map(|path| read(path)).collect();
    let mut findings = Vec::new();
    for file in &files {
        if file.is("rs") {
            sources::check(file, &mut findings);
        }
        if file.path.ends_with("Cargo.toml") {
            manifests::check(file, &mut findings);
        }
        documents::check(file, &mut findings);
    }
    documents::check_credits(&paths, &files, &mut findings);
    findings.sort();
    for finding in &findings {
        println!("{}:{}: {}", finding.path, finding.line, finding.message);
    }
    let lines: usize = files.iter().filter(|file| file.is("rs")).map(|file| file.text.lines().count()).sum();
    println!("tidy: {} findings in {} files ({lines} lines of Rust)", findings.len(), files.len());
    if findings.is_empty() { Ok(()) } else { Err(format!("tidy found {} things to put right", findings.len())) }
}

/// Tracked files and new ones that are not ignored, from the root; outside of a git checkout, every file.
fn paths() -> Result<Vec<String>, String> {
    let mut paths = Vec::new();
    if shell::exists("git") && shell::root().join(".git").exists() {
        let mut git = Command::new("git");
        let list = shell::output(git.current_dir(shell::root()).args(["ls-files", "-z", "-co", "--exclude-standard"]))?;
        paths.extend(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned));
    } else {
        walk("", &mut paths)?;
    }
    // What a link leads to is looked at where it lies.
    paths.retain(|path| !shell::root().join(path).is_symlink());
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Adds the files below a folder, but not what builds leave behind.
fn walk(folder: &str, paths: &mut Vec<String>) -> Result<(), String> {
    let full = shell::root().join(folder);
    let entries = std::fs::read_dir(&full).map_err(|error| format!("cannot list {}: {error}", full.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if !entry.path().is_dir() {
            paths.push(path);
        } else if !matches!(name.as_str(), "target" | ".git" | ".venv" | "__pycache__" | ".pytest_cache") {
            walk(&path, paths)?;
        }
    }
    Ok(())
}

/// The file's text; none for a binary file or one that was deleted and not yet committed.
fn read(path: &str) -> Option<File> {
    let full: PathBuf = shell::root().join(path);
    let text = String::from_utf8(std::fs::read(full).ok()?).ok()?;
    (!text.contains('\0')).then(|| File { path: path.to_owned(), text })
}
