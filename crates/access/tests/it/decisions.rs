//! Every case in `tests/decisions/*.json`: policies, a request, and what AWS's documentation says the decision is.
//!
//! A file is a list of groups; a group has a principal, policies (`identity`, `boundary`, `session`, and one of `resource`,
//! `trust` and `key`) and requests. `expect` is `allowed`, or the words of the denial from which kind and reason follow.

use millrace_access::{
    CompiledPolicy, Decision, Denial, Facts, PolicyKind, PolicySet, Principal, PrincipalKind, Request, Rule, decide,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What issue 4 asks for at least.
const CASES_MIN: usize = 200;

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    title: String,
    principal: Who,
    #[serde(default)]
    identity: Vec<Value>,
    boundary: Option<Value>,
    session: Option<Vec<Value>>,
    resource: Option<Value>,
    trust: Option<Value>,
    key: Option<Value>,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
struct Who {
    account: String,
    user: Option<String>,
    role: Option<String>,
    session: Option<String>,
    service: Option<String>,
    #[serde(default)]
    root: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    action: String,
    resource: String,
    expect: String,
    #[serde(default)]
    context: BTreeMap<String, OneOrMany>,
    owner: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Who {
    fn principal(&self) -> Principal {
        let account = &*self.account;
        let mut principal = Principal::root(account);
        let (kind, arn, id) = match self {
            Self { root: true, .. } => return principal,
            Self { service: Some(service), .. } => return Principal::service(account, service),
            Self { user: Some(name), .. } => (
                PrincipalKind::User { name: name.as_str().into() },
                format!("arn:aws:iam::{account}:user/{name}"),
                "AIDAEXAMPLE".to_owned(),
            ),
            Self { role: Some(name), session, .. } => {
                let session = session.as_deref().expect("a role's session has a name");
                let arn = format!("arn:aws:iam::{account}:role/{name}").into();
                (
                    PrincipalKind::Role { arn, name: name.as_str().into(), session: session.into() },
                    format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
                    format!("AROAEXAMPLE:{session}"),
                )
            }
            _ => panic!("a principal is root, a user, a role or a service"),
        };
        (principal.kind, principal.arn, principal.user_id) = (kind, arn.into(), id.into());
        principal
    }
}

fn compiled(document: &Value) -> Arc<CompiledPolicy> {
    Arc::new(CompiledPolicy::new(&document.to_string()).unwrap_or_else(|error| panic!("{error}: {document}")))
}

fn expected(words: &str) -> Decision {
    let kind = |words: &str| match words {
        "identity-based policy" => PolicyKind::Identity,
        "resource-based policy" => PolicyKind::Resource,
        "permissions boundary" => PolicyKind::Boundary,
        "session policy" => PolicyKind::Session,
        "role trust policy" => PolicyKind::Trust,
        other => panic!("no kind of policy: {other}"),
    };
    if words == "allowed" {
        return Decision::Allowed;
    }
    if let Some(rest) = words.strip_prefix("no ") {
        return Decision::Denied(Denial { explicit: false, by: kind(rest) });
    }
    let rest = words.strip_prefix("explicit deny in ").expect("allowed, no …, or explicit deny in …");
    let rest = ["an ", "a ", "the "].iter().find_map(|article| rest.strip_prefix(article)).expect("an article");
    Decision::Denied(Denial { explicit: true, by: kind(rest) })
}

impl Group {
    /// The cases that go wrong.
    fn wrong(&self) -> Vec<String> {
        let principal = self.principal.principal();
        let policies = PolicySet {
            identity: self.identity.iter().map(compiled).collect(),
            boundary: self.boundary.as_ref().map(compiled),
            session: self.session.as_ref().map(|list| list.iter().map(compiled).collect()),
        };
        let (own, rule, kind) = match self {
            Self { trust: Some(trust), .. } => (Some(trust), Rule::MustAllow, PolicyKind::Trust),
            Self { key: Some(key), .. } => (Some(key), Rule::MustAllow, PolicyKind::Resource),
            Self { resource, .. } => (resource.as_ref(), Rule::MayAllow, PolicyKind::Resource),
        };
        let own = own.map(compiled);
        let mut wrong = Vec::new();
        for asked in &self.requests {
            let mut facts = Facts::default();
            for (key, values) in &asked.context {
                match values {
                    OneOrMany::One(value) => facts.put(key, vec![value.clone()]),
                    OneOrMany::Many(values) => facts.put(key, values.clone()),
                }
            }
            let owner = asked.resource.split(':').nth(4).filter(|account| !account.is_empty());
            let request = Request {
                principal: &principal,
                lower_action: &asked.action.to_lowercase(),
                resource: &asked.resource,
                owner: asked.owner.as_deref().or(owner).unwrap_or(&self.principal.account),
                context: &facts,
            };
            let decision = decide(&request, &policies, own.as_deref(), rule, kind);
            if decision != expected(&asked.expect) {
                let (title, action, resource) = (&self.title, &asked.action, &asked.resource);
                wrong.push(format!("{title}: {action} on {resource}: expected {}, got {decision:?}", asked.expect));
            }
        }
        wrong
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "cases are read from the source tree")]
fn every_case_is_decided_as_aws_documents_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions");
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file: File = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for group in &file.groups {
            cases += group.requests.len();
            wrong.extend(group.wrong());
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= CASES_MIN, "{cases} cases");
}

#[test]
fn a_denial_is_said_in_awss_words() {
    let arn = "arn:aws:iam::111111111111:user/ann";
    let stream = "arn:aws:kinesis:us-east-1:111111111111:stream/orders";
    let lacking = Denial { explicit: false, by: PolicyKind::Identity };
    assert_eq!(
        lacking.message(arn, "kinesis:PutRecord", stream),
        format!(
            "User: {arn} is not authorized to perform: kinesis:PutRecord on resource: {stream} because no \
             identity-based policy allows the kinesis:PutRecord action"
        )
    );
    let forbidden = Denial { explicit: true, by: PolicyKind::Resource };
    assert_eq!(
        forbidden.message(arn, "kinesis:ListStreams", "*"),
        format!(
            "User: {arn} is not authorized to perform: kinesis:ListStreams with an explicit deny in a resource-based policy"
        )
    );
}

#[test]
fn what_is_no_policy_is_refused() {
    let refused = |document: &str| CompiledPolicy::new(document).unwrap_err().to_string();
    assert_eq!(refused("{"), "This policy contains invalid Json");
    let with = |condition: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{condition}}}}}"#)
    };
    assert!(refused(&with(r#"{"StringSounds":{"a":"b"}}"#)).contains("StringSounds"));
    assert!(refused(&with(r#"{"NullIfExists":{"a":"true"}}"#)).contains("NullIfExists"));
    assert!(refused(&with(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/40"}}"#)).contains("10.0.0.0/40"));
    assert!(refused(&with(r#"{"NumericLessThan":{"a":"few"}}"#)).contains("few"));
    assert!(refused(r#"{"Statement":{"Effect":"Allow","Action":"everything","Resource":"*"}}"#).contains("vendor"));
    assert!(refused(r#"{"Statement":{"Effect":"Allow","Action":"a:*","NotAction":"b:*"}}"#).contains("not both"));
}
