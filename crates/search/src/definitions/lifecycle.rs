//! Lifecycle policies, of Index State Management (ISM): when an index is old or large enough to be deleted.
//!
//! An index's state follows from its age, its size and whether it was rolled over: from the default state on, a transition is
//! taken whose conditions hold, once the state's actions are done. That an index was rolled over is kept with its aliases, nothing
//! else is. A state rolls an alias over, deletes the index or does nothing; ISM's other actions are refused.

use super::limits::{Figures, Known, Limits, Measure};
use super::{allow, matches_any, read_patterns};
use crate::error::Error;
use millrace_base::Millis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a transition may ask.
const CONDITIONS: Known = &[
    ("min_index_age", Measure::age),
    ("min_doc_count", Measure::docs),
    ("min_size", Measure::bytes),
    ("min_rollover_age", Measure::rollover_age),
];
/// What a rollover may ask. There is one shard, which is as large as its index.
const ROLLOVER_CONDITIONS: Known = &[
    ("min_index_age", Measure::age),
    ("min_doc_count", Measure::docs),
    ("min_size", Measure::bytes),
    ("min_primary_shard_size", Measure::bytes),
];

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
    actions: Vec<Action>,
    transitions: Vec<Transition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Rollover(Rollover),
    Delete,
}

/// The action that rolls an index's alias over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollover {
    /// One of them is enough.
    pub limits: Limits,
    /// Whether the new index gets the other aliases of the old one, too.
    pub copy_alias: bool,
}

#[derive(Debug, Clone)]
struct Transition {
    to: String,
    limits: Limits,
}

/// What is to be done with an index now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing, until a transition's conditions hold.
    Nothing,
    /// The place of a rollover among its state's actions, and what it says.
    Rollover(usize, Rollover),
    /// It goes.
    Delete,
}

/// What a policy says of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The policy's id.
    pub policy: String,
    /// The state that the index is in.
    pub state: String,
    /// What is to be done with it.
    pub due: Due,
}

impl Transition {
    fn read(value: &Value) -> Result<Self, Error> {
        allow(value, &["state_name", "conditions"], "a transition")?;
        let to = value["state_name"].as_str().ok_or_else(|| Error::validation("a transition needs [state_name]"))?;
        let limits = Limits::read(&value["conditions"], CONDITIONS, "a transition's conditions")?;
        Ok(Self { to: to.to_owned(), limits })
    }
}

impl Action {
    fn read(value: &Value) -> Result<Self, Error> {
        let one = value.as_object().filter(|action| action.len() == 1).and_then(|action| action.iter().next());
        match one {
            Some((kind, what)) if kind == "delete" && what.as_object().is_some_and(Map::is_empty) => Ok(Self::Delete),
            Some((kind, what)) if kind == "rollover" => Rollover::read(what).map(Self::Rollover),
            // How often and how long an action is tried stands beside it.
            None => Err(Error::not_supported("an action of a policy that is no object with one member")),
            Some((kind, _)) => Err(Error::not_supported(format!("the action [{kind}] of a policy"))),
        }
    }
}

impl Rollover {
    fn read(value: &Value) -> Result<Self, Error> {
        let mut limits = value.as_object().cloned().ok_or_else(|| Error::parsing("[rollover] has to be an object"))?;
        let copy_alias = match limits.remove("copy_alias") {
            None => false,
            Some(Value::Bool(copy)) => copy,
            Some(other) => {
                return Err(Error::illegal_argument(format!("[copy_alias] is true or false, not [{other}]")));
            }
        };
        let limits = Limits::read(&Value::Object(limits), ROLLOVER_CONDITIONS, "[rollover]")?;
        match limits.pointless() {
            Some(name) => Err(Error::illegal_argument(format!("[{name}] of [rollover] must be greater than 0"))),
            None => Ok(Self { limits, copy_alias }),
        }
    }
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

    /// The state that an index is in, and what is to be done there. Circles end: no state is entered twice.
    fn state_of(&self, figures: Figures) -> (&str, Due) {
        let mut name = self.default_state.as_str();
        for _ in 0..=self.states.len() {
            let Some(state) = self.states.get(name) else { break };
            match state.due(figures) {
                Due::Nothing => {}
                due => return (name, due),
            }
            match state.transitions.iter().find(|transition| transition.limits.all(figures)) {
                Some(transition) => name = &transition.to,
                None => break,
            }
        }
        (name, Due::Nothing)
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
            state.actions.push(Action::read(action)?);
        }
        for transition in value["transitions"].as_array().into_iter().flatten() {
            state.transitions.push(Transition::read(transition)?);
        }
        Ok((name.to_owned(), state))
    }

    /// The first of its actions that is not done. A rollover is done once; a deletion has nothing behind it.
    fn due(&self, figures: Figures) -> Due {
        for (place, action) in self.actions.iter().enumerate() {
            match action {
                Action::Delete => return Due::Delete,
                Action::Rollover(rollover) if !figures.has_rolled => return Due::Rollover(place, rollover.clone()),
                Action::Rollover(_) => {}
            }
        }
        Due::Nothing
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

    /// What the policy of an index says of it; none for an index without one.
    pub fn judge(&self, index: &str, figures: Figures) -> Option<Verdict> {
        let wanting = self.all.iter().filter_map(|(id, policy)| Some((policy.wants(index)?, id, policy)));
        let (_, id, policy) = wanting.max_by_key(|(priority, id, _)| (*priority, *id))?;
        let (state, due) = policy.state_of(figures);
        Some(Verdict { policy: id.clone(), state: state.to_owned(), due })
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
            policies.judge("a-1", Figures { age_ms: days * DAY_MS, docs, bytes, ..Figures::default() })
        };
        let of = |state: &str, due| Some(Verdict { policy: "p".to_owned(), state: state.to_owned(), due });
        assert_eq!(state(1, 9, 9999), of("hot", Due::Nothing));
        assert_eq!(state(2, 4, 9999), of("warm", Due::Nothing));
        assert_eq!(state(2, 5, 1024), of("gone", Due::Delete));
        assert_eq!(state(14, 0, 0), of("gone", Due::Delete));
        assert!(policies.judge("b-1", Figures { age_ms: DAY_MS * 99, ..Figures::default() }).is_none());
        let kept = Policies::from_json(&policies.to_json()).unwrap();
        assert_eq!(kept.show("p"), policies.show("p"));
    }

    #[test]
    fn a_state_is_left_when_its_rollover_is_done() {
        let mut policies = Policies::default();
        let rollover = json!({"min_doc_count": 5, "min_primary_shard_size": "1kb", "copy_alias": true});
        let body = json!({"policy": {
            "default_state": "hot", "ism_template": {"index_patterns": ["a-*"]},
            "states": [
                {"name": "hot", "actions": [{"rollover": rollover}], "transitions": [
                    {"state_name": "gone", "conditions": {"min_rollover_age": "2d"}}]},
                {"name": "gone", "actions": [{"delete": {}}]}],
        }});
        policies.put("p", &body, None, 7).unwrap();
        let of = |figures| policies.judge("a-1", figures).map(|verdict| (verdict.state, verdict.due)).unwrap();
        let old = Figures { age_ms: 99 * DAY_MS, docs: 4, ..Figures::default() };
        let (state, Due::Rollover(0, rollover)) = of(old) else { panic!("{:?}", of(old)) };
        assert!(state == "hot" && rollover.copy_alias && !rollover.limits.any(old));
        assert!(rollover.limits.any(Figures { docs: 5, ..old }) && rollover.limits.any(Figures { bytes: 1024, ..old }));
        let rolled = Figures { has_rolled: true, rolled_ms: Some(DAY_MS), ..old };
        assert_eq!(of(rolled), ("hot".to_owned(), Due::Nothing));
        assert_eq!(of(Figures { rolled_ms: Some(2 * DAY_MS), ..rolled }), ("gone".to_owned(), Due::Delete));
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
            ("/policy/states/0/actions", json!([{"read_only": {}}])),
            ("/policy/states/0/actions", json!([{"rollover": {"max_docs": 1}}])),
            ("/policy/states/0/actions", json!([{"rollover": {"min_size": "0b"}}])),
            ("/policy/states/0/actions", json!([{"rollover": {"min_index_age": 7}}])),
            ("/policy/states/0/actions", json!([{"retry": {"count": 3}, "rollover": {}}])),
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
