//! Aliases: further names of indices, changed in one step.
//!
//! # Format (version 1)
//! ```text
//! aliases.json := {state, "once": {"uuid": UUID, "then": {state}}}
//! state := "aliases": {ALIAS: {INDEX: {"is_write_index": true|false}}}, "removed": [UUID], "rolled": {INDEX: {ALIAS: ms}}
//! ```
//! The file is replaced as a whole, so that after a crash either all of a request's actions hold or none. `removed` are the
//! folders of indices that the same step removed: what a crash leaves of them goes at the next start. `rolled` says when an
//! alias was rolled over from an index; a file of before does not have it. `once` is there while an index is made: when its
//! folder is there, `then` holds instead. So an index comes with all its names, and a rollover leaves one index that is written.
//!
//! # Limits
//! An alias has no filter and no routing.

use crate::error::Error;
use crate::names;
use millrace_base::{Disk, Millis};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The file of aliases in the engine's folder. What is written beside it while it is replaced begins with its name, too.
pub(crate) const FILE: &str = "aliases.json";

/// What an alias says of one of its indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Member {
    /// Whether writes to the alias go there.
    is_write_index: Option<bool>,
}

/// All aliases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Aliases {
    aliases: BTreeMap<String, BTreeMap<String, Member>>,
    pub(crate) removed: Vec<String>,
    /// When aliases were rolled over, by the index from which.
    rolled: BTreeMap<String, BTreeMap<String, Millis>>,
}

/// One thing to be done to aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Add { index: String, alias: String, member: Member },
    Remove { index: String, alias: String, must_exist: bool },
    RemoveIndex { index: String },
    RollOver { alias: String, from: String, index: String, at: Millis },
}

impl Aliases {
    /// Reads the file of an engine's folder. `is_made` says whether there is an index of a folder's name.
    pub(crate) fn load(
        disk: &dyn Disk,
        dir: &Path,
        is_made: impl FnOnce(&str) -> Result<bool, Error>,
    ) -> Result<Self, Error> {
        let content = match disk.read(&path(dir)) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let damaged =
            || Error::storage("_all", format!("{} is damaged: restore it from a backup", path(dir).display()));
        let value: Value = serde_json::from_slice(&content).map_err(|_| damaged())?;
        let once = match &value["once"] {
            Value::Null => None,
            once => Some((once["uuid"].as_str().ok_or_else(damaged)?, &once["then"])),
        };
        let state = match once {
            Some((uuid, then)) if is_made(uuid)? => then,
            _ => &value,
        };
        let state = Self::from_json(state).ok_or_else(damaged)?;
        if once.is_some() {
            // What is decided stays so, whatever becomes of that index.
            state.save(disk, dir)?;
        }
        Ok(state)
    }

    pub(crate) fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        Ok(disk.replace(&path(dir), self.to_json().to_string().as_bytes())?)
    }

    /// Writes that `then` holds as soon as there is an index in the folder `uuid`, and this until then.
    pub(crate) fn save_until(&self, uuid: &str, then: &Self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let mut content = self.to_json();
        content["once"] = json!({"uuid": uuid, "then": then.to_json()});
        Ok(disk.replace(&path(dir), content.to_string().as_bytes())?)
    }

    fn from_json(value: &Value) -> Option<Self> {
        let mut all = Self::default();
        for (alias, members) in value["aliases"].as_object()? {
            let member = |fields: &Value| Member { is_write_index: fields["is_write_index"].as_bool() };
            let members = members.as_object()?.iter().map(|(index, fields)| (index.clone(), member(fields)));
            all.aliases.insert(alias.clone(), members.collect());
        }
        let removed = value["removed"].as_array()?.iter().map(|uuid| uuid.as_str().map(str::to_owned));
        all.removed = removed.collect::<Option<_>>()?;
        for (index, rolled) in value["rolled"].as_object().into_iter().flatten() {
            let rolled = rolled.as_object()?.iter().map(|(alias, at)| Some((alias.clone(), at.as_i64()?)));
            all.rolled.insert(index.clone(), rolled.collect::<Option<_>>()?);
        }
        Some(all)
    }

    fn to_json(&self) -> Value {
        let members = |members: &BTreeMap<String, Member>| -> Map<String, Value> {
            members.iter().map(|(index, member)| (index.clone(), member.to_json())).collect()
        };
        let aliases = self.aliases.iter().map(|(alias, of)| (alias.clone(), Value::Object(members(of))));
        json!({"aliases": aliases.collect::<Map<_, _>>(), "removed": self.removed, "rolled": self.rolled})
    }

    pub(crate) fn contains(&self, alias: &str) -> bool {
        self.aliases.contains_key(alias)
    }

    /// The names of all aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.aliases.keys().map(String::as_str)
    }

    /// The indices of an alias; none for another name.
    pub(crate) fn indices(&self, alias: &str) -> impl Iterator<Item = &str> {
        self.aliases.get(alias).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// The index that writes to an alias go to; none for another name.
    pub(crate) fn write_index(&self, alias: &str) -> Result<Option<&str>, Error> {
        let Some(members) = self.aliases.get(alias) else { return Ok(None) };
        let designated = members.iter().find(|(_, member)| member.is_write_index == Some(true));
        let alone = || members.iter().next().filter(|(_, m)| members.len() == 1 && m.is_write_index != Some(false));
        designated.or_else(alone).map(|(index, _)| Some(index.as_str())).ok_or_else(|| {
            Error::illegal_argument(format!(
                "no write index is defined for alias [{alias}]. The write index may be explicitly disabled using \
                 is_write_index=false or the alias points to multiple indices without one being designated as a write index"
            ))
        })
    }

    /// The one index of an alias, for what can only be asked of one; none for another name.
    pub(crate) fn only_index(&self, alias: &str) -> Result<Option<&str>, Error> {
        let Some(members) = self.aliases.get(alias) else { return Ok(None) };
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        match names[..] {
            [index] => Ok(Some(index)),
            _ => Err(Error::illegal_argument(format!(
                "alias [{alias}] has more than one index associated with it [{}], can't execute a single index op",
                names.join(", ")
            ))),
        }
    }

    /// The `aliases` of an index as descriptions show them.
    pub(crate) fn of_index(&self, index: &str) -> Value {
        let of = |(alias, members): (&String, &BTreeMap<String, Member>)| {
            let member = members.get(index)?;
            Some((alias.clone(), member.to_json()))
        };
        Value::Object(self.aliases.iter().filter_map(of).collect())
    }

    /// The aliases of an index.
    pub(crate) fn names_of(&self, index: &str) -> impl Iterator<Item = &str> {
        self.aliases.iter().filter(move |(_, members)| members.contains_key(index)).map(|(alias, _)| alias.as_str())
    }

    /// When an alias was rolled over from an index.
    pub(crate) fn rolled(&self, index: &str, alias: &str) -> Option<Millis> {
        self.rolled.get(index)?.get(alias).copied()
    }

    /// When an alias was rolled over from an index for the first time.
    pub(crate) fn first_rolled(&self, index: &str) -> Option<Millis> {
        self.rolled.get(index)?.values().min().copied()
    }

    /// Takes an index out of all aliases.
    pub(crate) fn forget(&mut self, index: &str) {
        self.retain(|name| name != index);
    }

    /// Takes out what is no index.
    pub(crate) fn retain(&mut self, is_index: impl Fn(&str) -> bool) {
        for members in self.aliases.values_mut() {
            members.retain(|index, _| is_index(index));
        }
        self.aliases.retain(|_, members| !members.is_empty());
        self.rolled.retain(|index, _| is_index(index));
    }

    /// Makes all changes, or none. `is_index` says what is an index now; given are the indices to be removed.
    pub(crate) fn apply(
        &mut self,
        changes: &[Change],
        is_index: impl Fn(&str) -> bool,
    ) -> Result<BTreeSet<String>, Error> {
        let mut removed = BTreeSet::new();
        for change in changes {
            let (Change::Add { index, .. }
            | Change::Remove { index, .. }
            | Change::RemoveIndex { index }
            | Change::RollOver { index, .. }) = change;
            if !is_index(index) {
                return Err(Error::index_not_found(index));
            }
            match change {
                Change::Add { index, alias, member } => {
                    self.aliases.entry(alias.clone()).or_default().insert(index.clone(), *member);
                }
                Change::Remove { index, alias, must_exist } => {
                    let was = self.aliases.get_mut(alias).and_then(|members| members.remove(index));
                    if was.is_none() && *must_exist {
                        return Err(Error::aliases_not_found(alias));
                    }
                }
                Change::RemoveIndex { index } => {
                    removed.insert(index.clone());
                }
                Change::RollOver { alias, from, index, at } => self.roll_over(alias, from, index, *at),
            }
        }
        removed.iter().for_each(|index| self.forget(index));
        self.aliases.retain(|_, members| !members.is_empty());
        self.check(|name| is_index(name) && !removed.contains(name))?;
        Ok(removed)
    }

    /// Makes another index the one that is written under an alias. One that was not written by name but for being alone leaves
    /// the alias, as in OpenSearch.
    fn roll_over(&mut self, alias: &str, from: &str, to: &str, at: Millis) {
        let members = self.aliases.entry(alias.to_owned()).or_default();
        let was = members.remove(from).unwrap_or_default();
        let is_named = was.is_write_index == Some(true);
        if is_named {
            members.insert(from.to_owned(), Member { is_write_index: Some(false) });
        }
        members.insert(to.to_owned(), Member { is_write_index: is_named.then_some(true) });
        self.rolled.entry(from.to_owned()).or_default().insert(alias.to_owned(), at);
    }

    fn check(&self, is_index: impl Fn(&str) -> bool) -> Result<(), Error> {
        for (alias, members) in &self.aliases {
            names::check(alias).map_err(|error| Error { kind: "invalid_alias_name_exception", ..error })?;
            if is_index(alias) {
                return Err(Error::invalid_alias_name(alias));
            }
            if members.values().filter(|member| member.is_write_index == Some(true)).count() > 1 {
                let names = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let reason = format!("alias [{alias}] has more than one write index [{names}]");
                return Err(Error::illegal_argument(reason));
            }
        }
        Ok(())
    }
}

impl Member {
    fn to_json(self) -> Value {
        self.is_write_index.map_or_else(|| json!({}), |is_write_index| json!({ "is_write_index": is_write_index }))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The changes of `POST /_aliases`. `expand` gives the indices of an expression.
pub(crate) fn read_actions(
    body: &Value,
    expand: impl Fn(&str) -> Result<Vec<String>, Error>,
) -> Result<Vec<Change>, Error> {
    let actions = body["actions"].as_array().filter(|actions| !actions.is_empty());
    let actions = actions.ok_or_else(|| Error::validation("Must specify at least one alias action"))?;
    let mut changes = Vec::new();
    for action in actions {
        let one = action.as_object().filter(|action| action.len() == 1).and_then(|action| action.iter().next());
        let (kind, fields) = one.ok_or_else(|| Error::parsing("an alias action is an object with one member"))?;
        let fields = fields.as_object().ok_or_else(|| Error::parsing(format!("[{kind}] is an object")))?;
        let known: &[&str] = match kind.as_str() {
            "add" => &["index", "indices", "alias", "aliases", "is_write_index"],
            "remove" => &["index", "indices", "alias", "aliases", "must_exist"],
            "remove_index" => &["index", "indices"],
            other => return Err(Error::parsing(format!("[alias_action] unknown field [{other}]"))),
        };
        refuse_others(kind, fields, known)?;
        let indices = listed(fields, "index", "indices")?;
        for index in indices.iter().map(|text| expand(text)).collect::<Result<Vec<_>, _>>()?.concat() {
            if kind == "remove_index" {
                changes.push(Change::RemoveIndex { index });
                continue;
            }
            for alias in listed(fields, "alias", "aliases")? {
                let index = index.clone();
                changes.push(match kind.as_str() {
                    "add" => Change::Add { index, alias, member: member(fields)? },
                    _ => Change::Remove { index, alias, must_exist: flag(fields, "must_exist")?.unwrap_or(true) },
                });
            }
        }
    }
    Ok(changes)
}

/// The changes of `aliases` in the body that creates an index.
pub(crate) fn read_created(index: &str, aliases: &Value) -> Result<Vec<Change>, Error> {
    let named = aliases.as_object().into_iter().flatten();
    named.map(|(alias, fields)| read_one(index, alias, fields)).collect()
}

/// The change of `PUT /{index}/_alias/{alias}`.
pub(crate) fn read_one(index: &str, alias: &str, body: &Value) -> Result<Change, Error> {
    let none = Map::new();
    let fields = body.as_object().unwrap_or(&none);
    refuse_others("alias", fields, &["is_write_index"])?;
    Ok(Change::Add { index: index.to_owned(), alias: alias.to_owned(), member: member(fields)? })
}

fn refuse_others(kind: &str, fields: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Error::not_supported(format!("[{key}] of [{kind}]"))),
        None => Ok(()),
    }
}

fn member(fields: &Map<String, Value>) -> Result<Member, Error> {
    Ok(Member { is_write_index: flag(fields, "is_write_index")? })
}

fn flag(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Error> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(Error::illegal_argument(format!("[{name}] is true or false, not [{other}]"))),
    }
}

/// A member that is one text, or its plural that is a list.
fn listed(fields: &Map<String, Value>, one: &str, many: &str) -> Result<Vec<String>, Error> {
    let text = |value: &Value| {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| Error::validation(format!("[{one}] can't be empty string")))
    };
    match (fields.get(one), fields.get(many)) {
        (Some(value), None) => Ok(vec![text(value)?]),
        (None, Some(Value::Array(values))) => values.iter().map(text).collect(),
        _ => Err(Error::illegal_argument(format!("One of [{one}] or [{many}] is required"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(aliases: &mut Aliases, actions: Value) -> Result<BTreeSet<String>, Error> {
        let indices = ["a", "b", "c"];
        let expand = |text: &str| names::resolve(text, &mut indices.into_iter(), false);
        let changes = read_actions(&json!({ "actions": actions }), expand)?;
        let mut next = aliases.clone();
        let removed = next.apply(&changes, |name| indices.contains(&name))?;
        *aliases = next;
        Ok(removed)
    }

    #[test]
    fn writes_go_to_the_only_index_or_to_the_designated_one() {
        let mut aliases = Aliases::default();
        applied(&mut aliases, json!([{"add": {"index": "a", "alias": "x"}}])).unwrap();
        assert_eq!(aliases.write_index("x"), Ok(Some("a")));
        assert_eq!(aliases.write_index("other"), Ok(None));
        applied(&mut aliases, json!([{"add": {"index": "b", "alias": "x"}}])).unwrap();
        assert_eq!(aliases.write_index("x").unwrap_err().status, 400);
        assert_eq!(aliases.only_index("x").unwrap_err().status, 400);
        applied(&mut aliases, json!([{"add": {"index": "b", "alias": "x", "is_write_index": true}}])).unwrap();
        assert_eq!(aliases.write_index("x"), Ok(Some("b")));
        let two = json!([{"add": {"index": "a", "alias": "x", "is_write_index": true}}]);
        assert_eq!(applied(&mut aliases, two).unwrap_err().status, 400);
        assert_eq!(aliases.of_index("a"), json!({"x": {}}));
        assert_eq!(aliases.of_index("b"), json!({"x": {"is_write_index": true}}));
        assert_eq!(Aliases::from_json(&aliases.to_json()), Some(aliases));
    }

    #[test]
    fn an_index_gives_its_name_to_an_alias_in_one_step() {
        let mut aliases = Aliases::default();
        let taken = json!([{"add": {"index": "b", "alias": "a"}}]);
        assert_eq!(applied(&mut aliases, taken).unwrap_err().kind, "invalid_alias_name_exception");
        let swap = json!([{"remove_index": {"index": "a"}}, {"add": {"index": "b", "alias": "a"}}]);
        assert_eq!(applied(&mut aliases, swap).unwrap(), BTreeSet::from(["a".to_owned()]));
        assert_eq!(aliases.indices("a").collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_rollover_leaves_one_index_that_is_written() {
        let mut aliases = Aliases::default();
        let both = json!([{"add": {"index": "a", "alias": "x"}}, {"add": {"index": "a", "alias": "y", "is_write_index": true}}]);
        applied(&mut aliases, both).unwrap();
        let over = |alias: &str| Change::RollOver { alias: alias.into(), from: "a".into(), index: "b".into(), at: 7 };
        let mut next = aliases.clone();
        next.apply(&[over("x"), over("y")], |name| ["a", "b"].contains(&name)).unwrap();
        assert_eq!(next.of_index("a"), json!({"y": {"is_write_index": false}}));
        assert_eq!(next.of_index("b"), json!({"x": {}, "y": {"is_write_index": true}}));
        assert_eq!((next.rolled("a", "x"), next.rolled("b", "x"), next.first_rolled("a")), (Some(7), None, Some(7)));
        assert_eq!(Aliases::from_json(&next.to_json()).as_ref(), Some(&next));

        // It holds as soon as the index is there.
        let (disk, home) = (millrace_base::SystemDisk, tempfile::tempdir().unwrap());
        aliases.save_until("u", &next, &disk, home.path()).unwrap();
        assert_eq!(Aliases::load(&disk, home.path(), |uuid| Ok(uuid != "u")), Ok(aliases.clone()));
        assert_eq!(Aliases::load(&disk, home.path(), |_| Ok(true)), Ok(aliases.clone()), "what was decided stays so");
        aliases.save_until("u", &next, &disk, home.path()).unwrap();
        assert_eq!(Aliases::load(&disk, home.path(), |uuid| Ok(uuid == "u")), Ok(next.clone()));
        next.forget("a");
        assert_eq!(next.first_rolled("a"), None);
    }

    #[test]
    fn either_all_actions_hold_or_none() {
        let mut aliases = Aliases::default();
        let half = json!([{"add": {"index": "*", "alias": "x"}}, {"remove": {"index": "a", "alias": "none"}}]);
        assert_eq!(applied(&mut aliases, half).unwrap_err().kind, "aliases_not_found_exception");
        assert_eq!(aliases, Aliases::default());
        let moved = json!([
            {"add": {"indices": ["a", "b"], "aliases": ["x", "y"]}}, {"remove": {"index": "a", "alias": "y"}}
        ]);
        applied(&mut aliases, moved).unwrap();
        assert_eq!(aliases.indices("x").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(aliases.indices("y").collect::<Vec<_>>(), ["b"]);
        let filtered = json!([{"add": {"index": "a", "alias": "z", "filter": {}}}]);
        assert!(applied(&mut aliases, filtered).unwrap_err().reason.contains("not supported"));
    }
}
