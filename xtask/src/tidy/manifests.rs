//! Rules over `Cargo.toml` files: which crate may import which, and where features are declared.

use super::{File, Finding};

/// The house's arrows: each crate with those of ours it may import. `None`: all of them.
const MAY_IMPORT: &[(&str, Option<&[&str]>)] = &[
    ("base", Some(&[])),
    ("catalog", Some(&["base"])),
    ("log", Some(&["base", "catalog"])),
    ("schema", Some(&["base", "catalog"])),
    ("process", Some(&["base", "log", "schema"])),
    ("sql", Some(&["base", "schema", "process"])),
    ("deliver", Some(&["base", "catalog", "log", "schema"])),
    ("search", Some(&["base", "catalog"])),
    ("functions", Some(&["base", "catalog", "log"])),
    ("queue", Some(&["base", "catalog"])),
    ("watch", Some(&["base", "catalog"])),
    ("access", Some(&["base", "catalog"])),
    ("stack", Some(&["base", "catalog"])),
    ("console", Some(&["base"])),
    ("api", Some(API)),
    ("testkit", Some(&["base", "catalog"])),
    ("server", None),
];

/// The doors import every stage.
const API: &[&str] = &[
    "base",
    "catalog",
    "log",
    "schema",
    "process",
    "sql",
    "deliver",
    "search",
    "functions",
    "queue",
    "watch",
    "access",
];

/// Adds what is wrong with one manifest.
pub fn check(file: &File, findings: &mut Vec<Finding>) {
    // The root is the one place that declares features; an example is a project of its own.
    if file.path == "Cargo.toml" || file.path.starts_with("examples/") {
        return;
    }
    let owner = file.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
    for entry in entries(&file.text).iter().filter(|entry| entry.section.ends_with("dependencies")) {
        if entry.key_or_value_has("features") || entry.key_or_value_has("default-features") {
            findings.push(file.finding(
                entry.line,
                format!("features of {} declared here: move them to [workspace.dependencies]", entry.name()),
            ));
        }
        if !entry.key_or_value_has("workspace") {
            findings.push(file.finding(
                entry.line,
                format!(
                    "{0} with its own version: write `{0}.workspace = true` and the version in the root",
                    entry.name()
                ),
            ));
        }
        if let (Some(owner), Some(imported)) = (owner, entry.name().strip_prefix("millrace-")) {
            edge(file, entry, owner, imported, findings);
        }
    }
}

fn edge(file: &File, entry: &Entry, owner: &str, imported: &str, findings: &mut Vec<Finding>) {
    let for_tests = entry.section.contains("dev-dependencies");
    if for_tests && imported == "testkit" {
        return;
    }
    let allowed = match MAY_IMPORT.iter().find(|(name, _)| *name == owner) {
        Some((_, None)) => imported != "testkit",
        Some((_, Some(list))) => list.contains(&imported),
        None => {
            let cure = "add it with its arrows to MAY_IMPORT in xtask/src/tidy/manifests.rs";
            return findings.push(file.finding(1, format!("crate {owner} is not in the house's table: {cure}")));
        }
    };
    if !allowed {
        let cure = "stages meet only in the log; put the shared word in base, or wire the two in server";
        findings.push(file.finding(entry.line, format!("{owner} may not import {imported}: {cure}")));
    }
}

/// A `key = value` line under a section heading.
struct Entry<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    line: usize,
}

impl<'a> Entry<'a> {
    /// The dependency's name, of `serde.workspace = true` as of a `[dependencies.serde]` section's entries.
    fn name(&self) -> &'a str {
        self.key.split('.').next().unwrap_or(self.key).trim().trim_matches('"')
    }

    fn key_or_value_has(&self, word: &str) -> bool {
        let key = self.key.split('.').skip(1).any(|part| part.trim() == word);
        key || self.value.split(['{', ',']).any(|part| part.split('=').next().unwrap_or(part).trim() == word)
    }
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            entries.push(Entry { section, key: key.trim(), value: value.trim(), line: index + 1 });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&File { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    #[test]
    fn edges_follow_the_house() {
        let good =
            "[dependencies]\nmillrace-base.workspace = true\n[dev-dependencies]\nmillrace-testkit.workspace = true\n";
        assert_eq!(findings("crates/log/Cargo.toml", good), Vec::<String>::new());
        let bad = "[dependencies]\nmillrace-sql.workspace = true\n";
        let found = findings("crates/log/Cargo.toml", bad);
        assert!(found.len() == 1 && found[0].starts_with("2: log may not import sql"), "{found:?}");
        assert_eq!(findings("crates/server/Cargo.toml", bad), Vec::<String>::new());
        assert_eq!(findings("crates/novel/Cargo.toml", bad).len(), 1);
    }

    #[test]
    fn features_and_versions_live_in_the_root() {
        let bad = "[dependencies]\ntokio = { workspace = true, features = [\"fs\"] }\nserde = \"1\"\n";
        let found = findings("crates/log/Cargo.toml", bad);
        assert!(
            found[0].starts_with("2: features of tokio") && found[1].starts_with("3: serde with its own"),
            "{found:?}"
        );
        assert_eq!(
            findings("crates/log/Cargo.toml", "[package]\nversion.workspace = true\n[lints]\nworkspace = true\n").len(),
            0
        );
        assert_eq!(findings("examples/functions/rust/Cargo.toml", bad).len(), 0);
    }
}
