//! `AWS::OpenSearchService::Domain`: an index with OpenSearch's API.
//!
//! Sizes of clusters and disks are kept and shown but size nothing: a domain is as large as its machine. With `--auth on` its
//! access policy decides with the callers' own.

use super::ports::{DomainPort, Guarantees};
use super::read;
use async_trait::async_trait;
use millrace_access::DocumentKind;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// AWS's limits on a domain's name.
const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 3..=28;
/// The policies that say what holds in any case: TLS 1.2 at least.
const TLS_POLICIES: [&str; 2] = ["Policy-Min-TLS-1-2-2019-07", "Policy-Min-TLS-1-2-PFS-2023-10"];

/// Search domains.
pub(super) struct Domain {
    pub(super) domains: Arc<dyn DomainPort>,
    pub(super) guarantees: Guarantees,
}

impl Domain {
    fn made(&self, ctx: &Context, name: &str) -> Created {
        let arn = ctx.scope.arn("es", &format!("domain/{name}")).to_string();
        let endpoint = self.domains.endpoint(&ctx.scope, name);
        let id = format!("{}/{name}", ctx.scope.account);
        Created::new(name, [("Arn", arn.clone()), ("DomainArn", arn), ("DomainEndpoint", endpoint), ("Id", id)])
    }
}

/// A domain's name is short and in lower case; of a generated one the unique end stays.
fn name(ctx: &Context, properties: &Value) -> String {
    if let Some(name) = read::text(properties, "DomainName") {
        return name.to_owned();
    }
    let name = ctx.generated_name.to_lowercase();
    let skipped = name.chars().count().saturating_sub(*NAME_CHARACTERS.end());
    name.chars().skip(skipped).skip_while(|c| !c.is_ascii_lowercase()).collect()
}

/// Encryption is the server's, not the domain's: what a template asks for has to hold of all of them. Nothing passes between
/// nodes, as there is one.
fn check_encryption(properties: &Value, guarantees: Guarantees) -> Result<(), ResourceError> {
    const AT_REST: &str = "EncryptionAtRestOptions.Enabled";
    const HTTPS: &str = "DomainEndpointOptions.EnforceHTTPS";
    const POLICY: &str = "DomainEndpointOptions.TLSSecurityPolicy";
    if read::flag(properties, AT_REST) == Some(true) && !guarantees.sealed {
        let message = "the index is not encrypted at rest: start the server with --encrypt, or leave this out";
        return Err(ResourceError::property(AT_REST, message));
    }
    if read::flag(properties, HTTPS) == Some(true) && !guarantees.only_tls {
        let message = "the index answers without TLS, too: start the server with --tls required, or leave this out";
        return Err(ResourceError::property(HTTPS, message));
    }
    match read::text(properties, POLICY) {
        Some(policy) if !TLS_POLICIES.contains(&policy) => {
            let message =
                format!("'{policy}' is not supported: TLS is 1.2 or 1.3 here, which {} say", TLS_POLICIES.join(", "));
            Err(ResourceError::property(POLICY, message))
        }
        Some(_) if !guarantees.tls => {
            let message = "the index does not speak TLS: start the server without --tls off, or leave this out";
            Err(ResourceError::property(POLICY, message))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl ResourceType for Domain {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "AccessPolicies",
            "DomainName",
            "EngineVersion",
            "ClusterConfig.InstanceType",
            "ClusterConfig.InstanceCount",
            "DomainEndpointOptions.EnforceHTTPS",
            "DomainEndpointOptions.TLSSecurityPolicy",
            "EBSOptions",
            "EncryptionAtRestOptions.Enabled",
            "NodeToNodeEncryptionOptions.Enabled",
            "Tags",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        super::identity::check(properties.get("AccessPolicies"), "AccessPolicies", DocumentKind::Resource)?;
        if let Some(name) = read::text(properties, "DomainName") {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
            if !NAME_CHARACTERS.contains(&name.len()) || !begins || !name.chars().all(legal) {
                let message = format!(
                    "'{name}' is not a domain's name: it has 3 to 28 lower-case letters, digits and hyphens, and begins \
                     with a letter"
                );
                return Err(ResourceError::property("DomainName", message));
            }
        }
        check_encryption(properties, self.guarantees)?;
        match read::text(properties, "EngineVersion") {
            Some(version) if !version.starts_with("OpenSearch_") => {
                let message =
                    format!("'{version}' is not supported: the engine speaks OpenSearch, for example OpenSearch_2.19");
                Err(ResourceError::property("EngineVersion", message))
            }
            _ => Ok(()),
        }
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = name(ctx, properties);
        read::created(ctx, self.domains.create(&ctx.scope, &name, properties))?;
        Ok(self.made(ctx, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.domains.update(&ctx.scope, physical_id, new).map_err(read::error)?;
        Ok(Updated::InPlace(self.made(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        read::deleted(self.domains.delete(&ctx.scope, physical_id))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        self.domains.exists(&ctx.scope, physical_id).map_err(read::error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use serde_json::json;

    #[test]
    fn a_template_may_ask_for_what_holds() {
        let all = json!({
            "EncryptionAtRestOptions": {"Enabled": true}, "NodeToNodeEncryptionOptions": {"Enabled": true},
            "DomainEndpointOptions": {"EnforceHTTPS": true, "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07"},
        });
        let asked = |properties: &Value, guarantees| match check_encryption(properties, guarantees) {
            Err(ResourceError::Property { path, message }) => format!("{path}: {message}"),
            other => format!("{other:?}"),
        };
        let none = Guarantees::default();
        let whole = Guarantees { sealed: true, tls: true, only_tls: true, ..none };
        assert_eq!(asked(&all, whole), "Ok(())");
        assert!(asked(&all, Guarantees { sealed: false, ..whole }).contains("AtRestOptions.Enabled: the index is not"));
        assert!(asked(&all, Guarantees { only_tls: false, ..whole }).contains("start the server with --tls required"));
        let off =
            json!({"EncryptionAtRestOptions": {"Enabled": false}, "DomainEndpointOptions": {"EnforceHTTPS": false}});
        assert_eq!(asked(&off, none), "Ok(())");
        let policy = |name: &str| json!({"DomainEndpointOptions": {"TLSSecurityPolicy": name}});
        assert!(asked(&policy("Policy-Min-TLS-1-2-PFS-2023-10"), none).contains("does not speak TLS"));
        assert!(
            asked(&policy("Policy-Min-TLS-1-0-2019-07"), whole)
                .contains("'Policy-Min-TLS-1-0-2019-07' is not supported")
        );
    }

    #[test]
    fn generated_names_fit_a_domain() {
        let ctx = Context {
            scope: Scope::default(),
            stack: "s".to_owned(),
            logical_id: "Search".to_owned(),
            generated_name: "long-stack-name-Search-1BCDEFGHIJKL".to_owned(),
            resuming: false,
        };
        assert_eq!(name(&ctx, &json!({})), "ack-name-search-1bcdefghijkl");
    }
}
