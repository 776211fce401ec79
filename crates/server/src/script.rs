//! Runs SQL scripts for people: one statement after the other, each giving events to show.
//!
//! The same code serves `millrace sql` on its own and a server's `/_millrace/sql`, which sends the events as JSON lines.

use crate::jobs::{Jobs, Permit, Stopper};
use millrace_base::Scope;
use millrace_process::connect::Rows;
use millrace_process::graph::JobGraph;
use millrace_sql::{Outcome, QueryJob, Session, SessionOptions};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A statement is done.
    Text(String),
    /// A query begins: its columns, and whether its rows may update earlier ones.
    Columns(Vec<String>, bool),
    /// A row: `+I`, `-U`, `+U` or `-D`, and the values as Flink prints them.
    Row(String, Vec<String>),
    /// A query came to its end after this many rows.
    End(u64),
    /// A job runs; it ends with its input, or when the one who asked goes away.
    Started(String),
    /// A job came to its end after this many rows were written.
    Finished(String, u64),
    /// The script stopped here.
    Error(String),
}

/// Takes events; false when nobody is there any more.
pub trait Audience: Send {
    /// Shows an event.
    fn show(&mut self, event: Event) -> bool;
    /// Is told how to stop what runs now, so that somebody who goes away can end it.
    fn running(&mut self, stop: Option<Stopper>);
}

/// What a script left behind: tables, views and settings.
pub struct Interpreter {
    session: Session,
    jobs: Arc<Jobs>,
    scope: Scope,
    permit: Permit,
}

impl Interpreter {
    /// Without tables. `permit` says what whoever runs the script may.
    pub fn new(jobs: Arc<Jobs>, scope: Scope, permit: Permit) -> Self {
        Self { session: Session::new(SessionOptions::default()), jobs, scope, permit }
    }

    /// Runs all statements of a script, called `name` in errors, until one fails. Errors are shown; true when there was none.
    pub fn run(&mut self, name: &str, script: &str, audience: &mut dyn Audience) -> bool {
        let statements = match millrace_sql::parse(script) {
            Ok(statements) => statements,
            Err(error) => {
                audience.show(Event::Error(error.render(name, script)));
                return false;
            }
        };
        for statement in &statements {
            let outcome = self.session.execute(statement).map_err(|error| error.render(name, script));
            let went_on = outcome.and_then(|outcome| self.carry_out(outcome, audience));
            match went_on {
                Ok(true) => {}
                Ok(false) => return false,
                Err(message) => {
                    audience.show(Event::Error(message));
                    return false;
                }
            }
        }
        true
    }

    fn carry_out(&self, outcome: Outcome, audience: &mut dyn Audience) -> Result<bool, String> {
        match outcome {
            Outcome::Done(text) if text.is_empty() => Ok(true),
            Outcome::Done(text) | Outcome::Explain(text) => Ok(audience.show(Event::Text(text))),
            Outcome::Job(graph) => self.insert(graph, audience),
            Outcome::Query(query) => self.query(query, audience),
        }
    }

    fn insert(&self, graph: JobGraph, audience: &mut dyn Audience) -> Result<bool, String> {
        let name = graph.settings.name.clone();
        let job = self.jobs.start(&self.scope, graph, self.permit.clone())?;
        audience.running(Some(job.stopper()));
        audience.show(Event::Started(name.clone()));
        let written = job.wait();
        audience.running(None);
        Ok(audience.show(Event::Finished(name, written?)))
    }

    fn query(&self, query: QueryJob, audience: &mut dyn Audience) -> Result<bool, String> {
        let (rows, job) = self.jobs.query(&self.scope, query.graph, self.permit.clone())?;
        audience.running(Some(job.stopper()));
        let names = query.fields.iter().map(|field| field.name.clone()).collect();
        let mut is_there = audience.show(Event::Columns(names, query.is_changelog));
        let mut count = 0;
        for batch in rows {
            count += batch.batch.num_rows() as u64;
            is_there = is_there && show(&batch, audience);
            if !is_there {
                job.stopper().stop();
                break;
            }
        }
        let ended = job.wait();
        audience.running(None);
        ended?;
        Ok(is_there && audience.show(Event::End(count)))
    }
}

fn show(rows: &Rows, audience: &mut dyn Audience) -> bool {
    (0..rows.batch.num_rows()).all(|row| {
        let values = rows.values(row);
        audience.show(Event::Row(rows.kind(row).symbol().to_owned(), values))
    })
}
