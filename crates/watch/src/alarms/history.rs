//! What happened to alarms: kept for two weeks, as on AWS.

use millrace_base::{Millis, Scope};
use millrace_catalog::{Catalog, CatalogError, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const TABLE: &str = "alarm-history";
const KEPT_MS: Millis = 14 * 24 * 3_600_000;
/// Lines of one account and region; the oldest go first.
const LINES_MAX: usize = 10_000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// To which alarm.
    pub alarm: Arc<str>,
    /// Whether that is a composite alarm.
    pub is_composite: bool,
    /// When.
    pub at: Millis,
    /// What kind of thing.
    pub kind: HistoryKind,
    /// In words.
    pub summary: String,
    /// In JSON.
    pub data: String,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryKind {
    /// It was defined, changed or deleted.
    ConfigurationUpdate,
    /// Its state changed.
    StateUpdate,
    /// An action was carried out, or was not.
    Action,
}

impl HistoryKind {
    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigurationUpdate => "ConfigurationUpdate",
            Self::StateUpdate => "StateUpdate",
            Self::Action => "Action",
        }
    }
}

/// Keys are in order of time within an account and region.
pub(super) fn add(
    transaction: &mut Transaction<'_>,
    scope: &Scope,
    item: &HistoryItem,
    unique: &str,
) -> Result<(), CatalogError> {
    transaction.put(TABLE, &format!("{scope}/{:015}-{unique}", item.at), item)
}

/// The newest first.
pub(super) fn list(catalog: &Catalog, scope: &Scope, alarm: Option<&str>) -> Result<Vec<HistoryItem>, CatalogError> {
    let found = catalog.list::<HistoryItem>(TABLE, &format!("{scope}/"))?;
    let items = found.into_iter().rev().map(|(_, item)| item);
    Ok(items.filter(|item| alarm.is_none_or(|alarm| *item.alarm == *alarm)).collect())
}

pub(super) fn forget(catalog: &Catalog, now: Millis) -> Result<(), CatalogError> {
    let found = catalog.list::<HistoryItem>(TABLE, "")?;
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let mut gone = Vec::new();
    for (key, item) in found.iter().rev() {
        let scope = key.rsplit_once('/').map_or("", |(scope, _)| scope);
        let count = counts.entry(scope).or_default();
        *count += 1;
        if item.at + KEPT_MS < now || *count > LINES_MAX {
            gone.push(key);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    catalog.update(|transaction| {
        for key in gone {
            transaction.delete(TABLE, key)?;
        }
        Ok(())
    })
}
