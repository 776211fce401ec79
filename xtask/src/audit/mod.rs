//! `cargo xtask audit queue`: SQS through HTTP while the server is killed with SIGKILL again and again.
//!
//! Messages go to a standard and a FIFO queue, ten at a time, over several connections. When half of them are sent,
//! others begin to receive and delete. At seeded moments of the sending and of the deleting the server is killed and
//! started again on the same data. In the end both queues are empty, and the clients' ledger says whether each
//! acknowledged message was delivered, nothing deleted came back, and each FIFO group was delivered once and in order.

mod ledger;
mod work;

use crate::bench::Setup;
use crate::bench::queue::Client;
use crate::bench::server::Server;
use ledger::{BATCH, FIFO_SENDERS, GROUPS, Ledger, VISIBILITY};
use serde_json::json;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use work::{Link, Queue, Shared};

const STANDARD_SENDERS: usize = 8;
const STANDARD_RECEIVERS: usize = 8;
const FIFO_RECEIVERS: usize = 4;
/// How often it is looked whether a kill is due.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Longer than a restart and a visibility timeout: then something hangs.
const STALLED: Duration = Duration::from_secs(90);

/// What was asked for.
struct Options {
    messages: usize,
    /// So many while sending, and so many while deleting.
    kills: usize,
    seed: u64,
}

/// `queue [--messages N] [--kills K] [--seed S]`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let setup = Setup::new()?;
    let folder = setup.cache.join("audit");
    let server = Server::millrace(&setup.millrace, &folder)?;
    let standard = options.messages / 10 * 9;
    let queues = create(server.port, standard, options.messages)?;
    let shared = Shared::new(Ledger::new(standard, options.messages), server.port);
    let mut run =
        Run { restart: &|| Server::again(&setup.millrace, &folder), server: Some(server), restarts: Vec::new() };
    let started = Instant::now();
    work_under_kills(&mut run, &shared, &queues, &options)?;
    let secs = started.elapsed().as_secs_f64();
    // A last kill, when all is deleted: nothing may come back.
    run.kill(&shared)?;
    shared.stop.store(true, Ordering::Relaxed);
    for queue in &queues {
        let left = Link::new(&shared).depth(queue)?.ok_or("the server died by itself")?;
        shared.ledger().came_back(left, &queue.url);
    }
    report(&shared, &options, &run, secs)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        const USAGE: &str = "usage: cargo xtask audit queue [--messages N] [--kills K] [--seed S]";
        let mut options = Self { messages: 1_000_000, kills: 5, seed: 1 };
        let Some(("queue", rest)) = arguments.split_first().map(|(what, rest)| (what.as_str(), rest)) else {
            return Err(USAGE.to_owned());
        };
        for pair in rest.chunks(2) {
            let value = pair.get(1).and_then(|value| value.replace('_', "").parse::<u64>().ok()).ok_or(USAGE)?;
            match pair[0].as_str() {
                "--messages" if value >= 100 => options.messages = value as usize,
                "--messages" => return Err("--messages: an audit needs at least 100".to_owned()),
                "--kills" => options.kills = value as usize,
                "--seed" => options.seed = value,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    /// How many messages are sent, or deleted, when a kill is due: one in each of equal parts, none in the last.
    fn moments(&self, salt: u64) -> Vec<usize> {
        let part = self.messages / (self.kills + 1);
        (0..self.kills as u64)
            .map(|at| part * at as usize + chance(self.seed, salt + at) as usize % part.max(1))
            .collect()
    }
}

/// A number that looks like chance (splitmix64).
fn chance(seed: u64, at: u64) -> u64 {
    let mut mixed = seed.wrapping_add(at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Creates the standard and the FIFO queue.
fn create(port: u16, standard: usize, total: usize) -> Result<[Queue; 2], String> {
    let timeout = VISIBILITY.as_secs().to_string();
    let create = |name: &str, attributes, ids, fifo| -> Result<Queue, String> {
        let body = json!({"QueueName": name, "Attributes": attributes}).to_string();
        let answer = Client::new(port).json("CreateQueue", &body)?;
        let url = answer["QueueUrl"].as_str().ok_or("CreateQueue gave no QueueUrl")?.to_owned();
        Ok(Queue { url, ids, fifo })
    };
    let fifo = json!({"VisibilityTimeout": timeout, "FifoQueue": "true"});
    Ok([
        create("audit", json!({"VisibilityTimeout": timeout}), 0..standard, false)?,
        create("audit.fifo", fifo, standard..total, true)?,
    ])
}

/// The server in its lives.
struct Run<'a> {
    restart: &'a dyn Fn() -> Result<Server, String>,
    server: Option<Server>,
    /// How long each restart took until the first answer, in seconds.
    restarts: Vec<f64>,
}

impl Run<'_> {
    /// Kills the server with SIGKILL and starts it again on the same data.
    fn kill(&mut self, shared: &Shared) -> Result<(), String> {
        drop(self.server.take());
        let started = Instant::now();
        let server = (self.restart)()?;
        self.restarts.push(started.elapsed().as_secs_f64());
        shared.reborn(server.port);
        self.server = Some(server);
        Ok(())
    }
}

/// All connections at work, and the server killed under them, until the queues are empty.
fn work_under_kills(run: &mut Run, shared: &Shared, queues: &[Queue; 2], options: &Options) -> Result<(), String> {
    let [standard, fifo] = queues;
    let half = options.messages / 2;
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for (queue, senders, receivers) in
            [(standard, STANDARD_SENDERS, STANDARD_RECEIVERS), (fifo, FIFO_SENDERS, FIFO_RECEIVERS)]
        {
            workers.extend((0..senders).map(|at| scope.spawn(move || work::send(shared, queue, at, senders))));
            workers.extend((0..receivers).map(|_| scope.spawn(move || work::receive(shared, queue, half))));
        }
        let mut result = watch(run, shared, options, || {
            let done: Vec<_> = workers.extract_if(.., |worker| worker.is_finished()).collect();
            for worker in done {
                worker.join().map_err(|_| "a connection's thread panicked".to_owned())??;
            }
            Ok(workers.is_empty())
        });
        if result.is_err() {
            shared.stop.store(true, Ordering::Relaxed);
            // What the ledger saw tells more than where a connection gave up.
            let faults = shared.ledger().faults().join("\n");
            result = result.map_err(|error| format!("{error}\n{faults}"));
        }
        result
    })
}

/// Kills when it is time, until the work is done. One line tells of the progress.
fn watch(
    run: &mut Run,
    shared: &Shared,
    options: &Options,
    mut is_done: impl FnMut() -> Result<bool, String>,
) -> Result<(), String> {
    let (mut sending, mut deleting) = (options.moments(0), options.moments(1 << 32));
    let (mut moved, mut told) = ((0, Instant::now()), Instant::now());
    while !is_done()? {
        std::thread::sleep(LOOK_EVERY);
        let counts = shared.ledger().counts;
        let sending_due = sending.first().is_some_and(|&due| counts.sent >= due);
        let deleting_due = deleting.first().is_some_and(|&due| counts.deleted >= due && counts.deleted > 0);
        if sending_due || deleting_due {
            run.kill(shared)?;
            let due = if sending_due { &mut sending } else { &mut deleting };
            due.remove(0);
        }
        let now = counts.sent + counts.deliveries;
        if now != moved.0 || sending_due || deleting_due {
            moved = (now, Instant::now());
        } else if moved.1.elapsed() > STALLED {
            return Err(format!("nothing moved for {STALLED:?}: {} sent, {} deleted", counts.sent, counts.deleted));
        }
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            let kills = run.restarts.len();
            eprint!("\r{} sent, {} deleted, {kills} kills, {} repeated ", counts.sent, counts.deleted, counts.repeated);
            let _unseen = std::io::stderr().flush();
        }
    }
    eprintln!();
    if sending.len() + deleting.len() > 0 {
        return Err("it was over before all kills: more messages or fewer --kills".to_owned());
    }
    Ok(())
}

/// Prints the figures; an error when something happened that must not.
fn report(shared: &Shared, options: &Options, run: &Run, secs: f64) -> Result<(), String> {
    let mut ledger = shared.ledger();
    let lost = ledger.count_lost();
    let counts = ledger.counts;
    println!(
        "{} messages ({GROUPS} FIFO groups, batches of {BATCH}), {} kills (seed {}), {secs:.0} s",
        options.messages,
        run.restarts.len(),
        options.seed
    );
    println!(
        "acknowledged {}, lost {lost}; {} sent again, of which the standard queue held {} twice",
        counts.sent, counts.resent, counts.twice
    );
    println!(
        "delivered {}, deleted {}, repeated {} (deletion not acknowledged)",
        counts.deliveries, counts.deleted, counts.repeated
    );
    let slowest = run.restarts.iter().copied().fold(0.0, f64::max);
    println!("slowest restart {slowest:.2} s");
    let faults = ledger.faults();
    if faults.is_empty() { Ok(()) } else { Err(format!("the audit failed\n{}", faults.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_due_in_order_and_before_the_last_part() {
        let options = Options { messages: 1000, kills: 4, seed: 7 };
        let moments = options.moments(0);
        assert_eq!(moments.len(), 4);
        assert!(moments.is_sorted() && moments.iter().all(|&moment| moment < 800), "{moments:?}");
        assert_ne!(moments, options.moments(1 << 32));
    }

    #[test]
    fn arguments_are_checked() {
        let parse = |line: &str| Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            parse("queue --messages 20_000 --kills 2").map(|o| (o.messages, o.kills, o.seed)),
            Ok((20_000, 2, 1))
        );
        assert!(parse("queue --messages 7").is_err());
        assert!(parse("queue --kills").is_err());
        assert!(parse("log").is_err());
    }
}
