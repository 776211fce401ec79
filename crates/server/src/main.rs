//! `millrace`: the server and its command line.
//!
//! Settings become components ([`server`]), components are supervised and shut down in order; every command is one file of
//! [`cli`]. Adapters between rooms live here and nowhere else.

mod applications;
mod calling;
mod cli;
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
mod mappings;
mod meter;
mod resources;
mod scalar;
mod script;
mod server;
mod settings;
mod topics;
mod transform;
mod uploads;

use clap::{Parser, Subcommand};
use cli::client::CliError;
use std::process::ExitCode;

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
    /// Look at what failed, and bring it back
    Dlq(cli::dlq::DlqArgs),
    /// Tell in CI whether a schema's next version is safe
    Schema(cli::schema::SchemaArgs),
    /// Show the whole pipeline at work on real flights
    Demo(cli::demo::DemoArgs),
}

fn main() -> ExitCode {
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
            ExitCode::FAILURE
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
        Command::Dlq(args) => cli::dlq::run(args).await,
        Command::Schema(args) => cli::schema::run(args).await,
        Command::Demo(args) => cli::demo::run(args).await,
    }
}
