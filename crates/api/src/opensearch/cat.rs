//! Tables for people (`_cat`), and the cluster's health.

use super::request::Request;
use super::response::Answer;
use millrace_search::{Engine, Error, size_text};
use serde_json::{Map, Value, json};

const CAT_PARAMS: [&str; 7] = ["v", "h", "s", "bytes", "expand_wildcards", "health", "time"];
const INDEX_COLUMNS: [(&str, &str); 10] = [
    ("health", "h"),
    ("status", "s"),
    ("index", "i"),
    ("uuid", "id"),
    ("pri", "p"),
    ("rep", "r"),
    ("docs.count", "dc"),
    ("docs.deleted", "dd"),
    ("store.size", "ss"),
    ("pri.store.size", "pri.store.size"),
];
/// These stand on the right of their columns.
const NUMBERS: [&str; 9] =
    ["pri", "rep", "docs.count", "docs.deleted", "store.size", "pri.store.size", "count", "shards", "epoch"];

/// `_cat/indices`
pub fn indices(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&CAT_PARAMS)?;
    let mut rows = engine.cat_indices(expression)?;
    if let Some(health) = request.param("health") {
        rows.retain(|row| row["health"] == health);
    }
    for row in &mut rows {
        for column in ["store.size", "pri.store.size"] {
            let bytes = row[column].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            row.insert(column.to_owned(), json!(size(bytes, request.param("bytes"))?));
        }
    }
    table(request, &INDEX_COLUMNS, rows)
}

/// `_cat/count`
pub fn count(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&CAT_PARAMS)?;
    let count = engine.count(expression, &Value::Null, false)?["count"].to_string();
    let (epoch, timestamp) = clock(engine);
    let row = json!({"epoch": epoch, "timestamp": timestamp, "count": count});
    table(
        request,
        &[("epoch", "t"), ("timestamp", "ts"), ("count", "dc")],
        vec![row.as_object().cloned().unwrap_or_default()],
    )
}

/// `_cat/health`
pub fn health(engine: &Engine, request: &Request) -> Result<Answer, Error> {
    request.allow(&CAT_PARAMS)?;
    let (epoch, timestamp) = clock(engine);
    let shards = engine.index_count().to_string();
    let columns = [
        ("epoch", "t"),
        ("timestamp", "ts"),
        ("cluster", "cl"),
        ("status", "st"),
        ("node.total", "nt"),
        ("node.data", "nd"),
        ("discovered_cluster_manager", "dcm"),
        ("shards", "sh"),
        ("pri", "p"),
        ("relo", "r"),
        ("init", "i"),
        ("unassign", "u"),
        ("pending_tasks", "pt"),
        ("max_task_wait_time", "mtwt"),
        ("active_shards_percent", "asp"),
    ];
    let row = json!({
        "epoch": epoch, "timestamp": timestamp, "cluster": "millrace", "status": "green", "node.total": "1", "node.data": "1",
        "discovered_cluster_manager": "true", "shards": shards, "pri": shards, "relo": "0", "init": "0", "unassign": "0",
        "pending_tasks": "0", "max_task_wait_time": "-", "active_shards_percent": "100.0%",
    });
    table(request, &columns, vec![row.as_object().cloned().unwrap_or_default()])
}

/// `_cluster/health`: one node that has every shard, so it is green at once, whatever is waited for.
pub fn cluster_health(engine: &Engine, request: &Request) -> Result<Answer, Error> {
    let waits = [
        "wait_for_status",
        "wait_for_nodes",
        "wait_for_no_initializing_shards",
        "wait_for_no_relocating_shards",
        "level",
    ];
    request.allow(&waits)?;
    let shards = engine.index_count();
    Ok(Answer::ok(json!({
        "cluster_name": "millrace", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
        "discovered_master": true, "discovered_cluster_manager": true, "active_primary_shards": shards,
        "active_shards": shards, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
        "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": 100.0,
    })))
}

fn clock(engine: &Engine) -> (String, String) {
    let now = engine.now();
    let time = now.rem_euclid(86_400_000) / 1000;
    (now.div_euclid(1000).to_string(), format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60))
}

/// A size as `_cat` shows it: `1.5kb`, or a plain number in the unit that was asked for.
fn size(bytes: u64, unit: Option<&str>) -> Result<String, Error> {
    let shift = match unit {
        None => return Ok(size_text(bytes)),
        Some("b") => 0,
        Some("k" | "kb") => 10,
        Some("m" | "mb") => 20,
        Some("g" | "gb") => 30,
        Some(other) => return Err(Error::illegal_argument(format!("[bytes] is b, kb, mb or gb, not [{other}]"))),
    };
    Ok((bytes >> shift).to_string())
}

/// A table as text, or as JSON with `format=json`.
fn table(request: &Request, columns: &[(&str, &str)], mut rows: Vec<Map<String, Value>>) -> Result<Answer, Error> {
    let find = |name: &str| columns.iter().find(|(long, short)| *long == name || *short == name).map(|(long, _)| *long);
    if let Some(keys) = request.param("s") {
        for key in keys.split(',').rev() {
            let (name, descending) = match key.split_once(':') {
                Some((name, direction)) => (name, direction == "desc"),
                None => (key, false),
            };
            let column = find(name)
                .ok_or_else(|| Error::illegal_argument(format!("Unable to sort by unknown sort key `{name}`")))?;
            rows.sort_by_key(|row| {
                let text = row[column].as_str().unwrap_or_default().to_owned();
                (text.parse::<u64>().unwrap_or(0), text)
            });
            if descending {
                rows.reverse();
            }
        }
    }
    let chosen: Vec<&str> = match request.param("h") {
        Some(names) => names.split(',').filter_map(find).collect(),
        None => columns.iter().map(|(long, _)| *long).collect(),
    };
    if request.param("format") == Some("json") {
        let rows = rows.iter().map(|row| chosen.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect());
        return Ok(Answer::ok(Value::Array(rows.map(Value::Object).collect())));
    }
    if let Some(other) = request.param("format").filter(|format| *format != "text") {
        return Err(Error::not_supported(format!("[format] of [{other}]")));
    }
    let mut lines: Vec<Vec<&str>> = Vec::new();
    if request.truth("v")? {
        lines.push(chosen.clone());
    }
    lines.extend(rows.iter().map(|row| chosen.iter().map(|name| row[*name].as_str().unwrap_or("-")).collect()));
    Ok(Answer::text(aligned(&chosen, &lines)))
}

fn aligned(columns: &[&str], lines: &[Vec<&str>]) -> String {
    let widths: Vec<usize> =
        (0..columns.len()).map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for line in lines {
        let cells = line.iter().enumerate().map(|(at, cell)| {
            let width = widths[at];
            if NUMBERS.contains(&columns[at]) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        out.push_str(cells.collect::<Vec<_>>().join(" ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_opensearch() {
        let cases = [(208, "208b"), (1024, "1kb"), (5_325, "5.2kb"), (3_565_158, "3.3mb"), (3_565_159, "3.4mb")];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes, None).unwrap(), expected);
        }
        assert_eq!(size(4096, Some("kb")).unwrap(), "4");
    }
}
