//! Rules over all text files: dead links, addresses of one machine, credits for borrowed data.

use super::{File, Finding};
use crate::shell;
use std::path::Path;

/// Words that name a machine or a package index instead of the project. Split, so that this file does not match itself.
const NAMES_OF_MACHINES: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine: use a path from the project's root, the cache folder or a setting"),
    (concat!("cra", "tes.io"), "a package index's address: name the package; the tools know where it is"),
    (concat!("py", "pi.org"), "a package index's address: name the package; the tools know where it is"),
    (concat!("pythonhos", "ted.org"), "a package index's address: name the package; the tools know where it is"),
    (concat!("npm", "js.org"), "a package index's address: name the package; the tools know where it is"),
    (concat!("maven", ".org"), "a package index's address: name the package; the tools know where it is"),
    (concat!("proxy.go", "lang.org"), "a package index's address: name the package; the tools know where it is"),
];

/// Endings of files that hold data, so were taken from somewhere.
const DATA: &[&str] = &["gz", "ndjson", "csv", "parquet", "avro", "jsonl", "zst"];

/// Adds what is wrong with one text file.
pub fn check(file: &File, findings: &mut Vec<Finding>) {
    // Cargo itself writes the index's address into the lock file.
    if file.path != "Cargo.lock" {
        for (index, line) in file.text.lines().enumerate() {
            findings.extend(machine_names(line).map(|message| file.finding(index + 1, message)));
        }
    }
    if file.is("md") {
        links(file, findings);
    }
    if file.is("py") || file.is("sh") {
        for (index, line) in file.text.lines().enumerate() {
            if line.contains("# TODO") || line.contains("# FIXME") {
                findings
                    .push(file.finding(index + 1, "leftover note: do it now, or write it down as not supported yet"));
            }
        }
    }
}

fn machine_names(line: &str) -> impl Iterator<Item = String> {
    NAMES_OF_MACHINES.iter().filter_map(move |(name, cure)| {
        let at = line.find(name)?;
        // `net/work/x` and `$HOME/work/x` are somebody's own folders.
        let part_of_a_path =
            name.starts_with('/') && line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c));
        (!part_of_a_path).then(|| format!("`{name}`: {cure}"))
    })
}

/// Relative links whose file is not there.
fn links(file: &File, findings: &mut Vec<Finding>) {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    for (line, target) in link_targets(&file.text) {
        let path = target.split('#').next().unwrap_or(target);
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        if path.is_empty() || elsewhere || shell::root().join(folder).join(path).exists() {
            continue;
        }
        findings.push(file.finding(line, format!("dead link to {path}: mend the path or remove the link")));
    }
}

/// The targets of `[text](target)` outside code, each with its line.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let outside_code = line.split('`').step_by(2);
        for part in outside_code {
            let ends = part.match_indices("](").filter_map(|(at, _)| {
                let rest = &part[at + 2..];
                rest.find(')').map(|close| rest[..close].split(' ').next().unwrap_or(""))
            });
            targets.extend(ends.map(|target| (index + 1, target)));
        }
    }
    targets
}

/// Every folder of `examples/` that holds data says in its README.md where the data is from.
pub fn check_credits(paths: &[String], files: &[File], findings: &mut Vec<Finding>) {
    for path in paths.iter().filter(|path| path.starts_with("examples/")) {
        let is_data = path.rsplit_once('.').is_some_and(|(_, ending)| DATA.contains(&ending));
        let Some((folder, _)) = path.rsplit_once('/') else { continue };
        let readme = format!("{folder}/README.md");
        let credited = files.iter().any(|file| file.path == readme && is_credit(&file.text));
        if is_data && !credited {
            let message =
                format!("no credit: say in {readme} after \"Source:\" where it is from and under which licence");
            findings.push(Finding { path: path.clone(), line: 1, message });
        }
    }
}

fn is_credit(text: &str) -> bool {
    let text = text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    any(&["credit", "source:"]) && any(&["licen", "cc0", "public domain"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn links_in_code_are_text() {
        let text = "[a](b.md) `[c](d.md)` [e](f.md#g \"title\")\n```\n[h](i.md)\n```\n";
        assert_eq!(link_targets(text), [(1, "b.md"), (1, "f.md#g")]);
    }

    #[test]
    fn dead_links_are_found_from_the_files_folder() {
        let mut findings = Vec::new();
        check(
            &file("xtask/x.md", "[a](Cargo.toml) [b](../Cargo.toml) [c](gone.md) [d](https://x.example/y)"),
            &mut findings,
        );
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("gone.md"));
    }

    #[test]
    fn paths_of_this_machine_are_found() {
        assert_eq!(machine_names(&format!("see {}notes", NAMES_OF_MACHINES[0].0)).count(), 1);
        assert_eq!(machine_names(&format!("$HOME{}notes", NAMES_OF_MACHINES[0].0)).count(), 0);
    }

    #[test]
    fn data_needs_its_credit() {
        let paths = ["examples/a/b.gz".to_owned()];
        let mut findings = Vec::new();
        check_credits(&paths, &[file("examples/a/README.md", "Credit: somebody, CC0")], &mut findings);
        assert!(findings.is_empty());
        check_credits(&paths, &[], &mut findings);
        assert_eq!(findings.len(), 1);
    }
}
