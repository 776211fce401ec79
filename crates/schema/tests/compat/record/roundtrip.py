"""What Google's own runtime says: messages are written by one definition and read by the other.

Every field that both definitions have (by its number) must arrive with its value. A field that the reader has under
another number, a value of an enum that the reader knows by another number, and a message that the reader does not know are
lost. Numbers are small and positive: cutting to size is the wire's own business.
"""

import json
import pathlib
import random
import sys
import tempfile

import google.protobuf
import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from grpc_tools import protoc

ROUNDS = 60
WELL_KNOWN = str(pathlib.Path(grpc_tools.__file__).parent / "_proto")


def compile(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "definition.proto").write_text(text)
        command = ["protoc", f"-I{folder}", f"-I{WELL_KNOWN}", "--include_imports", f"-o{folder}/set", "definition.proto"]
        if protoc.main(command) != 0:
            raise ValueError("protoc refuses")
        files = descriptor_pb2.FileDescriptorSet.FromString((path / "set").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    file = pool.FindFileByName("definition.proto")
    return {message.full_name.removeprefix(file.package).lstrip("."): message for message in walk(file.message_types_by_name.values())}


def walk(messages):
    for message in messages:
        if not message.GetOptions().map_entry:
            yield message
        yield from walk(message.nested_types)


def is_many(field):
    return field.is_repeated


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value(field, dice, depth):
    kind = field.cpp_type
    if kind == field.CPPTYPE_MESSAGE:
        message = message_factory.GetMessageClass(field.message_type)()
        fill(message, dice, depth + 1)
        return message
    if kind == field.CPPTYPE_ENUM:
        return dice.choice([each.number for each in field.enum_type.values])
    if kind == field.CPPTYPE_STRING:
        return b"\xff\x00" if field.type == field.TYPE_BYTES else dice.choice(["a", "text"])
    if kind == field.CPPTYPE_BOOL:
        return True
    return dice.choice([1.5, 2.25]) if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE) else dice.randint(1, 100)


def fill(message, dice, depth=0):
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and (dice.random() < 0.2 or depth > 3):
            continue
        target = getattr(message, field.name)
        if is_map(field):
            of_value = field.message_type.fields_by_name["value"]
            for _ in range(2):
                key = value(field.message_type.fields_by_name["key"], dice, depth)
                if of_value.message_type:
                    target[key].CopyFrom(value(of_value, dice, depth))
                else:
                    target[key] = value(of_value, dice, depth)
        elif is_many(field):
            target.extend(value(field, dice, depth) for _ in range(2))
        elif field.message_type:
            target.SetInParent()
            target.CopyFrom(value(field, dice, depth))
        else:
            setattr(message, field.name, value(field, dice, depth))


def values(message, field):
    """A field's values as a list, a map's as messages of its entries."""
    held = getattr(message, field.name)
    if is_map(field):
        entry = message_factory.GetMessageClass(field.message_type)
        entries = [entry(key=key, value=held[key]) for key in sorted(held)]
        return entries
    return list(held) if is_many(field) else [held]


def arrived(one, two, written, read):
    if written.message_type and read.message_type:
        return same(one, two)
    if written.message_type:
        return one.SerializeToString() == two
    if isinstance(one, str) and isinstance(two, bytes):
        return one.encode() == two
    if written.enum_type and read.enum_type:
        name = written.enum_type.values_by_number[one].name
        namesake = read.enum_type.values_by_name.get(name)
        return one == two and (namesake is None or namesake.number == one)
    if isinstance(two, bool):
        return bool(one) == two
    return one == two


def same(one, two):
    for field, _ in one.ListFields():
        other = two.DESCRIPTOR.fields_by_number.get(field.number)
        namesake = two.DESCRIPTOR.fields_by_name.get(field.name)
        if namesake is not None and namesake.number != field.number:
            return False
        if other is None:
            continue
        if is_many(field) and not is_many(other):
            return False
        left, right = values(one, field), values(two, other)
        if is_map(field) != is_map(other):
            key = lambda entry: entry.SerializeToString(deterministic=True)
            left, right = sorted(left, key=key), sorted(right, key=key)
        if len(left) != len(right) or not all(arrived(*pair, field, other) for pair in zip(left, right)):
            return False
    return True


def reads(writer, reader):
    parts = {field.message_type for message in writer.values() for field in message.fields if field.message_type}
    for name, message in writer.items():
        into = reader.get(name)
        if into is None and (message in parts or message.containing_type):
            continue
        if into is None:
            new = [other for key, other in reader.items() if key not in writer]
            names = {field.name for field in message.fields}
            into = next((other for other in new if names <= {field.name for field in other.fields}), None)
        if into is None or not all(survives(message, into, round) for round in range(ROUNDS)):
            return False
    return True


def survives(message, into, round):
    written = message_factory.GetMessageClass(message)()
    fill(written, random.Random(round))
    read = message_factory.GetMessageClass(into)()
    try:
        read.ParseFromString(written.SerializeToString())
    except (DecodeError, UnicodeDecodeError):
        return False
    return read.IsInitialized() and same(written, read)


for line in sys.stdin:
    row = json.loads(line)
    said = {}
    try:
        older, newer = compile(row["old"]), compile(row["new"])
        said = {"backward": reads(older, newer), "forward": reads(newer, older)}
    except Exception as error:
        said["error"] = type(error).__name__ + ": " + str(error)[:80]
    print(json.dumps(said))
