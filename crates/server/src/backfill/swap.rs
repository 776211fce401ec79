//! The indices beside the live ones: made like them, and put in their places in one step.
//!
//! ```text
//! view             before                         after
//! an alias         view → old                     view → backfill-ID-view   (old stays unless it is dropped)
//! an index         view                           view → backfill-ID-view   (the index goes: a name is one or the other)
//! ```
//! Whatever other aliases the old index has go over to the new one.

use super::job::{Job, Through};
use super::{Parts, Trouble};
use millrace_search::{Engine, Error};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Settings that a new index may be given.
const SETTINGS: [&str; 3] = ["number_of_shards", "number_of_replicas", "refresh_interval"];

/// What a live name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// Nothing yet.
    Absent,
    /// An index.
    Index,
    /// An alias of these indices.
    Alias(BTreeSet<String>),
}

fn again(error: Error) -> Trouble {
    Trouble::Again(error.to_string())
}

/// What a name is.
pub fn live(engine: &Engine, name: &str) -> Live {
    match engine.aliases("_all", Some(name)) {
        Ok(Value::Object(of)) if !of.is_empty() => Live::Alias(of.keys().cloned().collect()),
        _ if engine.has_index(name) => Live::Index,
        _ => Live::Absent,
    }
}

/// The indices that an expression stands for now.
fn indices(engine: &Engine, expression: &str) -> Vec<String> {
    let described = engine.aliases(expression, None).ok();
    described.and_then(|all| all.as_object().map(|all| all.keys().cloned().collect())).unwrap_or_default()
}

/// Makes the indices beside the live ones, with their mappings. What is there already stays.
pub fn prepare(parts: &Parts, job: &Job) -> Result<(), Trouble> {
    let engine = &parts.engine;
    let is_built = |name: &str| name.starts_with("backfill-");
    match &job.spec.through {
        Through::Function { .. } => {
            for index in indices(engine, &job.spec.index) {
                // A view that was rebuilt before goes by the name that its writer knows.
                let names = match is_built(&index) {
                    true => writers_names(engine, &index),
                    false => vec![index.clone()],
                };
                names.iter().try_for_each(|name| beside(engine, job, name, &index))?;
            }
            Ok(())
        }
        _ => match indices(engine, &job.spec.index).first() {
            Some(like) => beside(engine, job, &job.spec.index, like),
            None => create(engine, &format!("{}{}", job.prefix(), job.spec.index), &json!({})),
        },
    }
}

/// The aliases of a rebuilt index that stand for nothing else.
fn writers_names(engine: &Engine, index: &str) -> Vec<String> {
    let only = |alias: &String| live(engine, alias) == Live::Alias(BTreeSet::from([index.to_owned()]));
    aliases_of(engine, index).into_iter().filter(only).collect()
}

fn beside(engine: &Engine, job: &Job, name: &str, like: &str) -> Result<(), Trouble> {
    let described = engine.describe(like).map_err(again)?;
    let settings: Map<String, Value> = SETTINGS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), described[like]["settings"]["index"].get(*name)?.clone())))
        .collect();
    let body = json!({"settings": settings, "mappings": described[like]["mappings"]});
    create(engine, &format!("{}{name}", job.prefix()), &body)
}

fn create(engine: &Engine, name: &str, body: &Value) -> Result<(), Trouble> {
    match engine.create_index(name, body) {
        Err(error) if error.kind == "resource_already_exists_exception" => Ok(()),
        Err(error) if error.status < 500 => Err(Trouble::Never(error.to_string())),
        other => other.map_err(again),
    }
}

/// The rebuilt indices, each with the name that it is to have.
fn built(engine: &Engine, job: &Job) -> Vec<(String, String)> {
    let prefix = job.prefix();
    let named = |index: String| Some((index.strip_prefix(&prefix)?.to_owned(), index.clone()));
    indices(engine, &format!("{prefix}*")).into_iter().filter_map(named).collect()
}

fn documents(engine: &Engine, index: &str) -> Result<u64, Trouble> {
    engine.refresh(index).map_err(again)?;
    let counted = engine.count(index, &json!({}), false).map_err(again)?;
    Ok(counted["count"].as_u64().unwrap_or_default())
}

/// How far each rebuilt index was written: what comes later is the live writer's. Those in which nothing is are removed.
pub fn marks(parts: &Parts, job: &mut Job) -> Result<(), Trouble> {
    let engine = &parts.engine;
    for (name, index) in built(engine, job) {
        if documents(engine, &index)? == 0 && live(engine, &name) != Live::Absent {
            engine.delete_index(&index).map_err(again)?;
            continue;
        }
        job.swapped_at.insert(index.clone(), engine.next_seq(&index).map_err(again)?);
    }
    Ok(())
}

/// Gives the live names to the rebuilt indices, all in one step. What is done already stays.
pub fn swap(parts: &Parts, job: &mut Job) -> Result<(), Trouble> {
    let engine = &parts.engine;
    let (mut actions, mut swaps) = (Vec::new(), Vec::new());
    for (name, index) in built(engine, job) {
        let old = match live(engine, &name) {
            Live::Alias(of) if of == BTreeSet::from([index.clone()]) => continue,
            Live::Alias(of) => of,
            Live::Index => BTreeSet::from([name.clone()]),
            Live::Absent => BTreeSet::new(),
        };
        let (before, after) =
            (old.iter().map(|old| documents(engine, old)).sum::<Result<u64, _>>()?, documents(engine, &index)?);
        check(job, &name, &old, (before, after))?;
        replace(engine, job, (&name, &index), &old, &mut actions);
        let fate = match (old.is_empty(), job.consent.drop_old) {
            (true, _) => "which is new".to_owned(),
            (_, true) => format!("in place of {before}, whose index is deleted"),
            (_, false) => format!("in place of {before}, which stay in {}", join(&old)),
        };
        swaps.push(format!("{name} is {index} with {after} documents, {fate}"));
    }
    if !actions.is_empty() {
        engine.update_aliases(&json!({ "actions": actions })).map_err(|error| match error.status {
            500.. => again(error),
            _ => Trouble::Never(error.to_string()),
        })?;
        job.swaps = swaps;
    }
    Ok(())
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn check(job: &Job, name: &str, old: &BTreeSet<String>, (before, after): (u64, u64)) -> Result<(), Trouble> {
    if after < before && !job.consent.allow_fewer {
        return Err(Trouble::Never(format!(
            "the rebuilt index of {name} has {after} documents, the live one {before}: it was not swapped in. Begin earlier \
             with --from, or run the same command with --allow-fewer"
        )));
    }
    if old.contains(name) && !job.consent.drop_old {
        return Err(Trouble::Never(not_an_alias(name)));
    }
    Ok(())
}

/// Why an index cannot be kept.
pub fn not_an_alias(name: &str) -> String {
    format!(
        "{name} is an index, not an alias, and a name cannot be both: run the same command with --drop-old, which deletes it in \
         the step in which the rebuilt one takes its name"
    )
}

fn aliases_of(engine: &Engine, index: &str) -> Vec<String> {
    let all = engine.aliases(index, None).unwrap_or_default();
    all[index]["aliases"].as_object().map(|of| of.keys().cloned().collect()).unwrap_or_default()
}

fn replace(engine: &Engine, job: &Job, (name, index): (&str, &str), old: &BTreeSet<String>, actions: &mut Vec<Value>) {
    let others: BTreeSet<String> =
        old.iter().flat_map(|old| aliases_of(engine, old)).filter(|alias| alias != name).collect();
    for old in old {
        if job.consent.drop_old {
            actions.push(json!({"remove_index": {"index": old}}));
            continue;
        }
        for alias in aliases_of(engine, old) {
            actions.push(json!({"remove": {"index": old, "alias": alias}}));
        }
    }
    for alias in others.iter().map(String::as_str).chain([name]) {
        actions.push(json!({"add": {"index": index, "alias": alias}}));
    }
}

/// Removes what was built beside and has not taken its place.
pub fn remove(parts: &Parts, job: &Job) -> Result<(), Error> {
    let engine = &parts.engine;
    for (name, index) in built(engine, job) {
        let is_live = matches!(live(engine, &name), Live::Alias(of) if of.contains(&index));
        if !is_live {
            engine.delete_index(&index)?;
        }
    }
    Ok(())
}
