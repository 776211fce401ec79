//! Runtimes beside Python: Node.js and executables.

use super::world::World;
use serde_json::json;
use std::process::Command;

/// False, with a message, where a program is not installed.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {program} is not on PATH");
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn node_functions_run_with_awss_client() {
    if !has("node") || !has("npm") {
        return;
    }
    let world = World::new();
    let code = "
let count = 0;
exports.handler = async (event, context) => {
  console.log('hello', context.functionName);
  if (event.fail) throw new RangeError('too far');
  return { count: ++count, event, left: context.getRemainingTimeInMillis() > 0 };
};
";
    world.put(world.version("node", "nodejs20.x", &[("app.js", code)]));
    let (failed, first) = world.invoke("node", r#"{"a": "ä"}"#).await;
    assert!(!failed, "{first}");
    assert_eq!(first, json!({"count": 1, "event": {"a": "ä"}, "left": true}));
    assert_eq!(world.invoke("node", "{}").await.1["count"], 2);
    let (failed, error) = world.invoke("node", r#"{"fail": true}"#).await;
    assert!(failed);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("RangeError"), &json!("too far")));
    assert_eq!(world.invoke("node", "{}").await.1["count"], 3);
    let lines = world.logged("too far").await;
    assert!(lines.iter().any(|line| line.contains("INFO\thello node")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn es_modules_and_their_errors_run_in_node() {
    if !has("node") || !has("npm") {
        return;
    }
    let world = World::new();
    world.put(world.version(
        "esm",
        "nodejs20.x",
        &[("app.mjs", "export const handler = async (event) => event.n * 2;")],
    ));
    assert_eq!(world.invoke("esm", r#"{"n": 21}"#).await, (false, json!(42)));
    world.put(world.version("esm", "nodejs20.x", &[("other.mjs", "export const handler = 1;")]));
    let (failed, error) = world.invoke("esm", "{}").await;
    assert!(failed);
    assert_eq!(error["errorType"], "Runtime.ImportModuleError", "{error}");
}

/// Any executable that speaks the API will do.
const BOOTSTRAP: &str = r#"#!/bin/sh
root="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
echo "handler $_HANDLER"
while true; do
  headers="$TMPDIR/headers"
  event=$(curl -sf -D "$headers" "$root/invocation/next") || exit 1
  id=$(tr -d '\r' <"$headers" | sed -n 's/^lambda-runtime-aws-request-id: //p')
  curl -sf -o /dev/null -d "{\"got\": $event}" "$root/invocation/$id/response"
done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_executable_bootstrap_is_a_runtime() {
    if !has("curl") {
        return;
    }
    let world = World::new();
    world.put(world.version("own", "provided.al2023", &[("bootstrap", BOOTSTRAP)]));
    assert_eq!(world.invoke("own", r#"{"a": 1}"#).await, (false, json!({"got": {"a": 1}})));
    assert_eq!(world.invoke("own", "[]").await, (false, json!({"got": []})));
    world.logged("handler app.handler\n").await;

    let mut layered = world.version("layered", "provided.al2023", &[("data", "")]);
    layered.layers = vec![world.package(&[("bootstrap", BOOTSTRAP)])];
    world.put(layered);
    assert_eq!(world.invoke("layered", "1").await, (false, json!({"got": 1})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_without_bootstrap_is_told_in_aws_words() {
    let world = World::new();
    world.put(world.version("none", "provided.al2023", &[("app.py", "")]));
    let (failed, error) = world.invoke("none", "{}").await;
    assert!(failed);
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"), "{message}");
}
