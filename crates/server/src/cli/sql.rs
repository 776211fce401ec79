//! `millrace sql`: runs a script, or asks at a prompt.
//!
//! A script that touches streams runs in a server, because that is where they live; any other runs right here.

use super::client::{CliError, Client, EndpointArgs};
use crate::jobs::{Jobs, Stopper};
use crate::script::{Audience, Event, Interpreter};
use clap::Args;
use futures::StreamExt;
use millrace_base::Scope;
use parking_lot::Mutex;
use rustyline::error::ReadlineError;
use serde_json::json;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The narrowest column of a result.
const COLUMN_WIDTH_MIN: usize = 8;

/// What `millrace sql` takes.
#[derive(Debug, Clone, Args)]
pub struct SqlArgs {
    /// A Flink SQL script; `-` reads standard input. Without it: a prompt
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// Runs the command.
pub async fn run(args: SqlArgs) -> Result<(), CliError> {
    match &args.file {
        Some(file) => {
            let (name, script) = read(file)?;
            let mut place = Place::of(&script, &args)?;
            if place.run(&name, script).await? { Ok(()) } else { Err(CliError::Shown) }
        }
        None => prompt(&args).await,
    }
}

#[allow(clippy::disallowed_methods, reason = "the user's own file, named on the command line")]
fn read(file: &Path) -> Result<(String, String), CliError> {
    let name = file.display().to_string();
    if name == "-" {
        let mut script = String::new();
        let read = std::io::stdin().read_to_string(&mut script);
        return read.map(|_| (name, script)).map_err(|source| CliError::Io { what: "standard input", source });
    }
    match std::fs::read_to_string(file) {
        Ok(script) => Ok((name, script)),
        Err(error) => Err(CliError::Input(format!("{name} cannot be read: {error}"))),
    }
}

/// Where statements run.
enum Place {
    Here(Arc<Mutex<Interpreter>>),
    Server { client: Client, prelude: String },
}

impl Place {
    fn of(script: &str, args: &SqlArgs) -> Result<Self, CliError> {
        let statements = millrace_sql::parse(script).unwrap_or_default();
        if millrace_sql::needs_streams(&statements) { Self::server(args) } else { Ok(Self::here(args)) }
    }

    fn server(args: &SqlArgs) -> Result<Self, CliError> {
        Ok(Self::Server { client: Client::new(&args.endpoint)?, prelude: String::new() })
    }

    fn here(args: &SqlArgs) -> Self {
        let scope = Scope::of_caller(args.endpoint.access_key_id.as_deref().unwrap_or_default(), &args.endpoint.region);
        Self::Here(Arc::new(Mutex::new(Interpreter::new(Arc::new(Jobs::alone()), scope, Arc::new(|_| Ok(()))))))
    }

    /// Runs statements and shows what they give; Ctrl-C ends what runs. True when all of it went well.
    async fn run(&mut self, name: &str, script: String) -> Result<bool, CliError> {
        match self {
            Self::Here(interpreter) => {
                let (interpreter, name) = (interpreter.clone(), name.to_owned());
                let stop = Arc::new(Mutex::new(None));
                let mut terminal = Terminal { shown: Shown::default(), stop: stop.clone() };
                let work = tokio::task::spawn_blocking(move || interpreter.lock().run(&name, &script, &mut terminal));
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        done = &mut work => return done.map_err(|error| CliError::Input(error.to_string())),
                        _ = tokio::signal::ctrl_c() => match stop.lock().as_ref() {
                            Some(stopper) => Stopper::stop(stopper),
                            None => return Ok(false),
                        },
                    }
                }
            }
            Self::Server { client, prelude } => {
                let body = json!({ "name": name, "prelude": &*prelude, "script": script });
                let went_well = tokio::select! {
                    went_well = stream(client, &body) => went_well?,
                    _ = tokio::signal::ctrl_c() => return Ok(true),
                };
                if went_well {
                    prelude.push_str(&lasting(&script));
                }
                Ok(went_well)
            }
        }
    }
}

/// The statements of a script that leave something behind, to be told to the server again with the next script.
fn lasting(script: &str) -> String {
    use millrace_sql::tree::StatementKind as Kind;
    let leaves = |kind: &Kind| {
        let declares = matches!(
            kind,
            Kind::CreateTable(_) | Kind::CreateView(_) | Kind::CreateFunction(_) | Kind::DropFunction(_)
        );
        declares || matches!(kind, Kind::Drop(..) | Kind::Set(..) | Kind::Reset(_))
    };
    let statements = millrace_sql::parse(script).unwrap_or_default();
    let lasting = statements.iter().filter(|statement| leaves(&statement.kind));
    lasting.map(|statement| format!("{};\n", statement.span.text(script))).collect()
}

/// Sends a script to a server and shows the events that come back.
async fn stream(client: &Client, body: &serde_json::Value) -> Result<bool, CliError> {
    let mut lines = client.lines("/_millrace/sql", body).await?;
    let mut shown = Shown::default();
    while let Some(line) = lines.next().await {
        let event = serde_json::from_str(&line?)
            .map_err(|error| CliError::Answer { endpoint: client.endpoint().to_owned(), reason: error.to_string() })?;
        shown.show(&event);
    }
    Ok(!shown.failed)
}

struct Terminal {
    shown: Shown,
    stop: Arc<Mutex<Option<Stopper>>>,
}

impl Audience for Terminal {
    fn show(&mut self, event: Event) -> bool {
        self.shown.show(&event);
        !self.shown.closed
    }

    fn running(&mut self, stop: Option<Stopper>) {
        *self.stop.lock() = stop;
    }
}

/// Prints events: results on standard output, remarks on standard error.
#[derive(Default)]
struct Shown {
    failed: bool,
    closed: bool,
    changelog: bool,
    widths: Vec<usize>,
}

impl Shown {
    fn show(&mut self, event: &Event) {
        match event {
            Event::Text(text) => self.print(text),
            Event::Columns(names, changelog) => {
                self.changelog = *changelog;
                self.widths = names.iter().map(|name| name.chars().count().max(COLUMN_WIDTH_MIN)).collect();
                let op = if *changelog { "op | " } else { "" };
                let head = format!("{op}{}", self.line(names));
                self.print(&head);
                self.print(&"-".repeat(head.chars().count()));
            }
            Event::Row(op, values) => {
                let op = if self.changelog { format!("{op} | ") } else { String::new() };
                let line = format!("{op}{}", self.line(values));
                self.print(line.trim_end());
            }
            Event::End(rows) => eprintln!("{rows} {}", if *rows == 1 { "row" } else { "rows" }),
            Event::Started(name) => eprintln!("job '{name}' runs; Ctrl-C ends it"),
            Event::Finished(name, rows) => eprintln!("job '{name}' is done: {rows} rows written"),
            Event::Error(message) => {
                self.failed = true;
                eprintln!("{message}");
            }
        }
    }

    /// Values side by side; a column grows with its widest value so far.
    fn line(&mut self, values: &[String]) -> String {
        let cells = values.iter().zip(&mut self.widths).map(|(value, width)| {
            *width = (*width).max(value.chars().count());
            format!("{value:<width$}", width = *width)
        });
        cells.collect::<Vec<_>>().join(" | ")
    }

    fn print(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        self.closed |= writeln!(out, "{text}").and_then(|()| out.flush()).is_err();
    }
}

/// Reads statements until the end of input, each ended by a semicolon.
async fn prompt(args: &SqlArgs) -> Result<(), CliError> {
    let is_terminal = std::io::stdin().is_terminal();
    let mut place = match Client::new(&args.endpoint)?.is_there().await {
        true => Place::server(args)?,
        false => Place::here(args),
    };
    if is_terminal {
        let whose = match &place {
            Place::Server { client, .. } => format!("the server at {}", client.endpoint()),
            Place::Here(_) => "no server (streams need one: `millrace up`)".to_owned(),
        };
        eprintln!("Flink SQL, with {whose}. A statement ends with ; and Ctrl-D leaves. Try SHOW TABLES;");
    }
    let mut editor = rustyline::DefaultEditor::new().map_err(|error| CliError::Input(error.to_string()))?;
    let mut statement = String::new();
    loop {
        let prompt = if statement.is_empty() { "sql> " } else { "  -> " };
        let line = match editor.readline(if is_terminal { prompt } else { "" }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                statement.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(CliError::Input(error.to_string())),
        };
        if statement.is_empty() && ["quit", "exit", "quit;", "exit;"].contains(&line.trim().to_lowercase().as_str()) {
            return Ok(());
        }
        statement.push_str(&line);
        statement.push('\n');
        let ended = statement.trim_end().ends_with(';');
        let whole = match millrace_sql::parse(&statement) {
            Err(error) => ended && !millrace_sql::is_incomplete(&statement, &error),
            Ok(_) => ended,
        };
        if whole {
            let _ = editor.add_history_entry(statement.trim_end());
            place.run("prompt", std::mem::take(&mut statement)).await?;
        }
    }
}
