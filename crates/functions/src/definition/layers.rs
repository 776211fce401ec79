//! Layers: packages that functions share. A version is immutable, and functions that hold it keep it when it is deleted.

use super::configuration::AttachedLayer;
use super::input::PublishLayerVersion;
use super::name::LayerName;
use super::packages::PackageRef;
use super::view::page;
use super::{Functions, FunctionsError};
use crate::moment::configured;
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// The catalog's table of layers, under `account/region/name`.
const TABLE: &str = "lambda-layer";
/// AWS's ceiling for one function.
const LAYERS_MAX: usize = 5;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct LayerRecord {
    name: String,
    /// Numbers are never used again.
    published: u64,
    versions: BTreeMap<u64, LayerVersionRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LayerVersionRecord {
    package: PackageRef,
    description: String,
    created: Millis,
    compatible_architectures: Vec<String>,
    compatible_runtimes: Vec<String>,
    license_info: Option<String>,
}

/// What `ListLayers` and `ListLayerVersions` choose by.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerFilter<'a> {
    /// Only those that say they run with it.
    pub runtime: Option<&'a str>,
    /// Only those that say they run on it.
    pub architecture: Option<&'a str>,
}

/// A layer version as `GetLayerVersion` gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerVersion {
    /// AWS's members but for `Content`.
    pub shown: Value,
    /// The package's digest: [`Functions::package`] gives its bytes.
    pub package: String,
    /// AWS's `CodeSha256`.
    pub code_sha256: String,
    /// Bytes of the zip.
    pub code_size: u64,
}

impl Functions {
    /// `PublishLayerVersion`.
    pub fn publish_layer(
        &self,
        scope: &Scope,
        input: PublishLayerVersion,
        zip: &[u8],
    ) -> Result<LayerVersion, FunctionsError> {
        let name = LayerName::parse(scope, &input.layer_name)?;
        own(scope, &name)?;
        let package = self.keep_package(zip)?;
        let version = LayerVersionRecord {
            package,
            description: input.description.unwrap_or_default(),
            created: self.shared.parts.clock.now(),
            compatible_architectures: input.compatible_architectures.unwrap_or_default(),
            compatible_runtimes: input.compatible_runtimes.unwrap_or_default(),
            license_info: input.license_info,
        };
        let shown = self.shared.parts.catalog.update(|transaction| {
            let key = place(&name);
            let mut layer: LayerRecord = transaction.get(TABLE, &key)?.unwrap_or_default();
            layer.name = name.name.clone();
            layer.published += 1;
            let shown = show(&name, layer.published, &version);
            layer.versions.insert(layer.published, version);
            transaction.put(TABLE, &key, &layer)?;
            Ok::<_, FunctionsError>(shown)
        })?;
        Ok(shown)
    }

    /// `GetLayerVersion`, or with an ARN `GetLayerVersionByArn`.
    pub fn layer(&self, scope: &Scope, name: &str, version: Option<u64>) -> Result<LayerVersion, FunctionsError> {
        let name = LayerName::parse(scope, name)?;
        own(scope, &name)?;
        let Some(number) = version.or(name.version) else {
            return Err(FunctionsError::invalid(format!("{} names no version of the layer.", name.layer_arn())));
        };
        let layer = self.shared.parts.catalog.get::<LayerRecord>(TABLE, &place(&name))?;
        let found = layer.as_ref().and_then(|layer| layer.versions.get(&number));
        found
            .map(|version| show(&name, number, version))
            .ok_or_else(|| FunctionsError::ResourceNotFound("The resource you requested does not exist.".to_owned()))
    }

    /// `DeleteLayerVersion`: an absent one is no error, as on AWS.
    pub fn delete_layer(&self, scope: &Scope, name: &str, version: u64) -> Result<(), FunctionsError> {
        let name = LayerName::parse(scope, name)?;
        own(scope, &name)?;
        self.shared.parts.catalog.update(|transaction| {
            let key = place(&name);
            let Some(mut layer) = transaction.get::<LayerRecord>(TABLE, &key)? else { return Ok(()) };
            layer.versions.remove(&version);
            Ok(transaction.put(TABLE, &key, &layer)?)
        })
    }

    /// `ListLayers`: each with its last version that the filter lets through; a page, and the marker of the next.
    pub fn layers(
        &self,
        scope: &Scope,
        filter: LayerFilter<'_>,
        marker: Option<&str>,
        max: usize,
    ) -> Result<(Vec<Value>, Option<String>), FunctionsError> {
        let all = self.shared.parts.catalog.list::<LayerRecord>(TABLE, &format!("{scope}/"))?;
        let shown = all.into_iter().filter_map(|(_, layer)| {
            let name = LayerName { scope: scope.clone(), name: layer.name.clone(), version: None };
            let (number, version) = layer.versions.iter().rev().find(|(_, version)| filter.lets(version))?;
            let item = json!({
                "LayerName": layer.name,
                "LayerArn": name.layer_arn(),
                "LatestMatchingVersion": show(&name, *number, version).shown,
            });
            Some((layer.name.clone(), item))
        });
        Ok(page(shown, marker, max))
    }

    /// `ListLayerVersions`: the newest first; a page, and the marker of the next.
    pub fn layer_versions(
        &self,
        scope: &Scope,
        name: &str,
        filter: LayerFilter<'_>,
        marker: Option<&str>,
        max: usize,
    ) -> Result<(Vec<Value>, Option<String>), FunctionsError> {
        let name = LayerName::parse(scope, name)?;
        own(scope, &name)?;
        let layer = self.shared.parts.catalog.get::<LayerRecord>(TABLE, &place(&name))?.unwrap_or_default();
        let newest_first = layer.versions.iter().rev().filter(|(_, version)| filter.lets(version));
        let shown = newest_first
            .map(|(number, version)| (format!("{:020}", u64::MAX - number), show(&name, *number, version).shown));
        Ok(page(shown, marker, max))
    }

    /// The layers that a function's ARNs stand for.
    pub(super) fn attach(&self, scope: &Scope, arns: &[String]) -> Result<Vec<AttachedLayer>, FunctionsError> {
        if arns.len() > LAYERS_MAX {
            return Err(FunctionsError::invalid(format!("Cannot reference more than {LAYERS_MAX} layers.")));
        }
        let mut names = HashSet::new();
        let attach = |arn: &String| {
            let name = LayerName::parse(scope, arn)?;
            if !names.insert(name.layer_arn()) {
                return Err(FunctionsError::invalid(format!(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \
                     {} is referenced twice.",
                    name.layer_arn()
                )));
            }
            own(scope, &name)?;
            let layer = self.shared.parts.catalog.get::<LayerRecord>(TABLE, &place(&name))?;
            let found = name.version.zip(layer).and_then(|(number, layer)| layer.versions.get(&number).cloned());
            let found = found.ok_or_else(|| FunctionsError::invalid(format!("Layer version {arn} does not exist.")))?;
            Ok(AttachedLayer { arn: arn.clone(), package: found.package })
        };
        arns.iter().map(attach).collect()
    }

    /// Notes the packages that layers need.
    pub(super) fn layer_packages(&self, named: &mut HashSet<String>) -> Result<(), FunctionsError> {
        for (_, layer) in self.shared.parts.catalog.list::<LayerRecord>(TABLE, "")? {
            named.extend(layer.versions.into_values().map(|version| version.package.sha256));
        }
        Ok(())
    }
}

impl LayerFilter<'_> {
    fn lets(self, version: &LayerVersionRecord) -> bool {
        let has =
            |wanted: Option<&str>, given: &[String]| wanted.is_none_or(|wanted| given.iter().any(|g| g == wanted));
        has(self.runtime, &version.compatible_runtimes) && has(self.architecture, &version.compatible_architectures)
    }
}

fn place(name: &LayerName) -> String {
    format!("{}/{}", name.scope, name.name)
}

/// Layers of other accounts and regions cannot be had: they are not in this scope, and nothing is fetched from AWS.
fn own(scope: &Scope, name: &LayerName) -> Result<(), FunctionsError> {
    if name.scope == *scope {
        return Ok(());
    }
    Err(FunctionsError::AccessDenied(format!(
        "User: arn:aws:iam::{}:root is not authorized to perform: lambda:GetLayerVersion on resource: {} because it is of \
         another account or region. Publish the layer here (aws lambda publish-layer-version) and name that ARN.",
        scope.account,
        name.layer_arn()
    )))
}

fn show(name: &LayerName, number: u64, version: &LayerVersionRecord) -> LayerVersion {
    let mut shown = json!({
        "LayerArn": name.layer_arn(),
        "LayerVersionArn": name.version_arn(number),
        "Version": number,
        "Description": version.description,
        "CreatedDate": configured(version.created),
    });
    if !version.compatible_runtimes.is_empty() {
        shown["CompatibleRuntimes"] = json!(version.compatible_runtimes);
    }
    if !version.compatible_architectures.is_empty() {
        shown["CompatibleArchitectures"] = json!(version.compatible_architectures);
    }
    if let Some(license) = &version.license_info {
        shown["LicenseInfo"] = json!(license);
    }
    LayerVersion {
        shown,
        package: version.package.sha256.clone(),
        code_sha256: version.package.code_sha256(),
        code_size: version.package.size,
    }
}
