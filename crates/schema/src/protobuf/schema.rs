//! A Protobuf definition and its messages.

use crate::FormatError;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// The one file of a definition.
const FILE: &str = "definition.proto";

/// A compiled definition.
#[derive(Debug, Clone)]
pub struct ProtobufSchema {
    /// All messages of the file, nested and maps' entries too, by full name: the registry's serializers number them so.
    messages: Vec<MessageDescriptor>,
    /// The first message that the file declares.
    first: Option<MessageDescriptor>,
}

/// The definition as a file; other files than Google's well-known ones cannot be imported.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == FILE { File::from_source(name, &self.0) } else { Err(protox::Error::file_not_found(name)) }
    }
}

fn refuse(reason: impl ToString) -> FormatError {
    FormatError::BadDefinition { format: "Protobuf", reason: reason.to_string() }
}

impl ProtobufSchema {
    /// Compiles the text of a `.proto` file.
    pub fn parse(definition: &str) -> Result<Self, FormatError> {
        let mut files = ChainFileResolver::new();
        files.add(GoogleFileResolver::new());
        files.add(Source(definition.to_owned()));
        let mut compiler = protox::Compiler::with_file_resolver(files);
        compiler.include_imports(true).open_file(FILE).map_err(refuse)?;
        Self::of(&compiler.descriptor_pool(), FILE)
    }

    /// Reads a serialized `FileDescriptorSet`, as `protoc --include_imports -o` writes it; its last file is the one that counts.
    pub fn from_descriptor_set(bytes: &[u8]) -> Result<Self, FormatError> {
        let pool = DescriptorPool::decode(bytes).map_err(refuse)?;
        let last = pool.files().last().map(|file| file.name().to_owned());
        Self::of(&pool, &last.ok_or_else(|| refuse("the descriptor set has no file"))?)
    }

    fn of(pool: &DescriptorPool, file: &str) -> Result<Self, FormatError> {
        let file = pool.get_file_by_name(file).ok_or_else(|| refuse("the file is missing in its own descriptors"))?;
        let mut messages: Vec<MessageDescriptor> = file.messages().collect();
        let first = messages.first().cloned();
        let mut next = 0;
        while let Some(message) = messages.get(next) {
            let children: Vec<_> = message.child_messages().collect();
            messages.extend(children);
            next += 1;
        }
        // As Java compares: by UTF-16, which for Protobuf's names is by bytes.
        messages.sort_by(|a, b| a.full_name().cmp(b.full_name()));
        Ok(Self { messages, first })
    }

    /// The message of that number in the registry's frames.
    pub(crate) fn by_index(&self, index: u64) -> Result<&MessageDescriptor, String> {
        let found = usize::try_from(index).ok().and_then(|index| self.messages.get(index));
        found.ok_or_else(|| format!("the record names message {index}, and the schema has {}", self.messages.len()))
    }

    /// The number of a message in the registry's frames.
    pub(crate) fn index_of(&self, message: &MessageDescriptor) -> u64 {
        self.messages.iter().position(|other| other == message).unwrap_or(0) as u64
    }

    /// The message of a name: its full name, its own name, or a Java class's (`com.example.Outer$Inner`). Without a name the
    /// file's first.
    pub fn message(&self, name: Option<&str>) -> Result<MessageDescriptor, FormatError> {
        let Some(name) = name else {
            return self.first.clone().ok_or_else(|| refuse("the definition declares no message"));
        };
        let dotted = name.replace('$', ".");
        let exact = self.messages.iter().find(|message| message.full_name() == dotted);
        // A Java class's name ends with the message's; what stands before it is Java's own package and outer class.
        let ends = |message: &&MessageDescriptor| {
            let own = message.full_name().strip_prefix(message.package_name()).unwrap_or(message.full_name());
            let own = own.trim_start_matches('.');
            dotted == own || dotted.ends_with(&format!(".{own}"))
        };
        exact.or_else(|| self.messages.iter().find(ends)).cloned().ok_or_else(|| {
            let known: Vec<_> = self.messages.iter().map(MessageDescriptor::full_name).collect();
            refuse(format!("there is no message '{name}' in it; it has {}", known.join(", ")))
        })
    }
}

/// Appends a message as one JSON object: fields by their names in the definition, 64-bit numbers as numbers, defaults
/// included.
pub(crate) fn print_message(message: &MessageDescriptor, payload: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let decoded = DynamicMessage::decode(message.clone(), payload).map_err(|error| error.to_string())?;
    let options =
        SerializeOptions::new().stringify_64_bit_integers(false).use_proto_field_name(true).skip_default_fields(false);
    let mut printer = serde_json::Serializer::new(out);
    decoded.serialize_with_options(&mut printer, &options).map_err(|error| error.to_string())
}
