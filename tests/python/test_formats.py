"""Records of the schema registry, written by AWS's and Avro's own serializers: read by SQL tables, delivery and functions by the
reader's schema, old and new versions in one stream; and what SQL writes, read by the official deserializer."""

import base64
import datetime
import decimal
import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
import zlib

import fastavro
import pyarrow.parquet
import pytest
from aws_schema_registry import DataAndSchema, SchemaRegistryClient
from aws_schema_registry.avro import AvroSchema
from aws_schema_registry.jsonschema import JsonSchema
from aws_schema_registry.serde import KafkaDeserializer, KafkaSerializer
from conftest import ACCOUNT, BINARY, REGION, put_all, read_all, wait_for
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from test_schema_registry_java import Java

REGISTRY = {"RegistryName": "default-registry"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"

ORDER_1 = {"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "id", "type": "long"},
    {"name": "customer", "type": "string"},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
]}
# Another order of fields, a new one with a default, one that is optional, one that nobody here wants, and a wider customer.
ORDER_2 = {"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
        {"name": "sku", "type": "string"}, {"name": "n", "type": "int"}]}}, "default": []},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "customer", "type": "string"},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}, "default": "NEW"},
    {"name": "id", "type": "long"},
    {"name": "placed", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
]}
PERSON = {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
    "properties": {"id": {"type": "integer"}, "customer": {"type": "string"}, "amount": {"type": "number"}},
}
PROTO = """syntax = "proto3";
package shop;
message Aside { string x = 1; }
message Order {
  int64 id = 1;
  string customer = 2;
  string amount = 3;
  enum State { NEW = 0; PAID = 1; }
  State state = 4;
}
"""
PLACED = datetime.datetime(2026, 1, 31, 8, 5, 0, 250000, tzinfo=datetime.timezone.utc)


def proto_order(**values):
    """The message by Google's own library."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name="Order")
    kinds = descriptor_pb2.FieldDescriptorProto
    state = message.enum_type.add(name="State")
    state.value.add(name="NEW", number=0)
    state.value.add(name="PAID", number=1)
    for number, (name, kind) in enumerate(
        [("id", kinds.TYPE_INT64), ("customer", kinds.TYPE_STRING), ("amount", kinds.TYPE_STRING)], 1
    ):
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    message.field.add(
        name="state", number=4, type=kinds.TYPE_ENUM, type_name=".shop.Order.State", label=kinds.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))(**values).SerializeToString()


def frame(version, payload, packed=False):
    return bytes([3, 5 if packed else 0]) + uuid.UUID(version).bytes + (zlib.compress(payload) if packed else payload)


def bare(definition, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(definition), value)
    return out.getvalue()


class Shop:
    """Versions of an order in all formats, and orders written with them."""

    def __init__(self, server, unique):
        self.server, self.unique = server, unique
        self.glue, self.kinesis = server.client("glue"), server.client("kinesis")
        self.name = unique("order")
        self.v1 = self.create(self.name, "AVRO", json.dumps(ORDER_1))
        added = self.glue.register_schema_version(
            SchemaId={**REGISTRY, "SchemaName": self.name}, SchemaDefinition=json.dumps(ORDER_2)
        )
        assert added["Status"] == "AVAILABLE", added
        self.v2 = added["SchemaVersionId"]
        self.json = self.create(unique("json"), "JSON", json.dumps(PERSON))
        self.proto = self.create(unique("proto"), "PROTOBUF", PROTO)

    def create(self, name, kind, definition):
        return self.glue.create_schema(
            RegistryId=REGISTRY, SchemaName=name, DataFormat=kind, Compatibility="BACKWARD", SchemaDefinition=definition
        )["SchemaVersionId"]

    def old(self, n):
        value = {"id": n, "customer": f"c-{n % 3}", "amount": decimal.Decimal(n) / 4}
        return frame(self.v1, bare(ORDER_1, value), packed=n % 2 == 0)

    def new(self, n):
        value = {
            "note": None if n % 2 else "hi", "lines": [{"sku": "a", "n": n}], "amount": decimal.Decimal(n) / 4,
            "customer": f"c-{n % 3}", "state": "PAID", "id": n, "placed": PLACED,
        }
        return frame(self.v2, bare(ORDER_2, value), packed=n % 3 == 0)

    def in_json(self, n):
        text = json.dumps({"id": n, "customer": f"c-{n % 3}", "amount": n / 4})
        return frame(self.json, text.encode(), packed=n % 2 == 0)

    def in_protobuf(self, n):
        # The second of the file's messages by name: Aside, Order.
        return frame(self.proto, b"\x01" + proto_order(id=n, customer=f"c-{n % 3}", amount=str(n / 4), state=1))

    def official(self, definition, value, kind=AvroSchema):
        serializer = KafkaSerializer(SchemaRegistryClient(self.glue))
        # The library names the schema after the topic.
        return serializer.serialize(self.unique("topic"), DataAndSchema(value, kind(json.dumps(definition))))


@pytest.fixture
def shop(server, unique):
    return Shop(server, unique)


def glue_options(kind, name, **more):
    options = {"aws.region": REGION, "registry.name": "default-registry", "schema.name": name, **more}
    return ", ".join(f"'{kind}.{key}' = '{value}'" for key, value in options.items())


def table(name, columns, stream, kind, options=""):
    comma = ", " if options else ""
    return (
        f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kinesis', 'stream.arn' = "
        f"'arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}', 'source.init.position' = 'TRIM_HORIZON', "
        f"'format' = '{kind}'{comma}{options});\n"
    )


class Running:
    """A script that runs until the block ends."""

    def __init__(self, server, script):
        self.path = server.folder / f"{uuid.uuid4().hex}.sql"
        self.path.write_text(script)
        self.process = subprocess.Popen(
            [BINARY, "sql", self.path], env=server.environment(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        print(self.process.communicate()[0])


COLUMNS = "id BIGINT, customer STRING, amount DECIMAL(10, 2), state STRING, placed TIMESTAMP_LTZ(3)"


def converted(shop, kind, options, records):
    """What a table of that format gives for the records, as JSON."""
    source, sink = shop.unique("framed"), shop.unique("plain")
    shop.server.create_stream(source)
    shop.server.create_stream(sink)
    put_all(shop.kinesis, source, [(record, "one") for record in records])
    script = table("framed", COLUMNS, source, kind, options) + table("plain", COLUMNS, sink, "json")
    with Running(shop.server, script + "INSERT INTO plain SELECT * FROM framed;"):
        found = read_all(shop.kinesis, sink, expected=len(records), seconds=30)
    return [json.loads(record["Data"], parse_float=decimal.Decimal) for record in found]


def test_sql_reads_old_and_new_versions_by_the_tables_columns(shop):
    records = [shop.new(n) if n % 3 else shop.old(n) for n in range(300)]
    rows = converted(shop, "avro-glue", glue_options("avro-glue", shop.name), records)
    assert len(rows) == 300
    for n, row in enumerate(rows):
        assert (row["id"], row["customer"]) == (n, f"c-{n % 3}")
        assert decimal.Decimal(row["amount"]) == decimal.Decimal(n) / 4
        late = n % 3 != 0
        assert row["state"] == ("PAID" if late else None)
        assert row["placed"] == ("2026-01-31 08:05:00.25Z" if late else None)


def test_sql_reads_by_the_readers_version_with_its_defaults(shop):
    options = glue_options("avro-glue", shop.name, **{"schema.fetchFromRegistry": "true"})
    rows = converted(shop, "avro-glue", options, [shop.old(1), shop.new(2)])
    assert [row["state"] for row in rows] == ["NEW", "PAID"]


def test_sql_reads_json_and_protobuf_frames(shop):
    for kind, write in (("json-glue", shop.in_json), ("protobuf-glue", shop.in_protobuf)):
        rows = converted(shop, kind, glue_options(kind, "unused"), [write(n) for n in range(20)])
        assert [(row["id"], row["customer"], decimal.Decimal(row["amount"])) for row in rows] == [
            (n, f"c-{n % 3}", decimal.Decimal(n) / 4) for n in range(20)
        ]


def test_sql_reads_what_the_official_serializer_writes(shop):
    avro = [shop.official(ORDER_2, {
        "note": None, "lines": [], "amount": decimal.Decimal("1.25"), "customer": "ada", "state": "NEW", "id": n,
        "placed": PLACED,
    }) for n in range(3)]
    rows = converted(shop, "avro-glue", glue_options("avro-glue", "unused"), avro)
    assert [(row["id"], row["customer"], row["placed"]) for row in rows] == [
        (n, "ada", "2026-01-31 08:05:00.25Z") for n in range(3)
    ]
    texts = [shop.official(PERSON, {"id": n, "customer": "bob", "amount": 0.5}, JsonSchema) for n in range(3)]
    rows = converted(shop, "json-glue", glue_options("json-glue", "unused"), texts)
    assert [(row["id"], row["customer"]) for row in rows] == [(n, "bob") for n in range(3)]


def test_sql_writes_what_the_official_deserializer_reads(shop):
    columns = "id BIGINT NOT NULL, name STRING, amount DECIMAL(10, 2), at_ TIMESTAMP(3), tags ARRAY<STRING>"
    values = ("SELECT CAST(7 AS BIGINT), 'Grüße', CAST(1.25 AS DECIMAL(10, 2)), TIMESTAMP '2026-01-31 08:05:00.25', "
              "ARRAY['a', 'b']")
    read = KafkaDeserializer(SchemaRegistryClient(shop.glue))
    for kind, compression in (("avro-glue", "NONE"), ("avro-glue", "ZLIB"), ("json-glue", "ZLIB")):
        stream, name = shop.unique("written"), shop.unique("written")
        shop.server.create_stream(stream)
        more = {"schema.compression": compression}
        refused = shop.server.millrace("sql", "-", stdin=table(
            "t", columns, stream, kind, glue_options(kind, name, **more)) + f"INSERT INTO t {values};")
        assert refused.returncode != 0 and "autoRegistration" in refused.stdout + refused.stderr
        more["schema.autoRegistration"] = "true"
        done = shop.server.millrace("sql", "-", stdin=table(
            "t", columns, stream, kind, glue_options(kind, name, **more)) + f"INSERT INTO t {values};")
        assert done.returncode == 0, done.stdout + done.stderr
        [record] = read_all(shop.kinesis, stream, expected=1, seconds=20)
        assert record["Data"][1] == (5 if compression == "ZLIB" else 0)
        value = read.deserialize("any", record["Data"]).data
        assert (value["id"], value["name"], value["tags"]) == (7, "Grüße", ["a", "b"])
        if kind == "avro-glue":
            assert value["amount"] == decimal.Decimal("1.25")
            assert value["at_"].replace(tzinfo=None) == datetime.datetime(2026, 1, 31, 8, 5, 0, 250000)
        registered = shop.glue.get_schema(SchemaId={**REGISTRY, "SchemaName": name})
        assert (registered["Compatibility"], registered["LatestSchemaVersion"]) == ("BACKWARD", 1)


def test_sql_reads_and_writes_bare_avro_and_protobuf(shop):
    order = {"type": "record", "name": "record", "namespace": "org.apache.flink.avro.generated", "fields": [
        {"name": "id", "type": ["null", "long"]}, {"name": "customer", "type": ["null", "string"]}]}
    protobuf = "'protobuf.message-class-name' = 'shop.Order', 'protobuf.definition' = '" + PROTO.replace("\n", " ") + "'"
    cases = [
        ("avro", "", bare(order, {"id": 5, "customer": "ada"})),
        ("protobuf", protobuf, proto_order(id=5, customer="ada")),
    ]
    for kind, options, payload in cases:
        source, sink = shop.unique("bare"), shop.unique("copy")
        shop.server.create_stream(source)
        shop.server.create_stream(sink)
        shop.kinesis.put_record(StreamName=source, Data=payload, PartitionKey="one")
        columns = "id BIGINT, customer STRING"
        script = table("a", columns, source, kind, options) + table("b", columns, sink, kind, options)
        with Running(shop.server, script + "INSERT INTO b SELECT * FROM a;"):
            [record] = read_all(shop.kinesis, sink, expected=1, seconds=30)
        assert record["Data"] == payload


def delivery(shop, bucket, prefix, conversion, query=None):
    """A direct-put delivery stream into the bucket; gives a function that puts records."""
    name, firehose = shop.unique("delivery"), shop.server.client("firehose")
    destination = {
        "RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "Prefix": prefix, "ErrorOutputPrefix": "errors/",
        "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 64},
        "DataFormatConversionConfiguration": conversion,
    }
    if query:
        parameters = [{"ParameterName": "MetadataExtractionQuery", "ParameterValue": query},
                      {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"}]
        destination["DynamicPartitioningConfiguration"] = {"Enabled": True}
        destination["ProcessingConfiguration"] = {
            "Enabled": True, "Processors": [{"Type": "MetadataExtraction", "Parameters": parameters}]}
    firehose.create_delivery_stream(
        DeliveryStreamName=name, DeliveryStreamType="DirectPut", ExtendedS3DestinationConfiguration=destination)

    def put(records):
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": record} for record in records])
        assert answer["FailedPutCount"] == 0

    return put


def lake_table(shop):
    database, glue = shop.unique("db").replace("-", "_"), shop.glue
    glue.create_database(DatabaseInput={"Name": database})
    columns = [("id", "bigint"), ("customer", "string"), ("amount", "decimal(10,2)"), ("state", "string"),
               ("placed", "timestamp"), ("lines", "array<struct<sku:string,n:int>>")]
    glue.create_table(DatabaseName=database, TableInput={"Name": "orders", "StorageDescriptor": {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns], "Location": "s3://any/"}})
    return {
        "Enabled": True,
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        "SchemaConfiguration": {"DatabaseName": database, "TableName": "orders", "Region": REGION, "RoleARN": ROLE},
    }


def test_delivery_lands_framed_records_of_all_formats_and_versions_as_parquet(start_server, unique, tmp_path):
    bucket, template = "framed-lake", tmp_path / "bucket.json"
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {
        "Lake": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}}}}))
    shop = Shop(start_server(template), unique)
    put = delivery(shop, bucket, "orders/who=!{partitionKeyFromQuery:who}/", lake_table(shop), "{who: .customer}")
    kinds = [shop.old, shop.new, shop.in_json, shop.in_protobuf,
             lambda n: json.dumps({"ID": n, "customer": f"c-{n % 3}", "amount": n / 4}).encode()]
    stranger = frame(str(uuid.uuid4()), b"who knows")
    put([kinds[n % 5](n) for n in range(100)] + [stranger])

    def rows():
        found = []
        for file in shop.server.lake(bucket, ".parquet"):
            for row in pyarrow.parquet.ParquetFile(file).read().to_pylist():
                assert file.parent.name == f"who={row['customer']}"
                found.append(row)
        return found if len(found) >= 100 else None

    found = sorted(wait_for(rows, 60, "100 rows"), key=lambda row: row["id"])
    assert [row["id"] for row in found] == list(range(100))
    for n, row in enumerate(found):
        assert row["amount"] == decimal.Decimal(n) / 4
        assert row["state"] == {1: "PAID", 3: "PAID"}.get(n % 5)
        assert row["lines"] == ([{"sku": "a", "n": n}] if n % 5 == 1 else None)
        assert (row["placed"] is not None) == (n % 5 == 1)
        if row["placed"]:
            assert row["placed"].replace(tzinfo=datetime.timezone.utc) == PLACED

    def failures():
        files = [file for file in shop.server.lake(bucket) if "errors" in file.parts]
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    [failure] = wait_for(failures, 30, "the record that nobody knows")
    assert base64.b64decode(failure["rawData"]) == stranger
    assert str(uuid.UUID(bytes=stranger[2:18])) in failure["errorMessage"]


CODE = '''
import base64, json, os, urllib.request

def handler(event, context):
    key, region = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_REGION"]
    scope = f"{key}/20260101/{region}/sqs/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    for record in event["Records"]:
        body = json.dumps({"QueueUrl": os.environ["SEEN"], "MessageBody": record["kinesis"]["data"]}).encode()
        urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
'''


def test_functions_get_json_when_their_mapping_asks_for_it(shop):
    functions, sqs = shop.server.client("lambda"), shop.server.client("sqs")
    queue = sqs.create_queue(QueueName=shop.unique("seen"))["QueueUrl"]
    stream = shop.server.create_stream(shop.unique("events"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", CODE)
    name = shop.unique("reader")
    functions.create_function(
        FunctionName=name, Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}", Role=ROLE,
        Handler="app.handler", Code={"ZipFile": archive.getvalue()}, Environment={"Variables": {"SEEN": queue}}, Timeout=20)
    mapping = functions.create_event_source_mapping(
        EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}", FunctionName=name,
        StartingPosition="TRIM_HORIZON", FilterCriteria={"Filters": [{"Pattern": json.dumps({"data": {"customer": ["c-1"]}})}]},
        Tags={"millrace:event-record-format": "JSON"})
    stranger = frame(str(uuid.uuid4()), b"who knows")
    records = [shop.old(1), shop.old(2), shop.new(4), shop.in_json(7), shop.in_protobuf(10),
               b'{"customer": "c-1", "id": 13}', stranger]
    put_all(shop.kinesis, stream, [(record, "one") for record in records])
    seen = []

    def arrived():
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            seen.append(base64.b64decode(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(seen) >= 6

    wait_for(arrived, 60, "six records")
    time.sleep(0.2)
    arrived()
    assert len(seen) == 6 and stranger in seen
    values = {value["id"]: value for value in (json.loads(text) for text in seen if text != stranger)}
    assert sorted(values) == [1, 4, 7, 10, 13]
    assert values[1] == {"id": 1, "customer": "c-1", "amount": 0.25}
    assert values[4] == {
        "note": "hi", "lines": [{"sku": "a", "n": 4}], "amount": 1.0, "customer": "c-1", "state": "PAID", "id": 4,
        "placed": "2026-01-31T08:05:00.25Z"}
    assert values[10] == {"id": 10, "customer": "c-1", "amount": "2.5", "state": "PAID"}
    result = functions.get_event_source_mapping(UUID=mapping["UUID"])["LastProcessingResult"]
    assert result
    with pytest.raises(functions.exceptions.InvalidParameterValueException) as refused:
        functions.tag_resource(Resource=mapping["EventSourceMappingArn"], Tags={"millrace:event-record-format": "XML"})
    assert "JSON or SOURCE" in str(refused.value)
    functions.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.mark.skipif(not os.environ.get("MILLRACE_REGISTRY_JAVA"), reason="run by `cargo xtask compat registry`")
@pytest.mark.parametrize("form", ["AVRO", "JSON", "PROTOBUF"])
def test_sql_reads_what_javas_serializers_write_and_they_read_what_it_writes(shop, form):
    java = Java(shop.server, "default-registry")
    try:
        kind, topic = f"{form.lower()}-glue", shop.unique("java")
        written = [java.write(form, packed, topic, version, 10 + version, "näh" * 30)
                   for version in (1, 2) for packed in ("NONE", "ZLIB")]
        source, sink = shop.unique("java"), shop.unique("back")
        shop.server.create_stream(source)
        shop.server.create_stream(sink)
        put_all(shop.kinesis, source, [(record, "one") for record in written])
        columns = "id BIGINT NOT NULL, note STRING"
        script = table("a", columns, source, kind, glue_options(kind, topic))
        script += table("b", columns, sink, kind, glue_options(kind, sink, **{"schema.autoRegistration": "true"}))
        with Running(shop.server, script + "INSERT INTO b SELECT id, COALESCE(note, 'none') FROM a;"):
            records = read_all(shop.kinesis, sink, expected=4, seconds=30)
        read = [java.read(form, sink, record["Data"]) for record in records]
        assert read == ["11 none"] * 2 + ["12 " + "näh" * 30] * 2
    finally:
        java.stop()
