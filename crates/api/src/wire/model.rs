//! What a generated model tells of its service as a whole: how requests find it, and where a REST operation's members lie.

/// A service, as its model describes it.
#[derive(Debug)]
pub struct Model {
    /// AWS's name of the service, for people.
    pub name: &'static str,
    /// What `X-Amz-Target` begins with, before the dot and the operation; empty when the service does not use it.
    pub target_prefix: &'static str,
    /// The version of the API: the `Version` of a query.
    pub version: &'static str,
    /// The namespace of its XML; empty when it has none.
    pub namespace: &'static str,
    /// True when JSON and CBOR errors also carry their code of the older query protocol.
    pub query_compatible: bool,
    /// Names that the query protocol writes in its own way.
    pub query_names: &'static QueryNames,
    /// The routes of a REST service.
    pub routes: &'static [Route],
    /// Every operation of the service, served or not.
    pub operations: &'static [&'static str],
}

/// Names of lists and maps that a query protocol writes *flattened* under a name of their own.
///
/// In a form, `Attribute.1.Name=x` stands for the first entry of the map `Attributes`; in XML, each entry is an `Attribute`
/// of its own beside the others. Lists and maps that are not named here are written as AWS's query protocol does by
/// default, in `member`s and `entry`s.
#[derive(Debug)]
pub struct QueryNames {
    /// Those of requests.
    pub inputs: &'static [QueryName],
    /// Those of responses.
    pub outputs: &'static [QueryName],
}

/// No names of its own.
pub static NO_NAMES: &QueryNames = &QueryNames { inputs: &[], outputs: &[] };

/// One flattened list or map.
#[derive(Debug)]
pub struct QueryName {
    /// The operation that it holds in; empty for all.
    pub operation: &'static str,
    /// The member's name in the model.
    pub member: &'static str,
    /// Its name in forms and XML.
    pub name: &'static str,
    /// The names of key and value when it is a map.
    pub entry: Option<(&'static str, &'static str)>,
}

impl QueryNames {
    /// The member that a form's `name` stands for.
    pub fn member(&self, operation: &str, name: &str) -> Option<&'static QueryName> {
        self.inputs.iter().find(|known| known.name == name && known.holds_in(operation))
    }

    /// How a response writes `member`.
    pub fn element(&self, operation: &str, member: &str) -> Option<&'static QueryName> {
        self.outputs.iter().find(|known| known.member == member && known.holds_in(operation))
    }
}

impl QueryName {
    fn holds_in(&self, operation: &str) -> bool {
        self.operation.is_empty() || self.operation == operation
    }
}

/// A REST operation: the requests that mean it, and where its members lie.
#[derive(Debug)]
pub struct Route {
    /// The operation's name.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with labels: `/2015-03-31/functions/{FunctionName}`.
    pub path: &'static str,
    /// A query parameter that tells this route from another with the same path, as `List=ALL`; empty for none.
    pub query: &'static str,
    /// The status of a success.
    pub status: u16,
    /// Members of the input that do not lie in the body's JSON.
    pub input: &'static [(&'static str, Place)],
    /// Members of the output that do not lie in the body's JSON.
    pub output: &'static [(&'static str, Place)],
}

/// Where a member of a REST operation lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A label of the path.
    Label(&'static str),
    /// A parameter of the query string; a list repeats it.
    Query(&'static str),
    /// A header; its name is in lower case.
    Header(&'static str),
    /// The response's status.
    Status,
    /// The whole body.
    Payload,
}
