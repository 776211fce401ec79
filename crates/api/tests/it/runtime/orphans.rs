//! A server that is killed takes its functions with it: by the shell that waits beside each of them, and if that is gone
//! too, by the next server on the same folder.

use super::world::World;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ENDLESS: &str = "
import os, subprocess
def handler(event, context):
    child = subprocess.Popen(['sleep', '600'])
    print('busy', os.getpid(), child.pid, flush=True)
    while True:
        pass
";

/// The server of the tests below, in a process of its own that they kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the tests below"]
async fn server() {
    let Ok(dir) = std::env::var("ORPHANS_DIR") else { return };
    let world = World::at(Path::new(&dir));
    let mut version = world.version("endless", "python3.11", &[("app.py", ENDLESS)]);
    version.timeout_secs = 900;
    world.put(version);
    let told = async {
        let lines = world.logged_within("busy ", Duration::from_secs(30)).await;
        let line = lines.into_iter().find(|line| line.starts_with("busy ")).unwrap();
        std::fs::write(Path::new(&dir).join("told"), line).unwrap();
        println!("told");
    };
    tokio::join!(world.invoke("endless", "{}"), told);
}

struct Killed {
    dir: tempfile::TempDir,
    server: Child,
    pids: Vec<u32>,
}

/// A server whose function is busy for ever.
fn busy_server() -> Killed {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "runtime::orphans::server", "--ignored", "--nocapture"])
        .env("ORPHANS_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(server.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("told")), "the server ended early");
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    let pids: Vec<u32> = told.split_whitespace().skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|&pid| is_alive(pid)), "{told}");
    Killed { dir, server, pids }
}

/// Running, and not just waiting to be buried.
fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("State:\tZ") && !status.contains("State:\tX"))
}

fn gone(pids: &[u32]) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !pids.iter().any(|&pid| is_alive(pid))
    })
}

#[test]
fn functions_end_with_a_server_that_is_killed() {
    let mut killed = busy_server();
    killed.server.kill().unwrap();
    killed.server.wait().unwrap();
    assert!(gone(&killed.pids), "{:?} still run", killed.pids);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_ends_what_is_left() {
    let mut killed = busy_server();
    // Whoever waits beside the function dies before the server does.
    let group = killed.pids[0];
    for pid in members(group).into_iter().filter(|pid| !killed.pids.contains(pid)) {
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    }
    killed.server.kill().unwrap();
    killed.server.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(killed.pids.iter().all(|&pid| is_alive(pid)));
    let _next = World::at(killed.dir.path());
    assert!(gone(&killed.pids), "{:?} still run", killed.pids);
}

fn members(group: u32) -> Vec<u32> {
    let all = Command::new("ps").args(["-eo", "pid,pgid"]).output().unwrap();
    let text = String::from_utf8(all.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(|field| field.parse::<u32>().ok());
        Some((fields.next()??, fields.next()??))
    });
    pairs.filter(|(_, of)| *of == group).map(|(pid, _)| pid).collect()
}
