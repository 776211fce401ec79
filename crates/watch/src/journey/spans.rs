//! Journeys as OpenTelemetry's spans, in OTLP's JSON.
//!
//! A put whose producer gave a trace context becomes a span of that trace, and every step that touches its records a child of
//! it; a step that writes records hands the trace on to them. Puts that brought no context are not exported: their producers
//! trace nothing, and `millrace trace` finds them anyway.
//!
//! Source of the shapes: opentelemetry-proto, `trace/v1/trace.proto`, and the JSON mapping of the OTLP specification
//! (ids in hexadecimal, 64-bit numbers as strings).

use super::{Note, Outcome, Put, Range, Step, TraceId};
use millrace_base::Millis;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Traced ranges that later steps are looked up in; the oldest are forgotten first.
const TRACED_MAX: usize = 20_000;
/// A step over more traced puts becomes a span in these many traces, the newest.
const SPANS_OF_STEP_MAX: usize = 100;
const KIND_INTERNAL: u8 = 1;
const KIND_PRODUCER: u8 = 4;
const KIND_CONSUMER: u8 = 5;
const STATUS_ERROR: u8 = 2;

/// Makes spans of notes. Remembers which positions belong to which trace.
#[derive(Debug, Default)]
pub struct Spans {
    traced: VecDeque<Traced>,
}

#[derive(Debug)]
struct Traced {
    range: Range,
    trace: TraceId,
    span: u64,
}

/// One span, before it is written.
struct Span<'a> {
    trace: TraceId,
    id: u64,
    parent: Option<u64>,
    name: String,
    kind: u8,
    began: Millis,
    ended: Millis,
    count: u64,
    attributes: Vec<(&'a str, String)>,
    failed: Option<&'a str>,
}

impl Spans {
    /// The body of a request to `/v1/traces` with the spans of new notes; none when there are none.
    pub fn take(&mut self, notes: &[Note]) -> Option<Value> {
        let mut spans = Vec::new();
        for note in notes {
            match note {
                Note::Put(put) if put.given => spans.push(self.put(put)),
                Note::Put(_) => {}
                Note::Step(step) => self.step(step, &mut spans),
            }
        }
        (!spans.is_empty()).then(|| {
            let service = attributes(&[("service.name", "millrace".to_owned())]);
            let scope = json!({"name": "millrace", "version": env!("CARGO_PKG_VERSION")});
            json!({"resourceSpans": [
                {"resource": {"attributes": service}, "scopeSpans": [{"scope": scope, "spans": spans}]}
            ]})
        })
    }

    fn put(&mut self, put: &Put) -> Value {
        let stream = put.placed.first().map_or("", |range| &range.stream);
        let span = Span {
            trace: put.trace,
            id: span_id(put.trace, "put", stream, put.placed.first(), put.began),
            parent: put.parent,
            name: format!("put {stream}"),
            kind: KIND_PRODUCER,
            began: put.began,
            ended: put.ended,
            count: count(&put.placed),
            attributes: vec![
                ("messaging.system", "aws_kinesis".to_owned()),
                ("messaging.destination.name", stream.to_owned()),
            ],
            failed: None,
        };
        self.follow(&put.placed, put.trace, span.id);
        span.write()
    }

    fn step(&mut self, step: &Step, spans: &mut Vec<Value>) {
        let touched = |traced: &&Traced| step.read.iter().any(|range| range.touches(&traced.range));
        let mut parents: Vec<(TraceId, u64, Vec<Range>)> = Vec::new();
        for traced in self.traced.iter().rev().filter(touched) {
            match parents.iter().position(|parent| (parent.0, parent.1) == (traced.trace, traced.span)) {
                Some(at) => parents[at].2.push(traced.range.clone()),
                None if parents.len() == SPANS_OF_STEP_MAX => break,
                None => parents.push((traced.trace, traced.span, vec![traced.range.clone()])),
            }
        }
        // A last try and its giving up may end in one millisecond.
        let given_up = Millis::from(matches!(step.outcome, Outcome::GivenUp(_)));
        for (trace, parent, traced) in parents {
            let id = span_id(trace, &step.stage, &step.name, step.read.first(), step.ended * 2 + given_up);
            spans.push(span_of(step, trace, id, parent).write());
            self.follow(&step.led_to_of(&traced), trace, id);
        }
    }

    fn follow(&mut self, ranges: &[Range], trace: TraceId, span: u64) {
        for range in ranges {
            if self.traced.len() == TRACED_MAX {
                self.traced.pop_front();
            }
            self.traced.push_back(Traced { range: range.clone(), trace, span });
        }
    }
}

fn span_of<'a>(step: &'a Step, trace: TraceId, id: u64, parent: u64) -> Span<'a> {
    let mut attributes = vec![("millrace.stage", step.stage.to_string()), ("millrace.name", step.name.to_string())];
    attributes.extend(step.made.iter().map(|made| ("millrace.made", made.clone())));
    Span {
        trace,
        id,
        parent: Some(parent),
        name: format!("{} {}", step.stage, step.name),
        kind: if step.led_to.is_empty() { KIND_CONSUMER } else { KIND_INTERNAL },
        began: step.began,
        ended: step.ended,
        count: count(&step.read),
        attributes,
        failed: match &step.outcome {
            Outcome::Done => None,
            Outcome::Failed(reason) | Outcome::GivenUp(reason) => Some(reason),
        },
    }
}

impl Span<'_> {
    fn write(&self) -> Value {
        let nanos = |at: Millis| (at * 1_000_000).to_string();
        let mut span = json!({
            "traceId": self.trace.to_string(),
            "spanId": format!("{:016x}", self.id),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": nanos(self.began),
            "endTimeUnixNano": nanos(self.ended.max(self.began)),
            "attributes": attributes(&self.attributes),
        });
        let count = json!({"key": "messaging.batch.message_count", "value": {"intValue": self.count.to_string()}});
        span["attributes"].as_array_mut().into_iter().for_each(|all| all.push(count.clone()));
        if let Some(parent) = self.parent {
            span["parentSpanId"] = format!("{parent:016x}").into();
        }
        if let Some(reason) = self.failed {
            span["status"] = json!({"code": STATUS_ERROR, "message": reason});
        }
        span
    }
}

fn attributes(pairs: &[(&str, String)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect()
}

fn count(ranges: &[Range]) -> u64 {
    ranges.iter().map(|range| range.next.saturating_sub(range.first)).sum()
}

/// FNV-1a over what the span is.
fn span_id(trace: TraceId, stage: &str, name: &str, at: Option<&Range>, moment: Millis) -> u64 {
    let at = at.map(|range| format!("{}/{}/{}", range.stream, range.shard, range.first)).unwrap_or_default();
    let text = format!("{trace}/{stage}/{name}/{at}/{moment}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::{Scope, ShardId};

    fn range(stream: &str, first: u64, next: u64) -> Range {
        Range { scope: Scope::default(), stream: stream.into(), shard: ShardId(0), first, next }
    }

    fn put(trace: u128, given: bool, placed: Range) -> Note {
        let trace = TraceId::new(trace).unwrap();
        Note::Put(Put { trace, parent: given.then_some(9), given, began: 1, ended: 2, placed: vec![placed] })
    }

    fn step(name: &str, outcome: Outcome, read: Range, led_to: Vec<Range>) -> Note {
        let read = vec![read];
        Note::Step(Step {
            stage: "sql".into(),
            name: name.into(),
            began: 3,
            ended: 5,
            outcome,
            read,
            made: Vec::new(),
            led_to,
            each: Vec::new(),
        })
    }

    #[test]
    fn steps_are_children_of_the_put_and_hand_the_trace_on() {
        let mut spans = Spans::default();
        let first = spans.take(&[put(7, true, range("orders", 0, 2)), put(8, false, range("orders", 2, 3))]).unwrap();
        let spans_of =
            |request: &Value| request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        let root = &spans_of(&first)[0];
        assert_eq!((spans_of(&first).len(), &root["parentSpanId"]), (1, &json!("0000000000000009")));

        let derived = step("rates", Outcome::Done, range("orders", 1, 9), vec![range("rates", 4, 5)]);
        let failed = step("alert", Outcome::Failed("no route".to_owned()), range("rates", 0, 9), Vec::new());
        let second = spans_of(&spans.take(&[derived, failed]).unwrap());
        assert_eq!(second.len(), 2);
        assert_eq!(second[0]["parentSpanId"], root["spanId"]);
        assert_eq!(second[1]["parentSpanId"], second[0]["spanId"]);
        assert_eq!(second[1]["status"], json!({"code": 2, "message": "no route"}));
        assert!(second.iter().all(|span| span["traceId"] == root["traceId"]));
        // Nobody traces these.
        assert_eq!(spans.take(&[step("other", Outcome::Done, range("orders", 2, 3), Vec::new())]), None);
    }
}
