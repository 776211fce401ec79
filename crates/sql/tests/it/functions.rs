//! Functions outside the engine: declared, called, planned, explained, refused.

use millrace_process::graph::{ExternalFunction, JobGraph, OnError, Operator};
use millrace_sql::{Outcome, Session, SessionOptions, SqlError, needs_streams, parse};

const SCRIPT: &str = "
CREATE TABLE orders (id BIGINT, customer STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '/x', 'format' = 'json');
CREATE TABLE sink (id BIGINT, score DOUBLE) WITH ('connector' = 'blackhole');
CREATE EXTERNAL FUNCTION score (STRING, amount DOUBLE) RETURNS DOUBLE LAMBDA 'scoring:live'
  WITH ('batch.rows' = '50', 'in-flight' = '2', 'timeout' = '5 s', 'retries' = '1', 'on-error' = 'null');
CREATE EXTERNAL FUNCTION is_ok (STRING) RETURNS BOOLEAN LAMBDA 'checking';
";

fn run(script: &str) -> Result<Vec<Outcome>, SqlError> {
    let mut session = Session::new(SessionOptions::default());
    parse(script)?.iter().map(|statement| session.execute(statement)).collect()
}

fn last(statement: &str) -> Outcome {
    let script = format!("{SCRIPT}{statement}");
    run(&script)
        .unwrap_or_else(|error| panic!("{}", error.render("test", &script)))
        .pop()
        .expect("a script has a statement")
}

fn graph(statement: &str) -> JobGraph {
    match last(statement) {
        Outcome::Job(graph) => graph,
        Outcome::Query(query) => query.graph,
        other => panic!("no job: {other:?}"),
    }
}

fn text(statement: &str) -> String {
    match last(statement) {
        Outcome::Done(text) => text,
        other => panic!("no text: {other:?}"),
    }
}

/// The error, the text it points at, and its help.
fn told(statement: &str) -> (String, String, String) {
    let script = format!("{SCRIPT}{statement}");
    let error = run(&script).expect_err("this must be refused");
    (error.message.clone(), error.span.text(&script).to_owned(), error.help.unwrap_or_default())
}

/// The names of the operators from the sink down.
fn chain(graph: &JobGraph) -> Vec<String> {
    let text = graph.to_string();
    let name = |line: &str| line.trim_start_matches([' ', '+', '-', ':']).split('(').next().unwrap_or("").to_owned();
    text.lines().map(name).collect()
}

fn functions(graph: &JobGraph) -> Vec<ExternalFunction> {
    let calls = graph.nodes.iter().filter_map(|node| match &node.operator {
        Operator::ExternalCalls(calls) => Some(calls),
        _ => None,
    });
    calls.flatten().map(|call| call.function.clone()).collect()
}

#[test]
fn a_call_becomes_a_step_of_its_own() {
    let graph = graph("INSERT INTO sink SELECT id, score(customer, amount + 1) * 2 FROM orders WHERE id > 3;");
    assert_eq!(chain(&graph), ["Sink", "Calc", "AsyncCalc", "Calc", "WatermarkAssigner", "TableSourceScan"]);
    let text = graph.to_string();
    assert!(text.contains("where=[(id > 3)]"), "{text}");
    assert!(text.contains("AsyncCalc(calls=[score(customer, $arg"), "{text}");
    assert!(text.contains("LAMBDA 'scoring:live' batch.rows=50 in-flight=2"), "{text}");
    let function = functions(&graph).remove(0);
    assert_eq!((function.batch_rows, function.in_flight, function.timeout_ms), (50, 2, 5_000));
    assert_eq!((function.retries, function.on_error), (1, OnError::Null));
}

#[test]
fn conditions_are_asked_first_and_a_call_is_made_once() {
    let graph = graph(
        "SELECT id, score(customer, 1), score(customer, 1) + 1, is_ok(customer) FROM orders
         WHERE is_ok(customer) AND id > 3;",
    );
    assert_eq!(
        chain(&graph),
        ["Sink", "Calc", "AsyncCalc", "Calc", "AsyncCalc", "Calc", "WatermarkAssigner", "TableSourceScan"]
    );
    let names: Vec<_> = functions(&graph).into_iter().map(|function| function.name).collect();
    assert_eq!(names, ["is_ok", "score"], "{graph}");
}

#[test]
fn several_calls_are_one_step_and_nested_ones_two() {
    let two = graph("SELECT score(customer, 1), is_ok(customer), score(customer, 2) FROM orders;");
    assert_eq!(chain(&two).iter().filter(|name| *name == "AsyncCalc").count(), 1, "{two}");
    assert_eq!(functions(&two).len(), 3);
    let nested = graph("SELECT score(customer, score(customer, 1)) FROM orders;");
    assert_eq!(chain(&nested).iter().filter(|name| *name == "AsyncCalc").count(), 2, "{nested}");
    let without = graph("SELECT score('a', 1);");
    assert_eq!(functions(&without).len(), 1);
}

#[test]
fn calls_stand_below_and_above_windows() {
    let graph = graph(
        "SELECT customer, SUM(score(customer, amount)), score(customer, MAX(amount)) FROM
         TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY customer, window_start, window_end HAVING is_ok(customer);",
    );
    let chain = chain(&graph);
    let at = |name: &str| chain.iter().position(|found| found == name).unwrap();
    assert!(at("AsyncCalc") < at("WindowAggregate"), "{graph}");
    assert!(chain.iter().rposition(|found| found == "AsyncCalc").unwrap() > at("WindowAggregate"), "{graph}");
    assert!(chain.iter().rposition(|found| found == "AsyncCalc").unwrap() < at("WatermarkAssigner"), "{graph}");
    let view = "CREATE VIEW scored AS SELECT id, score(customer, amount) AS s FROM orders;
                SELECT s, s + 1 FROM scored WHERE s > 0;";
    assert_eq!(functions(&self::graph(view)).len(), 1, "what a view asks is asked once");
}

#[test]
fn functions_are_listed_replaced_and_dropped() {
    assert_eq!(text("SHOW USER FUNCTIONS;"), "is_ok\nscore");
    let all = text("SHOW FUNCTIONS;");
    assert!(all.lines().any(|name| name == "score") && all.lines().any(|name| name == "UPPER"), "{all}");
    assert_eq!(text("DROP FUNCTION SCORE; SHOW USER FUNCTIONS;"), "is_ok");
    assert_eq!(text("DROP FUNCTION IF EXISTS nope;"), "There is no function 'nope'.");
    let replace = "CREATE OR REPLACE TEMPORARY EXTERNAL FUNCTION score (BIGINT) RETURNS INT STABLE
                   LAMBDA 'arn:aws:lambda:eu-west-1:123456789012:function:other:7' IAM_ROLE DEFAULT MAX_BATCH_ROWS 9;";
    assert_eq!(text(replace), "Function 'score' replaced.");
    let graph = graph(&format!("{replace} SELECT Score(id) FROM orders;"));
    let function = functions(&graph).remove(0);
    assert_eq!((function.batch_rows, function.retries, function.on_error), (9, 3, OnError::Fail));
    assert!(function.lambda.ends_with(":other:7"));
    assert!(needs_streams(&parse("CREATE EXTERNAL FUNCTION f () RETURNS INT LAMBDA 'f';").unwrap()));
}

#[test]
fn mistakes_point_at_their_place() {
    let create = |rest: &str| format!("CREATE EXTERNAL FUNCTION f {rest};");
    let cases = [
        ("SELECT score(customer) FROM orders;".to_owned(), "score(customer)", "takes 2 arguments, not 1"),
        ("SELECT score(id, 1) FROM orders;".to_owned(), "score(id, 1)", "argument 1 of score is BIGINT"),
        ("SELECT score(*) FROM orders;".to_owned(), "score(*)", "no aggregate"),
        ("CREATE EXTERNAL FUNCTION score () RETURNS INT LAMBDA 'x';".to_owned(), "score", "exists already"),
        ("CREATE EXTERNAL FUNCTION md5 (STRING) RETURNS STRING LAMBDA 'x';".to_owned(), "md5", "built-in"),
        ("CREATE EXTERNAL FUNCTION `sum` (INT) RETURNS INT LAMBDA 'x';".to_owned(), "`sum`", "built-in"),
        ("DROP FUNCTION scor;".to_owned(), "scor", "there is no function 'scor'"),
        (create("(INT) RETURNS INT LAMBDA 'a b'"), "'a b'", "no name or ARN"),
        (
            create("(INT) RETURNS INT LAMBDA 'arn:aws:sqs:us-east-1:1:q'"),
            "'arn:aws:sqs:us-east-1:1:q'",
            "no name or ARN",
        ),
        (create("(ARRAY<INT>) RETURNS INT LAMBDA 'x'"), "ARRAY<INT>", "ARRAY<INT> in an external function"),
        (create("(INT) RETURNS INT LAMBDA 'x' WITH ('batchrows' = '1')"), "'batchrows'", "no option 'batchrows'"),
        (create("(INT) RETURNS INT LAMBDA 'x' WITH ('batch.rows' = '0')"), "'0'", "a number from 1 to 10000"),
        (create("(INT) RETURNS INT LAMBDA 'x' WITH ('timeout' = '1 h')"), "'1 h'", "up to 15 min"),
        (create("(INT) RETURNS INT LAMBDA 'x' WITH ('on-error' = 'skip')"), "'skip'", "'fail' or 'null'"),
        (create("(INT) RETURNS INT NOT NULL LAMBDA 'x' WITH ('on-error' = 'null')"), "INT NOT NULL", "may give NULL"),
        (create("(INT) RETURNS INT LAMBDA 'x' RETRY_TIMEOUT 5"), "RETRY_TIMEOUT", "RETRY_TIMEOUT"),
        (create("(INT) LAMBDA 'x'"), "LAMBDA", "expected RETURNS"),
        ("CREATE FUNCTION f AS 'com.example.F';".to_owned(), "FUNCTION", "CREATE FUNCTION"),
    ];
    for (statement, place, words) in cases {
        let (message, pointed, help) = told(&statement);
        assert!(message.contains(words), "{statement}\n{message}");
        assert_eq!(pointed, place, "{statement}\n{message}");
        assert!(
            !help.is_empty()
                || ["expected", " takes ", "up to", "'fail'", "a number"].iter().any(|cure| message.contains(cure)),
            "{statement}\n{message} has no cure"
        );
    }
}
