//! What the engine does with templates and policies.
//!
//! Changes are made under the lock that indices are made and deleted under, to a copy, which is written before it counts.

use super::templates::is_same;
use super::{Definitions, Due, Figures, Verdict};
use crate::engine::Engine;
use crate::error::Error;
use crate::index::Index;
use crate::names;
use crate::rollover::alias_of;
use serde_json::{Map, Value, json};

/// How often policies are looked at.
pub const LOOK_MS: i64 = 60_000;

impl Engine {
    /// Changes templates or policies: on disk first.
    fn change_definitions<T>(&self, change: impl FnOnce(&mut Definitions) -> Result<T, Error>) -> Result<T, Error> {
        let mut definitions = self.definitions.read().clone();
        let result = change(&mut definitions)?;
        definitions.save(&*self.world.disk, &self.dir)?;
        *self.definitions.write() = definitions;
        Ok(result)
    }

    /// Keeps an index template: `PUT /_index_template/{name}`. `create`: it must not be there yet.
    pub fn put_template(&self, name: &str, body: &Value, create: bool) -> Result<(), Error> {
        names::check(name)?;
        let _changing = self.changing.lock();
        let known = self.definitions.read().templates.show(name);
        if create && !known.is_empty() {
            return Err(Error::illegal_argument(format!("index template [{name}] already exists")));
        }
        if known.first().is_some_and(|known| is_same(known, body)) {
            return Ok(());
        }
        self.change_definitions(|all| all.templates.put(name, body))
    }

    /// The templates of some names or patterns; a name that is not there is an error.
    pub fn templates(&self, pattern: &str) -> Result<Vec<Value>, Error> {
        let found = self.definitions.read().templates.show(pattern);
        match found.is_empty() && !pattern.contains('*') {
            true => Err(Error::template_missing(pattern)),
            false => Ok(found),
        }
    }

    /// Removes templates; a name that is not there is an error.
    pub fn delete_template(&self, pattern: &str) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let removed = self.change_definitions(|all| Ok(all.templates.remove(pattern)))?;
        if removed == 0 && !pattern.contains('*') {
            return Err(Error::template_missing(pattern));
        }
        Ok(())
    }

    /// Keeps a lifecycle policy: `PUT /_plugins/_ism/policies/{id}`.
    pub fn put_policy(&self, id: &str, body: &Value, if_seq_no: Option<u64>) -> Result<Value, Error> {
        let _changing = self.changing.lock();
        let now = self.world.clock.now();
        let answer = self.change_definitions(|all| all.policies.put(id, body, if_seq_no, now))?;
        *self.policies_due.lock() = now;
        self.announce();
        Ok(answer)
    }

    /// A policy; one that is not there is an error.
    pub fn policy(&self, id: &str) -> Result<Value, Error> {
        self.definitions.read().policies.show(id).ok_or_else(|| Error::policy_missing(id))
    }

    /// All policies.
    pub fn policies(&self) -> Vec<Value> {
        self.definitions.read().policies.show_all()
    }

    /// Removes a policy; indices stay as they are.
    pub fn delete_policy(&self, id: &str) -> Result<(), Error> {
        let _changing = self.changing.lock();
        match self.change_definitions(|all| Ok(all.policies.remove(id)))? {
            true => Ok(()),
            false => Err(Error::policy_missing(id)),
        }
    }

    /// Which policy each index of an expression has, its state and what is to be done there: `GET
    /// /_plugins/_ism/explain/{index}`.
    pub fn explain_policies(&self, expression: &str) -> Result<Value, Error> {
        let indices = self.resolve(expression, false)?;
        let (mut out, mut managed) = (Map::new(), 0);
        for index in indices {
            let figures = self.figures(&index);
            let verdict = self.definitions.read().policies.judge(&index.meta.name, figures);
            managed += usize::from(verdict.is_some());
            let shown = match verdict {
                Some(verdict) => self.explained(&index, figures, &verdict),
                None => json!({"index.plugins.index_state_management.policy_id": null, "enabled": null}),
            };
            out.insert(index.meta.name.clone(), shown);
        }
        out.insert("total_managed_indices".to_owned(), json!(managed));
        Ok(Value::Object(out))
    }

    fn explained(&self, index: &Index, figures: Figures, verdict: &Verdict) -> Value {
        let (name, id) = (&index.meta.name, &verdict.policy);
        let mut shown = json!({
            "index.plugins.index_state_management.policy_id": id, "index": name, "index_uuid": index.meta.uuid,
            "policy_id": id, "enabled": true, "state": {"name": verdict.state},
        });
        if figures.has_rolled {
            shown["rolled_over"] = json!(true);
        }
        let Due::Rollover(place, rollover) = &verdict.due else { return shown };
        let plan = self.managed_rollover(index);
        let status = match &plan {
            Ok(_) if rollover.limits.any(figures) => "starting",
            Ok(_) => "condition_not_met",
            Err(_) => "failed",
        };
        shown["action"] = json!({"name": "rollover", "index": place, "failed": plan.is_err()});
        shown["step"] = json!({"name": "attempt_rollover", "step_status": status});
        shown["info"] = match plan {
            Ok(_) => json!({
                "message": format!("Pending rollover of index [index={name}]"),
                "conditions": rollover.limits.explained(figures),
            }),
            Err(error) => json!({"message": error.reason}),
        };
        shown
    }

    pub(crate) fn figures(&self, index: &Index) -> Figures {
        let (docs, bytes) = index.size();
        let (now, created) = (self.world.clock.now(), index.meta.created);
        let aliases = self.aliases.read();
        let rolled_ms = aliases.first_rolled(&index.meta.name).map(|rolled| now - rolled);
        let has_rolled = alias_of(index).is_some_and(|alias| aliases.rolled(&index.meta.name, alias).is_some());
        Figures { created, age_ms: now - created, docs, bytes, rolled_ms, has_rolled }
    }

    /// Deletes what policies say is over and rolls over what is full, at most once a minute; when to come again, if there are
    /// policies.
    pub(crate) fn tick_policies(&self) -> Option<i64> {
        if self.definitions.read().policies.is_empty() {
            return None;
        }
        let now = self.world.clock.now();
        let mut due = self.policies_due.lock();
        if now < *due {
            return Some(*due);
        }
        *due = now + LOOK_MS;
        drop(due);
        let indices: Vec<_> = self.indices.read().values().cloned().collect();
        for index in indices {
            let figures = self.figures(&index);
            let verdict = self.definitions.read().policies.judge(&index.meta.name, figures);
            // Somebody else may have done it meanwhile; a disk that fails is asked again at the next look, and so is what
            // cannot be rolled over, which is told to who asks for an explanation.
            match verdict.map(|verdict| verdict.due) {
                Some(Due::Delete) => drop(self.delete_index(&index.meta.name)),
                Some(Due::Rollover(_, rollover)) if rollover.limits.any(figures) => {
                    drop(self.roll_over_managed(&index, rollover.copy_alias));
                }
                Some(Due::Rollover(..) | Due::Nothing) | None => {}
            }
        }
        Some(now + LOOK_MS)
    }
}
