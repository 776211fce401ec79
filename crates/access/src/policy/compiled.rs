//! A policy document, read once: what it says to a request.

use super::condition::Condition;
use super::context::Context;
use super::decide::Request;
use super::grammar::{Malformed, json, only, syntax, texts};
use super::operator::pattern_parts;
use super::pattern::{Pattern, Reading};
use super::principals::{Closeness, Principals};
use serde_json::{Map, Value};

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Permits.
    Allow,
    /// Forbids, whatever else permits.
    Deny,
}

/// A list that something is, or is not, to be in.
#[derive(Debug, Clone, PartialEq)]
struct Listed<T> {
    entries: T,
    /// True for `NotAction`, `NotResource` and `NotPrincipal`.
    not: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    /// Nothing in an identity's policy, which is about that identity.
    principals: Option<Listed<Principals>>,
    actions: Listed<Box<[Pattern]>>,
    /// Nothing in a role's trust policy, which is about that role.
    resources: Option<Listed<Box<[Pattern]>>>,
    conditions: Box<[Condition]>,
}

/// A policy document, read once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompiledPolicy {
    statements: Box<[Statement]>,
}

/// What a document says to a request: the strongest of what its statements say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Say {
    /// No statement is about it.
    Nothing,
    /// It is permitted, to somebody who is named this closely.
    Allow(Closeness),
    /// It is forbidden.
    Deny,
}

impl CompiledPolicy {
    /// Reads a document.
    pub fn new(document: &str) -> Result<Self, Malformed> {
        let Value::Object(policy) = json(document)? else { return Err(syntax("A policy is a JSON object.")) };
        only(&policy, &["Version", "Id", "Statement"], "A policy")?;
        if policy.get("Id").is_some_and(|id| !id.is_string()) {
            return Err(syntax("Id must be a text."));
        }
        // Variables came with the second version of the language; a document that does not say is of the first.
        let variables = match policy.get("Version") {
            Some(Value::String(version)) if version == "2012-10-17" => true,
            None => false,
            Some(Value::String(version)) if version == "2008-10-17" => false,
            Some(_) => return Err(syntax("")),
        };
        let statements = match policy.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement) => vec![statement],
            None => return Err(syntax("")),
        };
        let read = |statement: &Value| match statement {
            Value::Object(statement) => Statement::read(statement, variables),
            _ => Err(syntax("")),
        };
        Ok(Self { statements: statements.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// A document that forbids everything: what stands in place of one that cannot be read.
    pub fn forbidding() -> Self {
        let everything = || Listed { entries: Box::from([Pattern::new("*", GLOB)]), not: false };
        let statement = Statement {
            sid: Some("UnreadablePolicy".into()),
            effect: Effect::Deny,
            principals: None,
            actions: everything(),
            resources: None,
            conditions: Box::default(),
        };
        Self { statements: [statement].into() }
    }

    /// What the document says to `request`.
    pub(super) fn say(&self, request: &Request<'_>) -> Say {
        let mut said = Say::Nothing;
        for statement in &self.statements {
            // What could not change the answer is not looked at.
            let most = if statement.effect == Effect::Deny { Say::Deny } else { Say::Allow(Closeness::Itself) };
            if most <= said {
                continue;
            }
            said = said.max(statement.say(request));
            if said == Say::Deny {
                break;
            }
        }
        said
    }

    /// The statements that speak to `request`, by place or `Sid`, with what they do.
    pub fn matching(&self, request: &Request<'_>) -> Vec<(String, Effect)> {
        let speaking = self.statements.iter().enumerate().filter(|(_, one)| one.say(request) != Say::Nothing);
        let name = |at: usize, one: &Statement| one.sid.as_deref().map_or_else(|| (at + 1).to_string(), str::to_owned);
        speaking.map(|(at, one)| (name(at, one), one.effect)).collect()
    }
}

/// What a statement is made of.
const ELEMENTS: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
const GLOB: Reading = Reading { wildcards: true, variables: false };

impl Statement {
    fn read(statement: &Map<String, Value>, variables: bool) -> Result<Self, Malformed> {
        only(statement, ELEMENTS, "A statement")?;
        if statement.get("Sid").is_some_and(|sid| !sid.is_string()) {
            return Err(syntax("Sid must be a text."));
        }
        let effect = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(syntax("")),
        };
        let principals = match either(statement, "Principal", "NotPrincipal")? {
            Some((value, not)) => Some(Listed { entries: Principals::read(value)?, not }),
            None => None,
        };
        let (actions, not) = either(statement, "Action", "NotAction")?
            .ok_or_else(|| Malformed("Policy statement must contain actions.".to_owned()))?;
        let actions = Listed { entries: read_actions(actions)?, not };
        let resources = match either(statement, "Resource", "NotResource")? {
            Some((value, not)) => Some(Listed { entries: read_resources(value, variables)?, not }),
            None => None,
        };
        let conditions = match statement.get("Condition") {
            Some(conditions) => Condition::read_all(conditions, variables)?,
            None => Box::default(),
        };
        let sid = statement.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty()).map(Into::into);
        Ok(Self { sid, effect, principals, actions, resources, conditions })
    }

    fn say(&self, request: &Request<'_>) -> Say {
        let nothing: &dyn Context = request.context;
        let is_action = self.actions.entries.iter().any(|pattern| pattern.matches(request.lower_action, nothing));
        if is_action == self.actions.not {
            return Say::Nothing;
        }
        if let Some(resources) = &self.resources {
            let is_one = resources.entries.iter().any(|pattern| pattern.matches(request.resource, request.context));
            if is_one == resources.not {
                return Say::Nothing;
            }
        }
        let Some(closeness) = self.closeness(request) else { return Say::Nothing };
        if !self.conditions.iter().all(|condition| condition.holds(request.context)) {
            return Say::Nothing;
        }
        match self.effect {
            Effect::Allow => Say::Allow(closeness),
            Effect::Deny => Say::Deny,
        }
    }

    fn closeness(&self, request: &Request<'_>) -> Option<Closeness> {
        match &self.principals {
            None => Some(Closeness::Itself),
            Some(Listed { entries, not: false }) => entries.closeness(request.principal),
            Some(Listed { entries, not: true }) => {
                let out = entries.leaves_out(request.principal, self.effect == Effect::Deny);
                (!out).then_some(Closeness::Itself)
            }
        }
    }
}

/// The value of an element or of its opposite, and whether it is the opposite; both at once are refused.
fn either<'a>(
    statement: &'a Map<String, Value>,
    name: &str,
    opposite: &str,
) -> Result<Option<(&'a Value, bool)>, Malformed> {
    match (statement.get(name), statement.get(opposite)) {
        (Some(_), Some(_)) => Err(Malformed(format!("A statement has {name} or {opposite}, not both."))),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (None, None) => Ok(None),
    }
}

/// Actions are told apart without regard to case: they are kept in lower case, and asked for so.
fn read_actions(value: &Value) -> Result<Box<[Pattern]>, Malformed> {
    let read = |text: &String| {
        let is_one = text == "*" || text.split_once(':').is_some_and(|(vendor, _)| !vendor.is_empty());
        if !is_one {
            let message = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
            return Err(Malformed(message.to_owned()));
        }
        Ok(Pattern::new(&text.to_lowercase(), GLOB))
    };
    let actions = texts(value, "Action")?;
    if actions.is_empty() {
        return Err(Malformed("Policy statement must contain actions.".to_owned()));
    }
    actions.iter().map(read).collect()
}

/// ARNs or a star. What a resource's own policy says of others' resources is kept, and is about nothing.
fn read_resources(value: &Value, variables: bool) -> Result<Box<[Pattern]>, Malformed> {
    let reading = Reading { wildcards: true, variables };
    let read = |text: &String| {
        if !is_resource(text) {
            return Err(Malformed(format!("Resource {text} must be in ARN format or \"*\".")));
        }
        Ok(Pattern::new(text, reading))
    };
    let resources = texts(value, "Resource")?;
    if resources.is_empty() {
        return Err(Malformed("Policy statement must contain resources.".to_owned()));
    }
    resources.iter().map(read).collect()
}

/// A star, or the six parts of an ARN; a star at the end stands for the parts that are not written.
fn is_resource(text: &str) -> bool {
    let parts = pattern_parts(text);
    text == "*" || parts[0] == "arn" && (parts.len() == 6 || parts.len() > 1 && text.ends_with('*'))
}
