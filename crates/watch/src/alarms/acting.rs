//! What alarms do when they change: at once, later, or not at all.
//!
//! A composite alarm's suppressor holds its actions back for as long as it is in ALARM and a while longer; a mute rule holds back
//! those of the alarms that it names, and when its time is over those whose alarm is still in the state are carried out.

use super::definition::{Alarm, Status, Suppressed, SuppressedBy, Watches};
use super::history::{self, HistoryItem, HistoryKind};
use super::mute::{MuteRule, MuteStatus};
use super::store::{AlarmError, Alarms, States, Watched, key};
use super::{AlarmState, message};
use millrace_base::{Millis, Scope};
use millrace_catalog::{CatalogError, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const MUTES: &str = "alarm-mute-rules";
const PENDING: &str = "alarm-actions";

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

impl Alarms {
    /// Puts the actions of a new state on the list, or says what holds them back.
    pub(super) fn act_or_hold(
        &self,
        transaction: &mut Transaction<'_>,
        alarm: &mut Alarm,
        previous: &Status,
        now: Millis,
    ) -> Result<(), CatalogError> {
        if !alarm.actions_enabled || alarm.actions_of(alarm.status.state).is_empty() {
            alarm.status.suppressed = None;
            return Ok(());
        }
        if let Some(held) = &alarm.status.suppressed {
            let (summary, data) = (held.by.reason(), json!({"version": "1.0", "actionsSuppressedBy": held.by.word()}));
            return self.remember(transaction, alarm, HistoryKind::Action, summary, data);
        }
        if let Some(rule) = self.muting(&alarm.scope, &alarm.name, now)? {
            let summary = format!("Actions muted by alarm mute rule {rule}");
            alarm.status.muted_after = Some(Box::new(Status { muted_after: None, ..previous.clone() }));
            let data = json!({"version": "1.0", "actionState": "Muted", "alarmMuteRule": rule});
            return self.remember(transaction, alarm, HistoryKind::Action, summary, data);
        }
        self.act(transaction, alarm, previous, false, now)
    }

    fn act(
        &self,
        transaction: &mut Transaction<'_>,
        alarm: &Alarm,
        previous: &Status,
        late: bool,
        now: Millis,
    ) -> Result<(), CatalogError> {
        let (notification, event) = (message::notification(alarm, previous, late), message::event(alarm, previous));
        for action in alarm.actions_of(alarm.status.state) {
            let pending = PendingAction {
                id: format!("{now:015}-{}", self.unique()),
                scope: alarm.scope.clone(),
                alarm: alarm.name.clone(),
                is_composite: matches!(alarm.watches, Watches::Composite(_)),
                action: action.clone(),
                notification: notification.clone(),
                event: event.clone(),
                since: now,
            };
            transaction.put(PENDING, &pending.id, &pending)?;
        }
        Ok(())
    }

    /// Moves suppression and muting on, and acts when nothing holds the actions back any more.
    pub(super) fn release(&self, watched: &mut Watched, states: &States, now: Millis) -> Result<(), AlarmError> {
        let status = &watched.alarm.status;
        if let Some(held) = &status.suppressed {
            let next = still_held(&watched.alarm, held, states, now);
            if next.as_ref() == Some(held) {
                return Ok(());
            }
            return self.let_go(watched, next, now);
        }
        let Some(previous) = status.muted_after.clone() else { return Ok(()) };
        if self.muting(&watched.alarm.scope, &watched.alarm.name, now)?.is_some() {
            return Ok(());
        }
        let mut alarm = watched.alarm.clone();
        alarm.status.muted_after = None;
        self.catalog().update(|transaction| {
            if alarm.actions_enabled {
                self.act(transaction, &alarm, &previous, true, now)?;
            }
            self.keep(transaction, &alarm)
        })?;
        watched.alarm = alarm;
        Ok(())
    }

    fn let_go(&self, watched: &mut Watched, next: Option<Suppressed>, now: Millis) -> Result<(), AlarmError> {
        let mut alarm = watched.alarm.clone();
        let previous = alarm.status.clone();
        alarm.status.suppressed = next;
        alarm.status.updated = now;
        self.catalog().update(|transaction| {
            if alarm.status.suppressed.is_none() {
                self.act_or_hold(transaction, &mut alarm, &previous, now)?;
            }
            self.keep(transaction, &alarm)
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
        let mut data = json!({
            "version": "1.0",
            "actionState": if outcome.is_ok() { "Succeeded" } else { "Failed" },
            "stateUpdateTimestamp": action.since,
            "notificationResource": action.action,
            "publishedMessage": action.sent().to_string(),
        });
        let summary = match outcome {
            Ok(()) => format!("Successfully executed action {}", action.action),
            Err(error) => {
                data["error"] = json!(error);
                format!("Failed to execute action {}. Received error: \"{error}\"", action.action)
            }
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
            history::add(transaction, &action.scope, &item, &self.unique())
        })?;
        Ok(())
    }

    /// Defines a mute rule. One of the same name keeps its tags.
    pub fn put_mute(&self, mut rule: MuteRule) -> Result<(), AlarmError> {
        rule.schedule().map_err(AlarmError::Invalid)?;
        rule.updated = self.now();
        let key = key(&rule.scope, &rule.name);
        if let Some(former) = self.catalog().get::<MuteRule>(MUTES, &key)? {
            rule.tags = former.tags;
        }
        Ok(self.catalog().put(MUTES, &key, &rule)?)
    }

    /// Removes a mute rule; one that is not there is no error.
    pub fn delete_mute(&self, scope: &Scope, name: &str) -> Result<(), AlarmError> {
        self.catalog().delete(MUTES, &key(scope, name))?;
        Ok(())
    }

    /// A mute rule with its state.
    pub fn mute(&self, scope: &Scope, name: &str) -> Result<(MuteRule, MuteStatus), AlarmError> {
        let rule = self.catalog().get::<MuteRule>(MUTES, &key(scope, name))?;
        let rule = rule.ok_or_else(|| AlarmError::NotFound(format!("Alarm mute rule {name} does not exist")))?;
        let status = rule.status(self.now());
        Ok((rule, status))
    }

    /// Changes a mute rule's tags.
    pub fn change_mute_tags(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), AlarmError> {
        let (mut rule, _) = self.mute(scope, name)?;
        change(&mut rule.tags);
        Ok(self.catalog().put(MUTES, &key(scope, name), &rule)?)
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

impl PendingAction {
    /// What whoever it goes to gets: functions an event, all others a notification.
    pub fn sent(&self) -> &Value {
        if self.action.split(':').nth(2) == Some("lambda") { &self.event } else { &self.notification }
    }
}

/// The name in a name or ARN.
pub(super) fn name_of(alarm: &str) -> &str {
    alarm.split_once(":alarm:").map_or(alarm, |(_, name)| name)
}

fn suppressor_state(alarm: &Alarm, states: &States) -> Option<(AlarmState, Millis, Millis)> {
    let Watches::Composite(composite) = &alarm.watches else { return None };
    let suppressor = composite.suppressor.as_ref()?;
    let state = states.get(&(alarm.scope.clone(), name_of(&suppressor.alarm).into())).map(|(state, _)| *state);
    let seconds = |seconds: u32| Millis::from(seconds) * 1000;
    Some((state.unwrap_or(AlarmState::InsufficientData), seconds(suppressor.wait), seconds(suppressor.extension)))
}

/// What keeps back the actions of an alarm that has just changed.
pub(super) fn held_back(alarm: &Alarm, states: &States, now: Millis) -> Option<Suppressed> {
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
