//! All alarms: kept in the catalog, looked at step by step, and what they are to do when they change.
//!
//! # Durability
//! A change of state, its line in the history and the actions that follow from it are one transaction of the catalog. An
//! action is taken off the list when it was carried out: after a crash it is carried out again rather than forgotten.

use super::acting::{held_back, name_of};
use super::check::{SETTLE_MS, check};
use super::definition::{Alarm, Status, Watches};
use super::history::{self, HistoryItem, HistoryKind};
use super::rule::AlarmRule;
use super::words::{Child, composite_reason};
use super::{AlarmState, message};
use crate::math::Plan;
use crate::metrics::Metrics;
use millrace_base::{Arn, Clock, Dice, Millis, Scope};
use millrace_catalog::{Catalog, CatalogError, Transaction};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const ALARMS: &str = "alarms";
/// How often an alarm is looked at within one of its periods: at each step when they are shorter than a minute.
const LOOK_EVERY_MS: Millis = 2_000;
const MINUTE_MS: Millis = 60_000;
/// How long a state that was set by hand stays at least, so that whoever set it can see what follows.
const SET_BY_HAND_MS: Millis = 5_000;
/// Composite alarms over composite alarms settle within so many rounds; a loop does not settle.
const ROUNDS_MAX: usize = 8;
/// AWS allows 5,000 alarms in an account and region.
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
pub(super) struct Watched {
    pub(super) alarm: Alarm,
    what: What,
    /// When it was last looked at, and up to which period.
    looked: Option<(Millis, Millis)>,
    /// Until when a state that was set by hand stays.
    set_until: Millis,
}

impl Watched {
    fn new(alarm: Alarm, what: What) -> Self {
        Self { alarm, what, looked: None, set_until: Millis::MIN }
    }
}

enum What {
    Plan(Plan),
    Rule(AlarmRule),
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

pub(super) fn key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

impl Alarms {
    /// Opens all alarms as they were.
    pub fn open(parts: AlarmsParts) -> Result<Self, AlarmError> {
        let mut alarms = BTreeMap::new();
        for (_, alarm) in parts.catalog.list::<Alarm>(ALARMS, "")? {
            let what = understand(&alarm)?;
            alarms.insert((alarm.scope.clone(), alarm.name.clone()), Watched::new(alarm, what));
        }
        Ok(Self { shared: Arc::new(Shared { parts, alarms: Mutex::new(alarms) }) })
    }

    pub(super) fn now(&self) -> Millis {
        self.shared.parts.clock.now()
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.shared.parts.catalog
    }

    pub(super) fn unique(&self) -> String {
        self.shared.parts.dice.uuid()
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
        let kind = if let Some(former) = former {
            alarm.status = former.alarm.status.clone();
            alarm.tags.clone_from(&former.alarm.tags);
            "Update"
        } else {
            alarm.status = Status::unchecked(now);
            "Create"
        };
        alarm.configured = now;
        self.catalog().update(|transaction| {
            transaction.put(ALARMS, &key(&alarm.scope, &alarm.name), &alarm)?;
            self.defined(transaction, kind, &alarm)
        })?;
        alarms.insert(place, Watched::new(alarm, what));
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
                    self.defined(transaction, "Delete", &watched.alarm)?;
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

    /// Changes an alarm's tags.
    pub fn change_tags(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), AlarmError> {
        self.change(scope, name, false, |alarm| change(&mut alarm.tags))
    }

    /// Whether an alarm's changes of state do anything.
    pub fn enable_actions(&self, scope: &Scope, name: &str, enabled: bool) -> Result<(), AlarmError> {
        self.change(scope, name, true, |alarm| alarm.actions_enabled = enabled)
    }

    fn change(
        &self,
        scope: &Scope,
        name: &str,
        is_told: bool,
        change: impl FnOnce(&mut Alarm),
    ) -> Result<(), AlarmError> {
        let mut alarms = self.shared.alarms.lock();
        let watched = alarms.get_mut(&(scope.clone(), name.into()));
        let watched = watched.ok_or_else(|| AlarmError::NotFound(format!("Alarm {name} does not exist")))?;
        let mut alarm = watched.alarm.clone();
        change(&mut alarm);
        if is_told {
            alarm.configured = self.now();
        }
        self.catalog().update(|transaction| {
            transaction.put(ALARMS, &key(scope, name), &alarm)?;
            if is_told { self.defined(transaction, "Update", &alarm) } else { Ok(()) }
        })?;
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
        watched.set_until = now + SET_BY_HAND_MS;
        Ok(())
    }

    /// Looks at every alarm whose time has come, and changes states. To be called every second.
    pub fn step(&self) -> Result<(), AlarmError> {
        let now = self.now();
        let mut alarms = self.shared.alarms.lock();
        for watched in alarms.values_mut() {
            self.look(watched, now)?;
        }
        // Without composite alarms nobody asks for the states of others.
        let is_composite = |watched: &Watched| matches!(watched.what, What::Rule(_));
        let rounds = if alarms.values().any(is_composite) { ROUNDS_MAX } else { 0 };
        for _ in 0..rounds {
            let states = states(&alarms);
            let mut changed = false;
            for watched in alarms.values_mut() {
                changed |= self.look_at_rule(watched, &states, now)?;
            }
            if !changed {
                break;
            }
        }
        let states = if rounds > 0 { states(&alarms) } else { States::new() };
        for watched in alarms.values_mut() {
            self.release(watched, &states, now)?;
        }
        Ok(())
    }

    fn look(&self, watched: &mut Watched, now: Millis) -> Result<(), AlarmError> {
        let (Watches::Metric(metric), What::Plan(plan)) = (&watched.alarm.watches, &watched.what) else {
            return Ok(());
        };
        let slot = (now - SETTLE_MS).div_euclid(plan.period_ms());
        let again = if plan.period_ms() < MINUTE_MS { 0 } else { LOOK_EVERY_MS };
        if now < watched.set_until || watched.looked.is_some_and(|(at, known)| known == slot && now < at + again) {
            return Ok(());
        }
        watched.looked = Some((now, slot));
        let found = check(metric, plan, &watched.alarm.scope, &self.shared.parts.metrics, now);
        match found.evaluated.state {
            Some(state) if state != watched.alarm.status.state => {
                self.transition(watched, &States::new(), state, found.reason, Some(found.reason_data), now)
            }
            _ => Ok(()),
        }
    }

    fn look_at_rule(&self, watched: &mut Watched, states: &States, now: Millis) -> Result<bool, AlarmError> {
        let What::Rule(rule) = &watched.what else { return Ok(false) };
        let scope = watched.alarm.scope.clone();
        let found = |child: &str| states.get(&(scope.clone(), name_of(child).into())).copied();
        let of = |child: &str| found(child).map(|(state, _)| state);
        let state = if rule.holds(&of) { AlarmState::Alarm } else { AlarmState::Ok };
        let status = &watched.alarm.status;
        if state == status.state || now < watched.set_until {
            return Ok(false);
        }
        let told = |child: &str| {
            let (state, since) = found(child)?;
            Some(Child { arn: arn_of(&scope, child), state, since })
        };
        let all: Vec<Child> = rule.children().into_iter().filter_map(told).collect();
        let mut changed: Vec<Child> = rule.causes(&of).into_iter().filter_map(told).collect();
        changed.retain(|child| child.since > status.transitioned);
        changed.sort_by_key(|child| child.since);
        let (reason, data) = composite_reason(&watched.alarm.arn(), status.is_unchecked(), state, &changed, &all);
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
        alarm.status = Status { state, reason, reason_data, updated: now, transitioned, ..previous.clone() };
        if changes {
            alarm.status.muted_after = None;
            alarm.status.suppressed = held_back(&alarm, states, now);
        }
        let data = message::state_change(&previous, &alarm.status);
        let summary = format!("Alarm updated from {} to {state}", previous.state);
        self.catalog().update(|transaction| {
            if changes {
                self.remember(transaction, &alarm, HistoryKind::StateUpdate, summary, data)?;
                self.act_or_hold(transaction, &mut alarm, &previous, now)?;
            }
            self.keep(transaction, &alarm)
        })?;
        watched.alarm = alarm;
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

    /// Writes an alarm down.
    pub(super) fn keep(&self, transaction: &mut Transaction<'_>, alarm: &Alarm) -> Result<(), CatalogError> {
        transaction.put(ALARMS, &key(&alarm.scope, &alarm.name), alarm)
    }

    /// Remembers a change of definition: `Create`, `Update` or `Delete`.
    fn defined(&self, transaction: &mut Transaction<'_>, kind: &str, alarm: &Alarm) -> Result<(), CatalogError> {
        let summary = format!("Alarm \"{}\" {}d", alarm.name, kind.to_ascii_lowercase());
        let data = message::definition_change(kind, alarm);
        self.remember(transaction, alarm, HistoryKind::ConfigurationUpdate, summary, data)
    }

    pub(super) fn remember(
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
        history::add(transaction, &alarm.scope, &item, &self.unique())
    }
}

/// Every alarm's state, and since when it is in it.
pub(super) type States = BTreeMap<(Scope, Arc<str>), (AlarmState, Millis)>;

fn states(alarms: &BTreeMap<(Scope, Arc<str>), Watched>) -> States {
    let state = |status: &Status| (status.state, status.transitioned);
    alarms.iter().map(|(place, watched)| (place.clone(), state(&watched.alarm.status))).collect()
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

fn arn_of(scope: &Scope, alarm: &str) -> String {
    match alarm.parse::<Arn>() {
        Ok(arn) => arn.to_string(),
        Err(_) => scope.arn("cloudwatch", &format!("alarm:{alarm}")).to_string(),
    }
}
