//! Protobuf definitions: one `.proto` file each, which may import Google's well-known types.

mod messages;
mod types;

use super::finding::Finding;
use super::words::{DataFormat, Direction, InvalidDefinition};
use prost_reflect::FileDescriptor;
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// What a definition's file is called while it is read. Nobody sees it.
const FILE: &str = "definition.proto";

/// The one file of a definition, for the compiler.
struct Definition(String);

impl FileResolver for Definition {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == FILE { File::from_source(FILE, &self.0) } else { Err(protox::Error::file_not_found(name)) }
    }
}

/// The file of a definition.
pub(super) fn parse(definition: &str) -> Result<FileDescriptor, InvalidDefinition> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Definition(definition.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(FILE).map_err(|error| invalid(&error))?;
    let file = compiler.descriptor_pool().get_file_by_name(FILE);
    let file = file.ok_or_else(|| nothing("it was read, and is not there".to_owned()))?;
    if file.messages().len() == 0 && file.enums().len() == 0 && file.services().len() == 0 {
        let reason = "it defines no message: write `message Name { … }`";
        return Err(nothing(reason.to_owned()));
    }
    Ok(file)
}

/// Where `reader` does not read what `writer` writes. The direction says which of them is the new one.
pub(super) fn findings(writer: &FileDescriptor, reader: &FileDescriptor, direction: Direction) -> Vec<Finding> {
    messages::findings(writer, reader, direction)
}

fn nothing(reason: String) -> InvalidDefinition {
    InvalidDefinition { format: DataFormat::Protobuf, at: String::new(), reason }
}

/// The compiler writes `file:line:column: what`.
fn invalid(error: &protox::Error) -> InvalidDefinition {
    let text = format!("{error:?}");
    let place = text.strip_prefix(FILE).and_then(|text| text.strip_prefix(':')).and_then(|text| {
        let (line, text) = text.split_once(':')?;
        let (column, _) = text.split_once(':')?;
        let (line, column) = (line.parse::<u32>().ok()?, column.parse::<u32>().ok()?);
        Some(format!("line {line}, column {column}"))
    });
    let mut reason = error.to_string();
    if error.is_file_not_found() {
        reason.push_str("; a definition is one file, which may import google/protobuf/*.proto and nothing else");
    }
    InvalidDefinition { format: DataFormat::Protobuf, at: place.unwrap_or_default(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_may_import_the_well_known_types() {
        let definition = r#"
            syntax = "proto3";
            package shop;
            import "google/protobuf/timestamp.proto";
            message Order { google.protobuf.Timestamp at = 1; }
        "#;
        assert_eq!(parse(definition).unwrap().messages().len(), 1);
    }

    #[test]
    fn errors_say_where() {
        let cases = [
            ("syntax = \"proto3\";\nmessage A {\n  int32 a = ;\n}", "line 3, column 13", "expected"),
            ("syntax = \"proto3\";\nmessage A {\n  Nope a = 1;\n}", "line 3", "Nope"),
            ("syntax = \"proto3\";\nmessage A { int32 a = 1; int32 b = 1; }", "line 2", "1"),
            ("syntax = \"proto3\";\nimport \"shop.proto\";\nmessage A {}", "line 2", "nothing else"),
            ("syntax = \"proto3\";", "", "no message"),
        ];
        for (definition, at, reason) in cases {
            let error = parse(definition).unwrap_err();
            assert!(error.at.starts_with(at) && error.reason.contains(reason), "{definition}: {error:?}");
        }
    }
}
