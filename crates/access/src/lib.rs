//! Who is who: IAM's roles, policies and users of an account, AWS's own policies, and STS's sessions.
//!
//! ```text
//! Identities ─┬─ roles      trust policy, inline policies, attached policies, tags
//!             ├─ policies   up to five versions each; AWS's own are known by name
//!             ├─ users      with their access keys
//!             └─ sessions   temporary keys, each with whom it stands for
//! ```
//!
//! All of it is kept in the catalog, by account. [`Authorizer`] decides by it what anybody may do.

pub mod audit;
mod document;
mod error;
mod group;
mod identities;
pub mod keyring;
mod keys;
mod managed;
mod policy;
mod principal;
mod profile;
mod resource_policies;
mod role;
mod sealed;
mod secret;
mod session;
pub mod signature;
mod streams;
pub mod tls;
mod user;
mod user_policies;
mod uses;

pub use document::{Kind as DocumentKind, check as check_document};
pub use error::IdentityError;
pub use group::Group;
pub use identities::{Identities, Tags};
pub use keyring::KeyRing;
pub use keys::{Key, KeyState, RootKey};
pub use managed::AwsPolicy;
pub use policy::{
    Authorizer, CompiledPolicy, Context, Decision, Denial, Effect, Facts, Malformed, NewPolicy, Policy, PolicyKind,
    PolicySet, PolicyVersion, Question, Request, Rule, VERSIONS_MAX, Values, decide,
};
pub use principal::{Principal, PrincipalKind, SessionLimits};
pub use profile::{Profile, profiles, write_profiles};
pub use resource_policies::ResourcePolicies;
pub use role::{NewRole, Role, SESSION_SECONDS_DEFAULT};
pub use sealed::{SealedDisk, SealedMessages, SealedValues};
pub use secret::Secret;
pub use session::{Credentials, Identity, SessionRequest, TEMPORARY};
pub use streams::{StreamSeal, StreamSealError, StreamSeals};
pub use user::{AccessKey, NewAccessKey, NewUser, User};
pub use uses::KeyUse;
