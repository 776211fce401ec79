"""`millrace schema check`: whether a schema's next version is safe, offline and against a server's registry."""

import json

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
NOTE = {"name": "note", "type": "string"}


def write(path, schema):
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return path


def order(*fields):
    return {**ORDER, "fields": ORDER["fields"] + list(fields)}


def test_against_files(server, tmp_path):
    old = write(tmp_path / "v1.avsc", ORDER)
    unsafe = write(tmp_path / "unsafe.avsc", order(NOTE))
    safe = write(tmp_path / "safe.avsc", order({**NOTE, "default": ""}))
    done = server.millrace("schema", "check", safe, "--against", old)
    assert done.returncode == 0 and "safe: a valid AVRO schema" in done.stdout, done.stdout + done.stderr
    done = server.millrace("schema", "check", unsafe, "--against", old)
    assert done.returncode == 1, done.stdout
    (line,) = done.stdout.splitlines()
    assert "Order.note: avro-reader-field-needs-default: " in line and 'give the new field a "default"' in line
    # The other direction is safe, and in both one line is left.
    assert server.millrace("schema", "check", unsafe, "--against", old, "--mode", "forward").returncode == 0
    done = server.millrace("schema", "check", unsafe, "--against", old, safe, "--mode", "FULL_ALL")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1, done.stdout


def test_json_schema_and_protobuf(server, tmp_path):
    old = write(tmp_path / "v1.json", {"type": "object", "properties": {"a": {"type": "integer"}}})
    new = write(tmp_path / "v2.json", {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]})
    done = server.millrace("schema", "check", new, "--against", old)
    assert done.returncode == 1 and "/a: json-required-added: " in done.stdout, done.stdout
    old = write(tmp_path / "v1.proto", 'syntax = "proto3"; message Order { int32 a = 1; }')
    new = write(tmp_path / "v2.proto", 'syntax = "proto3"; message Order { string a = 1; }')
    done = server.millrace("schema", "check", new, "--against", old)
    assert done.returncode == 1 and "Order.a: protobuf-type-mismatch: " in done.stdout, done.stdout


def test_what_is_no_schema_says_where(server, tmp_path):
    bad = write(tmp_path / "bad.proto", 'syntax = "proto3";\nmessage Order {\n  Nope a = 1;\n}\n')
    done = server.millrace("schema", "check", bad)
    assert done.returncode == 1 and "bad.proto: line 3, column" in done.stdout, done.stdout
    unknown = write(tmp_path / "order.txt", "{}")
    done = server.millrace("schema", "check", unknown)
    assert done.returncode == 2 and "--format" in done.stderr
    assert server.millrace("schema", "check", tmp_path / "absent.avsc").returncode == 2


def test_against_the_registry(server, tmp_path):
    glue = server.client("glue")
    glue.create_registry(RegistryName="checked")
    glue.create_schema(
        RegistryId={"RegistryName": "checked"}, SchemaName="order", DataFormat="AVRO", Compatibility="BACKWARD_ALL",
        SchemaDefinition=json.dumps(ORDER),
    )
    unsafe = write(tmp_path / "unsafe.avsc", order(NOTE))
    safe = write(tmp_path / "safe.avsc", order({**NOTE, "default": ""}))
    where = ("--registry", "checked", "--schema", "order")
    done = server.millrace("schema", "check", unsafe, *where)
    assert done.returncode == 1 and "version 1 of checked/order" in done.stdout, done.stdout + done.stderr
    done = server.millrace("schema", "check", safe, *where)
    assert done.returncode == 0 and "BACKWARD_ALL" in done.stdout, done.stdout + done.stderr
    # Nothing was registered by looking.
    versions = glue.list_schema_versions(SchemaId={"RegistryName": "checked", "SchemaName": "order"})["Schemas"]
    assert [version["VersionNumber"] for version in versions] == [1]
    done = server.millrace("schema", "check", safe, "--registry", "checked", "--schema", "nothing")
    assert done.returncode == 2 and "EntityNotFoundException" in done.stderr
    done = server.millrace("schema", "check", safe, *where, "--endpoint", "http://127.0.0.1:9")
    assert done.returncode == 2 and "no server answers" in done.stderr
