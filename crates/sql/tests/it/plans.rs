//! Statements → graphs and errors, without running anything.

use millrace_process::graph::{JobGraph, Operator};
use millrace_sql::{ErrorKind, Outcome, Session, SessionOptions, SqlError, needs_streams, parse, split};

const ORDERS: &str = "
CREATE TABLE orders (id BIGINT, customer STRING, amount DECIMAL(10, 2), note STRING, ts TIMESTAMP(3),
  total AS amount * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kinesis', 'stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/orders', 'format' = 'json');
CREATE TABLE plain (id BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '/x', 'format' = 'json');
CREATE TABLE sink (customer STRING, window_end TIMESTAMP(3), total DECIMAL(38, 2)) WITH ('connector' = 'blackhole');
CREATE TABLE late (id BIGINT, ts TIMESTAMP(3), reason STRING) WITH ('connector' = 'blackhole');
";

fn run(script: &str) -> Result<Vec<Outcome>, SqlError> {
    let mut session = Session::new(SessionOptions::default());
    parse(script)?.iter().map(|statement| session.execute(statement)).collect()
}

fn last(script: &str) -> Outcome {
    let script = format!("{ORDERS}{script}");
    run(&script)
        .unwrap_or_else(|error| panic!("{}", error.render("test", &script)))
        .pop()
        .expect("a script has a statement")
}

fn graph(script: &str) -> JobGraph {
    match last(script) {
        Outcome::Job(graph) => graph,
        Outcome::Query(query) => query.graph,
        other => panic!("no job: {other:?}"),
    }
}

fn error(script: &str) -> SqlError {
    let script = format!("{ORDERS}{script}");
    run(&script).expect_err("this must be refused")
}

/// The error, the text it points at, and its help.
fn told(script: &str) -> (String, String, String) {
    let full = format!("{ORDERS}{script}");
    let error = run(&full).expect_err("this must be refused");
    (error.message.clone(), error.span.text(&full).to_owned(), error.help.unwrap_or_default())
}

#[test]
fn only_used_columns_are_read_and_filters_go_below_the_window() {
    let graph = graph(
        "INSERT INTO sink SELECT customer, window_end, SUM(amount) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         WHERE amount > 1 GROUP BY customer, window_start, window_end;",
    );
    let text = graph.to_string();
    let Operator::Source(spec) = &graph.nodes[0].operator else { panic!("{text}") };
    let names: Vec<&str> = spec.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["customer", "amount", "ts"], "{text}");
    let kinds: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches([' ', '+', '-', ':']).split('(').next().unwrap_or(""))
        .collect();
    assert_eq!(kinds, ["Sink", "Calc", "WindowAggregate", "Calc", "WatermarkAssigner", "TableSourceScan"], "{text}");
    assert!(text.contains("where=[("), "{text}");
}

#[test]
fn a_statement_set_reads_a_table_once() {
    let graph = graph(
        "EXECUTE STATEMENT SET BEGIN
         INSERT INTO sink SELECT customer, ts, amount FROM orders;
         INSERT INTO late SELECT id, ts, note FROM orders WHERE id > 3;
         END;",
    );
    let sources = graph.nodes.iter().filter(|node| matches!(node.operator, Operator::Source(_))).count();
    assert_eq!(sources, 1, "{graph}");
}

#[test]
fn late_events_go_to_the_declared_table() {
    let graph = graph(
        "SET 'table.exec.late-events.sink' = 'late';
         INSERT INTO sink SELECT customer, window_end, SUM(amount) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY customer, window_start, window_end;",
    );
    let late = graph.nodes.iter().position(|node| matches!(node.operator, Operator::Late)).expect("a late node");
    let window = graph.nodes[late].inputs[0];
    assert!(matches!(graph.nodes[window].operator, Operator::WindowAggregate(_)), "{graph}");
    let names: Vec<&str> = graph.nodes[late].output.iter().map(|field| field.name.as_str()).collect();
    assert!(names.contains(&"id") && names.contains(&"ts"), "{names:?}");
    let sinks = graph.nodes.iter().filter(|node| matches!(node.operator, Operator::Sink(_))).count();
    assert_eq!(sinks, 2);
}

#[test]
fn settings_reach_the_job() {
    let graph = graph(
        "SET 'pipeline.name' = 'nightly'; SET 'parallelism.default' = '4'; SET 'table.local-time-zone' = 'Europe/Berlin';
         SET 'execution.checkpointing.interval' = '10 s'; SET 'table.exec.source.idle-timeout' = '30 s';
         INSERT INTO late SELECT id, ts, note FROM orders;",
    );
    let settings = &graph.settings;
    assert_eq!(
        (settings.name.as_str(), settings.parallelism, settings.time_zone.as_str()),
        ("nightly", 4, "Europe/Berlin")
    );
    assert_eq!(settings.checkpoint_interval_ms, Some(10_000));
    assert!(
        graph
            .nodes
            .iter()
            .any(|node| matches!(node.operator, Operator::Watermark { idle_timeout_ms: Some(30_000), .. }))
    );
}

/// A script, what its error says, what it points at and what its help holds.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("SELECT amont FROM orders;", "Column 'amont' not found in 'orders'", "amont", "did you mean 'amount'?"),
    ("SELECT Amount FROM orders;", "Column 'Amount' not found in 'orders'", "Amount", "Names are case-sensitive"),
    ("SELECT id FROM oders;", "Object 'oders' not found", "oders", "did you mean 'orders'?"),
    ("SELECT value FROM orders;", "'value' is a reserved word", "value", "`value`"),
    ("SELECT id AS timestamp FROM orders;", "'timestamp' is a reserved word", "timestamp", "`timestamp`"),
    ("SELEC id FROM orders;", "'SELEC' starts no statement", "SELEC", "did you mean 'SELECT'?"),
    ("SELECT UPER(note) FROM orders;", "there is no function UPER", "UPER(note)", ""),
    (
        "SELECT id FROM orders WHERE SUM(id) > 1;",
        "the aggregate function SUM is not allowed in WHERE",
        "SUM(id)",
        "HAVING",
    ),
    (
        "SELECT note, COUNT(*) FROM orders GROUP BY customer;",
        "Expression 'note' is not being grouped",
        "note",
        "GROUP BY",
    ),
    ("SELECT id FROM orders WHERE amount;", "WHERE must be a condition, this is DECIMAL(10, 2)", "amount", ""),
    (
        "SET 'parallelism.defalt' = '2';",
        "there is no setting 'parallelism.defalt'",
        "'parallelism.defalt'",
        "parallelism.default",
    ),
    ("SET 'table.exec.state.ttl' = '1 h';", "a time to live of state is not supported yet", "'1 h'", ""),
    ("SELECT * FROM orders JOIN plain ON TRUE;", "a join is not supported yet", "JOIN", ""),
    ("SELECT id FROM orders ORDER BY id;", "ORDER BY is not supported yet", "id", ""),
    (
        "SELECT id FROM (SELECT id FROM orders LIMIT 3) AS o;",
        "LIMIT here is not supported yet",
        "LIMIT 3",
        "at the end of a SELECT",
    ),
    ("INSERT INTO late SELECT id, ts, note FROM orders LIMIT 3;", "LIMIT here is not", "LIMIT 3", ""),
    (
        "SELECT COUNT(*) FROM orders LIMIT 3;",
        "LIMIT of a query that updates its rows is not",
        "LIMIT 3",
        "group by a window",
    ),
    ("SELECT id FROM orders LIMIT 3 OFFSET 2;", "OFFSET is not supported yet", "OFFSET", ""),
    ("SELECT id FROM orders LIMIT many;", "expected a number of rows", "many", ""),
    ("SELECT SUM(id) OVER (ORDER BY ts) FROM orders;", "OVER is not supported yet", "OVER", ""),
    (
        "CREATE TABLE a (b TIMESTAMP(3), WATERMARK FOR c AS b) WITH ('connector' = 'print');",
        "Column 'c' not found",
        "c",
        "",
    ),
    (
        "CREATE TABLE a (b STRNG) WITH ('connector' = 'print');",
        "there is no type 'STRNG'",
        "STRNG",
        "did you mean 'STRING'?",
    ),
    (
        "CREATE TABLE a (b INT) WITH ('connector' = 'kinesys');",
        "Could not find any factory for the connector 'kinesys'",
        "'kinesys'",
        "did you mean 'kinesis'?",
    ),
    (
        "CREATE TABLE a (b INT, PRIMARY KEY (b)) WITH ('connector' = 'print');",
        "Flink does not own the data",
        "",
        "NOT ENFORCED",
    ),
    ("SELECT CASE WHEN TRUE THEN 1 ELSE DATE '2026-01-01' END;", "CASE mixes INT and DATE", "", "CAST"),
    ("SELECT TIMESTAMP '2026-13-01 00:00:00';", "Illegal TIMESTAMP literal", "", "2026-01-31"),
    ("INSERT INTO snk SELECT 1;", "Cannot find table 'snk' to write to", "snk", "did you mean 'sink'?"),
    ("INSERT INTO late (id, rason) SELECT 1, 'x';", "Unknown target column 'rason'", "rason", "did you mean 'reason'?"),
];

#[test]
fn errors_name_the_thing_the_place_and_the_cure() {
    for &(script, message, place, help) in REFUSED {
        let (told_message, told_place, told_help) = told(script);
        assert!(told_message.contains(message), "{script}: {told_message}");
        assert!(place.is_empty() || told_place == place, "{script}: points at {told_place:?}");
        assert!(told_help.contains(help), "{script}: helps with {told_help:?}");
    }
}

#[test]
fn a_window_needs_a_time_attribute() {
    let (message, place, help) = told(
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE plain, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
    );
    assert!(message.contains("requires the timecol is a time attribute type, but 'ts' is TIMESTAMP(3)"), "{message}");
    assert_eq!(place, "ts");
    assert!(help.contains("WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"), "{help}");
}

#[test]
fn sink_schema_mismatches_read_as_in_flink() {
    let (message, ..) = told("INSERT INTO late SELECT customer, ts, note FROM orders;");
    assert_eq!(
        message,
        "Column types of query result and sink for 'default_catalog.default_database.late' do not match.\n\
         Cause: Incompatible types for sink column 'id' at position 0.\n\n\
         Query schema: [customer: STRING, ts: TIMESTAMP(3) *ROWTIME*, note: STRING]\n\
         Sink schema:  [id: BIGINT, ts: TIMESTAMP(3), reason: STRING]"
    );
    let (message, ..) = told("INSERT INTO late SELECT id FROM orders;");
    assert!(message.contains("Cause: Different number of columns."), "{message}");
}

#[test]
fn updates_do_not_go_into_a_sink_that_appends() {
    let error = error("INSERT INTO plain SELECT COUNT(*), MAX(ts) FROM orders;");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("doesn't support consuming update changes"), "{}", error.message);
}

#[test]
fn explain_shows_both_plans() {
    let Outcome::Explain(text) =
        last("EXPLAIN SELECT customer, COUNT(*) FROM orders GROUP BY customer, TUMBLE(ts, INTERVAL '1' HOUR);")
    else {
        panic!("no plan")
    };
    assert!(text.starts_with("== Abstract Syntax Tree ==\nLogicalProject("), "{text}");
    assert!(text.contains("== Optimized Execution Plan ==") && text.contains("TUMBLE(time_col=[ts]"), "{text}");
}

#[test]
fn scripts_split_and_say_where_they_run() {
    let script = "SELECT 1; BEGIN STATEMENT SET; INSERT INTO a SELECT 'x;y'; END; SELECT";
    let parts: Vec<&str> = split(script).into_iter().map(|span| span.text(script)).collect();
    assert_eq!(parts, ["SELECT 1;", "BEGIN STATEMENT SET; INSERT INTO a SELECT 'x;y'; END;"]);
    assert!(needs_streams(&parse(ORDERS).unwrap()));
    assert!(!needs_streams(&parse("SELECT 1").unwrap()));
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    let script = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&script).unwrap_err().message.contains("nested"));
    let script = format!("SELECT {}1", "- ".repeat(10_000));
    assert!(parse(&script).unwrap_err().message.contains("nested"));
}

#[test]
fn a_prompt_completes() {
    let mut session = Session::new(SessionOptions::default());
    for statement in parse(ORDERS).unwrap() {
        session.execute(&statement).unwrap();
    }
    assert!(session.complete("SELECT cust").contains(&"customer".to_owned()));
    assert!(session.complete("SELECT * FROM ord").contains(&"orders".to_owned()));
    assert!(session.complete("SET 'pipe").contains(&"pipeline.name".to_owned()));
    assert!(session.complete("sel").contains(&"SELECT".to_owned()));
}
