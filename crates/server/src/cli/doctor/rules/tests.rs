//! The rules over figures that were made up.

use super::*;
use crate::meters::Space;

fn well() -> Vitals {
    Vitals { counted: true, disk: Some(Space { free: 1 << 40, total: 1 << 41 }), ..Vitals::default() }
}

fn symptoms(vitals: &Vitals) -> Vec<&'static str> {
    findings(vitals, &[]).iter().map(|finding| finding.symptom).collect()
}

fn reader(age_ms: Millis) -> ReaderVitals {
    ReaderVitals {
        kind: "function".into(),
        name: "score".into(),
        mapping: Some("m".into()),
        stream: "orders".into(),
        shard: "shardId-000000000000".into(),
        records: 100,
        age_ms,
        still_ms: 7_000,
        ..ReaderVitals::default()
    }
}

#[test]
fn all_is_well() {
    assert_eq!(symptoms(&well()), [""; 0]);
    assert_eq!(symptoms(&Vitals { readers: vec![reader(900)], ..well() }), [""; 0]);
}

#[test]
fn a_reader_that_gathers_on_purpose_is_not_late() {
    let gathers = |gathers_secs| Vitals {
        readers: vec![reader(60_000)],
        mappings: vec![MappingVitals { uuid: "m".into(), gathers_secs, ..MappingVitals::default() }],
        ..well()
    };
    assert_eq!(symptoms(&gathers(300)), [""; 0]);
    assert_eq!(symptoms(&gathers(5)), ["climbing iterator age"]);
}

#[test]
fn a_slow_function_is_named_with_its_figures() {
    let function = FunctionVitals {
        name: "score".into(),
        invocations: 12,
        p50_ms: Some(900.0),
        p99_ms: Some(2_100.0),
        ..FunctionVitals::default()
    };
    let vitals = Vitals { readers: vec![reader(90_000)], functions: vec![function], ..well() };
    let found = findings(&vitals, &[]);
    assert_eq!(found.len(), 1);
    for part in ["a slow function", "12 calls", "900 ms at the median", "2.1 s at the 99th", "shared throughput"] {
        assert!(found[0].cause.contains(part), "{part}: {}", found[0].cause);
    }
    assert!(found[0].command.as_deref().unwrap().contains("--parallelization-factor 2"));
}

#[test]
fn a_function_that_cannot_start_is_told_from_one_that_fails() {
    let found = |kind: &str, message: &str| {
        let last_error = Some(FunctionError { kind: kind.into(), message: message.into() });
        let function =
            FunctionVitals { name: "score".into(), invocations: 4, errors: 4, last_error, ..FunctionVitals::default() };
        let stuck = StuckVitals { function: "score".into(), tries: 7, failed: true, ..StuckVitals::default() };
        findings(&Vitals { functions: vec![function], stuck: vec![stuck], ..well() }, &[])
    };
    let away = found("Runtime.InvalidEntrypoint", "exit status 126 (Permission denied)");
    assert_eq!((away[0].symptom, away[1].symptom), ("stuck batch", "failing function"));
    assert_eq!(away[0].cause, "score cannot be started: exit status 126 (Permission denied)");
    assert_eq!(away[1].cause, "it cannot be started: exit status 126 (Permission denied)");
    assert!(away.iter().all(|one| one.remedy.contains("runtime")));
    let raises = found("KeyError", "'amount'");
    assert_eq!(raises[0].symptom, "poison batch");
    assert!(raises[1].cause.ends_with("the last one: KeyError: 'amount'"), "{}", raises[1].cause);
}

#[test]
fn a_poison_batch_is_the_cause_of_what_waits_behind_it() {
    let stuck = StuckVitals {
        mapping: "m".into(),
        function: "score".into(),
        tries: 7,
        records: 3,
        failed: true,
        ..StuckVitals::default()
    };
    let vitals = Vitals { readers: vec![reader(90_000)], stuck: vec![stuck], ..well() };
    let found = findings(&vitals, &[]);
    assert_eq!(found[0].symptom, "poison batch");
    assert_eq!(
        (found[1].symptom, found[1].cause.as_str()),
        ("climbing iterator age", "a batch that fails every time holds its shard up")
    );
}

#[test]
fn a_hot_key_is_named() {
    let shard = ThrottledShard {
        stream: "orders".into(),
        shard: "shardId-000000000001".into(),
        records: 500,
        hot_keys: vec![("loud".into(), 0.8)],
        shards: 2,
    };
    let many = ThrottledShard { hot_keys: vec![("a".into(), 0.1)], ..shard.clone() };
    let found = findings(&Vitals { throttled: vec![shard, many], ..well() }, &[]);
    assert!(found[0].cause.contains("a hot key: 'loud' has 80 %"), "{}", found[0].cause);
    assert!(found[1].cause.contains("many keys"));
    assert!(found[1].command.as_deref().unwrap().ends_with("--target-shard-count 4"));
}

#[test]
fn what_a_schema_refuses_is_no_failed_disk() {
    let unlike = UnlikeVitals {
        stream: "orders".into(),
        records: 6,
        is_warning: false,
        schema: Some("shop/order".into()),
        reason: Some("field 'n': not a number".into()),
    };
    let warned = UnlikeVitals { is_warning: true, ..unlike.clone() };
    let found = findings(&Vitals { unlike: vec![unlike, warned], ..well() }, &[]);
    assert_eq!((found.len(), found[0].symptom, found[1].symptom), (2, "refused by schema", "broken contract"));
    assert!(
        found[1].seen.contains("6 records of the last 5 min broke")
            && found[1].seen.ends_with("warned of, not refused")
    );
    assert!(
        found[0].remedy.contains("with the tag") && !found[1].remedy.contains("with the tag"),
        "{}",
        found[1].remedy
    );
    assert!(found[0].cause.contains("shop/order") && found[0].cause.ends_with("field 'n': not a number"));
    assert!(found[0].command.as_deref().unwrap().contains("RegistryName=shop,SchemaName=order"));
}

#[test]
fn disks_are_full_low_or_fine() {
    let with = |free, total| symptoms(&Vitals { disk: Some(Space { free, total }), ..well() });
    assert_eq!(with(1 << 20, 1 << 30), ["full disk"]);
    assert_eq!(with(512 << 20, 1 << 40), ["low space"]);
    // A small disk that is nearly empty is no trouble.
    assert_eq!(with(512 << 20, 1 << 30), [""; 0]);
}

#[test]
fn a_checkpoint_that_fails_is_told_from_a_job_that_fails() {
    let job = |is_checkpoint| JobVitals {
        application: "score".into(),
        failure: Some("table 'totals': no".into()),
        is_checkpoint,
        failed_checkpoints: 4,
        ..JobVitals::default()
    };
    assert_eq!(
        symptoms(&Vitals { jobs: vec![job(true), job(false)], ..well() }),
        ["failing checkpoints", "failing job"]
    );
}

#[test]
fn dead_letters_tell_their_reasons() {
    let letter = |body: &str, source: Option<&str>| DeadLetter {
        id: "i".into(),
        handle: "h".into(),
        body: body.into(),
        sent: 0,
        received: 1,
        source: source.map(str::to_owned),
    };
    let event = r#"{"requestContext":{"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:score",
        "condition":"RetriesExhausted"},"requestPayload":{},"responsePayload":{"errorMessage":"no such user"}}"#;
    let queue =
        |messages| DeadLetterQueue { name: "failed".into(), messages, oldest: Some(0), now: 61_000, feeds: Vec::new() };
    let from = Some("arn:aws:sqs:us-east-1:000000000000:orders");
    let messages = || vec![letter(event, None), letter(event, None), letter("x", from)];
    let more = findings(&well(), &[Letters { queue: queue(606), messages: messages(), grew: 2 }]);
    assert!(more[0].cause.starts_with("of the first 3: 2 × score: "), "{}", more[0].cause);
    let found = findings(&well(), &[Letters { queue: queue(3), messages: messages(), grew: 2 }]);
    assert_eq!(found[0].cause, "2 × score: RetriesExhausted: no such user; 1 × received too often from orders");
    assert!(found[0].seen.contains("3 messages waiting (5 min ago: 1), the oldest for 61.0 s"), "{}", found[0].seen);
}
