//! What can be wrong with a template or a deploy.

use crate::node::Place;
use millrace_base::Remedy;
use std::fmt;

/// One thing that is wrong in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The template's file name, as it was given.
    pub file: String,
    /// Where in it; line 0 for what the text no longer holds.
    pub at: Place,
    /// The path of the member, for example `Resources.Flights.Properties.ShardCount`; empty for the whole text.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at == Place::default() {
            write!(f, "{}: ", self.file)?;
        } else {
            write!(f, "{}:{}: ", self.file, self.at)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Collects problems while a template is read, so that all of them are told at once.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, at: Place, path: &str, message: impl Into<String>) {
        let problem = Problem { file: self.file.clone(), at, path: path.to_owned(), message: message.into() };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `Ok` when nothing was found; else the problems in the order of the text.
    pub(crate) fn finish(mut self) -> Result<(), StackError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|problem| problem.at);
        Err(StackError::Template(self.found))
    }
}

/// A template that cannot be used, or a deploy that failed.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template is wrong. Nothing was changed.
    #[error("{}", lines(.0))]
    Template(Vec<Problem>),
    /// A resource could not be created, changed or deleted.
    #[error("{problem}\n{undone}")]
    Resource {
        /// Which one, and what its service said.
        problem: Box<Problem>,
        /// What became of the changes that this deploy had made before.
        undone: String,
    },
    /// The same stack is being deployed or deleted at this moment.
    #[error("stack '{0}' is being changed by another deploy: wait until it ends, then deploy again")]
    Busy(String),
    /// There is no such stack.
    #[error("there is no stack '{0}'")]
    NoStack(String),
    /// The stack's state could not be read or saved.
    #[error(transparent)]
    Catalog(#[from] millrace_catalog::CatalogError),
}

impl StackError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Template(_) | Self::NoStack(_) => Remedy::FixRequest,
            Self::Resource { .. } => Remedy::FixRequest,
            Self::Busy(_) => Remedy::Retry,
            Self::Catalog(error) => error.remedy(),
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// "; did you mean 'X'?" or nothing.
pub(crate) fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    millrace_base::did_you_mean(name, candidates).map(|help| format!("; {help}")).unwrap_or_default()
}
