"""Glue's schema registry: the API as boto3 and the CLI call it, AWS's Python serializers, templates, and contracts on streams."""

import hashlib
import io
import json
import uuid

import boto3
import fastavro
import pytest
from aws_schema_registry import DataAndSchema, SchemaRegistryClient
from aws_schema_registry.avro import AvroSchema
from aws_schema_registry.codec import encode
from aws_schema_registry.jsonschema import JsonSchema
from aws_schema_registry.serde import KafkaDeserializer, KafkaSerializer
from conftest import TEMPLATES, read_all

ID = {"name": "id", "type": "long"}
NOTE = {"name": "note", "type": "string", "default": ""}
BARE = {"name": "note", "type": "string"}

PERSON = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}

PROTO = """syntax = "proto3";
package shop;
message Order {
  int64 id = 1;
  string note = 2;
}
"""


def order(*fields):
    return json.dumps({"type": "record", "name": "Order", "fields": [ID, *fields]})


def avro(definition, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(definition)), value)
    return out.getvalue()


@pytest.fixture
def glue(server):
    return server.client("glue")


@pytest.fixture
def registry(glue, unique):
    name = unique("registry")
    glue.create_registry(RegistryName=name, Description="for a test", Tags={"team": "shop"})
    return name


@pytest.fixture
def schema(glue, registry):
    glue.create_schema(
        RegistryId={"RegistryName": registry}, SchemaName="order", DataFormat="AVRO", Compatibility="BACKWARD",
        SchemaDefinition=order(),
    )
    return {"RegistryName": registry, "SchemaName": "order"}


def refused(call, **arguments):
    """Calls what must fail; gives the error's code and message."""
    with pytest.raises(Exception) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_registries(glue, registry, unique):
    described = glue.get_registry(RegistryId={"RegistryName": registry})
    arn = f"arn:aws:glue:us-east-1:000000000000:registry/{registry}"
    assert (described["RegistryArn"], described["Status"], described["Description"]) == (arn, "AVAILABLE", "for a test")
    assert described["CreatedTime"].endswith("Z")
    code, message = refused(glue.create_registry, RegistryName=registry)
    assert code == "AlreadyExistsException" and registry in message
    glue.update_registry(RegistryId={"RegistryArn": arn}, Description="another")
    assert glue.get_registry(RegistryId={"RegistryArn": arn})["Description"] == "another"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "shop"}
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"stage": "test"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["team"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"stage": "test"}
    others = [unique("more") for _ in range(3)]
    for other in others:
        glue.create_registry(RegistryName=other)
    pages = list(glue.get_paginator("list_registries").paginate(PaginationConfig={"PageSize": 2}))
    names = [item["RegistryName"] for page in pages for item in page["Registries"]]
    assert len(pages) > 1 and {registry, *others} <= set(names) and names == sorted(names)
    assert glue.delete_registry(RegistryId={"RegistryName": registry})["Status"] == "DELETING"
    code, message = refused(glue.get_registry, RegistryId={"RegistryName": registry})
    assert (code, message) == ("EntityNotFoundException", f"Registry is not found. RegistryName: {registry}")
    code, message = refused(glue.get_registry, RegistryId={})
    assert code == "InvalidInputException" and "has to be provided" in message


def test_versions(glue, registry, schema):
    first = glue.get_schema(SchemaId=schema)
    assert first["SchemaArn"] == f"arn:aws:glue:us-east-1:000000000000:schema/{registry}/order"
    assert (first["LatestSchemaVersion"], first["NextSchemaVersion"], first["SchemaCheckpoint"]) == (1, 2, 1)
    second = glue.register_schema_version(SchemaId=schema, SchemaDefinition=order(NOTE))
    assert (second["VersionNumber"], second["Status"]) == (2, "AVAILABLE")
    spaced = json.dumps(json.loads(order(NOTE)), indent=4, sort_keys=True)
    again = glue.register_schema_version(SchemaId={"SchemaArn": first["SchemaArn"]}, SchemaDefinition=spaced)
    assert again["SchemaVersionId"] == second["SchemaVersionId"] and again["VersionNumber"] == 2
    found = glue.get_schema_by_definition(SchemaId=schema, SchemaDefinition=spaced)
    assert found["SchemaVersionId"] == second["SchemaVersionId"] and found["DataFormat"] == "AVRO"
    latest = glue.get_schema_version(SchemaId=schema, SchemaVersionNumber={"LatestVersion": True})
    by_id = glue.get_schema_version(SchemaVersionId=second["SchemaVersionId"])
    by_number = glue.get_schema_version(SchemaId=schema, SchemaVersionNumber={"VersionNumber": 2})
    for each in (latest, by_id, by_number):
        each.pop("ResponseMetadata")
    assert latest == by_id == by_number and latest["SchemaDefinition"] == order(NOTE)
    diff = glue.get_schema_versions_diff(
        SchemaId=schema, FirstSchemaVersionNumber={"VersionNumber": 1}, SecondSchemaVersionNumber={"LatestVersion": True},
        SchemaDiffType="SYNTAX_DIFF",
    )
    assert json.loads(diff["Diff"]) == [{"op": "add", "path": "/fields/1", "value": NOTE}]
    pages = list(glue.get_paginator("list_schema_versions").paginate(SchemaId=schema, PaginationConfig={"PageSize": 1}))
    assert [item["VersionNumber"] for page in pages for item in page["Schemas"]] == [1, 2]
    listed = glue.list_schemas(RegistryId={"RegistryName": registry})["Schemas"]
    assert [item["SchemaName"] for item in listed] == ["order"]
    strange = str(uuid.uuid4())
    code, message = refused(glue.get_schema_version, SchemaVersionId=strange)
    assert (code, message) == ("EntityNotFoundException", f"Schema version is not found. SchemaVersionId: {strange}")
    elsewhere = glue_of_another(glue)
    assert refused(elsewhere.get_schema_version, SchemaVersionId=second["SchemaVersionId"])[0] == "EntityNotFoundException"
    code, _ = refused(glue.get_schema_version, SchemaVersionId=strange, SchemaId=schema)
    assert code == "InvalidInputException"


def glue_of_another(glue):
    return boto3.session.Session().client(
        "glue", endpoint_url=glue.meta.endpoint_url, region_name="us-east-1", aws_access_key_id="111111111111",
        aws_secret_access_key="any",
    )


def test_an_incompatible_version_is_told_why(glue, schema):
    code, message = refused(glue.register_schema_version, SchemaId=schema, SchemaDefinition=order(BARE))
    assert code == "InvalidInputException"
    for word in ("not BACKWARD compatible", "FAILURE", "With version 1", "note", "default"):
        assert word in message, message
    statuses = {item["VersionNumber"]: item["Status"] for item in glue.list_schema_versions(SchemaId=schema)["Schemas"]}
    assert statuses == {1: "AVAILABLE", 2: "FAILURE"}
    assert glue.get_schema(SchemaId=schema)["LatestSchemaVersion"] == 1
    glue.update_schema(SchemaId=schema, SchemaVersionNumber={"LatestVersion": True}, Compatibility="NONE")
    assert glue.register_schema_version(SchemaId=schema, SchemaDefinition=order(BARE))["Status"] == "AVAILABLE"
    glue.update_schema(SchemaId=schema, SchemaVersionNumber={"LatestVersion": True}, Compatibility="DISABLED")
    # What is a version already is that version, whatever the mode.
    assert glue.register_schema_version(SchemaId=schema, SchemaDefinition=order())["VersionNumber"] == 1
    code, message = refused(glue.register_schema_version, SchemaId=schema, SchemaDefinition=order(NOTE))
    assert code == "InvalidInputException" and message.startswith("Compatibility DISABLED does not allow versioning.")


def test_versions_are_deleted(glue, schema):
    for number in range(3):
        field = {"name": f"f{number}", "type": "int", "default": 0}
        glue.register_schema_version(SchemaId=schema, SchemaDefinition=order(field))
    code, message = refused(glue.delete_schema_versions, SchemaId=schema, Versions="1-2")
    assert code == "InvalidInputException" and "checkpoint" in message
    errors = glue.delete_schema_versions(SchemaId=schema, Versions="3-7")["SchemaVersionErrors"]
    assert [error["VersionNumber"] for error in errors] == [5]
    assert errors[0]["ErrorDetails"]["ErrorCode"] == "EntityNotFoundException"
    assert [item["VersionNumber"] for item in glue.list_schema_versions(SchemaId=schema)["Schemas"]] == [1, 2]
    assert glue.delete_schema(SchemaId=schema)["Status"] == "DELETING"
    assert refused(glue.get_schema, SchemaId=schema)[0] == "EntityNotFoundException"


def test_metadata(glue, schema):
    pair = {"MetadataKey": "owner", "MetadataValue": "ana"}
    latest = {"SchemaId": schema, "SchemaVersionNumber": {"LatestVersion": True}}
    put = glue.put_schema_version_metadata(**latest, MetadataKeyValue=pair)
    assert put["LatestVersion"] is True and put["VersionNumber"] == 1
    version = put["SchemaVersionId"]
    assert refused(glue.put_schema_version_metadata, **latest, MetadataKeyValue=pair)[0] == "AlreadyExistsException"
    glue.put_schema_version_metadata(SchemaVersionId=version, MetadataKeyValue={**pair, "MetadataValue": "bo"})
    glue.put_schema_version_metadata(SchemaVersionId=version, MetadataKeyValue={"MetadataKey": "app", "MetadataValue": "x"})
    everything = glue.query_schema_version_metadata(SchemaVersionId=version)["MetadataInfoMap"]
    assert everything["owner"]["MetadataValue"] == "bo"
    assert [other["MetadataValue"] for other in everything["owner"]["OtherMetadataValueList"]] == ["ana"]
    asked = glue.query_schema_version_metadata(SchemaVersionId=version, MetadataList=[{"MetadataKey": "app"}])
    assert list(asked["MetadataInfoMap"]) == ["app"]
    page = glue.query_schema_version_metadata(SchemaVersionId=version, MaxResults=1)
    rest = glue.query_schema_version_metadata(SchemaVersionId=version, MaxResults=1, NextToken=page["NextToken"])
    assert [*page["MetadataInfoMap"], *rest["MetadataInfoMap"]] == ["app", "owner"] and "NextToken" not in rest
    glue.remove_schema_version_metadata(SchemaVersionId=version, MetadataKeyValue=pair)
    assert refused(glue.remove_schema_version_metadata, SchemaVersionId=version, MetadataKeyValue=pair)[0] == \
        "EntityNotFoundException"


def test_definitions_are_checked(glue, registry):
    assert glue.check_schema_version_validity(DataFormat="PROTOBUF", SchemaDefinition=PROTO)["Valid"] is True
    wrong = glue.check_schema_version_validity(DataFormat="AVRO", SchemaDefinition='{"type": "recrd"}')
    assert wrong["Valid"] is False and "AVRO" in wrong["Error"]
    code, message = refused(
        glue.create_schema, RegistryId={"RegistryName": registry}, SchemaName="bad", DataFormat="JSON",
        Compatibility="NONE", SchemaDefinition='{"type": "objet"}',
    )
    assert code == "InvalidInputException" and "JSON" in message
    absent = {"RegistryName": registry, "SchemaName": "absent"}
    code, message = refused(glue.get_schema_by_definition, SchemaId=absent, SchemaDefinition=PROTO)
    assert code == "EntityNotFoundException" and message.startswith("Schema is not found. RegistryName: ")


def test_the_command_line_and_the_default_registry(server, unique):
    name = unique("person")
    made = server.aws(
        "glue", "create-schema", "--schema-name", name, "--data-format", "JSON", "--compatibility", "FULL",
        "--schema-definition", json.dumps(PERSON, indent=2),
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["RegistryName"] == "default-registry"
    listed = server.aws("glue", "list-schemas", "--registry-id", "RegistryName=default-registry")
    assert name in listed.stdout, listed.stderr
    other = {**PERSON, "required": ["name", "age"]}
    register = ["glue", "register-schema-version", "--schema-id", f"SchemaName={name},RegistryName=default-registry"]
    failed = server.aws(*register, "--schema-definition", json.dumps(other))
    assert failed.returncode != 0 and "InvalidInputException" in failed.stderr and "age" in failed.stderr


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["avro", "json"])
def test_the_official_serializers_round_trip(server, glue, kinesis, registry, unique, kind, compression):
    """Auto-registration included: the schema, and then its second version, are made by the serializer."""
    stream = server.create_stream(unique("orders"))
    client = SchemaRegistryClient(glue, registry_name=registry)
    serializer, deserializer = KafkaSerializer(client), KafkaDeserializer(client)
    if kind == "avro":
        schemas = [AvroSchema(order()), AvroSchema(order(NOTE))]
        values = [{"id": 1}, {"id": 2, "note": "näh " * 20}]
    else:
        closed = {**PERSON, "additionalProperties": False}
        wider = {**closed, "properties": {**PERSON["properties"], "mail": {"type": "string"}}}
        schemas = [JsonSchema(closed), JsonSchema(wider)]
        values = [{"name": "Ana", "age": 7}, {"name": "Bo", "mail": "bo@example.com " * 9}]
    for value, schema in zip(values, schemas):
        data = serializer.serialize(stream, DataAndSchema(value, schema))
        if compression:
            version = client.get_schema_by_definition(str(schema), f"{stream}-value")
            data = encode(schema.write(value), version.version_id, compression)
            assert data[1] == 5
        kinesis.put_record(StreamName=stream, Data=data, PartitionKey="k")
    read = [deserializer.deserialize(stream, record["Data"]) for record in read_all(kinesis, stream, 2)]
    assert [each.data for each in read] == values
    versions = glue.list_schema_versions(SchemaId={"RegistryName": registry, "SchemaName": f"{stream}-value"})["Schemas"]
    assert [(item["VersionNumber"], item["Status"]) for item in versions] == [(1, "AVAILABLE"), (2, "AVAILABLE")]


def test_a_template_makes_schemas_and_a_stream_with_a_contract(server, glue, kinesis, unique):
    shop = unique("shop")
    up = ["deploy", "--stack", shop, "--parameter", f"Shop={shop}", TEMPLATES / "schemas.yaml"]
    done = server.millrace(*up)
    assert done.returncode == 0, done.stdout + done.stderr
    schema = {"RegistryName": shop, "SchemaName": "order"}
    latest = glue.get_schema_version(SchemaId=schema, SchemaVersionNumber={"LatestVersion": True})
    assert latest["VersionNumber"] == 2 and latest["SchemaVersionId"] in done.stdout + done.stderr
    metadata = glue.query_schema_version_metadata(SchemaVersionId=latest["SchemaVersionId"])["MetadataInfoMap"]
    assert metadata["owner"]["MetadataValue"] == "ana"
    tags = {tag["Key"]: tag["Value"] for tag in kinesis.list_tags_for_stream(StreamName=f"{shop}-orders")["Tags"]}
    assert tags == {"millrace:schema": f"{shop}/order", "team": "shop"}
    kinesis.put_record(StreamName=f"{shop}-orders", Data=avro(order(NOTE), {"id": 1, "note": "x"}), PartitionKey="k")
    code, message = refused(kinesis.put_record, StreamName=f"{shop}-orders", Data=b"\xff", PartitionKey="k")
    assert code == "InvalidArgumentException" and f"{shop}/order" in message


def tag(kinesis, stream, **tags):
    kinesis.add_tags_to_stream(StreamName=stream, Tags={f"millrace:{key.replace('_', '-')}": value for key, value in tags.items()})


def put(kinesis, stream, *payloads):
    records = [{"Data": payload, "PartitionKey": "k"} for payload in payloads]
    return kinesis.put_records(StreamName=stream, Records=records)


def test_records_that_do_not_conform_are_refused_one_by_one(server, glue, kinesis, registry, unique):
    stream = server.create_stream(unique("people"))
    name = {"RegistryName": registry}
    first = glue.create_schema(
        RegistryId=name, SchemaName="person", DataFormat="JSON", Compatibility="NONE", SchemaDefinition=json.dumps(PERSON)
    )
    other = glue.create_schema(
        RegistryId=name, SchemaName="other", DataFormat="JSON", Compatibility="NONE", SchemaDefinition='{"type": "object"}'
    )
    good, bad = b'{"name": "Ana", "age": 7}', b'{"name": "Bo", "age": "seven"}'
    tag(kinesis, stream, schema=f"{registry}/person")

    def framed(data, version, **how):
        return encode(data, uuid.UUID(version["SchemaVersionId"]), **how)

    answer = put(
        kinesis, stream, good, bad, b"{", framed(good, first), framed(good, first, compression="zlib"), framed(bad, first),
        framed(good, other), encode(good, uuid.uuid4()), good,
    )
    assert answer["FailedRecordCount"] == 5
    messages = [record.get("ErrorMessage") for record in answer["Records"]]
    assert [bool(message) for message in messages] == [False, True, True, False, False, True, True, True, False]
    assert {record["ErrorCode"] for record in answer["Records"] if "ErrorCode" in record} == {"InvalidArgumentException"}
    for place, word in [(1, "/age"), (2, "not JSON"), (5, "/age"), (6, f"schema {registry}/other"), (7, "not registered")]:
        assert word in messages[place], messages[place]
    assert len(read_all(kinesis, stream, 4)) == 4

    # The latest version counts for records without a header, from the moment that it is registered.
    strict = json.dumps({**PERSON, "required": ["name", "age", "mail"]})
    glue.register_schema_version(SchemaId={**name, "SchemaName": "person"}, SchemaDefinition=strict)
    answer = put(kinesis, stream, good, framed(good, first))
    assert [bool(record.get("ErrorCode")) for record in answer["Records"]] == [True, False]
    code, message = refused(kinesis.put_record, StreamName=stream, Data=good, PartitionKey="k")
    assert code == "InvalidArgumentException" and "mail" in message and "version 2" in message

    tag(kinesis, stream, schema_enforcement="warn")
    assert put(kinesis, stream, good, b"nonsense")["FailedRecordCount"] == 0
    tag(kinesis, stream, schema_enforcement="off")
    assert put(kinesis, stream, b"nonsense")["FailedRecordCount"] == 0
    code, message = refused(
        kinesis.add_tags_to_stream, StreamName=stream, Tags={"millrace:schema-enforcement": "perhaps"}
    )
    assert code == "InvalidArgumentException" and "enforce, warn and off" in message
    for wrong in ({"millrace:schema-enforcment": "warn"}, {"millrace:schmea": "person"}):
        code, message = refused(kinesis.add_tags_to_stream, StreamName=stream, Tags=wrong)
        assert code == "InvalidArgumentException" and "millrace:schema-enforcement" in message
    bare = server.create_stream(unique("bare"))
    code, message = refused(kinesis.add_tags_to_stream, StreamName=bare, Tags={"millrace:schema-enforcement": "warn"})
    assert code == "InvalidArgumentException" and "needs the tag millrace:schema" in message
    # The doctor names the schema and the last reason, and does not suspect the disk.
    told = json.loads(server.millrace("doctor", "--json").stdout)["findings"]
    of_stream = [finding for finding in told if finding["subject"] == f"stream {stream}"]
    assert [finding["symptom"] for finding in of_stream] == ["refused by schema", "broken contract"], told
    assert of_stream[1]["seen"].startswith("2 records ") and "not JSON" in of_stream[1]["cause"]
    assert f"{registry}/person" in of_stream[0]["cause"] and "mail" in of_stream[0]["cause"]
    tag(kinesis, stream, schema_enforcement="enforce", schema=f"{registry}/absent")
    assert "no such schema" in put(kinesis, stream, good)["Records"][0]["ErrorMessage"]
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["millrace:schema"])
    assert put(kinesis, stream, b"nonsense")["FailedRecordCount"] == 0


def test_avro_and_protobuf_records_are_held_to_their_schemas(server, glue, kinesis, registry, schema, unique):
    orders, protos = server.create_stream(unique("orders")), server.create_stream(unique("protos"))
    arn = glue.get_schema(SchemaId=schema)["SchemaArn"]
    tag(kinesis, orders, schema=arn)
    good = avro(order(), {"id": 300})
    answer = put(kinesis, orders, good, good + b"x", b"")
    assert [bool(record.get("ErrorCode")) for record in answer["Records"]] == [False, True, True]
    assert "left behind" in answer["Records"][1]["ErrorMessage"] and "at id" in answer["Records"][2]["ErrorMessage"]
    glue.create_schema(
        RegistryId={"RegistryName": registry}, SchemaName="proto", DataFormat="PROTOBUF", Compatibility="FULL",
        SchemaDefinition=PROTO,
    )
    tag(kinesis, protos, schema=f"{registry}/proto")
    answer = put(kinesis, protos, b"\x08\x01\x12\x01x", b"\x18\x01", b'{"id": 1}')
    assert [bool(record.get("ErrorCode")) for record in answer["Records"]] == [False, True, True]
    assert "no field with number 3" in answer["Records"][1]["ErrorMessage"]


def test_the_registry_survives_a_kill(start_server, unique):
    server = start_server()
    glue = server.client("glue")
    glue.create_schema(SchemaName="order", DataFormat="AVRO", Compatibility="BACKWARD", SchemaDefinition=order())
    second = glue.register_schema_version(SchemaId={"SchemaName": "order"}, SchemaDefinition=order(NOTE))
    server.kill9()
    server.restart()
    found = glue.get_schema_version(SchemaVersionId=second["SchemaVersionId"])
    assert (found["VersionNumber"], found["SchemaDefinition"]) == (2, order(NOTE))


def aggregate(*payloads):
    """The records as the Kinesis Producer Library packs them: one key, and fields 1 (keys) and 3 (records) of its Protobuf message."""
    def field(number, data):
        assert len(data) < 128
        return bytes([number << 3 | 2, len(data)]) + data

    message = field(1, b"k") + b"".join(field(3, b"\x08\x00" + field(3, payload)) for payload in payloads)
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def test_the_records_of_an_aggregate_are_judged_one_by_one(server, glue, kinesis, registry, unique):
    stream = server.create_stream(unique("aggregates"))
    glue.create_schema(
        RegistryId={"RegistryName": registry}, SchemaName="person", DataFormat="JSON", SchemaDefinition=json.dumps(PERSON)
    )
    tag(kinesis, stream, schema=f"{registry}/person")
    good, bad = b'{"name": "Ana"}', b'{"name": 7}'
    answer = put(kinesis, stream, aggregate(good, good), aggregate(good, bad))
    assert [bool(record.get("ErrorCode")) for record in answer["Records"]] == [False, True]
    assert "user record 1 of the aggregate" in answer["Records"][1]["ErrorMessage"]
