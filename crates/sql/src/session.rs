//! A session: declared tables and views, settings, and what executing a statement gives.

mod complete;
mod functions;
mod show;

use crate::bind::{BoundInsert, Context, Object, Objects, QueryBinder, bind_table};
use crate::error::{ErrorKind, Span, SqlError};
use crate::plan::{describe, plan_inserts, plan_query};
use crate::settings::Settings;
use crate::tree::{CreateView, Insert, ObjectKind, ObjectName, Query, Statement, StatementKind};
use millrace_base::did_you_mean;
use millrace_process::graph::{JobGraph, Operator};
use millrace_schema::Field;
use std::cell::Cell;
use std::sync::Arc;

/// Connectors whose tables live in a server.
const SERVER_CONNECTORS: [&str; 2] = ["kinesis", "opensearch"];

/// What a session needs from outside.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The connectors that tables may name.
    pub connectors: Vec<String>,
    /// The name of jobs when `pipeline.name` is not set; a number is added to it for the second and later jobs.
    pub job_name: String,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let connectors = ["kinesis", "filesystem", "opensearch", "print", "blackhole"];
        Self { connectors: connectors.map(str::to_owned).to_vec(), job_name: "job".to_owned() }
    }
}

/// What executing a statement gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done; the text is for people and may be empty.
    Done(String),
    /// `INSERT INTO` or a statement set: a job to run.
    Job(JobGraph),
    /// `SELECT`: a job to run that ends in the sink `collect`.
    Query(QueryJob),
    /// `EXPLAIN`: the plan in text.
    Explain(String),
}

/// The job of a `SELECT`.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryJob {
    /// Its last node is a sink of the connector `collect`.
    pub graph: JobGraph,
    /// The result's columns.
    pub fields: Vec<Field>,
    /// Whether rows may update and delete earlier ones.
    pub is_changelog: bool,
}

/// Declared tables and views, and settings.
#[derive(Debug, Clone)]
pub struct Session {
    options: SessionOptions,
    objects: Objects,
    settings: Settings,
    jobs: usize,
}

impl Session {
    /// A session without tables.
    pub fn new(options: SessionOptions) -> Self {
        Self { options, objects: Objects::default(), settings: Settings::default(), jobs: 0 }
    }

    /// Executes one statement of a script that [`crate::parse`] read: places in errors are those of the script.
    ///
    /// # Errors
    /// What is wrong, where, and the cure; nothing has changed then.
    pub fn execute(&mut self, statement: &Statement) -> Result<Outcome, SqlError> {
        match &statement.kind {
            StatementKind::CreateTable(create) => {
                let name = create.name.resolved();
                if create.if_not_exists && self.objects.by_name.contains_key(&name) {
                    return Ok(done(format!("Table '{name}' exists already.")));
                }
                self.check_free(&create.name)?;
                let table = bind_table(create, &self.objects, &self.options.connectors)?;
                self.objects.by_name.insert(name.clone(), Object::Table(Arc::new(table)));
                Ok(done(format!("Table '{name}' created.")))
            }
            StatementKind::CreateView(create) => self.create_view(create),
            StatementKind::CreateFunction(create) => self.create_function(create),
            StatementKind::DropFunction(drop) => self.drop_function(drop),
            StatementKind::Drop(kind, name, if_exists) => self.drop_object(*kind, name, *if_exists),
            StatementKind::Insert(insert) => self.job(std::slice::from_ref(insert), statement.span),
            StatementKind::StatementSet(inserts) => self.job(inserts, statement.span),
            StatementKind::Query(query) => self.query(query),
            StatementKind::Explain(inner) => self.explain(inner),
            StatementKind::Set(key, value) => {
                self.settings.set(key, value, &self.objects)?;
                let remark = self.settings.remark(&key.value).map(|remark| format!(" {remark}")).unwrap_or_default();
                Ok(done(format!("'{}' is '{}'.{remark}", key.value, value.value)))
            }
            StatementKind::Reset(key) => {
                self.settings.reset(key.as_ref())?;
                Ok(done("Settings are reset.".to_owned()))
            }
            StatementKind::ShowSettings => Ok(done(self.show_settings())),
            StatementKind::Show(kind) => Ok(done(self.show_objects(*kind))),
            StatementKind::ShowFunctions { user } => Ok(done(self.show_functions(*user))),
            StatementKind::Describe(name) => self.describe(name),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            objects: &self.objects,
            allowed_lateness_ms: self.settings.allowed_lateness_ms(),
            next_window: Cell::new(1),
        }
    }

    fn create_view(&mut self, create: &CreateView) -> Result<Outcome, SqlError> {
        let name = create.name.resolved();
        if create.if_not_exists && self.objects.by_name.contains_key(&name) {
            return Ok(done(format!("View '{name}' exists already.")));
        }
        self.check_free(&create.name)?;
        let context = self.context();
        let rel = QueryBinder::new(&context).view(create)?;
        self.objects.by_name.insert(name.clone(), Object::View(Arc::new(rel)));
        Ok(done(format!("View '{name}' created.")))
    }

    fn check_free(&self, name: &ObjectName) -> Result<(), SqlError> {
        let resolved = name.resolved();
        let kind = match self.objects.by_name.get(&resolved) {
            None => return Ok(()),
            Some(Object::Table(_)) => "table",
            Some(Object::View(_)) => "view",
        };
        Err(SqlError::invalid(name.span, format!("a {kind} named '{resolved}' exists already"))
            .help("DROP it first, or write IF NOT EXISTS"))
    }

    fn drop_object(&mut self, kind: ObjectKind, name: &ObjectName, if_exists: bool) -> Result<Outcome, SqlError> {
        let resolved = name.resolved();
        let what = if kind == ObjectKind::Table { "table" } else { "view" };
        match (self.objects.by_name.get(&resolved), kind) {
            (Some(Object::Table(_)), ObjectKind::Table) | (Some(Object::View(_)), ObjectKind::View) => {
                self.objects.by_name.remove(&resolved);
                Ok(done(format!("Dropped {what} '{resolved}'.")))
            }
            _ if if_exists => Ok(done(format!("There is no {what} '{resolved}'."))),
            (Some(_), _) => {
                let other = if kind == ObjectKind::Table { "view" } else { "table" };
                Err(SqlError::invalid(name.span, format!("'{resolved}' is a {other}"))
                    .help(format!("write DROP {}", other.to_uppercase())))
            }
            (None, _) => {
                let help = did_you_mean(&resolved, self.objects.by_name.keys().map(String::as_str));
                Err(SqlError::invalid(name.span, format!("there is no {what} '{resolved}'")).help_with(help))
            }
        }
    }

    fn bind_inserts(&self, inserts: &[Insert]) -> Result<Vec<BoundInsert>, SqlError> {
        let context = self.context();
        let binder = QueryBinder::new(&context);
        inserts.iter().map(|insert| binder.insert(insert)).collect()
    }

    fn insert_graph(&self, inserts: &[BoundInsert], span: Span) -> Result<JobGraph, SqlError> {
        let mut graph = plan_inserts(inserts, self.settings.plan(&self.objects), span)?;
        graph.settings = self.settings.job(&self.job_name());
        Ok(graph)
    }

    fn query_graph(&self, query: &Query) -> Result<(JobGraph, crate::plan::Rel), SqlError> {
        let context = self.context();
        let rel = QueryBinder::new(&context).top_query(query)?;
        let mut graph = plan_query(&rel, query.limit, self.settings.plan(&self.objects), query.span)?;
        graph.settings = self.settings.job(&self.job_name());
        Ok((graph, rel))
    }

    fn job_name(&self) -> String {
        match self.jobs {
            0 => self.options.job_name.clone(),
            before => format!("{}-{}", self.options.job_name, before + 1),
        }
    }

    fn job(&mut self, inserts: &[Insert], span: Span) -> Result<Outcome, SqlError> {
        let bound = self.bind_inserts(inserts)?;
        let graph = self.insert_graph(&bound, span)?;
        self.jobs += 1;
        Ok(Outcome::Job(graph))
    }

    fn query(&mut self, query: &Query) -> Result<Outcome, SqlError> {
        let (graph, rel) = self.query_graph(query)?;
        self.jobs += 1;
        let sink = graph
            .nodes
            .iter()
            .position(|node| matches!(&node.operator, Operator::Sink(spec) if spec.connector == "collect"));
        let is_changelog = sink.is_some_and(|sink| graph.is_changelog(sink));
        Ok(Outcome::Query(QueryJob { is_changelog, graph, fields: rel.fields() }))
    }

    fn explain(&self, statement: &Statement) -> Result<Outcome, SqlError> {
        let (trees, graph) = match &statement.kind {
            StatementKind::Query(query) => {
                let (graph, rel) = self.query_graph(query)?;
                (vec![describe(&rel)], graph)
            }
            StatementKind::Insert(insert) => self.explain_inserts(std::slice::from_ref(insert), statement.span)?,
            StatementKind::StatementSet(inserts) => self.explain_inserts(inserts, statement.span)?,
            _ => return Err(SqlError::syntax(statement.span, "EXPLAIN takes a query, an INSERT or a statement set")),
        };
        let trees = trees.join("\n");
        Ok(Outcome::Explain(format!("== Abstract Syntax Tree ==\n{trees}\n== Optimized Execution Plan ==\n{graph}")))
    }

    fn explain_inserts(&self, inserts: &[Insert], span: Span) -> Result<(Vec<String>, JobGraph), SqlError> {
        let bound = self.bind_inserts(inserts)?;
        let graph = self.insert_graph(&bound, span)?;
        let trees = bound.iter().map(|insert| {
            let inner = describe(&insert.rows).lines().map(|line| format!("   {line}\n")).collect::<String>();
            format!("LogicalSink(table=[{}])\n{}", insert.sink.name, inner.replacen("   ", "+- ", 1))
        });
        Ok((trees.collect(), graph))
    }
}

fn done(text: String) -> Outcome {
    Outcome::Done(text)
}

/// Whether a script declares what only a server has (streams, indexes, functions), so that it runs there.
pub fn needs_streams(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match &statement.kind {
        StatementKind::CreateFunction(_) => true,
        StatementKind::CreateTable(create) => create
            .options
            .iter()
            .any(|(key, value)| key.value == "connector" && SERVER_CONNECTORS.contains(&value.value.as_str())),
        _ => false,
    })
}

/// Whether an error says that the text so far is the beginning of a statement, so that a prompt reads on.
pub fn is_incomplete(source: &str, error: &SqlError) -> bool {
    error.kind == ErrorKind::Syntax && error.span.start >= source.trim_end().len()
}
