//! `millrace`: the server and its command line.
//!
//! Settings become components ([`server`]), components are supervised and shut down in order; every command is one file of
//! [`cli`]. Adapters between rooms live here and nowhere else.

mod alarms;
mod applications;
mod backfill;
mod calling;
mod checkpoints;
mod cli;
mod console;
mod credentials;
mod deliveries;
mod dlq;
mod domains;
mod door;
mod functions;
mod house;
mod index;
mod jobs;
mod lake;
mod lock;
mod logging;
mod mappings;
mod message_keys;
mod meters;
mod permissions;
mod protection;
mod record_text;
mod resources;
mod scalar;
mod script;
mod server;
mod settings;
mod telemetry;
mod topics;
mod trace;
mod transform;
mod uploads;
mod vault;

use clap::{Parser, Subcommand};
use cli::client::CliError;
use std::process::ExitCode;

/// Many threads allocate and free small things for each other here, at which the C library's allocator is slow, and keeps a heap
/// for each. It does not ask for huge pages (feature `no_thp`): where a hypervisor takes free memory back, one of 2 MB takes 4 to 9 ms
/// to come, the same in small pages 1 ms, and memory here comes and goes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The streaming pipeline of AWS (Kinesis, Flink SQL, Firehose, OpenSearch) as one program
#[derive(Debug, Parser)]
#[command(name = "millrace", version, max_term_width = 110, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
First steps:
  millrace demo                                  real flights through the whole pipeline
  millrace up examples/flights/template.yaml     your own server, on port 4566
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566  then the AWS CLI, SDKs and boto3 work as they are
  echo '{\"n\": 1}' | millrace put STREAM
  millrace tail STREAM --from-start
  millrace sql                                   a prompt for Flink SQL";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server, and deploy templates into it
    Up(settings::UpArgs),
    /// Deploy CloudFormation templates into a running server
    Deploy(cli::up::DeployArgs),
    /// Run a Flink SQL script, or ask at a prompt
    Sql(cli::sql::SqlArgs),
    /// Put lines of standard input into a stream, one record a line
    Put(cli::put::PutArgs),
    /// Show a stream's records as they arrive
    Tail(cli::tail::TailArgs),
    /// Say what is wrong with a running server, why, and what to do
    Doctor(cli::doctor::DoctorArgs),
    /// Look at what failed, and bring it back
    Dlq(cli::dlq::DlqArgs),
    /// Look whether the audit of who did what is whole
    Audit(cli::audit::AuditArgs),
    /// What the operator does with the root key of encryption at rest
    Keys(cli::keys::KeysArgs),
    /// Tell in CI whether a schema's next version is safe
    Schema(cli::schema::SchemaArgs),
    /// Begin an application again from a snapshot of its state
    Replay(cli::replay::ReplayArgs),
    /// Rebuild a view of a stream beside the live one, and put it in its place
    Backfill(cli::backfill::BackfillArgs),
    /// Show one record's journey: who put it where, and what each stage made of it
    Trace(cli::trace::TraceArgs),
    /// Show the whole pipeline at work on real flights
    Demo(cli::demo::DemoArgs),
}

/// Whoever reads our output may stop reading: `millrace tail … | head` ends quietly, as other tools do.
fn end_quietly_without_readers() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let told = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if told.starts_with("failed printing to stdout") && told.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

/// Shells allow 256 or 1,024 open files unless they are asked. A server holds open each part of each segment of its indices;
/// functions are limited by themselves.
fn open_as_many_files_as_allowed() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let allowed = getrlimit(Resource::Nofile);
    // Where that is refused, what is allowed has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed });
}

fn main() -> ExitCode {
    end_quietly_without_readers();
    open_as_many_files_as_allowed();
    let cli = Cli::parse();
    // A second installation would fail, and there is none before main.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("millrace: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli.command));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Shown) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("millrace: {error}");
            if matches!(error, CliError::Unknown(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Up(args) => cli::up::run(args).await,
        Command::Deploy(args) => cli::up::deploy(args).await,
        Command::Sql(args) => cli::sql::run(args).await,
        Command::Put(args) => cli::put::run(args).await,
        Command::Tail(args) => cli::tail::run(args).await,
        Command::Doctor(args) => cli::doctor::run(args).await,
        Command::Dlq(args) => cli::dlq::run(args).await,
        Command::Audit(args) => cli::audit::run(&args),
        Command::Keys(args) => cli::keys::run(&args),
        Command::Schema(args) => cli::schema::run(args).await,
        Command::Replay(args) => cli::replay::run(args).await,
        Command::Backfill(args) => cli::backfill::run(args).await,
        Command::Trace(args) => cli::trace::run(args).await,
        Command::Demo(args) => cli::demo::run(args).await,
    }
}
