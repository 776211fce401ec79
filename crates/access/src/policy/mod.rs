//! Policies: kept, compiled, and asked whether a call may be made.
//!
//! ```text
//! JSON ─► compiled (once per document) ─► decide: identity, resource, boundary and session policies ─► Decision
//!           statement: principal, action, resource, condition
//!           condition: operator, key, values with wildcards and variables
//! ```
//!
//! The rules are those of *Policy evaluation logic* in AWS's IAM user guide. Everything here but [`authorizer`] and [`kept`]
//! is a pure function of its arguments.

pub(crate) mod authorizer;
mod compiled;
mod condition;
mod context;
mod decide;
mod grammar;
mod kept;
mod operator;
mod pattern;
mod principals;

pub use authorizer::{Authorizer, Question};
pub use compiled::{CompiledPolicy, Effect};
pub use context::{Context, Facts, Values};
pub use decide::{Decision, Denial, PolicyKind, PolicySet, Request, Rule, decide};
pub use grammar::Malformed;
pub use kept::{NewPolicy, Policy, PolicyVersion, VERSIONS_MAX};
