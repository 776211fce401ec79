//! CloudFormation templates: read, checked against AWS's own resource schemas, compared with what is deployed, applied in
//! order and undone on failure.
//!
//! Text becomes a tree that knows its lines ([`Node`]), the tree a [`Template`]; with parameters it is [`Bound`]: every
//! function folded except references to resources. A [`Deployer`] compares that with the stack's state in the catalog and
//! lets one [`ResourceType`] per AWS type do the work. Nothing here knows what a stream or a bucket is.

mod bind;
mod condition;
mod deploy;
mod diff;
mod error;
mod fold;
mod json;
mod node;
mod order;
mod parameter;
mod parse;
mod resource;
mod schema;
mod state;
mod sub;
mod template;
mod undo;

pub use bind::{Bound, BoundResource, StackName};
pub use deploy::{Deployed, Deployer};
pub use diff::{Action, Plan, Step};
pub use error::{Problem, StackError};
pub use node::{Node, Place, Value};
pub use resource::{Anybody, Approver, Context, Created, Progress, ResourceError, ResourceType, Status, Updated};
pub use schema::supported_types;
pub use state::{ResourceState, StackState, StackStatus};
pub use template::Template;
