//! The condition keys of a call: AWS's global ones from who calls and how, the service's own from what is asked for.

use super::guard::ResourceFacts;
use crate::wire::Members;
use chrono::{DateTime, SecondsFormat};
use millrace_access::{Context, Principal, PrincipalKind, Tags, Values};
use millrace_base::Millis;
use std::borrow::Cow;
use std::net::IpAddr;

/// How a call came.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The address of the caller; none for a call that the server makes in a role's name.
    pub source_ip: Option<IpAddr>,
    /// The connection is encrypted.
    pub secure: bool,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The `Referer` header.
    pub referer: Option<String>,
    /// The service that makes the call for somebody.
    pub via: Option<Via>,
}

/// A service that acts for somebody, and on what account.
#[derive(Debug, Clone)]
pub struct Via {
    /// For example `sns.amazonaws.com`.
    pub service: String,
    /// The ARN of the resource that made it act.
    pub source_arn: Option<String>,
    /// The account of that resource.
    pub source_account: Option<String>,
}

/// The keys of one call on one resource.
pub struct CallContext<'a> {
    pub principal: &'a Principal,
    pub circumstances: &'a Circumstances,
    pub keys: &'a [(Cow<'static, str>, Vec<String>)],
    pub members: Option<&'a dyn Members>,
    pub region: &'a str,
    pub resource: &'a str,
    pub owner: &'a str,
    pub facts: &'a dyn ResourceFacts,
    pub now: Millis,
}

/// Where inputs carry tags, and where keys of tags.
const TAGS: &[&str] = &["Tags", "tags", "TagsToAdd"];
const TAG_KEYS: &[&str] = &["TagKeys", "tagKeys", "TagsToRemove"];

impl Context for CallContext<'_> {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        if let Some((_, values)) = self.keys.iter().find(|(known, _)| *known == key) {
            return Some(many(values));
        }
        let global = key.strip_prefix("aws:")?;
        match global.split_once('/') {
            Some(("principaltag", tag)) => of_tags(&self.principal.tags, tag),
            Some(("requesttag", tag)) => self.request_tag(tag),
            Some(("resourcetag", tag)) => {
                let tags = self.facts.tags(self.resource)?;
                of_tags(&tags, tag).map(|values| Values::one(values.single().unwrap_or_default().to_owned()))
            }
            Some(_) => None,
            None => self.global(global),
        }
    }
}

impl CallContext<'_> {
    fn global(&self, key: &str) -> Option<Values<'_>> {
        let text = |text: &str| Some(Values::one(text.to_owned()));
        match key {
            "currenttime" => text(&moment(self.now)),
            "epochtime" => text(&(self.now / 1000).to_string()),
            "requestedregion" => text(self.region),
            "resourceaccount" => text(self.owner),
            "securetransport" => text(if self.circumstances.secure { "true" } else { "false" }),
            "sourceip" => text(&self.circumstances.source_ip?.to_string()),
            "useragent" => text(self.circumstances.user_agent.as_deref()?),
            "referer" => text(self.circumstances.referer.as_deref()?),
            "tagkeys" => self.tag_keys(),
            _ => self.of_principal(key).or_else(|| self.of_service(key)),
        }
    }

    fn of_principal(&self, key: &str) -> Option<Values<'_>> {
        let Principal { account, kind, arn, user_id, issued, .. } = self.principal;
        let is_service = matches!(kind, PrincipalKind::Service(_));
        let text = |text: &str| Some(Values::one(text.to_owned()));
        match key {
            "principalarn" => match kind {
                PrincipalKind::Role { arn, .. } => text(arn),
                PrincipalKind::Service(_) | PrincipalKind::Anonymous => None,
                PrincipalKind::Root | PrincipalKind::User { .. } => text(arn),
            },
            "principalaccount" if !is_service => text(account),
            "principaltype" => text(match kind {
                PrincipalKind::Root => "Account",
                PrincipalKind::User { .. } => "User",
                PrincipalKind::Role { .. } => "AssumedRole",
                PrincipalKind::Service(_) => "Service",
                PrincipalKind::Anonymous => "Anonymous",
            }),
            "userid" if !is_service => text(user_id),
            "username" => match kind {
                PrincipalKind::User { name } => text(name),
                _ => None,
            },
            "principalisawsservice" => text(if is_service { "true" } else { "false" }),
            "principalservicename" => match kind {
                PrincipalKind::Service(name) => text(name),
                _ => None,
            },
            "tokenissuetime" => text(&moment((*issued)?)),
            _ => None,
        }
    }

    fn of_service(&self, key: &str) -> Option<Values<'_>> {
        let via = self.circumstances.via.as_ref();
        let acts_for = via.filter(|_| !matches!(self.principal.kind, PrincipalKind::Service(_)));
        match key {
            "sourcearn" => Some(Values::one(via?.source_arn.as_deref()?)),
            "sourceaccount" => Some(Values::one(via?.source_account.as_deref()?)),
            "viaawsservice" => Some(Values::one(if acts_for.is_some() { "true" } else { "false" })),
            "calledvia" => Some(Values::Many(vec![Cow::Borrowed(&*acts_for?.service)])),
            "calledviafirst" | "calledvialast" => Some(Values::one(&*acts_for?.service)),
            _ => None,
        }
    }

    fn request_tag(&self, wanted: &str) -> Option<Values<'_>> {
        let members = self.members?;
        let tags = TAGS.iter().find_map(|name| members.member(name))?;
        if let Some(key) = tags.keys().into_iter().find(|key| key.eq_ignore_ascii_case(wanted)) {
            return tags.member(key)?.text().map(Values::one);
        }
        let fits = |tag: &&dyn Members| key_of(*tag).is_some_and(|key| key.eq_ignore_ascii_case(wanted));
        let tag = tags.items().into_iter().find(fits)?;
        let value = ["Value", "value"].iter().find_map(|name| tag.member(name)?.text());
        Some(Values::one(value.unwrap_or_default()))
    }

    fn tag_keys(&self) -> Option<Values<'_>> {
        let members = self.members?;
        if let Some(keys) = TAG_KEYS.iter().find_map(|name| members.member(name)) {
            return Some(Values::Many(keys.items().into_iter().filter_map(|key| Some(key.text()?.into())).collect()));
        }
        let tags = TAGS.iter().find_map(|name| members.member(name))?;
        let mut keys: Vec<Cow<'_, str>> = tags.keys().into_iter().map(Cow::from).collect();
        keys.extend(tags.items().into_iter().filter_map(key_of).map(Cow::from));
        Some(Values::Many(keys))
    }
}

fn key_of(tag: &dyn Members) -> Option<&str> {
    ["Key", "key"].iter().find_map(|name| tag.member(name)?.text())
}

fn many(values: &[String]) -> Values<'_> {
    match values {
        [value] => Values::one(value.as_str()),
        values => Values::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect()),
    }
}

fn of_tags<'a>(tags: &'a Tags, wanted: &str) -> Option<Values<'a>> {
    let found = tags.iter().find(|(key, _)| key.to_lowercase() == wanted);
    found.map(|(_, value)| Values::one(value.as_str()))
}

/// A moment in the writing of `aws:CurrentTime`.
fn moment(millis: Millis) -> String {
    DateTime::from_timestamp_millis(millis)
        .map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}
