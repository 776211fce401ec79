//! `tests/sql/*.sql` against what a real Flink printed for them (`cargo xtask oracle` records it).
//!
//! Results are compared as final tables: a result that only appends as the multiset of its rows, a changelog by what is
//! left when its changes are applied. A case that differs on purpose stands in docs/compat/sql.md with its reason, and
//! must differ: when it no longer does, its line goes. `MILLRACE_SQL_CASE=name` runs one case and prints its difference.
#![allow(clippy::disallowed_methods, reason = "the cases are files")]

use millrace_base::{Scope, SystemClock, SystemDice, SystemDisk};
use millrace_process::connect::{Collect, Connectors, Environment, RowKind};
use millrace_process::graph::JobGraph;
use millrace_process::{Job, Parts, Progress};
use millrace_sql::{Outcome, Session, SessionOptions, parse};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows and how often each is there.
type Table = BTreeMap<String, i64>;

/// What a script printed: a table for each query, and why it ended early.
#[derive(Debug, Default)]
struct Printed {
    tables: Vec<Table>,
    updates: Vec<bool>,
    error: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

#[test]
fn cases_give_what_flink_gives() {
    let root = root();
    let only = std::env::var("MILLRACE_SQL_CASE").ok();
    let compat = fs::read_to_string(root.join("docs/compat/sql.md")).expect("docs/compat/sql.md");
    let (mut passed, mut wrong) = (0, Vec::new());
    for script in scripts(&root.join("tests/sql")) {
        let name = script.file_stem().expect("a name").to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let listed = compat.contains(&format!("| case `{name}` |"));
        match (check(&root, &name, &script), listed) {
            (Ok(()), false) => passed += 1,
            (Ok(()), true) => wrong.push(format!("{name}: passes, but docs/compat/sql.md says that it differs")),
            (Err(_), true) => {}
            (Err(difference), false) => wrong.push(format!("{name}: {difference}")),
        }
    }
    println!("{passed} cases give what Flink gives");
    assert!(wrong.is_empty(), "{passed} cases pass, {} do not:\n{}", wrong.len(), wrong.join("\n"));
}

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("tests/sql");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    found.sort();
    found
}

fn check(root: &Path, name: &str, script: &Path) -> Result<(), String> {
    let golden = fs::read_to_string(script.with_extension("golden"))
        .map_err(|_| format!("has no golden file: cargo xtask oracle ../shared/oracle/flink-sql {name}"))?;
    let wanted = read_golden(&golden);
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sql-{name}"));
    if out.exists() {
        fs::remove_dir_all(&out).map_err(|error| error.to_string())?;
    }
    let text = fs::read_to_string(script).map_err(|error| error.to_string())?;
    let text = text
        .replace("${DATA}", &root.join("tests/sql/data").to_string_lossy())
        .replace("${OUT}", &out.to_string_lossy());
    let ours = run(&text);
    compare(&wanted, &ours)
}

fn read_golden(golden: &str) -> Printed {
    let mut printed = Printed::default();
    let (mut table, mut updates) = (Table::new(), false);
    for line in golden.lines() {
        match line {
            "--" => {
                printed.tables.push(std::mem::take(&mut table));
                printed.updates.push(std::mem::take(&mut updates));
            }
            "error" => printed.error = Some("Flink gave up".to_owned()),
            row => {
                updates |= !row.starts_with("+I");
                let weight = if row.starts_with('+') { 1 } else { -1 };
                change(&mut table, row.get(2..).unwrap_or_default().to_owned(), weight);
            }
        }
    }
    printed
}

fn change(table: &mut Table, row: String, weight: i64) {
    let count = table.entry(row.clone()).or_default();
    *count += weight;
    if *count == 0 {
        table.remove(&row);
    }
}

fn compare(wanted: &Printed, ours: &Printed) -> Result<(), String> {
    for (nth, wanted_table) in wanted.tables.iter().enumerate() {
        let Some(table) = ours.tables.get(nth) else {
            let reason = ours.error.as_deref().unwrap_or("nothing was printed");
            return Err(format!("query {}: {reason}", nth + 1));
        };
        if table != wanted_table {
            return Err(format!("query {}:\n{}", nth + 1, difference(wanted_table, table)));
        }
        if !wanted.updates[nth] && ours.updates[nth] {
            return Err(format!("query {}: updates where Flink appends", nth + 1));
        }
    }
    match (&wanted.error, &ours.error) {
        (Some(_), None) => Err("runs to its end, where Flink gives up".to_owned()),
        (None, Some(error)) => Err(error.clone()),
        _ => Ok(()),
    }
}

fn difference(wanted: &Table, ours: &Table) -> String {
    let mut out = String::new();
    for (row, count) in wanted.iter().filter(|(row, count)| ours.get(*row) != Some(count)) {
        out.push_str(&format!("  Flink {count} x {row}\n"));
    }
    for (row, count) in ours.iter().filter(|(row, count)| wanted.get(*row) != Some(count)) {
        out.push_str(&format!("  ours  {count} x {row}\n"));
    }
    out
}

fn run(text: &str) -> Printed {
    let mut printed = Printed::default();
    let mut session = Session::new(SessionOptions::default());
    let statements = match parse(text) {
        Ok(statements) => statements,
        Err(error) => return Printed { error: Some(error.render("case", text)), ..printed },
    };
    for (nth, statement) in statements.iter().enumerate() {
        let done = match session.execute(statement) {
            Ok(Outcome::Done(_) | Outcome::Explain(_)) => Ok(()),
            Ok(Outcome::Job(graph)) => job(&graph, nth).map(|_| ()),
            Ok(Outcome::Query(query)) => job(&query.graph, nth).map(|(table, updates)| {
                printed.tables.push(table);
                printed.updates.push(updates);
            }),
            Err(error) => Err(error.render("case", text)),
        };
        if let Err(error) = done {
            printed.error = Some(error);
            break;
        }
    }
    printed
}

/// Runs a job to its end; the rows of its collecting sink, when it has one.
fn job(graph: &JobGraph, nth: usize) -> Result<(Table, bool), String> {
    let (collect, collected) = Collect::pair();
    let mut connectors = Connectors::default();
    connectors.add_sink("collect", Arc::new(collect));
    let environment = Environment {
        scope: Scope::default(),
        log: None,
        disk: Arc::new(SystemDisk),
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
        job: format!("case-{nth}").into(),
    };
    let reader = std::thread::spawn(move || {
        let (mut table, mut updates) = (Table::new(), false);
        for rows in collected {
            for row in 0..rows.batch.num_rows() {
                let kind = rows.kind(row);
                updates |= kind != RowKind::Insert;
                let weight = if matches!(kind, RowKind::Insert | RowKind::UpdateAfter) { 1 } else { -1 };
                change(&mut table, rows.render(row).get(2..).unwrap_or_default().to_owned(), weight);
            }
        }
        (table, updates)
    });
    let ended = Job::open(graph, Parts { environment, connectors }, None).and_then(|mut job| {
        while job.step()? != Progress::Finished {}
        Ok(())
    });
    let result = reader.join().map_err(|_| "the reader of the rows died".to_owned())?;
    ended.map_err(|error| format!("{error}\n{graph}")).map(|()| result)
}
