//! The templates that the project ships, and what becomes of them when they are damaged.

use millrace_base::Scope;
use millrace_stack::{StackName, Template};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn stack() -> StackName {
    StackName {
        scope: Scope::default(),
        name: "flights".to_owned(),
        id: "arn:aws:cloudformation:::stack/flights".to_owned(),
    }
}

#[test]
fn the_shipped_templates_are_sound() {
    for path in
        ["examples/flights/template.yaml", "tests/python/templates/lake.yaml", "tests/python/templates/windows.yaml"]
    {
        let template = Template::parse(path, &text(path)).unwrap();
        let bound = template.bind(stack(), &BTreeMap::new());
        assert!(bound.is_ok(), "{}", bound.unwrap_err());
    }
}

#[test]
fn in_the_flights_example_what_is_referred_to_comes_first() {
    let template = Template::parse("t.yaml", &text("examples/flights/template.yaml")).unwrap();
    let bound = template.bind(stack(), &BTreeMap::new()).unwrap();
    let order: Vec<&str> = bound.resources().iter().map(|resource| resource.id.as_str()).collect();
    let place = |id: &str| order.iter().position(|other| *other == id).unwrap();
    for (first, then) in [("Flights", "LakeDelivery"), ("FlightsTable", "LakeDelivery"), ("Search", "Application")] {
        assert!(place(first) < place(then), "{order:?}");
    }
}

/// Cuts and single wrong characters anywhere: an error with a place or a template that still means something, never a panic.
#[test]
fn damage_is_an_error_and_never_a_panic() {
    let whole: Vec<char> = text("examples/flights/template.yaml").chars().collect();
    let mut wrong = 0;
    for at in (0..whole.len()).step_by(53) {
        let mut damaged = whole.clone();
        damaged[at] = ['[', '}', ':', '\t', '!', '\u{7}', '&', '"'][at % 8];
        let cut: String = whole[..at].iter().collect();
        for text in [cut, damaged.into_iter().collect()] {
            let read = Template::parse("t.yaml", &text).and_then(|template| template.bind(stack(), &BTreeMap::new()));
            if let Err(error) = read {
                assert!(error.to_string().starts_with("t.yaml:"), "{error}");
                wrong += 1;
            }
        }
    }
    assert!(wrong > 100, "{wrong}");
}

#[test]
fn a_bracket_that_is_never_closed_is_named_by_its_line() {
    let text = "Resources:\n  Orders:\n    Type: AWS::Kinesis::Stream\n    Properties:\n      ShardCount: [\n";
    let error = Template::parse("t.yaml", text).unwrap_err().to_string();
    assert!(error.starts_with("t.yaml:5:") || error.starts_with("t.yaml:6:"), "{error}");
}
