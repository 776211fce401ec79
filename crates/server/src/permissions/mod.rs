//! Least privilege inside the process: what delivery streams, applications and functions may do is what their roles may, what SQL does is
//! what its author may, and what resources say of themselves is found in their rooms.
//!
//! With `--auth off` nobody has verified who made a role, so nothing is asked.

mod facts;
mod jobs;
mod passing;
mod subscribers;

pub use facts::RoomFacts;
pub use jobs::stream as stream_of;
pub use passing::Passing;
pub use subscribers::Subscribers;

use async_trait::async_trait;
use millrace_access::{Authorizer, Credentials as Issued, Identities, Principal, PrincipalKind, SessionRequest};
use millrace_api::authorize::{Circumstances, Gate, Guard, Need, Via};
use millrace_base::{Arn, Clock, Millis, Scope};
use millrace_functions::{Credentials, FunctionFinder, FunctionKey, FunctionVersion, Functions, RoleCredentials};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How long a function's credentials last, and how much of that a new process is to have at least: its age is bounded to less
/// (`millrace_functions::PROCESS_AGE_MAX`).
const SESSION_SECONDS: u32 = 12 * 3600;
const LEFT_MS_MIN: Millis = 6 * 3600 * 1000;

const FIREHOSE: &str = "firehose.amazonaws.com";
const LAMBDA: &str = "lambda.amazonaws.com";
const APPLICATIONS: &str = "kinesisanalytics.amazonaws.com";

/// Reading a stream that is sealed by a customer's key takes this on the key.
const OPENS: &str = "kms:Decrypt";
/// Writing one takes this.
const SEALS: &str = "kms:GenerateDataKey";

/// What roles may do. Cheap to clone.
#[derive(Clone)]
pub struct Roles(Option<Asked>);

#[derive(Clone)]
struct Asked {
    gate: Arc<Gate>,
    facts: Arc<RoomFacts>,
    /// The data folder, which files of SQL tables may lie in.
    data: PathBuf,
}

impl Roles {
    /// Asks the policies in `identities`; `None` asks nothing. `data`: the server's folder.
    pub fn new(identities: Option<Identities>, facts: Arc<RoomFacts>, clock: Arc<dyn Clock>, data: PathBuf) -> Self {
        Self(identities.map(|identities| {
            let gate = Arc::new(Gate { authorizer: Authorizer::new(identities), facts: facts.clone(), clock });
            Asked { gate, facts, data }
        }))
    }

    /// Whether `service`, acting for `source`, may do this in the name of `role`.
    fn check(&self, (service, source): (&str, &Arn), role: &str, action: &str, resource: &str) -> Result<(), String> {
        let Some(asked) = &self.0 else { return Ok(()) };
        let guard = guard(&asked.gate, (service, source), role)?;
        asked.allow(&guard, &source.scope, action, resource)
    }
}

impl Asked {
    /// Whether a guard lets something be done, with the key of a sealed stream, too.
    fn allow(&self, guard: &Guard, scope: &Scope, action: &str, resource: &str) -> Result<(), String> {
        guard.allow(scope, &Need::on(action, resource)).map_err(said)?;
        let on_key = match action {
            "kinesis:GetRecords" => OPENS,
            "kinesis:PutRecords" => SEALS,
            _ => return Ok(()),
        };
        let Some(key) = self.facts.key_of_stream(resource) else { return Ok(()) };
        let through = format!("kinesis.{}.amazonaws.com", scope.region);
        let need = Need::on(on_key, key).with("kms:viaservice", Some(&through));
        guard.allow(scope, &need.with("kms:encryptioncontext:aws:kinesis:arn", Some(resource))).map_err(said)
    }
}

fn said(fault: millrace_api::wire::Fault) -> String {
    fault.message
}

/// What a role may do that a service has assumed for one of its resources.
fn guard(gate: &Arc<Gate>, (service, source): (&str, &Arn), role: &str) -> Result<Guard, String> {
    let scope = &source.scope;
    let via = || circumstances(service, source);
    let assumes = Guard::new(gate.clone(), Principal::service(&scope.account, service), via());
    assumes.allow(scope, &Need::on("sts:AssumeRole", role)).map_err(said)?;
    let principal = session(gate.authorizer.identities(), role, &session_name(source))?;
    Ok(Guard::new(gate.clone(), principal, via()))
}

/// A service acts for one of its resources.
fn circumstances(service: &str, source: &Arn) -> Circumstances {
    Circumstances {
        secure: true,
        via: Some(Via {
            service: service.to_owned(),
            source_arn: Some(source.to_string()),
            source_account: Some(source.scope.account.to_string()),
        }),
        ..Circumstances::default()
    }
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
        let Some(Asked { gate, .. }) = &self.roles.0 else { return Ok(None) };
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
