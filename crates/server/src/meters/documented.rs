//! Holds `docs/compat/metrics.md` and the code together: what one names, the other does.

use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../../docs/compat/metrics.md");
/// Where metrics are declared.
const SOURCES: [&str; 7] = [
    include_str!("ages.rs"),
    include_str!("analytics.rs"),
    include_str!("firehose.rs"),
    include_str!("kinesis.rs"),
    include_str!("lambda.rs"),
    include_str!("queues.rs"),
    include_str!("search.rs"),
];
/// These are counted under the names that mappings give them.
const MAPPINGS: [&str; 3] = [
    include_str!("../../../functions/src/mapping/queue.rs"),
    include_str!("../../../functions/src/mapping/stream/call.rs"),
    include_str!("../../../functions/src/mapping/stream/shard.rs"),
];

/// A namespace and a metric.
type Names = BTreeSet<(String, String)>;

/// What `measures!` declares: `Place in "NAMESPACE" {`, then lines of `Place "Name" UNIT,`.
fn counted() -> Names {
    let mut names = Names::new();
    for source in SOURCES {
        let mut namespace = None;
        for line in source.lines().map(str::trim) {
            let quoted: Vec<&str> = line.split('"').collect();
            match (&quoted[..], namespace) {
                ([before, name, after], _) if before.ends_with(" in ") && *after == " {" => namespace = Some(*name),
                ([_, name, unit], Some(namespace)) if unit.ends_with(',') => {
                    names.insert((namespace.to_owned(), (*name).to_owned()));
                }
                _ if line == "}" => namespace = None,
                _ => {}
            }
        }
    }
    let events = MAPPINGS.iter().flat_map(|source| source.split("self.count(\"").skip(1));
    let events = events.filter_map(|call| call.split('"').next());
    names.extend(events.map(|name| ("AWS/Lambda".to_owned(), name.to_owned())));
    names
}

/// What the tables below the namespaces' headings name in their column `metrics`. `.Records` stands for the name before it
/// with that ending.
fn documented() -> Names {
    let (mut names, mut namespace, mut column) = (Names::new(), None, None);
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let spaces: Vec<&str> = heading.split(", ").filter(|word| word.contains('/')).collect();
            (namespace, column) = ((!spaces.is_empty()).then_some(spaces), None);
        }
        let (Some(spaces), Some(row)) = (&namespace, line.strip_prefix('|')) else { continue };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let header = cells.iter().position(|cell| *cell == "metrics");
        column = header.or(column);
        let Some(cell) = column.filter(|_| header.is_none()).and_then(|column| cells.get(column)) else { continue };
        // Two services share a section, and a table: the topics' rows say so.
        let space = spaces[usize::from(spaces.len() > 1 && cells[0] == "TopicName")];
        let mut last = String::new();
        for word in cell.split([',', ';']).map(|word| word.split('(').next().unwrap_or_default().trim()) {
            if word.is_empty() || word.starts_with("---") {
                continue;
            }
            last = match word.strip_prefix('.') {
                Some(ending) => format!("{}.{ending}", last.rsplit_once('.').map_or("", |(stem, _)| stem)),
                None => word.to_owned(),
            };
            names.insert((space.to_owned(), last.clone()));
        }
    }
    names
}

#[test]
fn what_is_counted_is_documented_and_nothing_else() {
    let (counted, documented) = (counted(), documented());
    assert!(counted.len() > 100, "{counted:?}");
    let missing: Vec<_> = counted.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&counted).collect();
    assert!(missing.is_empty(), "docs/compat/metrics.md does not name {missing:?}");
    assert!(invented.is_empty(), "docs/compat/metrics.md names what nothing counts: {invented:?}");
}
