//! What a function may not: take too long, too much, or end.

use super::world::World;
use millrace_functions::InvokeError;
use std::process::Command;
use std::time::{Duration, Instant};

fn says(error: &serde_json::Value, kind: &str, end: &str) {
    assert_eq!(error["errorType"], kind, "{error}");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("RequestId: ") && message.ends_with(end), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_is_killed_with_all_it_started() {
    let world = World::new();
    let code = "
import subprocess, time
def handler(event, context):
    if event == 'quick':
        return 'fine'
    child = subprocess.Popen(['sleep', '61.25'])
    print('before', flush=True)
    time.sleep(60)
";
    let mut version = world.version("late", "python3.11", &[("app.py", code)]);
    version.timeout_secs = 1;
    world.put(version);
    world.invoke("late", "\"quick\"").await;
    let began = Instant::now();
    let (failed, error) = world.invoke("late", "{}").await;
    assert!(failed && began.elapsed() < Duration::from_secs(4));
    says(&error, "Sandbox.Timedout", " Error: Task timed out after 1.00 seconds");
    let lines = world.logged("Status: timeout").await;
    assert!(lines.iter().any(|line| line == "before\n"));
    assert!(lines.iter().any(|line| line.ends_with(" Task timed out after 1.00 seconds\n\n")));
    assert!(!is_running("sleep 61.25"));
    assert_eq!(world.invoke("late", "\"quick\"").await.1, "fine");
}

fn is_running(command: &str) -> bool {
    let all = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    String::from_utf8_lossy(&all.stdout).lines().any(|line| line == command)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_exits_has_failed() {
    let world = World::new();
    world.python("exits", "import os\ndef handler(event, context):\n    os._exit(event)\n");
    let (failed, error) = world.invoke("exits", "1").await;
    assert!(failed);
    says(&error, "Runtime.ExitError", " Error: Runtime exited with error: exit status 1");
    says(&world.invoke("exits", "0").await.1, "Runtime.ExitError", " Error: Runtime exited without providing a reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_in_the_middle_has_failed_and_the_next_runs() {
    let world = World::new();
    let code = "
import os, time
def handler(event, context):
    if event == 'wait':
        print('pid', os.getpid(), flush=True)
        time.sleep(30)
    return 'fine'
";
    let mut version = world.version("victim", "python3.11", &[("app.py", code)]);
    version.timeout_secs = 60;
    world.put(version);
    let kill = async {
        let lines = world.logged("pid ").await;
        let pid = lines.iter().find_map(|line| line.strip_prefix("pid ")).unwrap().trim().to_owned();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    };
    let ((failed, error), ()) = tokio::join!(world.invoke("victim", "\"wait\""), kill);
    assert!(failed);
    says(&error, "Runtime.ExitError", " Error: Runtime exited with error: signal: killed");
    assert_eq!(world.invoke("victim", "{}").await.1, "fine");
}

/// True until a process is gone, or only its exit status is left.
fn has_life(pid: &impl std::fmt::Display) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|state| !state.is_empty() && !state.starts_with(['Z', 'X']))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_while_idle_costs_no_invocation() {
    let world = World::new();
    world.python("idle", "import os\ndef handler(event, context):\n    return os.getpid()\n");
    let (_, pid) = world.invoke("idle", "{}").await;
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    // The signal is sent, not yet heard: a process that still runs may be given work and take it with it.
    while has_life(&pid) {
        tokio::task::yield_now().await;
    }
    let (failed, next) = world.invoke("idle", "{}").await;
    assert!(!failed && next != pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_much_memory_is_killed() {
    let world = World::new();
    let code = "
import time
def handler(event, context):
    kept = []
    while True:
        kept.append(bytearray(8 << 20))
        time.sleep(0.002)
";
    let mut version = world.version("hungry", "python3.11", &[("app.py", code)]);
    version.memory_mib = 128;
    world.put(version);
    let (failed, error) = world.invoke("hungry", "{}").await;
    assert!(failed);
    says(&error, "Runtime.ExitError", " Error: Runtime exited with error: signal: killed");
    world.logged("the process took more than its 128 MB of memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_children_counts() {
    let world = World::new();
    let code = "
import subprocess, sys, time
def handler(event, context):
    subprocess.run([sys.executable, '-c', 'kept = bytearray(300 << 20); import time; time.sleep(30)'])
";
    let mut version = world.version("parent", "python3.11", &[("app.py", code)]);
    version.memory_mib = 128;
    world.put(version);
    says(&world.invoke("parent", "{}").await.1, "Runtime.ExitError", "signal: killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fills_the_temporary_folder_is_stopped() {
    let world = World::new();
    let code = "
import os, tempfile, time
def handler(event, context):
    for number in range(4):
        with open(os.path.join(tempfile.gettempdir(), str(number)), 'wb') as file:
            file.truncate(200 << 20)
    time.sleep(8)
    return tempfile.gettempdir()
";
    world.python("hoards", code);
    says(&world.invoke("hoards", "{}").await.1, "Runtime.ExitError", "signal: killed");
    world.logged("the temporary folder holds more than the function's 512 MB").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_an_error() {
    let world = World::new();
    world.python("large", "def handler(event, context):\n    return 'x' * event\n");
    let fits = world.try_invoke("large", "6291000").await.unwrap();
    assert!(!fits.failed && fits.payload.len() == 6_291_002);
    let (failed, error) = world.invoke("large", "7000000").await;
    assert!(failed);
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    assert_eq!(error["errorMessage"], "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
    assert!(!world.try_invoke("large", "1").await.unwrap().failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_executions_are_counted() {
    let world = World::new();
    let code = "import time\ndef handler(event, context):\n    time.sleep(0.5)\n";
    let mut version = world.version("one", "python3.11", &[("app.py", code)]);
    version.reserved_concurrency = Some(1);
    world.put(version.clone());
    let (first, second) = tokio::join!(world.try_invoke("one", "{}"), world.try_invoke("one", "{}"));
    let throttled = InvokeError::Throttled { reason: "ReservedFunctionConcurrentInvocationLimitExceeded" };
    let refused: Vec<_> = [first, second].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, std::slice::from_ref(&throttled));
    assert!(world.try_invoke("one", "{}").await.is_ok());
    version.reserved_concurrency = Some(0);
    world.put(version);
    assert_eq!(world.try_invoke("one", "{}").await, Err(throttled));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_refused() {
    let world = World::new();
    world.python("any", "def handler(event, context):\n    pass\n");
    let refused = world.try_invoke("any", &format!("\"{}\"", "x".repeat(6 << 20))).await.unwrap_err();
    assert!(matches!(refused, InvokeError::TooLarge { kind: "RequestResponse", .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn initialisation_that_hangs_gets_the_functions_own_time_once_more() {
    let world = World::new();
    let mut version = world.version("hangs", "python3.11", &[("app.py", "import time\ntime.sleep(60)\n")]);
    version.timeout_secs = 1;
    world.put(version);
    let began = Instant::now();
    let (failed, error) = world.invoke("hangs", "{}").await;
    assert!(failed && began.elapsed() > Duration::from_secs(11), "{:?}", began.elapsed());
    says(&error, "Sandbox.Timedout", " Error: Task timed out after 1.00 seconds");
    let lines = world.logged("Phase: invoke\tStatus: timeout").await;
    assert!(lines.iter().any(|line| line.contains("Phase: init\tStatus: timeout")));
}
