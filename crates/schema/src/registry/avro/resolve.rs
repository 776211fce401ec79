//! Avro's schema resolution: whether a reader's schema takes all that a writer's schema can write.
//!
//! The rules are the specification's, and where it leaves room, those of `org.apache.avro.SchemaCompatibility`: names match
//! without their namespace or by the reader's aliases, every symbol and branch of the writer must find its place, promotions
//! are int → long → float → double and bytes ↔ string. Two things are stricter than the Java tool, because the reader would
//! get wrong values without any error: decimals of different scale, and times of different units.

use crate::registry::finding::{Finding, STEPS_MAX, rules};
use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, FixedSchema, InnerDecimalSchema, RecordField, RecordSchema, UuidSchema};
use std::collections::{HashMap, HashSet};

rules! {
    TYPE = "avro-type-mismatch",
        new reads: "keep the old type, promote it (int to long, float or double; bytes to string), or add a new field of the new type and a default",
        old reads: "keep the old type, or add a new field of the new type and leave the old one in place";
    NAME = "avro-name-mismatch",
        new reads: "keep the name, or list the old full name in the new type's \"aliases\"",
        old reads: "keep the name: the old version knows no alias of the new one";
    DEFAULT = "avro-reader-field-needs-default",
        new reads: "give the new field a \"default\"",
        old reads: "keep the field: the old version has no default for it";
    SYMBOL = "avro-enum-symbol-missing",
        new reads: "keep the symbols, or give the new enum a \"default\" symbol",
        old reads: "write no symbols that the old version does not know; first add a version whose enum has a \"default\" symbol";
    BRANCH = "avro-union-branch-missing",
        new reads: "keep the branch in the new union",
        old reads: "write no branch that the old union does not have; first add it for the readers";
    SIZE = "avro-fixed-size-differs",
        new reads: "keep the size, or add a new type under another name",
        old reads: "keep the size, or add a new type under another name";
    DECIMAL = "avro-decimal-differs",
        new reads: "keep the scale and at least the precision, or add a new field",
        old reads: "keep the scale and at most the precision, or add a new field";
    UNIT = "avro-time-unit-differs",
        new reads: "keep the unit, or add a new field of the new unit",
        old reads: "keep the unit, or add a new field of the new unit";
    ALIAS = "avro-alias-ambiguous",
        new reads: "leave one of the names in the reader's aliases",
        old reads: "do not write two fields that the old version takes for one";
    EFFORT = "too-involved",
        new reads: "take the schema apart, or use the mode NONE for this step",
        old reads: "take the schema apart, or use the mode NONE for this step";
}

type Names<'a> = HashMap<String, &'a Schema>;

/// Where `reader` does not resolve what `writer` writes.
pub(super) fn findings(writer: &Schema, reader: &Schema) -> Vec<Finding> {
    let (mut writers, mut readers) = (Names::new(), Names::new());
    collect(writer, &mut writers);
    collect(reader, &mut readers);
    let mut check = Check { writers, readers, seen: HashSet::new(), order: Vec::new(), steps: 0 };
    let at = reader.name().or(writer.name()).map_or_else(|| "(top)".to_owned(), |name| name.name().to_owned());
    let found = check.pair(writer, reader, &at);
    if check.steps < STEPS_MAX || found.is_empty() && check.steps == STEPS_MAX {
        return found;
    }
    let why = format!("the schemas were not compared in {STEPS_MAX} steps");
    vec![Finding { rule: &EFFORT, at, writer: describe(writer), reader: describe(reader), why }]
}

/// Gathers the named types of a schema, for its references.
fn collect<'a>(schema: &'a Schema, names: &mut Names<'a>) {
    if let (Some(name), false) = (schema.name(), matches!(schema, Schema::Ref { .. })) {
        names.insert(name.fullname(None), schema);
    }
    match schema {
        Schema::Record(record) => record.fields.iter().for_each(|field| collect(&field.schema, names)),
        Schema::Array(array) => collect(&array.items, names),
        Schema::Map(map) => collect(&map.types, names),
        Schema::Union(union) => union.variants().iter().for_each(|branch| collect(branch, names)),
        _ => {}
    }
}

struct Check<'a> {
    writers: Names<'a>,
    readers: Names<'a>,
    /// Pairs of records that are fine, or being compared further up, which is as good while nothing else is found.
    seen: HashSet<(String, String)>,
    /// The same in the order they came, so that a failed attempt takes back what rested on it.
    order: Vec<(String, String)>,
    steps: u32,
}

impl<'a> Check<'a> {
    fn pair(&mut self, writer: &'a Schema, reader: &'a Schema, at: &str) -> Vec<Finding> {
        self.steps += 1;
        let writer = follow(writer, &self.writers);
        let reader = follow(reader, &self.readers);
        if self.steps >= STEPS_MAX {
            return vec![mismatch(writer, reader, at)];
        }
        match (writer, reader) {
            (Schema::Union(branches), _) => {
                branches.variants().iter().flat_map(|branch| self.pair(branch, reader, at)).collect()
            }
            (_, Schema::Union(branches)) => self.union_branch(writer, branches.variants(), reader, at),
            (Schema::Record(from), Schema::Record(into)) => self.records(from, into, at),
            (Schema::Enum(from), Schema::Enum(into)) => enums(from, into, writer, reader, at),
            (Schema::Array(from), Schema::Array(into)) => self.pair(&from.items, &into.items, &format!("{at}[]")),
            (Schema::Map(from), Schema::Map(into)) => self.pair(&from.types, &into.types, &format!("{at}{{}}")),
            _ => leaves(writer, reader, at),
        }
    }

    /// A writer's type that is no union needs one branch of the reader's that takes it.
    fn union_branch(
        &mut self,
        writer: &'a Schema,
        branches: &'a [Schema],
        reader: &'a Schema,
        at: &str,
    ) -> Vec<Finding> {
        let mut meant = Vec::new();
        for branch in branches {
            let branch = follow(branch, &self.readers);
            let found = self.pair(writer, branch, at);
            if found.is_empty() {
                return found;
            }
            let same_name =
                writer.name().is_some() && writer.name().map(|n| n.name()) == branch.name().map(|n| n.name());
            if same_name {
                meant.push(found);
            }
        }
        // The branch of the same name is the one that people mean: what is wrong inside of it is the news.
        match meant.pop() {
            Some(found) if meant.is_empty() => found,
            _ => {
                let (wrote, reads) = (describe(writer), describe(reader));
                let why = format!("{wrote} can be written, and no branch of the reader's union takes it");
                vec![Finding { rule: &BRANCH, at: at.to_owned(), writer: wrote, reader: reads, why }]
            }
        }
    }

    fn records(&mut self, writer: &'a RecordSchema, reader: &'a RecordSchema, at: &str) -> Vec<Finding> {
        let key = (writer.name.fullname(None), reader.name.fullname(None));
        if !self.seen.insert(key.clone()) {
            return Vec::new();
        }
        let mark = self.order.len();
        self.order.push(key);
        let aliases = reader.aliases.iter().flatten().map(|alias| alias.fullname(None));
        let mut found = names_differ(&writer.name, &reader.name, aliases.collect(), "record", at);
        for field in &reader.fields {
            found.extend(self.field(writer, field, at));
        }
        if !found.is_empty() {
            for key in self.order.drain(mark..) {
                self.seen.remove(&key);
            }
        }
        found
    }

    fn field(&mut self, writer: &'a RecordSchema, reader: &'a RecordField, at: &str) -> Vec<Finding> {
        let path = format!("{at}.{}", reader.name);
        let names: Vec<&String> = std::iter::once(&reader.name).chain(&reader.aliases).collect();
        let matches: Vec<&RecordField> = writer.fields.iter().filter(|field| names.contains(&&field.name)).collect();
        match matches.as_slice() {
            [] if reader.default.is_some() => Vec::new(),
            [] => {
                let why = format!("the reader's field '{}' is not in the data and has no default", reader.name);
                let reader = format!("{} without default", describe(&reader.schema));
                vec![Finding { rule: &DEFAULT, at: path, writer: "no field".to_owned(), reader, why }]
            }
            [field] => self.pair(&field.schema, &reader.schema, &path),
            several => {
                let names: Vec<&str> = several.iter().map(|field| field.name.as_str()).collect();
                let why = "several fields of the data are this field by its name and aliases".to_owned();
                vec![Finding { rule: &ALIAS, at: path, writer: names.join(", "), reader: reader.name.clone(), why }]
            }
        }
    }
}

/// The definition behind a reference.
fn follow<'a>(schema: &'a Schema, names: &Names<'a>) -> &'a Schema {
    match schema {
        Schema::Ref { name } => names.get(&name.fullname(None)).copied().unwrap_or(schema),
        _ => schema,
    }
}

/// Names match without their namespaces, or by an alias of the reader.
fn names_differ(
    writer: &apache_avro::schema::Name,
    reader: &apache_avro::schema::Name,
    aliases: Vec<String>,
    what: &str,
    at: &str,
) -> Vec<Finding> {
    let full = writer.fullname(None);
    if writer.name() == reader.name() || aliases.contains(&full) {
        return Vec::new();
    }
    let why = format!("the {what} has another name, and the reader has no alias '{full}'");
    let reader = format!("{what} {}", reader.fullname(None));
    vec![Finding { rule: &NAME, at: at.to_owned(), writer: format!("{what} {full}"), reader, why }]
}

fn enums(from: &EnumSchema, into: &EnumSchema, writer: &Schema, reader: &Schema, at: &str) -> Vec<Finding> {
    let aliases = into.aliases.iter().flatten().map(|alias| alias.fullname(None)).collect();
    let mut found = names_differ(&from.name, &into.name, aliases, "enum", at);
    let missing: Vec<&str> =
        from.symbols.iter().filter(|symbol| !into.symbols.contains(symbol)).map(String::as_str).collect();
    if !missing.is_empty() && into.default.is_none() {
        let why = format!("the reader does not know {} and has no default symbol", missing.join(", "));
        let (writer, reader) = (describe(writer), describe(reader));
        found.push(Finding { rule: &SYMBOL, at: at.to_owned(), writer, reader, why });
    }
    found
}

fn leaves(writer: &Schema, reader: &Schema, at: &str) -> Vec<Finding> {
    if let (Some(from), Some(into)) = (fixed(writer), fixed(reader)) {
        let aliases = into.aliases.iter().flatten().map(|alias| alias.fullname(None)).collect();
        let mut found = names_differ(&from.name, &into.name, aliases, "fixed", at);
        if from.size != into.size {
            let why = format!("{} bytes are written, {} are read", from.size, into.size);
            let (writer, reader) = (describe(writer), describe(reader));
            found.push(Finding { rule: &SIZE, at: at.to_owned(), writer, reader, why });
        }
        found.extend(decimals(writer, reader, at));
        return found;
    }
    if !is_promoted(base(writer), base(reader)) {
        return vec![mismatch(writer, reader, at)];
    }
    match (unit(writer), unit(reader)) {
        (Some(from), Some(into)) if from != into => {
            let why = format!("numbers of {from} would be taken for numbers of {into}");
            let (writer, reader) = (describe(writer), describe(reader));
            vec![Finding { rule: &UNIT, at: at.to_owned(), writer, reader, why }]
        }
        _ => decimals(writer, reader, at).into_iter().collect(),
    }
}

fn mismatch(writer: &Schema, reader: &Schema, at: &str) -> Finding {
    let (writer, reader) = (describe(writer), describe(reader));
    let why = format!("{writer} is written, and Avro does not read it as {reader}");
    Finding { rule: &TYPE, at: at.to_owned(), writer, reader, why }
}

/// Bytes carry no scale: a reader of another scale gets another number.
fn decimals(writer: &Schema, reader: &Schema, at: &str) -> Option<Finding> {
    let (Schema::Decimal(from), Schema::Decimal(into)) = (writer, reader) else { return None };
    if from.scale == into.scale && from.precision <= into.precision {
        return None;
    }
    let why = if from.scale == into.scale {
        "numbers of more digits than the reader takes can be written".to_owned()
    } else {
        format!("numbers with {} digits behind the point would be read with {}", from.scale, into.scale)
    };
    let (writer, reader) = (describe(writer), describe(reader));
    Some(Finding { rule: &DECIMAL, at: at.to_owned(), writer, reader, why })
}

/// What a number of a time counts.
fn unit(schema: &Schema) -> Option<&'static str> {
    Some(match schema {
        Schema::Date => "days",
        Schema::TimeMillis | Schema::TimestampMillis | Schema::LocalTimestampMillis => "milliseconds",
        Schema::TimeMicros | Schema::TimestampMicros | Schema::LocalTimestampMicros => "microseconds",
        Schema::TimestampNanos | Schema::LocalTimestampNanos => "nanoseconds",
        _ => return None,
    })
}

/// The fixed type under a logical type.
fn fixed(schema: &Schema) -> Option<&FixedSchema> {
    match schema {
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => Some(fixed),
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Some(fixed),
            InnerDecimalSchema::Bytes => None,
        },
        _ => None,
    }
}

/// The type on the wire, without logical type.
fn base(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int | Schema::Date | Schema::TimeMillis => "int",
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes | Schema::BigDecimal | Schema::Decimal(_) | Schema::Uuid(UuidSchema::Bytes) => "bytes",
        Schema::String | Schema::Uuid(UuidSchema::String) => "string",
        Schema::Record(_) => "record",
        Schema::Enum(_) => "enum",
        Schema::Array(_) => "array",
        Schema::Map(_) => "map",
        Schema::Fixed(_) | Schema::Duration(_) | Schema::Uuid(UuidSchema::Fixed(_)) => "fixed",
        Schema::Union(_) => "union",
        Schema::Ref { .. } => "reference",
    }
}

fn is_promoted(writer: &str, reader: &str) -> bool {
    match (writer, reader) {
        ("int", "long" | "float" | "double") | ("long", "float" | "double") | ("float", "double") => true,
        ("bytes", "string") | ("string", "bytes") => true,
        _ => writer == reader,
    }
}

/// A type in a few words.
fn describe(schema: &Schema) -> String {
    match schema {
        Schema::Record(record) => format!("record {}", record.name.fullname(None)),
        Schema::Ref { name } => name.fullname(None),
        Schema::Enum(of) => format!("enum {} [{}]", of.name.fullname(None), of.symbols.join(", ")),
        Schema::Array(array) => format!("array of {}", describe(&array.items)),
        Schema::Map(map) => format!("map of {}", describe(&map.types)),
        Schema::Union(union) => {
            format!("union [{}]", union.variants().iter().map(describe).collect::<Vec<_>>().join(", "))
        }
        Schema::Fixed(fixed) => format!("fixed({}) {}", fixed.size, fixed.name.fullname(None)),
        Schema::Decimal(decimal) => format!("decimal({}, {})", decimal.precision, decimal.scale),
        Schema::Duration(_) => "duration".to_owned(),
        Schema::BigDecimal => "big-decimal".to_owned(),
        Schema::Uuid(_) => "uuid".to_owned(),
        Schema::Date => "date".to_owned(),
        Schema::TimeMillis => "time-millis".to_owned(),
        Schema::TimeMicros => "time-micros".to_owned(),
        Schema::TimestampMillis => "timestamp-millis".to_owned(),
        Schema::TimestampMicros => "timestamp-micros".to_owned(),
        Schema::TimestampNanos => "timestamp-nanos".to_owned(),
        Schema::LocalTimestampMillis => "local-timestamp-millis".to_owned(),
        Schema::LocalTimestampMicros => "local-timestamp-micros".to_owned(),
        Schema::LocalTimestampNanos => "local-timestamp-nanos".to_owned(),
        plain => base(plain).to_owned(),
    }
}
