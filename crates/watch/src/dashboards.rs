//! CloudWatch's dashboards: JSON bodies under names, checked when they are put. An account's dashboards are the same in every region.

use millrace_base::{Arn, Clock, Millis, Scope};
use millrace_catalog::{Catalog, CatalogError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const TABLE: &str = "dashboards";
/// CloudWatch's ceiling of widgets.
const WIDGETS_MAX: usize = 500;
/// What a body may have.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The grid's columns.
const COLUMNS: i64 = 24;
const HEIGHT_MAX: i64 = 1000;
const WIDGET_TYPES: [&str; 7] = ["alarm", "chart", "custom", "explorer", "log", "metric", "text"];
const WIDGET_MEMBERS: [&str; 6] = ["height", "properties", "type", "width", "x", "y"];
const BODY_MEMBERS: [&str; 5] = ["end", "periodOverride", "start", "variables", "widgets"];

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dashboard {
    /// Letters, digits, `-` and `_`.
    pub name: String,
    /// The JSON as it was put.
    pub body: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was last put.
    pub modified: Millis,
}

/// What is noticed in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, for example `/widgets/0/type`.
    pub path: String,
    /// What.
    pub message: String,
    /// Whether the dashboard is refused for it.
    pub is_error: bool,
}

/// Why a dashboard is not put, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The name breaks a rule.
    #[error(
        "The value '{0}' for parameter DashboardName is invalid: it has letters, digits, '-' and '_', at most 255."
    )]
    Name(String),
    /// The body breaks rules.
    #[error("The dashboard body is invalid, there are {} validation errors:{}", .0.len(), Findings(.0))]
    Body(Vec<Finding>),
    /// There is none.
    #[error("Dashboard {0} does not exist")]
    Absent(String),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

struct Findings<'a>(&'a [Finding]);

impl fmt::Display for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|finding| write!(f, " {}: {};", finding.path, finding.message))
    }
}

/// All dashboards. Cheap to clone.
#[derive(Clone)]
pub struct Dashboards {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
}

impl Dashboards {
    /// The dashboards in a catalog.
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>) -> Self {
        Self { catalog, clock }
    }

    /// Makes or replaces a dashboard; what is noticed that does not matter. Without `tags` those it has stay.
    pub fn put(
        &self,
        scope: &Scope,
        name: &str,
        body: &str,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<Vec<Finding>, DashboardError> {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if name.is_empty() || name.len() > 255 || !name.chars().all(is_letter) {
            return Err(DashboardError::Name(name.to_owned()));
        }
        let (errors, warnings): (Vec<_>, Vec<_>) = check(body).into_iter().partition(|finding| finding.is_error);
        if !errors.is_empty() {
            return Err(DashboardError::Body(errors));
        }
        let modified = self.clock.now();
        self.catalog.update(|changes| {
            let key = key(scope, name);
            let before: Option<Dashboard> = changes.get(TABLE, &key)?;
            let tags = tags.or(before.map(|before| before.tags)).unwrap_or_default();
            let dashboard = Dashboard { name: name.to_owned(), body: body.to_owned(), tags, modified };
            changes.put(TABLE, &key, &dashboard)?;
            Ok::<_, DashboardError>(())
        })?;
        Ok(warnings)
    }

    /// A dashboard.
    pub fn get(&self, scope: &Scope, name: &str) -> Result<Dashboard, DashboardError> {
        self.catalog.get(TABLE, &key(scope, name))?.ok_or_else(|| DashboardError::Absent(name.to_owned()))
    }

    /// The dashboards whose names begin with `prefix`, in order of names.
    pub fn list(&self, scope: &Scope, prefix: &str) -> Result<Vec<Dashboard>, DashboardError> {
        let found = self.catalog.list(TABLE, &key(scope, prefix))?;
        Ok(found.into_iter().map(|(_, dashboard)| dashboard).collect())
    }

    /// Removes dashboards, all or none of them.
    pub fn delete<'a>(&self, scope: &Scope, names: impl IntoIterator<Item = &'a str>) -> Result<(), DashboardError> {
        self.catalog.update(|changes| {
            for name in names {
                if !changes.delete(TABLE, &key(scope, name))? {
                    return Err(DashboardError::Absent(name.to_owned()));
                }
            }
            Ok(())
        })
    }

    /// Changes a dashboard's tags.
    pub fn change_tags(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), DashboardError> {
        self.catalog.update(|changes| {
            let key = key(scope, name);
            let found: Option<Dashboard> = changes.get(TABLE, &key)?;
            let mut dashboard = found.ok_or_else(|| DashboardError::Absent(name.to_owned()))?;
            change(&mut dashboard.tags);
            changes.put(TABLE, &key, &dashboard)?;
            Ok(())
        })
    }

    /// A dashboard's ARN, which has no region.
    pub fn arn(scope: &Scope, name: &str) -> Arn {
        Scope::new(&scope.account, "").arn("cloudwatch", &format!("dashboard/{name}"))
    }
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{}/{name}", scope.account)
}

/// What is to be said of a body.
fn check(body: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if body.len() > BODY_BYTES_MAX {
        error(&mut findings, "/", format!("it has {} bytes, and at most {BODY_BYTES_MAX} are kept", body.len()));
        return findings;
    }
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(reason) => {
            error(&mut findings, "/", format!("The field DashboardBody must be a valid JSON object: {reason}"));
            return findings;
        }
    };
    let Some(members) = value.as_object() else {
        error(&mut findings, "/", "The field DashboardBody must be a valid JSON object");
        return findings;
    };
    unknown_members(&mut findings, "", members, &BODY_MEMBERS);
    match members.get("widgets").map(|widgets| (widgets, widgets.as_array())) {
        None => error(&mut findings, "/", "Should have required property 'widgets'"),
        Some((_, None)) => error(&mut findings, "/widgets", "Should be array"),
        Some((_, Some(widgets))) if widgets.len() > WIDGETS_MAX => {
            error(&mut findings, "/widgets", format!("Should NOT have more than {WIDGETS_MAX} items"));
        }
        Some((_, Some(widgets))) => {
            for (place, widget) in widgets.iter().enumerate() {
                check_widget(&mut findings, &format!("/widgets/{place}"), widget);
            }
        }
    }
    findings
}

fn check_widget(findings: &mut Vec<Finding>, path: &str, widget: &Value) {
    let Some(members) = widget.as_object() else { return error(findings, path, "Should be object") };
    unknown_members(findings, path, members, &WIDGET_MEMBERS);
    let bounds = [("x", 0, COLUMNS - 1), ("y", 0, i64::MAX), ("width", 1, COLUMNS), ("height", 1, HEIGHT_MAX)];
    for (name, low, high) in bounds {
        match members.get(name).map(Value::as_i64) {
            None => {}
            Some(Some(number)) if (low..=high).contains(&number) => {}
            Some(Some(number)) if number < low => {
                error(findings, &format!("{path}/{name}"), format!("Should be >= {low}"))
            }
            Some(Some(_)) => error(findings, &format!("{path}/{name}"), format!("Should be <= {high}")),
            Some(None) => error(findings, &format!("{path}/{name}"), "Should be integer"),
        }
    }
    if members.contains_key("x") != members.contains_key("y") {
        error(findings, path, "Should have both of 'x' and 'y', or neither");
    }
    let Some(properties) = members.get("properties") else {
        return error(findings, path, "Should have required property 'properties'");
    };
    let path_in = format!("{path}/properties");
    if !properties.is_object() {
        return error(findings, &path_in, "Should be object");
    }
    match members.get("type").map(Value::as_str) {
        None => error(findings, path, "Should have required property 'type'"),
        Some(Some("text")) if !properties["markdown"].is_string() => {
            error(findings, &path_in, "Should have required property 'markdown'");
        }
        Some(Some("metric")) => check_metric_widget(findings, &path_in, properties),
        Some(Some("alarm")) if !properties["alarms"].is_array() => {
            error(findings, &path_in, "Should have required property 'alarms'");
        }
        Some(Some("log")) if !properties["query"].is_string() => {
            error(findings, &path_in, "Should have required property 'query'");
        }
        Some(Some(kind)) if WIDGET_TYPES.contains(&kind) => {}
        Some(_) => {
            error(
                findings,
                &format!("{path}/type"),
                format!("Should be equal to one of the allowed values: {WIDGET_TYPES:?}"),
            );
        }
    }
}

/// A graph: metrics as arrays of texts, the last element perhaps an object that says how to draw it; or alarms.
fn check_metric_widget(findings: &mut Vec<Finding>, path: &str, properties: &Value) {
    let metrics = &properties["metrics"];
    let has_alarms = properties["annotations"]["alarms"].is_array();
    if metrics.is_null() && !has_alarms {
        return error(findings, path, "Should have required property 'metrics', or alarms in 'annotations'");
    }
    if !metrics.is_null() && properties["region"].as_str().is_none_or(str::is_empty) {
        error(findings, path, "Should have required property 'region'");
    }
    let Some(rows) = metrics.as_array() else {
        if !metrics.is_null() {
            error(findings, &format!("{path}/metrics"), "Should be array");
        }
        return;
    };
    for (place, row) in rows.iter().enumerate() {
        let path = format!("{path}/metrics/{place}");
        let Some(row) = row.as_array().filter(|row| !row.is_empty()) else {
            error(findings, &path, "Should be array with a metric or an expression");
            continue;
        };
        let names = row.iter().take_while(|part| part.is_string()).count();
        let rest = &row[names..];
        let draws = rest.len() == 1 && rest[0].is_object();
        let is_expression = names == 0 && draws && rest[0]["expression"].is_string();
        // "..." stands for as many names of the row before as there are.
        let repeats = row.iter().any(|part| part == "...");
        if !(rest.is_empty() || draws) {
            error(findings, &format!("{path}/{names}"), "Should be string, or an object at the end");
        } else if !is_expression && !repeats && (names < 2 || names % 2 == 1) {
            let why = "Should have a namespace, a metric name, and names and values of dimensions";
            error(findings, &path, why);
        }
    }
}

fn unknown_members(findings: &mut Vec<Finding>, path: &str, members: &serde_json::Map<String, Value>, known: &[&str]) {
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        let message = "Should NOT have additional properties".to_owned();
        findings.push(Finding { path: format!("{path}/{name}"), message, is_error: false });
    }
}

fn error(findings: &mut Vec<Finding>, path: &str, message: impl Into<String>) {
    findings.push(Finding { path: path.to_owned(), message: message.into(), is_error: true });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_checked_where_they_are_wrong() {
        // (body, path of the first error, or empty)
        let widget = |inner: &str| format!("{{\"widgets\": [{{{inner}}}]}}");
        let cases = [
            (r#"{"widgets": []}"#.to_owned(), ""),
            ("nonsense".to_owned(), "/"),
            ("[]".to_owned(), "/"),
            ("{}".to_owned(), "/"),
            (r#"{"widgets": 1}"#.to_owned(), "/widgets"),
            (r#"{"widgets": [1]}"#.to_owned(), "/widgets/0"),
            (widget(r#""type": "text", "properties": {"markdown": "hi"}"#), ""),
            (widget(r#""type": "text", "properties": {}"#), "/widgets/0/properties"),
            (widget(r#""type": "nothing", "properties": {}"#), "/widgets/0/type"),
            (widget(r#""properties": {}"#), "/widgets/0"),
            (widget(r#""type": "text""#), "/widgets/0"),
            (widget(r#""type": "text", "x": 24, "y": 0, "properties": {"markdown": ""}"#), "/widgets/0/x"),
            (widget(r#""type": "text", "width": 25, "properties": {"markdown": ""}"#), "/widgets/0/width"),
            (widget(r#""type": "text", "height": "6", "properties": {"markdown": ""}"#), "/widgets/0/height"),
            (widget(r#""type": "text", "x": 1, "properties": {"markdown": ""}"#), "/widgets/0"),
            (
                widget(
                    r#""type": "metric", "properties": {"metrics": [["A", "B", "C", "D", {"stat": "Sum"}]], "region": "r"}"#,
                ),
                "",
            ),
            (widget(r#""type": "metric", "properties": {"metrics": [[{"expression": "m1*2"}]], "region": "r"}"#), ""),
            (
                widget(
                    r#""type": "metric", "properties": {"metrics": [["A", "B"], ["...", {"stat": "p99"}]], "region": "r"}"#,
                ),
                "",
            ),
            (
                widget(r#""type": "metric", "properties": {"metrics": [["A"]], "region": "r"}"#),
                "/widgets/0/properties/metrics/0",
            ),
            (widget(r#""type": "metric", "properties": {"metrics": [["A", "B"]]}"#), "/widgets/0/properties"),
            (
                widget(r#""type": "metric", "properties": {"metrics": [["A", 1]], "region": "r"}"#),
                "/widgets/0/properties/metrics/0/1",
            ),
        ];
        for (body, path) in cases {
            let errors: Vec<Finding> = check(&body).into_iter().filter(|finding| finding.is_error).collect();
            assert_eq!(errors.first().map_or("", |finding| &finding.path), path, "{body}: {errors:?}");
        }
        let odd = check(r#"{"widgets": [], "colour": "red"}"#);
        assert!(odd.len() == 1 && !odd[0].is_error && odd[0].path == "/colour");
    }
}
