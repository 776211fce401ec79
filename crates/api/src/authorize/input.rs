//! A call's input as its needs look at it.

use super::guard::ResourceFacts;
use crate::wire::Members;
use millrace_access::Identities;
use millrace_base::Scope;

/// An input, and the scope that its names lie in.
pub struct Input<'a> {
    pub members: &'a dyn Members,
    pub scope: &'a Scope,
    /// Where IAM's names find their paths; none where nobody is kept.
    pub identities: Option<&'a Identities>,
    /// What aliases stand for.
    pub facts: Option<&'a dyn ResourceFacts>,
}

impl Input<'_> {
    /// A member by its path, as `SchemaId.SchemaArn`.
    pub fn find(&self, path: &str) -> Option<&dyn Members> {
        path.split('.').try_fold(self.members, |found, name| found.member(name))
    }

    /// A text by its path; an empty one says nothing.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.find(path)?.text().filter(|text| !text.is_empty())
    }

    /// The first text there is.
    pub fn first(&self, paths: &[&str]) -> Option<&str> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// The texts of a list.
    pub fn texts(&self, path: &str) -> Vec<String> {
        let items = self.find(path).map(Members::items).unwrap_or_default();
        items.into_iter().filter_map(|item| item.text().map(str::to_owned)).collect()
    }

    /// The ARN of a resource of the caller's scope.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.scope.arn(service, resource).to_string()
    }
}
