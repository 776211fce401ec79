//! Runtimes beside Python: Node.js and executables.

use super::world::World;
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
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

#[tokio::test(flavor = "multi_thread")]
async fn streamed_answers_are_taken_whole_and_their_late_errors_count() {
    if !has("node") || !has("npm") {
        return;
    }
    let world = World::new();
    let code = "
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('{\"a\":');
  if (event.fail) throw new RangeError('too far');
  stream.write('1}');
  stream.end();
});
";
    world.put(world.version("streams", "nodejs20.x", &[("app.mjs", code)]));
    assert_eq!(world.invoke("streams", "{}").await, (false, json!({"a": 1})));
    let (failed, error) = world.invoke("streams", r#"{"fail": true}"#).await;
    assert!(failed);
    assert_eq!(error["errorType"], "RangeError", "{error}");
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
async fn functions_run_as_a_user_of_their_own_where_that_can_be() {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" || !has("curl") {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let world = World::within(dir);
    let script = "
cd \"$LAMBDA_TASK_ROOT\" && touch here 2>/dev/null && written=code
touch \"$TMPDIR/here\" && written=\"$written tmp\"
id=$(curl -sf -D - -o /dev/null \"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next\" |
  tr -d '\\r' | sed -n 's/^lambda-runtime-aws-request-id: //p')
curl -sf -o /dev/null -d \"[$(id -u), $(id -g), \\\"$written\\\"]\" \"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response\"
";
    world.put(world.version("who", "provided.al2023", &[("bootstrap", &format!("#!/bin/sh\n{script}"))]));
    assert_eq!(world.invoke("who", "{}").await, (false, json!([60993, 60993, " tmp"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn java_functions_run_with_awss_client() {
    if !has("javac") || !has("mvn") {
        return;
    }
    let world = World::new();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Doubler.java");
    let code = "import java.util.Map;\npublic class Doubler { public int twice(Map<String, Integer> event) { return 2 * event.get(\"n\"); } }";
    std::fs::write(&source, code).unwrap();
    assert!(Command::new("javac").arg("-d").arg(dir.path()).arg(&source).status().unwrap().success());
    let class = std::fs::read(dir.path().join("Doubler.class")).unwrap();
    let mut version = world.version("java", "java17", &[]);
    version.code = world.package_of(&[("Doubler.class", &class)]);
    version.handler = "Doubler::twice".into();
    version.memory_mib = 512;
    world.put(version);
    assert_eq!(world.invoke("java", r#"{"n": 21}"#).await, (false, json!(42)));
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
