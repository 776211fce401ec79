//! Python functions, run by awslambdaric as AWS publishes it.

use super::world::World;
use millrace_functions::LogFormat;
use serde_json::json;
use std::time::{Duration, Instant};

const COUNTER: &str = "
import os
count = 0
def handler(event, context):
    global count
    count += 1
    return {'count': count, 'pid': os.getpid(), 'event': event}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_process_is_used_again() {
    let world = World::new();
    world.python("counter", COUNTER);
    let (failed, first) = world.invoke("counter", r#"{"a": "ä"}"#).await;
    assert!(!failed, "{first}");
    assert_eq!((&first["count"], &first["event"]["a"]), (&json!(1), &json!("ä")));
    let (_, second) = world.invoke("counter", "{}").await;
    assert_eq!((&second["count"], &second["pid"]), (&json!(2), &first["pid"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_takes_no_old_process() {
    let world = World::new();
    world.python("counter", COUNTER);
    assert_eq!(world.invoke("counter", "{}").await.1["count"], 1);
    world.python("counter", &COUNTER.replace("count = 0", "count = 100"));
    assert_eq!(world.invoke("counter", "{}").await.1["count"], 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_raises_is_its_answer() {
    let world = World::new();
    world.python("raises", "def handler(event, context):\n    raise ValueError('no\\nsuch order')\n");
    let response = world.try_invoke("raises", "{}").await.unwrap();
    assert!(response.failed);
    let error: serde_json::Value = serde_json::from_slice(&response.payload).unwrap();
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("ValueError"), &json!("no\nsuch order")));
    assert!(error["stackTrace"][0].as_str().unwrap().contains("app.py\", line 2, in handler"), "{error}");
    let lines = world.logged("REPORT").await;
    // A traceback is one event.
    let traceback =
        lines.iter().find(|line| line.starts_with("[ERROR] ValueError: no\nsuch order\nTraceback")).unwrap();
    assert!(traceback.contains("raise ValueError"), "{traceback}");
    let tail = String::from_utf8(response.log_tail.to_vec()).unwrap();
    assert!(tail.starts_with("START RequestId: ") && tail.contains(traceback.as_str()), "{tail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_is_what_aws_gives() {
    let world = World::new();
    let code = "
import os
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    print('hello from', context.function_name)
    return {
        'left': left, 'id': context.aws_request_id, 'arn': context.invoked_function_arn, 'memory': context.memory_limit_in_mb,
        'stream': context.log_stream_name, 'env': dict(os.environ), 'cwd': os.getcwd(),
    }
";
    let mut version = world.version("context", "python3.11", &[("app.py", code)]);
    version.environment.insert("TABLE".into(), "orders".into());
    world.put(version);
    let (failed, seen) = world.invoke("context", "{}").await;
    assert!(!failed, "{seen}");
    assert!((9000..=10_000).contains(&seen["left"].as_i64().unwrap()), "{seen}");
    assert_eq!(seen["arn"], "arn:aws:lambda:us-east-1:000000000000:function:context");
    assert_eq!(seen["memory"], "256");
    let env = &seen["env"];
    for (name, value) in [
        ("TABLE", "orders"),
        ("_HANDLER", "app.handler"),
        ("TZ", ":UTC"),
        ("AWS_LAMBDA_FUNCTION_NAME", "context"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/context"),
        ("AWS_ACCESS_KEY_ID", "000000000000"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11"),
    ] {
        assert_eq!(env[name], value, "{name}");
    }
    assert_eq!(env["LAMBDA_TASK_ROOT"], seen["cwd"]);
    assert_eq!(env["AWS_LAMBDA_LOG_STREAM_NAME"], seen["stream"]);
    // Nothing else of the server's own.
    assert!(env["CARGO_MANIFEST_DIR"].is_null(), "{env}");
    assert_eq!(env["HOME"], env["TMPDIR"]);
    let lines = world.logged("REPORT").await;
    let id = seen["id"].as_str().unwrap();
    let from = lines.iter().position(|line| *line == format!("START RequestId: {id} Version: $LATEST\n")).unwrap();
    assert_eq!(lines[from + 1], "hello from context\n");
    assert_eq!(lines[from + 2], format!("END RequestId: {id}\n"));
    assert!(
        lines[from + 3].contains("\tMemory Size: 256 MB\t") && lines[from + 3].contains("Init Duration"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_missing_is_an_error_of_initialisation() {
    let world = World::new();
    world.python("broken", "import no_such_module\ndef handler(event, context):\n    pass\n");
    let (failed, error) = world.invoke("broken", "{}").await;
    assert!(failed);
    assert_eq!(error["errorType"], "Runtime.ImportModuleError");
    assert_eq!(error["errorMessage"], "Unable to import module 'app': No module named 'no_such_module'");
    let lines = world.logged("Phase: invoke").await;
    assert!(
        lines.iter().any(|line| line.contains("Phase: init\tStatus: error\tError Type: Runtime.ImportModuleError"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_are_found_and_lie_below_the_package() {
    let world = World::new();
    let code = "
import os, subprocess
import helper, shadowed
def handler(event, context):
    return [helper.NAME, shadowed.NAME, subprocess.check_output(['tool']).decode()]
";
    let mut version = world.version("layered", "python3.11", &[("app.py", code), ("shadowed.py", "NAME = 'package'")]);
    let tool = "#!/bin/sh\nprintf tool";
    version.layers = vec![
        world.package(&[("python/helper.py", "NAME = 'first layer'"), ("python/shadowed.py", "NAME = 'layer'")]),
        world.package(&[("python/helper.py", "NAME = 'second layer'"), ("bin/tool", tool)]),
    ];
    world.put(version);
    assert_eq!(world.invoke("layered", "{}").await, (false, json!(["second layer", "package", "tool"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_at_once_have_processes_of_their_own() {
    let world = World::new();
    let code = "
import os, time
def handler(event, context):
    time.sleep(0.5)
    return os.getpid()
";
    world.python("sleeps", code);
    world.invoke("sleeps", "{}").await;
    let (a, b, c) =
        tokio::join!(world.invoke("sleeps", "{}"), world.invoke("sleeps", "{}"), world.invoke("sleeps", "{}"));
    assert!(a.1 != b.1 && b.1 != c.1 && a.1 != c.1, "{a:?} {b:?} {c:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_its_turn_to_start_a_process_takes_one_that_became_free() {
    let world = World::new();
    world.python("slow", "import os, time\ntime.sleep(0.5)\ndef handler(event, context):\n    return os.getpid()\n");
    // Twice as many as may initialise at once run before the last of these has its turn.
    let count = 8 * std::thread::available_parallelism().map_or(1, usize::from);
    let answers = futures::future::join_all((0..count).map(|_| world.invoke("slow", "{}"))).await;
    let processes: std::collections::HashSet<_> = answers.iter().map(|(_, pid)| pid.to_string()).collect();
    assert!(answers.iter().all(|(failed, _)| !failed) && processes.len() < count, "{} for {count}", processes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_are_events_of_the_platform_and_of_the_runtime() {
    let world = World::new();
    let code = "
import logging
def handler(event, context):
    logging.getLogger().info('order %s', 7)
    logging.getLogger().debug('not this')
";
    let mut version = world.version("json", "python3.11", &[("app.py", code)]);
    version.logging.format = LogFormat::Json;
    version.logging.application_level = Some("INFO".into());
    world.put(version);
    world.invoke("json", "{}").await;
    let lines = world.logged("platform.report").await;
    let events: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["platform.initStart", "platform.start", "platform.report"]);
    let own: Vec<_> = events.iter().filter(|event| event["message"].is_string()).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    assert_eq!((&own[0]["message"], &own[0]["level"]), (&json!("order 7"), &json!("INFO")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_writes_much_is_not_held_up_and_its_tail_is_its_last() {
    let world = World::new();
    let code = "
def handler(event, context):
    for line in range(100000):
        print('line', line)
    return 'done'
";
    world.python("chatty", code);
    let response = world.try_invoke("chatty", "{}").await.unwrap();
    assert_eq!(&response.payload[..], b"\"done\"");
    assert!(response.log_tail.len() <= 4096);
    let tail = String::from_utf8_lossy(&response.log_tail).into_owned();
    assert!(tail.contains("line 99999\nEND RequestId"), "{tail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_line_without_its_end_belongs_to_its_invocation() {
    let world = World::new();
    world.python("terse", "import sys\ndef handler(event, context):\n    sys.stdout.write('said %s' % event)\n");
    for said in ["1", "2"] {
        let tail = world.try_invoke("terse", said).await.unwrap().log_tail;
        let tail = String::from_utf8_lossy(&tail).into_owned();
        assert!(tail.contains(&format!("\nsaid {said}\nEND RequestId")), "{tail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_does_not_stop_the_function() {
    let world = World::new();
    let code = "
import time
def handler(event, context):
    time.sleep(0.4)
    print('ran to its end')
";
    world.python("slow", code);
    world.runner_prepare("slow").await;
    let given_up = tokio::time::timeout(Duration::from_millis(100), world.invoke("slow", "{}")).await;
    assert!(given_up.is_err());
    world.logged("ran to its end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_invocations_are_quick() {
    let world = World::new();
    world.python("noop", "def handler(event, context):\n    return None\n");
    let began = Instant::now();
    world.invoke("noop", "{}").await;
    let first = began.elapsed();
    world.python("noop", "def handler(event, context):\n    return 1\n");
    world.runner_prepare("noop").await;
    let began = Instant::now();
    world.invoke("noop", "{}").await;
    let cold = began.elapsed();
    let mut times = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        world.invoke("noop", "{}").await;
        times.push(began.elapsed());
    }
    times.sort();
    let records: Vec<serde_json::Value> = (0..100)
        .map(|number| {
            json!({"kinesis": {
        "kinesisSchemaVersion": "1.0", "partitionKey": number.to_string(), "data": "A".repeat(1368)}})
        })
        .collect();
    let batch = json!({"Records": records}).to_string();
    let began = Instant::now();
    for _ in 0..100 {
        world.invoke("noop", &batch).await;
    }
    let per_second = 10_000.0 / began.elapsed().as_secs_f64();
    println!(
        "first {first:?}, cold {cold:?}, warm p50 {:?} p99 {:?}, {per_second:.0} records/s",
        times[150], times[297]
    );
    // Generous: other tests share the machine.
    assert!(times[150] < Duration::from_millis(20), "p50 {:?}", times[150]);
}
