//! Lifecycle policies, of Index State Management (ISM): when an index is old or large enough to be deleted.
//!
//! An index's state follows from its age and size alone: from the default state on, a transition is taken whose conditions hold.
//! Nothing about it is kept. A state deletes the index or does nothing; ISM's other actions are refused.

use super::{allow, matches_any, read_patterns};
use crate::error::Error;
use crate::index::parse_interval;
use millrace_base::Millis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What conditions ask about an index.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Milliseconds since its creation.
    pub age_ms: i64,
    /// Its documents.
    pub docs: u64,
    /// Its bytes on disk.
    pub bytes: u64,
}

/// Policies by their ids.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    all: BTreeMap<String, Policy>,
    /// The sequence number of the next change.
    next_seq: u64,
}

#[derive(Debug, Clone)]
struct Policy {
    body: Value,
    seq_no: u64,
    updated: Millis,
    patterns: Vec<(u64, Vec<String>)>,
    default_state: String,
    states: BTreeMap<String, State>,
}

#[derive(Debug, Clone, Default)]
struct State {
    deletes: bool,
    transitions: Vec<Transition>,
}

#[derive(Debug, Clone)]
struct Transition {
    to: String,
    age_ms: Option<i64>,
    docs: Option<u64>,
    bytes: Option<u64>,
}

impl Transition {
    fn read(value: &Value) -> Result<Self, Error> {
        allow(value, &["state_name", "conditions"], "a transition")?;
        let to = value["state_name"].as_str().ok_or_else(|| Error::validation("a transition needs [state_name]"))?;
        let mut out = Self { to: to.to_owned(), age_ms: None, docs: None, bytes: None };
        let conditions = value.get("conditions").filter(|conditions| !conditions.is_null());
        let Some(conditions) = conditions else { return Ok(out) };
        allow(conditions, &["min_index_age", "min_doc_count", "min_size"], "a transition's conditions")?;
        let wrong = |key: &str| Error::illegal_argument(format!("[{key}] cannot be read: [{}]", conditions[key]));
        for key in conditions.as_object().into_iter().flat_map(Map::keys) {
            let text = conditions[key].as_str();
            match key.as_str() {
                "min_index_age" => {
                    let age = text.and_then(parse_interval).filter(|age| *age >= 0);
                    out.age_ms = Some(age.ok_or_else(|| wrong(key))?);
                }
                "min_doc_count" => out.docs = Some(conditions[key].as_u64().ok_or_else(|| wrong(key))?),
                _ => out.bytes = Some(text.and_then(parse_bytes).ok_or_else(|| wrong(key))?),
            }
        }
        Ok(out)
    }

    fn holds(&self, of: Figures) -> bool {
        self.age_ms.is_none_or(|age| of.age_ms >= age)
            && self.docs.is_none_or(|docs| of.docs >= docs)
            && self.bytes.is_none_or(|bytes| of.bytes >= bytes)
    }
}

/// `50gb`, `10mb`, `7b`.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "b" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Policy {
    fn read(body: &Value, seq_no: u64, updated: Millis) -> Result<Self, Error> {
        allow(
            body,
            &[
                "description",
                "default_state",
                "states",
                "ism_template",
                "schema_version",
                "policy_id",
                "last_updated_time",
            ],
            "a policy",
        )?;
        let mut states = BTreeMap::new();
        for state in body["states"].as_array().into_iter().flatten() {
            let (name, state) = State::read(state)?;
            states.insert(name, state);
        }
        let default_state = body["default_state"].as_str().unwrap_or_default().to_owned();
        let targets = states.values().flat_map(|state: &State| state.transitions.iter().map(|one| &one.to));
        if let Some(unknown) = targets.chain([&default_state]).find(|name| !states.contains_key(*name)) {
            return Err(Error::illegal_argument(format!("the policy has no state [{unknown}], which it names")));
        }
        let templates = match &body["ism_template"] {
            Value::Null => Vec::new(),
            Value::Array(many) => many.clone(),
            one => vec![one.clone()],
        };
        let read = |template: &Value| {
            allow(template, &["index_patterns", "priority", "last_updated_time"], "[ism_template]")?;
            let priority = template["priority"].as_u64().unwrap_or_default();
            Ok((priority, read_patterns(&template["index_patterns"], "[ism_template]")?))
        };
        let patterns = templates.iter().map(read).collect::<Result<_, Error>>()?;
        Ok(Self { body: body.clone(), seq_no, updated, patterns, default_state, states })
    }

    /// With which priority it wants an index.
    fn wants(&self, index: &str) -> Option<u64> {
        let fits = self.patterns.iter().filter(|(_, of)| matches_any(of.iter().map(String::as_str), index));
        fits.map(|(priority, _)| *priority).max()
    }

    /// The state that an index is in. Circles end: no state is entered twice.
    fn state_of(&self, figures: Figures) -> (&str, bool) {
        let mut name = self.default_state.as_str();
        for _ in 0..=self.states.len() {
            let Some(state) = self.states.get(name).filter(|state| !state.deletes) else { break };
            match state.transitions.iter().find(|transition| transition.holds(figures)) {
                Some(transition) => name = &transition.to,
                None => break,
            }
        }
        (name, self.states.get(name).is_some_and(|state| state.deletes))
    }

    fn shown(&self, id: &str) -> Value {
        let mut policy = self.body.clone();
        policy["policy_id"] = json!(id);
        policy["last_updated_time"] = json!(self.updated);
        json!({"_id": id, "_version": 1, "_seq_no": self.seq_no, "_primary_term": 1, "policy": policy})
    }
}

impl State {
    fn read(value: &Value) -> Result<(String, Self), Error> {
        allow(value, &["name", "actions", "transitions"], "a state")?;
        let name = value["name"].as_str().ok_or_else(|| Error::validation("a state needs a [name]"))?;
        let mut state = Self::default();
        for action in value["actions"].as_array().into_iter().flatten() {
            match action.as_object().and_then(|action| action.iter().next()) {
                Some((kind, what)) if kind == "delete" && what.as_object().is_some_and(Map::is_empty) => {
                    state.deletes = true
                }
                Some((kind, _)) => return Err(Error::not_supported(format!("the action [{kind}] of a policy"))),
                None => return Err(Error::parsing("an action is an object with one member")),
            }
        }
        for transition in value["transitions"].as_array().into_iter().flatten() {
            state.transitions.push(Transition::read(transition)?);
        }
        Ok((name.to_owned(), state))
    }
}

impl Policies {
    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let mut out = Self { all: BTreeMap::new(), next_seq: 0 };
        for (id, kept) in value.as_object().into_iter().flatten() {
            let seq_no = kept["seq_no"].as_u64().unwrap_or_default();
            out.next_seq = out.next_seq.max(seq_no + 1);
            let updated = kept["updated"].as_i64().unwrap_or_default();
            out.all.insert(id.clone(), Policy::read(&kept["policy"], seq_no, updated)?);
        }
        Ok(out)
    }

    /// `{ID: {"policy", "seq_no", "updated"}}`.
    pub fn to_json(&self) -> Value {
        let kept = |policy: &Policy| json!({"policy": policy.body, "seq_no": policy.seq_no, "updated": policy.updated});
        self.all.iter().map(|(id, policy)| (id.clone(), kept(policy))).collect::<Map<_, _>>().into()
    }

    /// True when no index has a policy.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Keeps a policy. One that is there is only replaced by who names its sequence number.
    pub fn put(&mut self, id: &str, body: &Value, if_seq_no: Option<u64>, now: Millis) -> Result<Value, Error> {
        let known = self.all.get(id).map(|policy| policy.seq_no);
        if known != if_seq_no {
            let why = match known {
                Some(known) => format!("current version has seqNo [{known}], name it by if_seq_no and if_primary_term"),
                None => "the policy does not exist".to_owned(),
            };
            return Err(Error::version_conflict(".opendistro-ism-config", id, &why));
        }
        allow(body, &["policy"], "the request")?;
        let policy = Policy::read(&body["policy"], self.next_seq, now)?;
        let shown = policy.shown(id);
        self.next_seq += 1;
        self.all.insert(id.to_owned(), policy);
        Ok(shown)
    }

    /// Removes a policy; whether it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        self.all.remove(id).is_some()
    }

    /// A policy as OpenSearch shows it.
    pub fn show(&self, id: &str) -> Option<Value> {
        self.all.get(id).map(|policy| policy.shown(id))
    }

    /// All of them.
    pub fn show_all(&self) -> Vec<Value> {
        self.all.iter().map(|(id, policy)| policy.shown(id)).collect()
    }

    /// The policy of an index, the state that it is in, and whether that deletes it.
    pub fn judge(&self, index: &str, figures: Figures) -> Option<(&str, &str, bool)> {
        let wanting = self.all.iter().filter_map(|(id, policy)| Some((policy.wants(index)?, id, policy)));
        let (_, id, policy) = wanting.max_by_key(|(priority, id, _)| (*priority, *id))?;
        let (state, deletes) = policy.state_of(figures);
        Some((id, state, deletes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn policy() -> Value {
        json!({"policy": {
            "description": "two days hot, then warm, gone after two weeks or when large", "default_state": "hot",
            "states": [
                {"name": "hot", "actions": [], "transitions": [{"state_name": "warm", "conditions": {"min_index_age": "2d"}}]},
                {"name": "warm", "actions": [], "transitions": [
                    {"state_name": "gone", "conditions": {"min_index_age": "14d"}},
                    {"state_name": "gone", "conditions": {"min_size": "1kb", "min_doc_count": 5}}]},
                {"name": "gone", "actions": [{"delete": {}}], "transitions": []}],
            "ism_template": {"index_patterns": ["a-*"], "priority": 3},
        }})
    }

    #[test]
    fn an_index_goes_from_state_to_state() {
        let mut policies = Policies::default();
        policies.put("p", &policy(), None, 7).unwrap();
        let state = |days: i64, docs, bytes| {
            let figures = Figures { age_ms: days * DAY_MS, docs, bytes };
            policies.judge("a-1", figures).map(|(id, state, deletes)| (id.to_owned(), state.to_owned(), deletes))
        };
        let of = |state: &str, deletes| Some(("p".to_owned(), state.to_owned(), deletes));
        assert_eq!(state(1, 9, 9999), of("hot", false));
        assert_eq!(state(2, 4, 9999), of("warm", false));
        assert_eq!(state(2, 5, 1024), of("gone", true));
        assert_eq!(state(14, 0, 0), of("gone", true));
        assert!(policies.judge("b-1", Figures { age_ms: DAY_MS * 99, docs: 0, bytes: 0 }).is_none());
        let kept = Policies::from_json(&policies.to_json()).unwrap();
        assert_eq!(kept.show("p"), policies.show("p"));
    }

    #[test]
    fn a_policy_is_replaced_by_who_has_seen_it() {
        let mut policies = Policies::default();
        assert_eq!(policies.put("p", &policy(), None, 7).unwrap()["_seq_no"], 0);
        assert_eq!(policies.put("p", &policy(), None, 7).unwrap_err().status, 409);
        assert_eq!(policies.put("p", &policy(), Some(0), 7).unwrap()["_seq_no"], 1);
        assert!(policies.remove("p") && policies.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut policies = Policies::default();
        for (place, wrong) in [
            ("/policy/default_state", json!("none")),
            ("/policy/states/0/actions", json!([{"rollover": {"min_size": "1gb"}}])),
            ("/policy/states/0/transitions/0/conditions", json!({"cron": {}})),
            ("/policy/states/0/transitions/0/conditions", json!({"min_index_age": "soon"})),
            ("/policy/states/1/transitions/1/conditions/min_size", json!("5")),
            ("/policy/states/0/transitions/0/state_name", json!("cold")),
            ("/policy/ism_template/index_patterns", json!([])),
        ] {
            let mut body = policy();
            *body.pointer_mut(place).unwrap() = wrong;
            assert!(policies.put("p", &body, None, 0).is_err(), "{place}");
        }
    }
}
