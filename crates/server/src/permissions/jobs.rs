//! What SQL may do, that of applications in their roles' names, and what people run in their own: streams, functions, the index, and files.
//!
//! ```text
//! kinesis     kinesis:GetRecords…, kinesis:PutRecords    the stream
//! opensearch  es:ESHttpPost                              domain/DOMAIN/INDEX/_bulk of one of the account's domains
//! filesystem  s3:ListBucket + s3:GetObject, s3:PutObject arn:aws:s3:::BUCKET/PREFIX, for a path in DATA/lake
//!             millrace:ReadFile, millrace:WriteFile      arn:aws:millrace:REGION:ACCOUNT:file/PATH, for one outside of DATA
//! ```
//! The rest of the data folder holds keys and other accounts' records: no role may name it.

use super::{APPLICATIONS, Asked, Roles};
use crate::scalar::function_arn;
use millrace_api::Caller;
use millrace_api::authorize::Guard;
use millrace_base::Scope;
use millrace_process::graph::{ConnectorSpec, JobGraph, Operator};
use std::path::{Component, Path, PathBuf};

/// Either of these finds a stream: Flink's connector asks for the summary, older policies have the whole.
const FINDS: [&str; 2] = ["kinesis:DescribeStreamSummary", "kinesis:DescribeStream"];
/// What a stream is read and written with.
const READS: [&str; 3] = ["kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"];
const WRITES: [&str; 1] = ["kinesis:PutRecords"];
/// The folder of buckets in the data folder.
const LAKE: &str = "lake";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

/// Who is asked for a job.
struct Job<'a> {
    asked: &'a Asked,
    guard: &'a Guard,
    scope: &'a Scope,
}

impl Roles {
    /// Whether an application may use the tables of one of its jobs, and call its functions. Asked whenever the job is
    /// started or started again.
    pub fn check_job(&self, (scope, name): (&Scope, &str), role: &str, graph: &JobGraph) -> Result<(), String> {
        let Some(asked) = &self.0 else { return Ok(()) };
        let source = scope.arn("kinesisanalytics", &format!("application/{name}"));
        let guard = &super::guard(&asked.gate, (APPLICATIONS, &source), role)?;
        Job { asked, guard, scope }.check_graph(graph)
    }

    /// Whether somebody may use the tables of SQL that they run, and call its functions.
    pub fn check_own(&self, caller: &Caller, graph: &JobGraph) -> Result<(), String> {
        let Some(asked) = &self.0 else { return Ok(()) };
        Job { asked, guard: &caller.guard, scope: &caller.scope }.check_graph(graph)
    }
}

impl Job<'_> {
    fn check_graph(&self, graph: &JobGraph) -> Result<(), String> {
        for node in &graph.nodes {
            match &node.operator {
                Operator::Source(table) => self.check_table(table, Use::Read)?,
                Operator::Sink(table) => self.check_table(table, Use::Write)?,
                Operator::ExternalCalls(calls) => {
                    let mut arns = calls.iter().map(|call| function_arn(self.scope, &call.function.lambda));
                    arns.try_for_each(|arn| self.check("lambda:InvokeFunction", &arn))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self, action: &str, resource: &str) -> Result<(), String> {
        self.asked.allow(self.guard, self.scope, action, resource)
    }

    fn check_table(&self, table: &ConnectorSpec, as_: Use) -> Result<(), String> {
        match table.connector.as_str() {
            "kinesis" => {
                let Some(stream) = stream(self.scope, table) else { return Ok(()) };
                if as_ == Use::Write {
                    return WRITES.iter().try_for_each(|action| self.check(action, &stream));
                }
                let [summary, whole] = FINDS;
                self.check(summary, &stream).or_else(|denied| self.check(whole, &stream).map_err(|_| denied))?;
                READS.iter().try_for_each(|action| self.check(action, &stream))
            }
            "opensearch" => self.check_index(table),
            // Without a path the connector says so itself.
            "filesystem" => table.options.get("path").map_or(Ok(()), |path| self.check_files(path, as_)),
            _ => Ok(()),
        }
    }

    /// One index serves all domains, so whoever may write to one of the account's may write, unless another's policy forbids it.
    fn check_index(&self, table: &ConnectorSpec) -> Result<(), String> {
        let Self { guard, scope, .. } = self;
        let Some(index) = table.options.get("index") else { return Ok(()) };
        let domains = guard.domains(scope).into_iter();
        let resources = domains.map(|domain| scope.arn("es", &format!("domain/{domain}/{index}/_bulk")).to_string());
        guard.allow_any(scope, "es:ESHttpPost", resources).map_err(super::said)
    }

    fn check_files(&self, path: &str, as_: Use) -> Result<(), String> {
        match place(&self.asked.data, path)? {
            Place::Lake { bucket, prefix } => {
                let objects = match prefix.as_str() {
                    "" => format!("arn:aws:s3:::{bucket}/*"),
                    prefix => format!("arn:aws:s3:::{bucket}/{prefix}/*"),
                };
                if as_ == Use::Write {
                    return self.check("s3:PutObject", &objects);
                }
                self.check("s3:ListBucket", &format!("arn:aws:s3:::{bucket}"))?;
                self.check("s3:GetObject", &objects)
            }
            Place::Outside(path) => {
                let action = if as_ == Use::Read { "millrace:ReadFile" } else { "millrace:WriteFile" };
                let resource = self.scope.arn("millrace", &format!("file{}", path.display()));
                self.check(action, &resource.to_string())
            }
            Place::Inside(path) => Err(format!(
                "the table's path {} is in the server's data folder, of which only {LAKE}/BUCKET/… can be a table: put the \
                 files there, or outside of the data folder",
                path.display()
            )),
        }
    }
}

/// Where a table's files are.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In a bucket of the lake.
    Lake { bucket: String, prefix: String },
    /// Elsewhere in the data folder.
    Inside(PathBuf),
    /// Outside of the data folder.
    Outside(PathBuf),
}

fn place(data: &Path, text: &str) -> Result<Place, String> {
    let plain = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()));
    let (data, path) = (plainly(&absolute(data)?), plainly(&absolute(Path::new(plain))?));
    let Ok(inside) = path.strip_prefix(&data) else {
        // A folder above the data folder has it in it.
        return Ok(if data.starts_with(&path) { Place::Inside(path) } else { Place::Outside(path) });
    };
    let Ok(key) = inside.strip_prefix(LAKE) else { return Ok(Place::Inside(path)) };
    let key = key.to_string_lossy();
    match key.split_once('/') {
        _ if key.is_empty() => Ok(Place::Inside(path)),
        Some((bucket, prefix)) => Ok(Place::Lake { bucket: bucket.to_owned(), prefix: prefix.to_owned() }),
        None => Ok(Place::Lake { bucket: key.into_owned(), prefix: String::new() }),
    }
}

/// A path without `.` and `..`.
fn plainly(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The ARN of the stream that a table stands for.
pub fn stream(scope: &Scope, table: &ConnectorSpec) -> Option<String> {
    let options = &table.options;
    let named = || {
        let region = options.get("aws.region").map_or(&*scope.region, String::as_str);
        let scope = Scope::new(&scope.account, region);
        Some(scope.arn("kinesis", &format!("stream/{}", options.get("stream")?)).to_string())
    };
    options.get("stream.arn").cloned().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_lakes_or_outside_and_never_the_servers_own() {
        let at = |path: &str| place(Path::new("/srv/data"), path).unwrap();
        let lake = |bucket: &str, prefix: &str| Place::Lake { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(at("file:///srv/data/lake/b/in/day"), lake("b", "in/day"));
        assert_eq!(at("/srv/data/lake/b/"), lake("b", ""));
        assert_eq!(at("/srv/data/lake/b/x/../y"), lake("b", "y"));
        assert!(matches!(at("/srv/data/lake"), Place::Inside(_)));
        assert!(matches!(at("/srv/data/lake/b/../../credentials"), Place::Inside(_)));
        assert!(matches!(at("file:/srv/other/../data/log"), Place::Inside(_)));
        assert!(matches!(at("/srv"), Place::Inside(_)));
        assert_eq!(at("/srv/database"), Place::Outside("/srv/database".into()));
    }

    #[test]
    fn relative_paths_are_those_of_the_process() {
        assert!(matches!(place(Path::new("data"), "data/log"), Ok(Place::Inside(_))));
        assert!(matches!(place(Path::new("data"), "./data/lake/b/k"), Ok(Place::Lake { .. })));
        assert!(matches!(place(Path::new("data"), "elsewhere"), Ok(Place::Outside(_))));
    }
}
