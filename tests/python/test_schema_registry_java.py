"""The official Java serializers of Glue's schema registry: round trips over a stream with a contract, and with the Python ones.

They are built by `cargo xtask compat registry`, which names their classes in MILLRACE_REGISTRY_JAVA; without it this is skipped.
"""

import base64
import os
import subprocess

import pytest
from aws_schema_registry import DataAndSchema, SchemaRegistryClient
from aws_schema_registry.avro import AvroSchema
from aws_schema_registry.jsonschema import JsonSchema
from aws_schema_registry.serde import KafkaDeserializer, KafkaSerializer
from conftest import read_all

CLASSES = os.environ.get("MILLRACE_REGISTRY_JAVA")
pytestmark = pytest.mark.skipif(not CLASSES, reason="run by `cargo xtask compat registry`")


class Java:
    """The serializers' process; see tests/java/registry."""

    def __init__(self, server, registry):
        command = ["java", "-cp", CLASSES, "Serializers", server.endpoint, registry]
        self.process = subprocess.Popen(
            command, env=server.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, "the serializers ended"
        return answer

    def write(self, *words):
        answer = self.ask("write", *words)
        assert not answer.startswith("error"), answer
        return base64.b64decode(answer)

    def read(self, form, topic, data):
        return self.ask("read", form, topic, base64.b64encode(data).decode())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def registry(server):
    name = "java-serializers"
    server.client("glue").create_registry(RegistryName=name)
    return name


@pytest.fixture(scope="module")
def java(server, registry):
    java = Java(server, registry)
    yield java
    java.stop()


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
@pytest.mark.parametrize("form", ["AVRO", "JSON", "PROTOBUF"])
def test_java_round_trips(server, kinesis, java, registry, unique, form, compression):
    """Both versions are registered by the serializer itself; the stream takes what conforms and nothing else."""
    stream = server.create_stream(unique(f"java-{form.lower()}"))
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"millrace:schema": f"{registry}/{stream}"})
    # JSON's second version is another property of a closed object, which the serializer's BACKWARD allows.
    written = [java.write(form, compression, stream, version, 10 + version, "näh" * 30) for version in (1, 2)]
    assert [data[1] for data in written] == ([5, 5] if compression == "ZLIB" else [0, 0])
    assert written[0][2:18] != written[1][2:18]
    for data in written:
        kinesis.put_record(StreamName=stream, Data=data, PartitionKey="k")
    for wrong in (written[0][:18], written[1][:-1]):
        with pytest.raises(kinesis.exceptions.InvalidArgumentException):
            kinesis.put_record(StreamName=stream, Data=wrong, PartitionKey="k")
    records = [record["Data"] for record in read_all(kinesis, stream, 2)]
    assert [java.read(form, stream, data) for data in records] == ["11 -", "12 " + "näh" * 30]
    glue = server.client("glue")
    versions = glue.list_schema_versions(SchemaId={"RegistryName": registry, "SchemaName": stream})["Schemas"]
    assert [(item["VersionNumber"], item["Status"]) for item in versions] == [(1, "AVAILABLE"), (2, "AVAILABLE")]
    assert glue.get_schema(SchemaId={"RegistryName": registry, "SchemaName": stream})["DataFormat"] == form


@pytest.mark.parametrize("form", ["AVRO", "JSON"])
def test_java_and_python_read_each_other(server, java, registry, unique, form):
    topic = unique("shared")
    client = SchemaRegistryClient(server.client("glue"), registry_name=registry)
    read = KafkaDeserializer(client).deserialize(topic, java.write(form, "ZLIB", topic, 2, 7, "seven"))
    assert read.data == {"id": 7, "note": "seven"}
    schema = {"AVRO": AvroSchema, "JSON": JsonSchema}[form](str(read.schema))
    # The same definition in Python's spacing is the version that Java registered.
    serializer = KafkaSerializer(client, schema_naming_strategy=lambda topic, is_key, schema: topic)
    data = serializer.serialize(topic, DataAndSchema({"id": 8, "note": "eight"}, schema))
    assert java.read(form, topic, data) == "8 eight"
    versions = server.client("glue").list_schema_versions(SchemaId={"RegistryName": registry, "SchemaName": topic})
    assert len(versions["Schemas"]) == 1


def test_java_hears_why_a_version_is_refused(server, java, registry, unique):
    topic = unique("refused")
    server.client("glue").create_schema(
        RegistryId={"RegistryName": registry}, SchemaName=topic, DataFormat="AVRO", Compatibility="BACKWARD",
        SchemaDefinition='{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}',
    )
    answer = java.ask("write", "AVRO", "NONE", topic, 1, 1, "-")
    assert answer.startswith("error") and "not BACKWARD compatible" in answer and "id" in answer, answer
