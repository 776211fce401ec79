//! Rules over Rust sources: sizes, module docs, leftovers, and what `lib.rs` may hold.

use super::{File, Finding};
use crate::scan::{Source, line_of, words};

/// House rule: a reader holds 800 lines, not more. Tests do not count.
const FILE_LINES_MAX: usize = 800;
/// House rule: a function fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// Written by `cargo xtask models` from AWS's service models; their size is AWS's.
const GENERATED: &str = "crates/api/src/models/";

/// Adds what is wrong with one source file.
pub fn check(file: &File, findings: &mut Vec<Finding>) {
    let source = Source::new(&file.text);
    if !file.path.starts_with(GENERATED) {
        sizes(file, &source, findings);
    }
    module_doc(file, findings);
    leftovers(file, &source, findings);
    if file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs") {
        table_of_contents(file, &source, findings);
    }
    if let ["crates", krate, "tests", _] = file.path.split('/').collect::<Vec<_>>()[..] {
        let cure = format!("each file here is linked as a program of its own: move it to crates/{krate}/tests/it/");
        findings.push(file.finding(1, format!("a second test binary: {cure}")));
    }
}

fn sizes(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.lines_without_tests();
    if lines > FILE_LINES_MAX {
        findings.push(file.finding(
            1,
            format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split it by what its parts are about"),
        ));
    }
    for function in source.functions().iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
        findings.push(file.finding(
            function.line,
            format!(
                "fn {} has {} lines, at most {FUNCTION_LINES_MAX}: move its steps into functions with names",
                function.name, function.lines
            ),
        ));
    }
}

fn module_doc(file: &File, findings: &mut Vec<Finding>) {
    let first = file.text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        findings.push(file.finding(1, "no module doc: begin with `//!` and say what the module is for"));
    }
}

fn leftovers(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    for name in ["dbg", "todo", "unimplemented"] {
        let called = words(&source.code, name).filter(|at| source.code[at + name.len()..].starts_with('!'));
        findings.extend(called.map(|at| {
            file.finding(line_of(&source.code, at), format!("leftover {name}!: remove it, or answer with an error"))
        }));
    }
    for word in ["FIXME", "TODO", "XXX"] {
        findings.extend(words(&source.comments, word).map(|at| {
            file.finding(
                line_of(&source.comments, at),
                format!("leftover {word}: do it now, or list it in docs/compat as not supported yet"),
            )
        }));
    }
}

fn table_of_contents(file: &File, source: &Source, findings: &mut Vec<Finding>) {
    for word in ["fn", "impl", "macro_rules"] {
        findings.extend(words(&source.code, word).take(1).map(|at| {
            file.finding(
                line_of(&source.code, at),
                format!(
                    "`{word}` in lib.rs: it is a table of contents (module doc, mods, pub use); move it to a module"
                ),
            )
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<(usize, String)> {
        let mut findings = Vec::new();
        check(&File { path: path.to_owned(), text: text.to_owned() }, &mut findings);
        findings.into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    #[test]
    fn a_long_function_is_found_by_its_first_line() {
        let text = format!("//! x\n\nfn long() {{\n{}}}\n", "    a();\n".repeat(69));
        let found = findings("crates/a/src/a.rs", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].0 == 3 && found[0].1.starts_with("fn long has 71 lines"), "{found:?}");
        assert!(findings("crates/api/src/models/kinesis.rs", &text).is_empty());
    }

    #[test]
    fn leftovers_count_in_code_and_comments_only() {
        let quiet = "//! x\nfn a() { b(\"dbg!(1) TODO\"); todo_list(); }\n";
        assert_eq!(findings("crates/a/src/a.rs", quiet), []);
        let loud = "//! x\nfn a() { dbg!(1); }\n// TODO: more\n";
        assert_eq!(findings("crates/a/src/a.rs", loud).iter().map(|found| found.0).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_library_root_holds_no_code() {
        assert_eq!(findings("crates/a/src/lib.rs", "//! x\nmod b;\npub use b::C;\n"), []);
        assert_eq!(findings("crates/a/src/lib.rs", "//! x\npub fn b() {}\n").len(), 1);
    }

    #[test]
    fn a_crate_has_one_test_binary() {
        assert_eq!(findings("crates/a/tests/it/main.rs", "//! x\n"), []);
        assert_eq!(findings("crates/a/tests/b.rs", "//! x\n").len(), 1);
    }

    #[test]
    fn every_module_begins_with_its_doc() {
        assert_eq!(findings("crates/a/src/b.rs", "use c::D;\n").len(), 1);
        assert_eq!(findings("crates/a/src/b.rs", "#![allow(x)]\n//! y\n"), []);
    }
}
