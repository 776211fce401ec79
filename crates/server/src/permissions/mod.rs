//! Least privilege inside the process: what delivery streams, applications and functions may do is what their roles may, and what resources
//! say of themselves is found in their rooms.
//!
//! With `--auth off` nobody has verified who made a role, so nothing is asked.

use crate::domains::domain_names;
use async_trait::async_trait;
use millrace_access::{Authorizer, Credentials as Issued, Identities, Principal, PrincipalKind, SessionRequest, Tags};
use millrace_api::authorize::{Circumstances, Gate, Guard, Need, ResourceFacts, Via};
use millrace_base::{Arn, Clock, Millis, Scope};
use millrace_catalog::Catalog;
use millrace_functions::{Credentials, FunctionFinder, FunctionKey, FunctionVersion, Functions, RoleCredentials};
use millrace_log::{Log, StreamKey, TagStore};
use millrace_process::graph::{ConnectorSpec, JobGraph, Operator};
use millrace_queue::sns::{TopicKey, Topics};
use millrace_queue::{QueueKey, Queues};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// How long a function's credentials last, and how much of that a new process is to have at least: its age is bounded to less
/// (`millrace_functions::PROCESS_AGE_MAX`).
const SESSION_SECONDS: u32 = 12 * 3600;
const LEFT_MS_MIN: Millis = 6 * 3600 * 1000;

const FIREHOSE: &str = "firehose.amazonaws.com";
const LAMBDA: &str = "lambda.amazonaws.com";
const APPLICATIONS: &str = "kinesisanalytics.amazonaws.com";

/// What a stream is read and written with.
const READS: [&str; 4] =
    ["kinesis:DescribeStream", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"];
const WRITES: [&str; 1] = ["kinesis:PutRecords"];

/// What rooms know of their resources.
pub struct RoomFacts {
    /// Search domains, and tags of streams.
    pub catalog: Catalog,
    /// Streams.
    pub log: Arc<dyn Log>,
    /// Queues.
    pub queues: Queues,
    /// Topics.
    pub topics: Topics,
    /// Set when functions are open.
    pub functions: OnceLock<Functions>,
}

impl ResourceFacts for RoomFacts {
    fn policy(&self, arn: &str) -> Option<String> {
        let parsed: Arn = arn.parse().ok()?;
        match &*parsed.service {
            "sqs" => self.queues.queue(&QueueKey::of_arn(&parsed)?).ok()?.settings.policy.clone(),
            "sns" => self.topics.attributes(&TopicKey::of_arn(arn)?).ok()?.remove("Policy"),
            "lambda" => {
                let (name, qualifier) = function(&parsed)?;
                Some(self.functions.get()?.policy(&parsed.scope, name, qualifier).ok()?.policy)
            }
            _ => None,
        }
    }

    fn tags(&self, arn: &str) -> Option<Tags> {
        let parsed: Arn = arn.parse().ok()?;
        match &*parsed.service {
            "sqs" => Some(self.queues.queue(&QueueKey::of_arn(&parsed)?).ok()?.tags.clone()),
            "sns" => self.topics.tags(&TopicKey::of_arn(arn)?).ok(),
            "lambda" => self.functions.get()?.tags(&parsed.scope, arn).ok(),
            "kinesis" => {
                let name = parsed.resource.strip_prefix("stream/").filter(|name| !name.contains('/'))?;
                let stream = self.log.stream(&StreamKey { scope: parsed.scope.clone(), name: name.into() }).ok()?;
                TagStore::new(self.catalog.clone()).get(&TagStore::of_stream(&stream)).ok()
            }
            _ => None,
        }
    }

    fn domains(&self, scope: &Scope) -> Vec<String> {
        domain_names(&self.catalog, scope)
    }
}

/// Name and qualifier of a function's ARN.
fn function(arn: &Arn) -> Option<(&str, Option<&str>)> {
    let rest = arn.resource.strip_prefix("function:")?;
    Some(rest.split_once(':').map_or((rest, None), |(name, qualifier)| (name, Some(qualifier))))
}

/// What roles may do. Cheap to clone.
#[derive(Clone)]
pub struct Roles(Option<Arc<Gate>>);

impl Roles {
    /// Asks the policies in `identities`; `None` asks nothing.
    pub fn new(identities: Option<Identities>, facts: Arc<dyn ResourceFacts>, clock: Arc<dyn Clock>) -> Self {
        Self(identities.map(|identities| Arc::new(Gate { authorizer: Authorizer::new(identities), facts, clock })))
    }

    /// Whether `service`, acting for `source`, may do this in the name of `role`.
    fn check(&self, (service, source): (&str, &Arn), role: &str, action: &str, resource: &str) -> Result<(), String> {
        let Some(gate) = &self.0 else { return Ok(()) };
        let scope = &source.scope;
        let via = || Circumstances {
            secure: true,
            via: Some(Via {
                service: service.to_owned(),
                source_arn: Some(source.to_string()),
                source_account: Some(scope.account.to_string()),
            }),
            ..Circumstances::default()
        };
        let said = |fault: millrace_api::wire::Fault| fault.message;
        let assumes = Guard::new(gate.clone(), Principal::service(&scope.account, service), via());
        assumes.allow(scope, &Need::on("sts:AssumeRole", role)).map_err(said)?;
        let principal = session(gate.authorizer.identities(), role, &session_name(source))?;
        let guard = Guard::new(gate.clone(), principal, via());
        guard.allow(scope, &Need::on(action, resource)).map_err(said)
    }
}

impl Roles {
    /// Whether an application may read and write the streams of one of its jobs, and call its functions. Asked whenever the
    /// job is started or started again.
    pub fn check_job(&self, (scope, name): (&Scope, &str), role: &str, graph: &JobGraph) -> Result<(), String> {
        if self.0.is_none() {
            return Ok(());
        }
        let source = scope.arn("kinesisanalytics", &format!("application/{name}"));
        let check = |action: &str, resource: &str| self.check((APPLICATIONS, &source), role, action, resource);
        for node in &graph.nodes {
            match &node.operator {
                Operator::Source(table) => stream(scope, table)
                    .map_or(Ok(()), |stream| READS.iter().try_for_each(|action| check(action, &stream)))?,
                Operator::Sink(table) => stream(scope, table)
                    .map_or(Ok(()), |stream| WRITES.iter().try_for_each(|action| check(action, &stream)))?,
                Operator::ExternalCalls(calls) => {
                    calls.iter().try_for_each(|call| check("lambda:InvokeFunction", &call.function.lambda))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The ARN of the stream that a table stands for.
fn stream(scope: &Scope, table: &ConnectorSpec) -> Option<String> {
    let options = &table.options;
    if table.connector != "kinesis" {
        return None;
    }
    let named = || {
        let region = options.get("aws.region").map_or(&*scope.region, String::as_str);
        let scope = Scope::new(&scope.account, region);
        Some(scope.arn("kinesis", &format!("stream/{}", options.get("stream")?)).to_string())
    };
    options.get("stream.arn").cloned().or_else(named)
}

/// What a service calls its sessions after: the name of what it acts for.
fn session_name(source: &Arn) -> String {
    source.resource.rsplit(['/', ':']).next().unwrap_or_default().chars().take(64).collect()
}

/// A session of a role, as policies see it.
fn session(identities: &Identities, role_arn: &str, session: &str) -> Result<Principal, String> {
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    let role = identities.role(account, name).map_err(|error| error.to_string())?;
    let mut principal = Principal::root(account);
    principal.kind = PrincipalKind::Role { arn: role_arn.into(), name: name.into(), session: session.into() };
    principal.arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}").into();
    principal.user_id = format!("{}:{session}", role.id).into();
    Ok(principal)
}

impl millrace_deliver::Permits for Roles {
    fn check(&self, edge: &millrace_deliver::Edge<'_>) -> Result<(), String> {
        let source = edge.scope.arn("firehose", &format!("deliverystream/{}", edge.delivery));
        Roles::check(self, (FIREHOSE, &source), edge.role, edge.action, edge.resource)
    }
}

/// What functions' roles may do, and their credentials.
pub struct FunctionRoles {
    roles: Roles,
    functions: Functions,
    clock: Arc<dyn Clock>,
    /// By role and session name: processes of a function share what was handed out.
    issued: Mutex<HashMap<(String, String), Issued>>,
}

impl FunctionRoles {
    /// Over the functions whose roles are asked.
    pub fn new(roles: Roles, functions: Functions, clock: Arc<dyn Clock>) -> Self {
        Self { roles, functions, clock, issued: Mutex::default() }
    }

    fn role(&self, function: &FunctionKey, qualifier: Option<&str>) -> Option<String> {
        let qualifier = qualifier.filter(|qualifier| *qualifier != "$LATEST");
        self.functions.find(function, qualifier).map(|facts| facts.role)
    }

    fn kept(&self, key: &(String, String)) -> Option<Issued> {
        let now = self.clock.now();
        let mut issued = self.issued.lock();
        issued.retain(|_, one| one.expiration - now > LEFT_MS_MIN);
        issued.get(key).cloned()
    }
}

impl millrace_functions::Permits for FunctionRoles {
    fn check(&self, edge: &millrace_functions::Edge<'_>) -> Result<(), String> {
        // A function that is not there is a trouble that is told in other words.
        let Some(role) = self.role(edge.function, edge.qualifier) else { return Ok(()) };
        let source = edge.function.scope.arn("lambda", &format!("function:{}", edge.function.name));
        self.roles.check((LAMBDA, &source), &role, edge.action, edge.resource)
    }
}

#[async_trait]
impl Credentials for FunctionRoles {
    async fn of(&self, version: &FunctionVersion) -> Result<Option<RoleCredentials>, String> {
        let Some(gate) = &self.roles.0 else { return Ok(None) };
        let unassumable = |why: &str| format!("The role defined for the function cannot be assumed by Lambda. {why}");
        let role = self.role(&version.key, Some(&version.version)).ok_or_else(|| unassumable("It is not there."))?;
        let scope = &version.key.scope;
        let lambda = Guard::new(gate.clone(), Principal::service(&scope.account, LAMBDA), Circumstances::default());
        let assumed = lambda.allow(scope, &Need::on("sts:AssumeRole", role.as_str()));
        assumed.map_err(|fault| unassumable(&fault.message))?;
        let key = (role, version.key.name.chars().take(64).collect::<String>());
        let issued = match self.kept(&key) {
            Some(kept) => kept,
            None => {
                let (identities, asked) = (gate.authorizer.identities().clone(), key.clone());
                let issue = move || {
                    let (role_arn, name) = (asked.0.as_str(), asked.1.as_str());
                    let seconds = Some(SESSION_SECONDS);
                    let asked = SessionRequest { role_arn, name, seconds, ..SessionRequest::default() };
                    identities.session_for_service(asked)
                };
                let fresh =
                    tokio::task::spawn_blocking(issue).await.map_err(|error| unassumable(&error.to_string()))?;
                let fresh = fresh.map_err(|error| unassumable(&error.to_string()))?;
                self.issued.lock().insert(key, fresh.clone());
                fresh
            }
        };
        Ok(Some(RoleCredentials {
            access_key_id: issued.access_key_id,
            secret_access_key: issued.secret_access_key.expose().to_owned(),
            session_token: issued.session_token.expose().to_owned(),
        }))
    }
}
