//! `tests/math/cases.txt`: metrics of a group of cases, then expressions and what they give.

use millrace_base::{Millis, Scope};
use millrace_testkit::{SimClock, SimDice};
use millrace_watch::math::{Answer, Labels, MathError, MetricQuery, MetricStat, Plan, What};
use millrace_watch::{MetricKey, Metrics, Resolution, Stat, Summary};
use std::sync::Arc;

/// Saturday, 2026-11-21T12:00:00Z.
const START: Millis = 1_795_262_400_000;
const MINUTE: Millis = 60_000;

/// Metrics that a group of cases has: ids, periods in seconds and values, a dash where there is none.
struct Group {
    metrics: Vec<(String, Millis, Vec<Option<f64>>)>,
    expressions: Vec<(String, String)>,
}

fn values(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace().map(|word| (word != "-").then(|| word.parse().expect("a number or a dash"))).collect()
}

/// Evaluates an expression beside the group's metrics; ids `e1`, `e2`… are the group's other expressions.
fn evaluate(group: &Group, expression: &str) -> Result<Vec<Answer>, MathError> {
    let clock = Arc::new(SimClock::at(START + 30 * MINUTE));
    let metrics = Metrics::new(clock);
    let scope = Scope::default();
    let mut queries = Vec::new();
    let mut count = 1;
    for (id, period_s, values) in &group.metrics {
        let key = MetricKey::new(&scope, "Mine", id, [("Id", id.as_str())]);
        let period_ms = period_s * 1000;
        for (place, value) in values.iter().enumerate() {
            if let Some(value) = value {
                let moment = START + place as Millis * period_ms;
                metrics.put(&key, "None", moment, &Summary::of(*value), Resolution::Second).unwrap();
            }
        }
        count = count.max(values.len());
        let what = What::Metric(MetricStat { key, period_ms, stat: Stat::Sum, unit: None });
        queries.push(MetricQuery { id: id.clone(), what, label: None, is_returned: false, period_ms: None });
    }
    for (id, text) in &group.expressions {
        let what = What::Expression(text.clone());
        queries.push(MetricQuery { id: id.clone(), what, label: None, is_returned: false, period_ms: None });
    }
    let what = What::Expression(expression.to_owned());
    queries.push(MetricQuery { id: "result".to_owned(), what, label: None, is_returned: true, period_ms: None });
    let period_ms = group.metrics.first().map_or(MINUTE, |(_, period_s, _)| period_s * 1000);
    let labels = Labels { now: START + 30 * MINUTE, offset_ms: 0 };
    Plan::new(queries)?.evaluate(&metrics, &scope, START..START + count as Millis * period_ms, labels)
}

/// What came, as the table writes it.
fn shown(group: &Group, answer: Result<Vec<Answer>, MathError>) -> String {
    let all = match answer {
        Err(error) => return format!("error: {error}"),
        Ok(all) => all,
    };
    let count = group.metrics.iter().map(|(_, _, values)| values.len()).max().unwrap_or(1);
    let one = |answer: &Answer| {
        let value = |place: usize| {
            let moment = START + place as Millis * answer.series.period_ms;
            let found = answer.series.points.iter().find(|(other, _)| *other == moment);
            // Six digits are enough to see what a function does.
            found.map_or("-".to_owned(), |(_, value)| ((value * 1e6).round() / 1e6).to_string())
        };
        (0..count).map(value).collect::<Vec<_>>().join(" ")
    };
    let all: Vec<String> = all.iter().map(one).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" | ") }
}

#[test]
fn expressions_give_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/math/cases.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut group = Group { metrics: Vec::new(), expressions: Vec::new() };
    let (mut cases, mut wrong) = (0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "---" {
            group = Group { metrics: Vec::new(), expressions: Vec::new() };
        } else if let Some((expression, expected)) = line.split_once(" => ") {
            cases += 1;
            let found = shown(&group, evaluate(&group, expression.trim()));
            let is_right = match expected.trim().strip_prefix("error: ") {
                Some(part) => found.starts_with("error: ") && found.contains(part),
                None => found == expected.trim(),
            };
            if !is_right {
                wrong.push(format!(
                    "line {}: {expression}\n  expected {}\n  found    {found}",
                    number + 1,
                    expected.trim()
                ));
            }
        } else if let Some((id, text)) = line.split_once(" := ") {
            group.expressions.push((id.trim().to_owned(), text.trim().to_owned()));
        } else if let Some((id, text)) = line.split_once(" = ") {
            let (id, period_s) = id.trim().split_once('@').unwrap_or((id.trim(), "60"));
            group.metrics.push((id.to_owned(), period_s.parse().unwrap(), values(text)));
        } else {
            panic!("line {} is neither a metric, an expression nor a case: {line}", number + 1);
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 100, "{cases} cases");
}

#[test]
fn nonsense_is_refused_and_never_more() {
    const WORDS: [&str; 36] = [
        "m1",
        "e1",
        "SUM",
        "AVG",
        "IF",
        "FILL",
        "SORT",
        "SLICE",
        "SEARCH",
        "METRICS",
        "TIME_SERIES",
        "PERIOD",
        "RATE",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        "^",
        "<",
        "==",
        "AND",
        "1",
        "0",
        "2.5e300",
        "'{Mine, Id} errors'",
        "'Sum'",
        "\"é",
        "DESC",
        "REPEAT",
        "\\",
        " ",
    ];
    let group = Group {
        metrics: vec![("m1".to_owned(), 60, values("1 - 3"))],
        expressions: vec![("e1".to_owned(), "[m1, m1 * 2]".to_owned())],
    };
    let mut right = 0;
    for seed in 0..20_000 {
        let dice = SimDice::new(seed);
        let words: Vec<&str> = (0..=dice.below(12)).map(|_| *dice.pick(&WORDS)).collect();
        let found = evaluate(&group, &words.concat());
        if let Ok(answers) = found {
            right += 1;
            let all = answers.iter().flat_map(|answer| &answer.series.points);
            assert!(all.clone().all(|(_, value)| value.is_finite()), "{}", words.concat());
        }
    }
    assert!(right > 40, "{right} made sense");
    for deep in ["(", "-", "[", "SUM(", "2^"] {
        assert!(evaluate(&group, &deep.repeat(500)).is_err());
        assert!(evaluate(&group, &format!("SEARCH('{}', 'Sum', 60)", "(".repeat(900))).is_err());
    }
}
