//! One run: deploy, put the day, wait until all is settled, audit, report.

use super::audit;
use super::event::Generator;
use super::incident::{Happened, Incident, Stage};
use super::ledger::Ledger;
use super::load::{self, Line, Plan};
use super::pipeline::{Clients, Pipeline};
use super::probe::{self, Delays};
use super::proxy::Proxy;
use super::report::{Percentiles, Report};
use super::screen::{Screen, now_ms};
use super::watch::{self, Ages};
use super::webhook::Webhook;
use super::{PaymentsArgs, example};
use crate::cli::client::CliError;
use crate::cli::up;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch as channel};

/// How long the lake's delivery gathers records: a demo does not wait for a minute.
const LAKE_BUFFER_SECS: u64 = 10;
/// What comes does not stop coming for so long, or it has stopped.
const QUIET: Duration = Duration::from_secs(90);
/// The first event wakes the functions, which may have to be set up.
const FIRST_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const DAY_MS: i64 = 86_400_000;

/// What the deployed pipeline talks to outside of its server: it has to stay for as long as the pipeline is used.
pub struct Surroundings {
    hook: Webhook,
    proxy: Option<Proxy>,
    screen: Screen,
}

impl Surroundings {
    /// Those of a run.
    pub async fn open(args: &PaymentsArgs, clients: &Clients) -> Result<Self, CliError> {
        let screen = Screen::new();
        let hook = Webhook::open(screen.clone()).await?;
        let proxy = match args.incident.is_some_and(Incident::is_of_index) {
            true => {
                let target = clients.search.endpoint().trim_start_matches("http://").to_owned();
                Some(Proxy::open(target).await?)
            }
            false => None,
        };
        Ok(Self { hook, proxy, screen })
    }
}

/// Plays a run against a server.
pub async fn run(args: &PaymentsArgs, clients: Clients, around: &Surroundings) -> Result<(), CliError> {
    let Surroundings { hook, proxy, screen } = around;
    println!("1. Deploying examples/payments/template.yaml");
    let scratch = std::env::temp_dir().join(format!("millrace-payments-{}", std::process::id()));
    let request = example::request(args.template.as_ref(), &scratch, parameters(args, hook, proxy.as_ref()))?;
    let outputs = up::send(&clients.aws, &request).await?;
    hook.confirmed().await?;
    let pipeline = Pipeline::new(clients, &outputs)?;

    println!("\n2. A day of card authorizations in {} minutes, up to {} a second", args.minutes, args.rate);
    let report = day(args, &pipeline, hook, proxy.as_ref(), screen).await?;
    println!("\n3. What came of it");
    report.show();
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    match report.is_whole() {
        true => Ok(()),
        false => Err(CliError::Input("the audit found losses or doubles, see above".to_owned())),
    }
}

/// The template's parameters: those of a demo, and over them what the user says.
fn parameters(args: &PaymentsArgs, hook: &Webhook, proxy: Option<&Proxy>) -> BTreeMap<String, String> {
    // The usual damage of three minutes.
    let letters = 10.0 + args.rate * 60.0 * 0.000_3;
    let mut parameters = BTreeMap::from([
        ("WebhookUrl".to_owned(), hook.url.clone()),
        ("LakeBufferSeconds".to_owned(), LAKE_BUFFER_SECS.to_string()),
        ("DeadLettersPerMinute".to_owned(), format!("{letters:.0}")),
    ]);
    if let Some(proxy) = proxy {
        parameters.insert("SearchUrl".to_owned(), proxy.url.clone());
    }
    if args.lake_endpoint.is_some() {
        // The other store's buckets are encrypted there, or not.
        parameters.insert("SealLake".to_owned(), "false".to_owned());
    }
    parameters.extend(args.parameters.iter().cloned());
    parameters
}

/// Puts the day, settles and audits.
#[allow(clippy::disallowed_methods, reason = "the demo measures real time")]
async fn day(
    args: &PaymentsArgs,
    pipeline: &Pipeline,
    hook: &Webhook,
    proxy: Option<&Proxy>,
    screen: &Screen,
) -> Result<Report, CliError> {
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    let plan = Plan { rate: args.rate, curve: args.curve, length, trouble: None, factor: 1.0, least: 0.0 };
    let rise = plan.rise();
    let (plan, plans) = channel::channel(plan);
    let (timed, timed_here) = mpsc::channel(1);
    let (singles, singles_here) = mpsc::channel(1);
    let ledger = Arc::new(Ledger::new(args.seed));
    let line = Arc::new(Line::new(pipeline, ledger.clone(), timed, singles));
    let delays = Arc::new(Delays::default());
    let ages = Arc::new(Mutex::new(Ages::default()));

    let began_at = now_ms();
    // A server of somebody else's may hold earlier days.
    let before = pipeline.indexed().await?;
    let mut generator = Generator::new(args.seed);
    wake(pipeline, &line, &mut generator, screen).await?;
    let prepared = args.incident.map(|incident| (incident, incident.prepare(&generator)));
    let started = Instant::now();
    let looking = tokio::spawn(watch::look_on(pipeline.clone(), line.clone(), screen.clone(), ages.clone(), rise));
    let searching = tokio::spawn(probe::searches(pipeline.clone(), line.clone(), timed_here, delays.clone()));
    let reading = tokio::spawn(probe::reads(pipeline.clone(), line.clone(), singles_here, delays.clone()));
    let stage = Stage { pipeline, plan: &plan, proxy, screen };
    let incident = async {
        match prepared {
            Some((incident, trouble)) => incident.play(stage, trouble, length).await.map(Some),
            None => Ok(None),
        }
    };
    let (_, incident): (_, Option<Happened>) = tokio::try_join!(load::run(line.clone(), generator, plans), incident)?;
    let seconds = started.elapsed().as_secs_f64();
    let ages = *ages.lock();
    line.close();
    reading.await.map_err(|error| CliError::Input(format!("the consumer ended: {error}")))??;

    screen.say("all is put; waiting until all has arrived");
    let last = Instant::now();
    let settled_secs = settle(pipeline, &ledger, before).await?.saturating_duration_since(last).as_secs_f64();
    looking.abort();
    searching.abort();
    screen.say("auditing");
    let counts = ledger.counts();
    let is_over_midnight = began_at / DAY_MS != now_ms() / DAY_MS;
    let alarms = hook.delivered();
    Ok(Report {
        seed: args.seed,
        rate: args.rate,
        seconds,
        put: counts,
        acknowledged_per_sec: counts.acknowledged as f64 / seconds,
        behind_max: line.behind_max(),
        rang: Report::rang(incident.as_ref(), &alarms),
        incident,
        alarms,
        index: audit::index(pipeline, &ledger, is_over_midnight).await?,
        lake: audit::lake(pipeline, &ledger).await?,
        quarantine: audit::quarantine(pipeline, &ledger, began_at).await?,
        settled_secs,
        visible: Percentiles::of(&delays.visible.lock()),
        read: Percentiles::of(&delays.read.lock()),
        ages,
        memory_peak_mb: args.endpoint.is_none().then(memory_peak_mb).flatten(),
    })
}

/// Puts a first event and waits until a search finds it: then every stage is awake.
#[allow(clippy::disallowed_methods, reason = "the demo measures real time")]
async fn wake(pipeline: &Pipeline, line: &Line, generator: &mut Generator, screen: &Screen) -> Result<(), CliError> {
    let event = generator.next(now_ms());
    line.ledger.made(event.class);
    let query = json!({ "ids": { "values": [line.ledger.id(event.number)] } });
    line.deliver(vec![event]).await?;
    let started = Instant::now();
    while pipeline.count(&query).await? == 0 {
        if started.elapsed() > FIRST_WITHIN {
            let message =
                "no search finds the first authorization: look at `millrace doctor` and at the function's logs";
            return Err(CliError::Input(message.to_owned()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    screen.say(&format!("the first authorization was found after {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Waits until everything well-formed is in the index, beside `earlier` documents, and nothing more comes into the lake. Gives
/// the moment of the last arrival.
#[allow(clippy::disallowed_methods, reason = "the demo measures real time")]
async fn settle(pipeline: &Pipeline, ledger: &Ledger, earlier: u64) -> Result<Instant, CliError> {
    let counts = ledger.counts();
    let (mut before, mut changed) = (None, Instant::now());
    loop {
        // A server that is just restarting is asked again.
        let indexed = pipeline.indexed().await.ok();
        let objects = audit::objects(pipeline, pipeline.prefix).await.map(|keys| keys.len()).ok();
        if before != Some((indexed, objects)) {
            (before, changed) = (Some((indexed, objects)), Instant::now());
        }
        let all_indexed = indexed.is_some_and(|indexed| indexed >= earlier + counts.events - counts.special);
        let quiet = if all_indexed { Duration::from_secs(2 * LAKE_BUFFER_SECS + 2) } else { QUIET };
        let is_known = indexed.is_some() && objects.is_some();
        // What cannot be looked at for so long is for the audit to say.
        if changed.elapsed() > if is_known { quiet } else { QUIET } {
            return Ok(changed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The most memory that this process ever held; none where `/proc` is absent.
#[allow(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
fn memory_peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

#[allow(clippy::disallowed_methods, reason = "the user's own file, named on the command line")]
fn write(path: &Path, report: &Report) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(report).map_err(|error| CliError::Input(error.to_string()))?;
    std::fs::write(path, text)
        .map_err(|error| CliError::Input(format!("{} cannot be written: {error}", path.display())))
}
