//! All alarms: kept in the catalog, looked at step by step, and what they are to do when they change.
//!
//! # Durability
//! A change of state, its line in the history and the actions that follow from it are one transaction of the catalog. An
//! action is taken off the list when it was carried out: after a crash it is carried out again rather than forgotten.

use super::check::{SETTLE_MS, check};
use super::definition::{Alarm, Status, Suppressed, SuppressedBy, Watches};
use super::history::{self, HistoryItem, HistoryKind};
use super::mute::{MuteRule, MuteStatus};
use super::rule::AlarmRule;
use super::{AlarmState, words};
use crate::math::Plan;
use crate::metrics::Metrics;
use millrace_base::{Arn, Clock, Dice, Millis, Scope};
use millrace_catalog::{Catalog, CatalogError, Transaction};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const ALARMS: &str = "alarms";
const MUTES: &str = "alarm-mute-rules";
const PENDING: &str = "alarm-actions";
/// How often an alarm is looked at within one of its periods.
const LOOK_EVERY_MS: Millis = 5_000;
/// Composite alarms over composite alarms settle within so many rounds; a loop does not settle.
const ROUNDS_MAX: usize = 8;
/// Changes since `Alarms` was opened, `SetAlarmState` and all; AWS allows 5,000 alarms in a region.
pub const ALARMS_MAX: usize = 5_000;

/// What alarms stand on.
pub struct AlarmsParts {
    /// Where they are kept.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of actions.
    pub dice: Arc<dyn Dice>,
    /// What they watch.
    pub metrics: Metrics,
}

/// All alarms. Cheap to clone.
#[derive(Clone)]
pub struct Alarms {
    shared: Arc<Shared>,
}

struct Shared {
    parts: AlarmsParts,
    alarms: Mutex<BTreeMap<(Scope, Arc<str>), Watched>>,
}

/// An alarm, and what is made of its definition.
struct Watched {
    alarm: Alarm,
    what: What,
    /// When it was last looked at, and up to which period.
    looked: Option<(Millis, Millis)>,
}

enum What {
    Plan(Plan),
    Rule(AlarmRule),
}

/// An action that is to be carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingAction {
    /// Its own id.
    pub id: String,
    /// Whose.
    pub scope: Scope,
    /// The alarm's name.
    pub alarm: Arc<str>,
    /// Whether that is a composite alarm.
    pub is_composite: bool,
    /// An ARN or an address.
    pub action: String,
    /// What topics, queues and webhooks get.
    pub notification: Value,
    /// What functions get.
    pub event: Value,
    /// When the alarm changed.
    pub since: Millis,
}

/// Why something about an alarm cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// The definition has no meaning.
    #[error("{0}")]
    Invalid(String),
    /// There are too many.
    #[error("The maximum number of alarms ({ALARMS_MAX} in an account and region) is reached.")]
    TooMany,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

impl Alarms {
    /// Opens all alarms as they were.
    pub fn open(parts: AlarmsParts) -> Result<Self, AlarmError> {
        let mut alarms = BTreeMap::new();
        for (_, alarm) in parts.catalog.list::<Alarm>(ALARMS, "")? {
            let what = understand(&alarm)?;
            alarms.insert((alarm.scope.clone(), alarm.name.clone()), Watched { alarm, what, looked: None });
        }
        Ok(Self { shared: Arc::new(Shared { parts, alarms: Mutex::new(alarms) }) })
    }

    fn now(&self) -> Millis {
        self.shared.parts.clock.now()
    }

    fn catalog(&self) -> &Catalog {
        &self.shared.parts.catalog
    }

    /// Defines an alarm. One of the same name keeps its state and tags, as on AWS.
    pub fn put(&self, mut alarm: Alarm) -> Result<(), AlarmError> {
        let what = understand(&alarm)?;
        let now = self.now();
        let mut alarms = self.shared.alarms.lock();
        let place = (alarm.scope.clone(), alarm.name.clone());
        let former = alarms.get(&place);
        if former.is_none() && alarms.keys().filter(|(scope, _)| *scope == alarm.scope).count() >= ALARMS_MAX {
            return Err(AlarmError::TooMany);
        }
        if let (Watches::Composite(_), What::Rule(rule)) = (&alarm.watches, &what) {
            check_children(&alarms, &alarm, rule)?;
        }
        let verb = if let Some(former) = former {
            alarm.status = former.alarm.status.clone();
            alarm.tags.clone_from(&former.alarm.tags);
            "updated"
        } else {
            alarm.status = Status::unchecked(now);
            "created"
        };
        alarm.configured = now;
        let summary = format!("Alarm \"{}\" {verb}", alarm.name);
        self.catalog().update(|transaction| {
            transaction.put(ALARMS, &key(&alarm.scope, &alarm.name), &alarm)?;
            self.remember(transaction, &alarm, HistoryKind::ConfigurationUpdate, summary, json!({"type": verb}))
        })?;
        alarms.insert(place, Watched { alarm, what, looked: None });
        Ok(())
    }

    /// Removes alarms. One that is not there is no error; one that a composite alarm names is, unless that goes too.
    pub fn delete(&self, scope: &Scope, names: &[String]) -> Result<(), AlarmError> {
        let mut alarms = self.shared.alarms.lock();
        let goes = |name: &str| names.iter().any(|gone| gone == name);
        for (_, watched) in alarms.iter().filter(|((owner, name), _)| owner == scope && !goes(name)) {
            if let What::Rule(rule) = &watched.what
                && let Some(child) = rule.children().into_iter().find(|child| goes(name_of(child)))
            {
                return Err(AlarmError::Invalid(format!(
                    "Alarm {} cannot be deleted: the composite alarm {} depends on it",
                    name_of(child),
                    watched.alarm.name
                )));
            }
        }
        self.catalog().update(|transaction| {
            for name in names {
                if let Some(watched) = alarms.get(&(scope.clone(), name.as_str().into())) {
                    let summary = format!("Alarm \"{name}\" deleted");
                    let kind = HistoryKind::ConfigurationUpdate;
                    self.remember(transaction, &watched.alarm, kind, summary, json!({"type": "deleted"}))?;
                    transaction.delete(ALARMS, &key(scope, name))?;
                }
            }
            Ok::<_, CatalogError>(())
        })?;
        for name in names {
            alarms.remove(&(scope.clone(), name.as_str().into()));
        }
        Ok(())
    }

    /// A scope's alarms, by name.
    pub fn list(&self, scope: &Scope) -> Vec<Alarm> {
        let alarms = self.shared.alarms.lock();
        let own = alarms.iter().filter(|((owner, _), _)| owner == scope);
        own.map(|(_, watched)| watched.alarm.clone()).collect()
    }

    /// One alarm.
    pub fn get(&self, scope: &Scope, name: &str) -> Result<Alarm, AlarmError> {
        let alarms = self.shared.alarms.lock();
        let found = alarms.get(&(scope.clone(), name.into())).map(|watched| watched.alarm.clone());
        found.ok_or_else(|| AlarmError::NotFound(format!("Alarm {name} does not exist")))
    }

    /// Changes what is not a definition: tags, and whether actions are enabled.
    pub fn change(&self, scope: &Scope, name: &str, change: impl FnOnce(&mut Alarm)) -> Result<(), AlarmError> {
        let mut alarms = self.shared.alarms.lock();
        let watched = alarms.get_mut(&(scope.clone(), name.into()));
        let watched = watched.ok_or_else(|| AlarmError::NotFound(format!("Alarm {name} does not exist")))?;
        let mut alarm = watched.alarm.clone();
        change(&mut alarm);
        self.catalog().put(ALARMS, &key(scope, name), &alarm)?;
        watched.alarm = alarm;
        Ok(())
    }

    /// Sets a state by hand, until the next look.
    pub fn set_state(
        &self,
        scope: &Scope,
        name: &str,
        state: AlarmState,
        reason: String,
        reason_data: Option<String>,
    ) -> Result<(), AlarmError> {
        let mut alarms = self.shared.alarms.lock();
        let states = states(&alarms);
        let watched = alarms.get_mut(&(scope.clone(), name.into()));
        let watched = watched.ok_or_else(|| AlarmError::NotFound(format!("Alarm {name} does not exist")))?;
        let now = self.now();
        self.transition(watched, &states, state, reason, reason_data, now)?;
        // It stays for a moment, so that whoever set it can see what follows.
        watched.looked = watched.looked.map(|(_, slot)| (now, slot)).or(Some((now, Millis::MIN)));
        Ok(())
    }

    /// Looks at every alarm whose time has come, and changes states. To be called every second.
    pub fn step(&self) -> Result<(), AlarmError> {
        let now = self.now();
        let mut alarms = self.shared.alarms.lock();
        let before = states(&alarms);
        for watched in alarms.values_mut() {
            self.look(watched, &before, now)?;
        }
        for _ in 0..ROUNDS_MAX {
            let states = states(&alarms);
            let mut changed = false;
            for watched in alarms.values_mut() {
                changed |= self.look_at_rule(watched, &states, now)?;
            }
            if !changed {
                break;
            }
        }
        let states = states(&alarms);
        for watched in alarms.values_mut() {
            self.release(watched, &states, now)?;
        }
        Ok(())
    }

    fn look(&self, watched: &mut Watched, states: &States, now: Millis) -> Result<(), AlarmError> {
        let (Watches::Metric(metric), What::Plan(plan)) = (&watched.alarm.watches, &watched.what) else {
            return Ok(());
        };
        let slot = (now - SETTLE_MS).div_euclid(plan.period_ms());
        if watched.looked.is_some_and(|(at, known)| known == slot && now < at + LOOK_EVERY_MS) {
            return Ok(());
        }
        watched.looked = Some((now, slot));
        let found = check(metric, plan, &watched.alarm.scope, &self.shared.parts.metrics, now);
        match found.evaluated.state {
            Some(state) if state != watched.alarm.status.state => {
                self.transition(watched, states, state, found.reason, Some(found.reason_data), now)
            }
            _ => Ok(()),
        }
    }

    fn look_at_rule(&self, watched: &mut Watched, states: &States, now: Millis) -> Result<bool, AlarmError> {
        let What::Rule(rule) = &watched.what else { return Ok(false) };
        let scope = watched.alarm.scope.clone();
        let of = |child: &str| states.get(&(scope.clone(), name_of(child).into())).copied();
        let state = if rule.holds(&of) { AlarmState::Alarm } else { AlarmState::Ok };
        if state == watched.alarm.status.state {
            return Ok(false);
        }
        let children = rule.children();
        let told =
            |child: &&str| json!({"arn": arn_of(&scope, child), "state": {"value": of(child).map(AlarmState::word)}});
        let triggering: Vec<Value> = children.iter().map(told).collect();
        let named: Vec<String> = children.iter().map(|child| arn_of(&scope, child)).collect();
        let reason = format!("{} transitioned to {state} by the states of {}", watched.alarm.arn(), named.join(", "));
        let data = json!({"triggeringAlarms": triggering}).to_string();
        self.transition(watched, states, state, reason, Some(data), now)?;
        Ok(true)
    }

    /// Changes a state: the alarm, its history and its actions in one transaction.
    fn transition(
        &self,
        watched: &mut Watched,
        states: &States,
        state: AlarmState,
        reason: String,
        reason_data: Option<String>,
        now: Millis,
    ) -> Result<(), AlarmError> {
        let mut alarm = watched.alarm.clone();
        let previous = alarm.status.clone();
        let changes = previous.state != state;
        let transitioned = if changes { now } else { previous.transitioned };
        alarm.status = Status { state, reason, reason_data, updated: now, transitioned, suppressed: None };
        let held = if changes { held_back(&alarm, states, now) } else { None };
        alarm.status.suppressed.clone_from(&held);
        let acts = changes && held.is_none();
        let data = json!({"version": "1.0", "oldState": told(&previous), "newState": told(&alarm.status)});
        let summary = format!("Alarm updated from {} to {state}", previous.state);
        self.catalog().update(|transaction| {
            transaction.put(ALARMS, &key(&alarm.scope, &alarm.name), &alarm)?;
            if changes {
                self.remember(transaction, &alarm, HistoryKind::StateUpdate, summary, data)?;
            }
            if acts { self.act(transaction, &alarm, &previous, now) } else { Ok(()) }
        })?;
        watched.alarm = alarm;
        Ok(())
    }

    /// Puts the actions of the present state on the list.
    fn act(
        &self,
        transaction: &mut Transaction<'_>,
        alarm: &Alarm,
        previous: &Status,
        now: Millis,
    ) -> Result<(), CatalogError> {
        let actions = alarm.actions_of(alarm.status.state);
        if !alarm.actions_enabled || actions.is_empty() {
            return Ok(());
        }
        if let Some(rule) = self.muting(&alarm.scope, &alarm.name, now)? {
            let summary = format!("Actions were muted by the rule \"{rule}\"");
            return self.remember(transaction, alarm, HistoryKind::Action, summary, json!({"mutedBy": rule}));
        }
        for action in actions {
            let pending = PendingAction {
                id: format!("{now:015}-{}", self.shared.parts.dice.uuid()),
                scope: alarm.scope.clone(),
                alarm: alarm.name.clone(),
                is_composite: matches!(alarm.watches, Watches::Composite(_)),
                action: action.clone(),
                notification: words::notification(alarm, previous),
                event: words::event(alarm, previous),
                since: now,
            };
            transaction.put(PENDING, &pending.id, &pending)?;
        }
        Ok(())
    }

    /// Moves a composite alarm's suppression on, and acts when nothing keeps its actions back any more.
    fn release(&self, watched: &mut Watched, states: &States, now: Millis) -> Result<(), AlarmError> {
        let Some(held) = &watched.alarm.status.suppressed else { return Ok(()) };
        let mut alarm = watched.alarm.clone();
        let next = still_held(&alarm, held, states, now);
        if next.as_ref() == Some(held) {
            return Ok(());
        }
        alarm.status.suppressed.clone_from(&next);
        self.catalog().update(|transaction| {
            transaction.put(ALARMS, &key(&alarm.scope, &alarm.name), &alarm)?;
            if next.is_none() { self.act(transaction, &alarm, &alarm.status, now) } else { Ok(()) }
        })?;
        watched.alarm = alarm;
        Ok(())
    }

    /// Actions that are to be carried out, the oldest first.
    pub fn pending(&self) -> Result<Vec<PendingAction>, AlarmError> {
        Ok(self.catalog().list(PENDING, "")?.into_iter().map(|(_, action)| action).collect())
    }

    /// Notes how an action went, for good: it is not carried out again.
    pub fn acted(&self, action: &PendingAction, outcome: &Result<(), String>) -> Result<(), AlarmError> {
        let (summary, data) = match outcome {
            Ok(()) => (format!("Successfully executed action {}", action.action), json!({"actionState": "Succeeded"})),
            Err(error) => (
                format!("Failed to execute action {}. Received error: \"{error}\"", action.action),
                json!({"actionState": "Failed", "error": error}),
            ),
        };
        let item = HistoryItem {
            alarm: action.alarm.clone(),
            is_composite: action.is_composite,
            at: self.now(),
            kind: HistoryKind::Action,
            summary,
            data: data.to_string(),
        };
        self.catalog().update(|transaction| {
            transaction.delete(PENDING, &action.id)?;
            history::add(transaction, &action.scope, &item, &self.shared.parts.dice.uuid())
        })?;
        Ok(())
    }

    /// What happened to a scope's alarms, the newest first.
    pub fn history(&self, scope: &Scope, alarm: Option<&str>) -> Result<Vec<HistoryItem>, AlarmError> {
        Ok(history::list(self.catalog(), scope, alarm)?)
    }

    /// Forgets what is older than two weeks. To be called now and then.
    pub fn tidy(&self) -> Result<(), AlarmError> {
        Ok(history::forget(self.catalog(), self.now())?)
    }

    fn remember(
        &self,
        transaction: &mut Transaction<'_>,
        alarm: &Alarm,
        kind: HistoryKind,
        summary: String,
        data: Value,
    ) -> Result<(), CatalogError> {
        let item = HistoryItem {
            alarm: alarm.name.clone(),
            is_composite: matches!(alarm.watches, Watches::Composite(_)),
            at: self.now(),
            kind,
            summary,
            data: data.to_string(),
        };
        history::add(transaction, &alarm.scope, &item, &self.shared.parts.dice.uuid())
    }

    /// Defines a mute rule.
    pub fn put_mute(&self, mut rule: MuteRule) -> Result<(), AlarmError> {
        rule.schedule().map_err(AlarmError::Invalid)?;
        rule.updated = self.now();
        Ok(self.catalog().put(MUTES, &key(&rule.scope, &rule.name), &rule)?)
    }

    /// Removes a mute rule; one that is not there is no error.
    pub fn delete_mute(&self, scope: &Scope, name: &str) -> Result<(), AlarmError> {
        self.catalog().delete(MUTES, &key(scope, name))?;
        Ok(())
    }

    /// A scope's mute rules with their states, by name.
    pub fn mutes(&self, scope: &Scope) -> Result<Vec<(MuteRule, MuteStatus)>, AlarmError> {
        let now = self.now();
        let rules = self.catalog().list::<MuteRule>(MUTES, &format!("{scope}/"))?;
        Ok(rules.into_iter().map(|(_, rule)| (rule.status(now), rule)).map(|(status, rule)| (rule, status)).collect())
    }

    /// The rule that mutes an alarm now.
    fn muting(&self, scope: &Scope, alarm: &str, now: Millis) -> Result<Option<String>, CatalogError> {
        let rules = self.catalog().list::<MuteRule>(MUTES, &format!("{scope}/"))?;
        let mutes = |rule: &MuteRule| {
            rule.alarms.iter().any(|muted| name_of(muted) == alarm) && rule.status(now) == MuteStatus::Active
        };
        Ok(rules.into_iter().map(|(_, rule)| rule).find(mutes).map(|rule| rule.name))
    }
}

type States = BTreeMap<(Scope, Arc<str>), AlarmState>;

fn states(alarms: &BTreeMap<(Scope, Arc<str>), Watched>) -> States {
    alarms.iter().map(|(place, watched)| (place.clone(), watched.alarm.status.state)).collect()
}

fn understand(alarm: &Alarm) -> Result<What, AlarmError> {
    match &alarm.watches {
        Watches::Metric(metric) => {
            metric.plan(&alarm.scope).map(What::Plan).map_err(|error| AlarmError::Invalid(error.to_string()))
        }
        Watches::Composite(composite) => {
            AlarmRule::parse(&composite.rule).map(What::Rule).map_err(|error| AlarmError::Invalid(error.to_string()))
        }
    }
}

/// The alarms that a rule names are there, and none of them depends on the new one.
fn check_children(
    alarms: &BTreeMap<(Scope, Arc<str>), Watched>,
    alarm: &Alarm,
    rule: &AlarmRule,
) -> Result<(), AlarmError> {
    let mut open: Vec<String> = rule.children().into_iter().map(|child| name_of(child).to_owned()).collect();
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = open.pop() {
        if name == *alarm.name {
            let reason = format!("AlarmRule would make the alarm {} depend on itself", alarm.name);
            return Err(AlarmError::Invalid(reason));
        }
        let Some(child) = alarms.get(&(alarm.scope.clone(), name.as_str().into())) else {
            return Err(AlarmError::Invalid(format!("AlarmRule names the alarm {name}, which does not exist")));
        };
        if let What::Rule(rule) = &child.what
            && !seen.contains(&name)
        {
            open.extend(rule.children().into_iter().map(|child| name_of(child).to_owned()));
        }
        seen.push(name);
    }
    Ok(())
}

/// The name in a name or ARN.
fn name_of(alarm: &str) -> &str {
    alarm.split_once(":alarm:").map_or(alarm, |(_, name)| name)
}

fn arn_of(scope: &Scope, alarm: &str) -> String {
    match alarm.parse::<Arn>() {
        Ok(arn) => arn.to_string(),
        Err(_) => scope.arn("cloudwatch", &format!("alarm:{alarm}")).to_string(),
    }
}

fn told(status: &Status) -> Value {
    let data = status.reason_data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok());
    json!({"stateValue": status.state.word(), "stateReason": status.reason, "stateReasonData": data})
}

fn suppressor_state(alarm: &Alarm, states: &States) -> Option<(AlarmState, Millis, Millis)> {
    let Watches::Composite(composite) = &alarm.watches else { return None };
    let suppressor = composite.suppressor.as_ref()?;
    let state = states.get(&(alarm.scope.clone(), name_of(&suppressor.alarm).into())).copied();
    let seconds = |seconds: u32| Millis::from(seconds) * 1000;
    Some((state.unwrap_or(AlarmState::InsufficientData), seconds(suppressor.wait), seconds(suppressor.extension)))
}

/// What keeps back the actions of an alarm that has just changed.
fn held_back(alarm: &Alarm, states: &States, now: Millis) -> Option<Suppressed> {
    let (state, wait, _) = suppressor_state(alarm, states)?;
    let by = match state {
        AlarmState::Alarm => SuppressedBy::Alarm,
        _ if wait > 0 => SuppressedBy::WaitPeriod,
        _ => return None,
    };
    Some(Suppressed { by, since: now })
}

/// What keeps back actions that were kept back until now.
fn still_held(alarm: &Alarm, held: &Suppressed, states: &States, now: Millis) -> Option<Suppressed> {
    let (state, wait, extension) = suppressor_state(alarm, states)?;
    let begins = |by| Some(Suppressed { by, since: now });
    match (held.by, state) {
        (SuppressedBy::Alarm, AlarmState::Alarm) => Some(held.clone()),
        (_, AlarmState::Alarm) => begins(SuppressedBy::Alarm),
        (SuppressedBy::Alarm, _) if extension > 0 => begins(SuppressedBy::ExtensionPeriod),
        (SuppressedBy::Alarm, _) => None,
        (SuppressedBy::WaitPeriod, _) => (now < held.since + wait).then(|| held.clone()),
        (SuppressedBy::ExtensionPeriod, _) => (now < held.since + extension).then(|| held.clone()),
    }
}
