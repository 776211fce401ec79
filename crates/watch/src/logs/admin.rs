//! Groups and streams: making, listing, changing and removing them.

use super::handle::Logs;
use super::store::{Group, STREAMS, Store};
use super::types::{GroupInfo, GroupKey, LogsError, StreamInfo};
use millrace_base::calendar::DAY_MS;
use millrace_base::{Millis, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The days that CloudWatch keeps logs for.
const RETENTION_DAYS: &[u32] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

impl Logs {
    /// `CreateLogGroup`.
    pub fn create_group(&self, key: &GroupKey, tags: BTreeMap<String, String>) -> Result<(), LogsError> {
        let _changing = self.store.changing.lock();
        match self.store.group(key) {
            Some(_) => Err(LogsError::GroupExists),
            None => self.store.make_group(key, tags).map(|_| ()),
        }
    }

    /// `DeleteLogGroup`, with all that is in it.
    pub fn delete_group(&self, key: &GroupKey) -> Result<(), LogsError> {
        let _changing = self.store.changing.lock();
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        self.store.remove_group(key, &group)
    }

    /// The groups of a scope whose names are let through, in order of name.
    pub fn groups(&self, scope: &Scope, wanted: impl Fn(&str) -> bool) -> Vec<GroupInfo> {
        let first = GroupKey { scope: scope.clone(), name: "".into() };
        let groups = self.store.groups.read();
        let own = groups.range(first..).take_while(|(key, _)| key.scope == *scope);
        own.filter(|(key, _)| wanted(&key.name)).map(|(_, group)| group.info()).collect()
    }

    /// One group.
    pub fn group(&self, key: &GroupKey) -> Result<GroupInfo, LogsError> {
        self.store.group(key).map(|group| group.info()).ok_or(LogsError::NoGroup)
    }

    /// `PutRetentionPolicy`, or `DeleteRetentionPolicy` with `None`.
    pub fn set_retention(&self, key: &GroupKey, days: Option<u32>) -> Result<(), LogsError> {
        if let Some(days) = days.filter(|days| !RETENTION_DAYS.contains(days)) {
            return Err(LogsError::Invalid(format!(
                "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must \
                 satisfy enum value set: {RETENTION_DAYS:?}"
            )));
        }
        self.change_group(key, |_, retention| {
            *retention = days;
            Ok(())
        })
    }

    /// Changes a group's tags.
    pub fn change_tags(
        &self,
        key: &GroupKey,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), LogsError> {
        self.change_group(key, |tags, _| {
            change(tags);
            Ok(())
        })
    }

    fn change_group(
        &self,
        key: &GroupKey,
        change: impl FnOnce(&mut BTreeMap<String, String>, &mut Option<u32>) -> Result<(), LogsError>,
    ) -> Result<(), LogsError> {
        let _changing = self.store.changing.lock();
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        let mut facts = group.facts.read().clone();
        change(&mut facts.tags, &mut facts.retention_days)?;
        self.store.put_group(&facts)?;
        *group.facts.write() = facts;
        Ok(())
    }

    /// `CreateLogStream`.
    pub fn create_stream(&self, key: &GroupKey, name: &str) -> Result<(), LogsError> {
        let _changing = self.store.changing.lock();
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        match self.store.stream(&group, name)? {
            Some(_) => Err(LogsError::StreamExists),
            None => self.store.make_stream(&group, name).map(|_| ()),
        }
    }

    /// `DeleteLogStream`. Its events are not found any more; their bytes go with their segments.
    pub fn delete_stream(&self, key: &GroupKey, name: &str) -> Result<(), LogsError> {
        let _changing = self.store.changing.lock();
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        self.store.stream(&group, name)?.ok_or(LogsError::NoStream)?;
        self.store.parts.catalog.delete(STREAMS, &format!("{}/{name}", group.id))?;
        group.state.write().touched.remove(name);
        Ok(())
    }

    /// One stream.
    pub fn stream(&self, key: &GroupKey, name: &str) -> Result<StreamInfo, LogsError> {
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        self.store.stream(&group, name)?.ok_or(LogsError::NoStream)
    }

    /// The streams of a group whose names begin with `prefix`, in order of name.
    pub fn streams(&self, key: &GroupKey, prefix: &str) -> Result<Vec<StreamInfo>, LogsError> {
        let group = self.store.group(key).ok_or(LogsError::NoGroup)?;
        let kept = self.store.parts.catalog.list::<StreamInfo>(STREAMS, &format!("{}/{prefix}", group.id))?;
        let state = group.state.read();
        let latest = |stream: StreamInfo| match state.touched.get(&*stream.name) {
            Some(touched) => touched.clone(),
            None => stream,
        };
        Ok(kept.into_iter().map(|(_, stream)| latest(stream)).collect())
    }

    /// Removes what has outlived its retention. To be called now and then.
    pub fn expire(&self) -> Result<(), LogsError> {
        let groups: Vec<Arc<Group>> = self.store.groups.read().values().cloned().collect();
        for group in groups {
            let Some(days) = group.facts.read().retention_days else { continue };
            let cutoff = self.store.parts.clock.now() - Millis::from(days) * DAY_MS;
            self.store.expire(&group, cutoff)?;
        }
        Ok(())
    }
}

impl Store {
    fn expire(&self, group: &Group, cutoff: Millis) -> Result<(), LogsError> {
        let gone: Vec<u64> = {
            let state = group.state.read();
            state.segments.iter().filter(|info| info.max < cutoff).map(|info| info.number).collect()
        };
        if gone.is_empty() {
            return Ok(());
        }
        let _changing = self.changing.lock();
        self.close(group)?;
        self.remove_segments(group, &gone)?;
        // Every process of a function has a stream of its own: those whose events are all gone would pile up.
        let streams = self.parts.catalog.list::<StreamInfo>(STREAMS, &format!("{}/", group.id))?;
        self.parts.catalog.update(|transaction| {
            for (place, _) in streams.iter().filter(|(_, stream)| stream.last.is_some_and(|last| last < cutoff)) {
                transaction.delete(STREAMS, place)?;
            }
            Ok(())
        })
    }
}

impl Group {
    fn info(&self) -> GroupInfo {
        let facts = self.facts.read();
        GroupInfo {
            name: facts.key.name.clone(),
            created: facts.created,
            retention_days: facts.retention_days,
            stored_bytes: self.state.read().segments.iter().map(|info| info.len).sum(),
            tags: facts.tags.clone(),
        }
    }
}
