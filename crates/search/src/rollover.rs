//! Rolling an alias over: a new index takes the place of the one that is written under it, in one step.
//!
//! The alias and the new index come together, also after a crash: see [`crate::aliases`]. What was written before the step is in
//! the old index, what is written after it in the new one: a document that is written again after it is there twice.

use crate::aliases::Change;
use crate::definitions::{Known, Limits, Measure, allow};
use crate::engine::{Engine, ROLLOVER_ALIAS};
use crate::error::Error;
use crate::index::Index;
use serde_json::{Value, json};
use std::sync::Arc;

/// The conditions of a request.
const CONDITIONS: Known = &[("max_age", Measure::age), ("max_docs", Measure::docs), ("max_size", Measure::bytes)];
/// Digits of the number at the end of an index's name.
const DIGITS: usize = 6;

/// A rollover that can be done.
pub(crate) struct Plan {
    alias: String,
    old: Arc<Index>,
    new: String,
}

impl Engine {
    /// Rolls an alias over when one of the body's `conditions` holds, or when it has none; `POST /{alias}/_rollover/{new}`. The
    /// new index is called as the old one with the number at its end counted on, if it is not named.
    pub fn roll_over(&self, alias: &str, new: Option<&str>, body: &Value, dry_run: bool) -> Result<Value, Error> {
        let _changing = self.changing.lock();
        let mut made = if body.is_null() { json!({}) } else { body.clone() };
        allow(&made, &["conditions", "settings", "mappings", "aliases"], "a rollover")?;
        let conditions = made.as_object_mut().and_then(|made| made.remove("conditions")).unwrap_or_default();
        let limits = Limits::read(&conditions, CONDITIONS, "[conditions]")?;
        let plan = self.plan_rollover(alias, new)?;
        let figures = self.figures(&plan.old);
        let does_roll = !dry_run && limits.any(figures);
        if does_roll {
            self.carry_out(&plan, &made, Vec::new())?;
        }
        Ok(json!({
            "acknowledged": does_roll, "shards_acknowledged": does_roll, "old_index": plan.old.meta.name,
            "new_index": plan.new, "rolled_over": does_roll, "dry_run": dry_run, "conditions": limits.results(figures),
        }))
    }

    /// Rolls the alias over that an index's settings name, because its policy says so.
    pub(crate) fn roll_over_managed(&self, index: &Index, copy_alias: bool) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let plan = self.managed_rollover(index)?;
        let name = &index.meta.name;
        let others: Vec<String> = match copy_alias {
            true => {
                self.aliases.read().names_of(name).filter(|alias| *alias != plan.alias).map(str::to_owned).collect()
            }
            false => Vec::new(),
        };
        let copy = |alias| Change::Add { index: plan.new.clone(), alias, member: Default::default() };
        self.carry_out(&plan, &json!({}), others.into_iter().map(copy).collect())
    }

    /// How a policy would roll an index's alias over now, or why it cannot, in the words of Index State Management.
    pub(crate) fn managed_rollover(&self, index: &Index) -> Result<Plan, Error> {
        let name = &index.meta.name;
        let alias = alias_of(index)
            .ok_or_else(|| Error::illegal_argument(format!("Missing rollover_alias index setting [index={name}]")))?;
        let is_written = self.aliases.read().write_index(alias).is_ok_and(|written| written == Some(name));
        if !is_written {
            let why = format!("Missing alias or not the write index when rollover [index={name}]");
            return Err(Error::illegal_argument(why));
        }
        let failed = |error: Error| Error {
            reason: format!("Failed to rollover index [index={name}]: {}", error.reason),
            ..error
        };
        self.plan_rollover(alias, None).map_err(failed)
    }

    fn plan_rollover(&self, alias: &str, new: Option<&str>) -> Result<Plan, Error> {
        let wrong = |why: &str| Error::illegal_argument(format!("rollover target [{alias}] {why}"));
        let old = {
            let (indices, aliases) = (self.indices.read(), self.aliases.read());
            if indices.contains_key(alias) {
                let why = format!("rollover target is a [concrete index] but one of [alias] was expected: [{alias}]");
                return Err(Error::illegal_argument(why));
            }
            let written = aliases.write_index(alias).map_err(|_| wrong("does not point to a write index"))?;
            let written = written.ok_or_else(|| wrong("does not exist"))?;
            indices.get(written).cloned().ok_or_else(|| Error::index_not_found(written))?
        };
        let new = match new {
            Some(new) => new.to_owned(),
            None => counted_on(&old.meta.name)?,
        };
        self.check_new(&new)?;
        if let Some(template) = self.definitions.read().templates.giving(&new, alias) {
            return Err(Error::illegal_argument(format!(
                "Rollover alias [{alias}] can point to multiple indices, found duplicated alias [[{alias}]] in index \
                 template [{template}]"
            )));
        }
        Ok(Plan { alias: alias.to_owned(), old, new })
    }

    /// The caller holds `changing`.
    fn carry_out(&self, plan: &Plan, body: &Value, mut changes: Vec<Change>) -> Result<(), Error> {
        let (alias, from, index) = (plan.alias.clone(), plan.old.meta.name.clone(), plan.new.clone());
        changes.push(Change::RollOver { alias, from, index, at: self.world.clock.now() });
        self.add(&plan.new, body, &changes).map(drop)
    }
}

/// The alias that lifecycle policies roll over, if an index's settings name one.
pub(crate) fn alias_of(index: &Index) -> Option<&str> {
    index.meta.settings.get(ROLLOVER_ALIAS)?.as_str()
}

/// `logs-000008` of `logs-000007`, or of `logs-7`.
fn counted_on(name: &str) -> Result<String, Error> {
    let counted = name.rsplit_once('-').and_then(|(stem, number)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let next = number.parse::<u64>().ok().filter(|_| is_number)?.checked_add(1)?;
        Some(format!("{stem}-{next:0DIGITS$}"))
    });
    counted.ok_or_else(|| Error::illegal_argument(format!("index name [{name}] does not match pattern '^.*-\\d+$'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_on() {
        let of = |name: &str| counted_on(name).map_err(|error| error.status);
        assert_eq!(of("logs-000001"), Ok("logs-000002".to_owned()));
        assert_eq!(of("logs-2026.11.22-9"), Ok("logs-2026.11.22-000010".to_owned()));
        assert_eq!(of("a-999999"), Ok("a-1000000".to_owned()));
        for name in ["logs", "logs-", "logs-+1", "logs-1a", "7"] {
            assert_eq!(of(name), Err(400), "{name}");
        }
    }
}
