//! YAML and JSON text to [`Node`]s. JSON is read as the YAML that it is.
//!
//! CloudFormation reads YAML 1.1 without aliases, merge keys and the binary, set and timestamp tags; short tags such as
//! `!Ref` and `!GetAtt` become the long functions. A plain `2012-10-17` stays a text, and so does a number that begins with
//! zero, because an account id is not an octal number.

use crate::StackError;
use crate::error::Problems;
use crate::node::{Key, Node, Place, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

/// CloudFormation's limit on a template (AWS quota: 1 MB).
const TEMPLATE_BYTES_MAX: usize = 1 << 20;
/// Deeper trees than any real template; bounds the recursion of everything that walks a tree.
const DEPTH_MAX: usize = 64;

/// Reads a template's text into one tree.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, StackError> {
    let mut problems = Problems::new(file);
    if text.len() > TEMPLATE_BYTES_MAX {
        let message =
            format!("the template has {} bytes; CloudFormation takes at most {TEMPLATE_BYTES_MAX}", text.len());
        problems.add(Place { line: 1, column: 1 }, "", message);
        return problems.finish().map(|()| Node::text("", Place::default()));
    }
    let mut reader = Reader { parser: Parser::new_from_str(text), problems };
    let read = reader.document();
    match read {
        Ok(node) => {
            reader.problems.finish()?;
            Ok(node)
        }
        Err(stop) => {
            reader.problems.add(stop.at, "", stop.message);
            reader.problems.finish()?;
            Err(StackError::Template(Vec::new()))
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    problems: Problems,
}

/// A problem after which reading cannot go on.
struct Stop {
    at: Place,
    message: String,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(Stop { at: place(error.marker()), message: format!("this is not YAML: {}", error.info()) })
            }
            None => Err(Stop { at: Place { line: 1, column: 1 }, message: "the template is empty".to_owned() }),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd => return Err(stop(&span, "the template is empty")),
                event => {
                    let root = self.node(event, span, 0)?;
                    return self.end(root);
                }
            }
        }
    }

    fn end(&mut self, root: Node) -> Result<Node, Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(root),
                _ => return Err(stop(&span, "a template is one YAML document: remove what follows '---'")),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > DEPTH_MAX {
            return Err(stop(&span, &format!("the template nests deeper than {DEPTH_MAX} levels")));
        }
        let at = place(&span.start);
        match event {
            Event::Scalar(text, style, _, tag) => Ok(self.scalar(&text, style, tag.as_deref(), at)),
            Event::SequenceStart(_, tag) => {
                let items = self.sequence(depth)?;
                Ok(self.tagged(Node { value: Value::List(items), at }, tag.as_deref()))
            }
            Event::MappingStart(_, tag) => {
                let entries = self.mapping(depth)?;
                let node = self.long_form(entries, at);
                Ok(self.tagged(node, tag.as_deref()))
            }
            Event::Alias(_) => Err(stop(&span, "CloudFormation does not take YAML aliases: write the value again")),
            _ => Err(stop(&span, "a value is missing here")),
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => Key { name: text.into_owned(), at: place(&span.start) },
                _ => return Err(stop(&span, "a key must be a text")),
            };
            if key.name == "<<" {
                return Err(stop(&span, "CloudFormation does not take YAML merge keys: write the members again"));
            }
            if let Some((first, _)) = entries.iter().find(|(known, _)| known.name == key.name) {
                let message = format!("'{}' is given twice; the first is on line {}", key.name, first.at.line);
                self.problems.add(key.at, "", message);
            }
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            if value.value == Value::Null {
                // An empty value begins wherever the scanner looked next; its key is the place to point at.
                value.at = key.at;
            }
            entries.push((key, value));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Place) -> Node {
        let value = match (style, tag) {
            (ScalarStyle::Plain, None) => plain(text),
            (_, Some(tag)) if tag.is_yaml_core_schema() && tag.suffix != "str" => plain(text),
            _ => Value::Text(text.to_owned()),
        };
        self.tagged(Node { value, at }, tag)
    }

    /// `{"Ref": x}` and `{"Fn::…": x}` are calls.
    fn long_form(&mut self, mut entries: Vec<(Key, Node)>, at: Place) -> Node {
        let is_function = |key: &Key| key.name == "Ref" || key.name.starts_with("Fn::");
        if entries.len() == 1
            && is_function(&entries[0].0)
            && let Some((key, argument)) = entries.pop()
        {
            return call(&key.name, argument, at);
        }
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.name.starts_with("Fn::")) {
            let message = format!("{} must be the only member of its mapping", key.name);
            self.problems.add(key.at, "", message);
        }
        Node { value: Value::Map(entries), at }
    }

    fn tagged(&mut self, node: Node, tag: Option<&Tag>) -> Node {
        let Some(tag) = tag else { return node };
        let at = node.at;
        if tag.is_yaml_core_schema() {
            let known = ["str", "int", "float", "bool", "null", "seq", "map"];
            if !known.contains(&tag.suffix.as_str()) {
                self.problems.add(at, "", format!("CloudFormation does not take the YAML tag !!{}", tag.suffix));
            }
            return node;
        }
        let name = match tag.suffix.as_str() {
            "Ref" | "Condition" => tag.suffix.clone(),
            suffix => format!("Fn::{suffix}"),
        };
        call(&name, node, at)
    }
}

/// A call; `GetAtt`'s dotted text becomes the list that its long form takes.
fn call(name: &str, argument: Node, at: Place) -> Node {
    let argument = match (&argument.value, name) {
        (Value::Text(dotted), "Fn::GetAtt") => match dotted.split_once('.') {
            Some((resource, attribute)) => {
                let parts = vec![Node::text(resource, argument.at), Node::text(attribute, argument.at)];
                Node { value: Value::List(parts), at: argument.at }
            }
            None => argument,
        },
        _ => argument,
    };
    Node { value: Value::Call(name.to_owned(), Box::new(argument)), at }
}

/// What an unquoted scalar is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let octal = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let starts_like_number = digits.starts_with(|c: char| c.is_ascii_digit());
    if starts_like_number
        && !octal
        && let Ok(number) = serde_json::from_str::<serde_json::Number>(text)
    {
        return Value::Number(number, text.to_owned());
    }
    Value::Text(text.to_owned())
}

fn stop(span: &Span, message: &str) -> Stop {
    Stop { at: place(&span.start), message: message.to_owned() }
}

fn place(mark: &Marker) -> Place {
    Place { line: mark.line().max(1), column: mark.col() + 1 }
}
