"""Bad input and a bad world: each gives one clear message, and nothing that was acknowledged is lost."""

import http.client
import http.server
import io
import json
import os
import shutil
import subprocess
import threading

import botocore.exceptions
import pyarrow.parquet
import pytest

from conftest import BINARY, TEMPLATES, free_port, read_all, wait_for
from test_lake import events, put_events


def up(folder, template):
    """Starts a server with a template that it must refuse; gives what it said."""
    command = [BINARY, "up", "--port", "0", "--search-port", "0", "--data", str(folder / "data"), str(template)]
    run = subprocess.run(command, text=True, capture_output=True, timeout=30, cwd=folder)
    assert run.returncode != 0, "a template that cannot be deployed must end `millrace up`"
    return run.stdout + run.stderr


@pytest.mark.parametrize(
    "line, text, words",
    [
        (4, "    Type: AWS::Kinesis::Streem", ["AWS::Kinesis::Streem", "AWS::Kinesis::Stream"]),
        (7, "      ShardCuont: 1", ["ShardCuont", "ShardCount"]),
        (7, "      ShardCount: !Ref Nothing", ["Nothing"]),
        (7, "      ShardCount: [", []),
    ],
    ids=["type", "property", "reference", "yaml"],
)
def test_a_template_error_names_its_line(tmp_path, line, text, words):
    lines = [
        'AWSTemplateFormatVersion: "2010-09-09"', "Resources:", "  Orders:", "    Type: AWS::Kinesis::Stream",
        "    Properties:", "      Name: orders", "      ShardCount: 1",
    ]
    lines[line - 1] = text
    template = tmp_path / "bad.yaml"
    template.write_text("\n".join(lines) + "\n")
    said = up(tmp_path, template)
    # A bracket that is never closed may be noticed at the end of the file.
    lines = [line, line + 1] if text.endswith("[") else [line]
    assert any(f"bad.yaml:{n}" in said or f"line {n}" in said for n in lines), said
    assert all(word in said for word in words), said
    assert "panicked" not in said


def test_an_sql_error_points_at_the_place(server, tmp_path):
    script = tmp_path / "bad.sql"
    script.write_text(
        "CREATE TABLE t (name STRING, n INT) WITH ('connector' = 'filesystem', 'path' = '/nowhere', 'format' = 'json');\n"
        "SELECT name,\n"
        "       amuont\n"
        "FROM t;\n"
    )
    run = server.millrace("sql", script)
    assert run.returncode != 0
    lines = run.stderr.splitlines()
    shown = [index for index, line in enumerate(lines) if line.rstrip().endswith("amuont") and "'" not in line]
    assert shown, run.stderr
    place, caret = lines[shown[0]], lines[shown[0] + 1]
    assert "^" in caret and caret.index("^") == place.index("amuont"), run.stderr
    assert "3" in run.stderr and "panicked" not in run.stderr


@pytest.mark.parametrize(
    "statement, word",
    [
        ("SELEKT 1;", "SELEKT"),
        ("SELECT 1 FROM nowhere;", "nowhere"),
        ("SELECT NO_SUCH_FUNCTION(1);", "NO_SUCH_FUNCTION"),
        ("CREATE TABLE t (n INT) WITH ('connector' = 'kafka', 'format' = 'json'); SELECT * FROM t;", "kafka"),
        ("SELECT 'a;", "'"),
    ],
)
def test_sql_mistakes_are_named(server, tmp_path, statement, word):
    script = tmp_path / "bad.sql"
    script.write_text(statement + "\n")
    run = server.millrace("sql", script)
    assert run.returncode != 0 and word in run.stderr and "panicked" not in run.stderr, run.stderr


def raw(server, body, headers=(), method="POST", path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    given = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "Kinesis_20131202.ListStreams",
        "Authorization": "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/kinesis/aws4_request, "
                         "SignedHeaders=host, Signature=0",
        "X-Amz-Date": "20260101T000000Z",
    } | dict(headers)
    connection.request(method, path, body, {key: value for key, value in given.items() if value is not None})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_malformed_requests_are_answered(server):
    status, body = raw(server, "{ this is no JSON")
    assert status == 400 and json.loads(body)["__type"].endswith("SerializationException")
    status, body = raw(server, '{"Limit": "many"}')
    assert status == 400 and b"SerializationException" in body
    status, body = raw(server, "{}", {"X-Amz-Target": "Kinesis_20131202.NoSuchOperation"})
    assert status in (400, 404) and b"UnknownOperationException" in body
    status, body = raw(server, "{}", {"X-Amz-Target": None})
    assert status in (400, 403, 404) and body
    status, body = raw(server, '{"StreamName": "no spaces allowed"}', {"X-Amz-Target": "Kinesis_20131202.DescribeStream"})
    assert status == 400 and b"ValidationException" in body and b"streamName" in body
    status, body = raw(server, b"\x00\x01\x02", {"Content-Type": "application/x-amz-cbor-1.1"})
    assert status == 400
    assert raw(server, "{}")[0] == 200, "the server goes on"


def test_an_oversized_record_is_refused_and_the_rest_taken(server, unique):
    kinesis = server.client("kinesis")
    name = server.create_stream(unique("sizes"))
    # One MiB with the partition key is the most that a stream takes unless it says otherwise.
    kinesis.put_record(StreamName=name, Data=b"x" * (2**20 - 1), PartitionKey="k")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        kinesis.put_record(StreamName=name, Data=b"x" * 2**20, PartitionKey="k")
    assert refused.value.response["Error"]["Code"] in ("ValidationException", "InvalidArgumentException")
    with pytest.raises(botocore.exceptions.ClientError):
        kinesis.put_records(StreamName=name, Records=[{"Data": b"x", "PartitionKey": "k"}] * 501)
    kinesis.put_record(StreamName=name, Data=b"small", PartitionKey="k")
    assert [len(record["Data"]) for record in read_all(kinesis, name, expected=2)] == [2**20 - 1, 5]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MB that can be made larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a full disk is made with `mount -t tmpfs`, which only root may do")
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("`mount -t tmpfs` is not allowed here, so no full disk can be made")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_full_disk_refuses_and_loses_nothing(start_server, small_disk):
    server = start_server(data=small_disk / "data")
    name = server.create_stream("full")
    kinesis = server.client("kinesis")
    acknowledged, error = [], None
    for n in range(200):
        data = f"{n:06}".encode() + os.urandom(500_000)
        try:
            kinesis.put_record(StreamName=name, Data=data, PartitionKey="k")
        except botocore.exceptions.ClientError as refused:
            error = refused
            break
        acknowledged.append(data)
    assert error is not None and len(acknowledged) > 20, f"{len(acknowledged)} records of 0.5 MB fit on 48 MB"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, error
    said = (str(error) + server.log_text()).lower()
    assert "space" in said or "full" in said, said
    assert "panicked" not in said

    # Reading goes on; with room again and after a restart everything acknowledged is there, and puts are taken again.
    assert [record["Data"][:6] for record in read_all(kinesis, name)] == [data[:6] for data in acknowledged]
    subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
    server.kill9()
    server.start()
    kinesis.put_record(StreamName=name, Data=b"after", PartitionKey="k")
    assert [record["Data"] for record in read_all(kinesis, name)] == [*acknowledged, b"after"]


class Store(http.server.BaseHTTPRequestHandler):
    """The least of an S3 store: it keeps what is put."""

    protocol_version = "HTTP/1.1"
    objects = {}

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.objects[self.path.split("?")[0]] = body
        self.answer(200, ETag='"1"')

    def do_HEAD(self):
        found = self.objects.get(self.path.split("?")[0])
        self.answer(404 if found is None else 200)

    def do_GET(self):
        found = self.objects.get(self.path.split("?")[0])
        self.answer(404 if found is None else 200, found or b"")

    def log_message(self, *_):
        pass


def test_an_unreachable_store_is_named_and_delivery_waits_for_it(start_server):
    port = free_port()
    credentials = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    server = start_server(
        TEMPLATES / "lake.yaml", arguments=["--s3-endpoint", f"http://127.0.0.1:{port}"], env=credentials
    )
    sent = events(500)
    put_events(server, "lake-events", sent)
    wait_for(lambda: f"127.0.0.1:{port}" in server.log_text(), 60, "a message that names the store")
    assert "panicked" not in server.log_text()
    kinesis = server.client("kinesis")
    assert len(read_all(kinesis, "lake-events")) == len(sent), "the stream goes on without the store"

    Store.objects = {}
    store = http.server.ThreadingHTTPServer(("127.0.0.1", port), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    try:
        def rows():
            files = [body for path, body in dict(Store.objects).items() if path.endswith(".parquet")]
            return [row for body in files for row in pyarrow.parquet.ParquetFile(io.BytesIO(body)).read().to_pylist()]

        wait_for(lambda: len(rows()) >= len(sent), 120, "the events in the store")
        assert sorted(row["event_id"] for row in rows()) == [event["event_id"] for event in sent]
    finally:
        store.shutdown()


def test_an_unknown_flag_or_setting_is_explained(tmp_path):
    run = subprocess.run([BINARY, "up", "--prot", "1"], text=True, capture_output=True, timeout=20, cwd=tmp_path)
    assert run.returncode != 0 and "--port" in run.stderr
    run = subprocess.run(
        [BINARY, "up", "--port", "7777", "--search-port", "7777"], text=True, capture_output=True, timeout=20, cwd=tmp_path
    )
    assert run.returncode != 0 and "7777" in run.stderr


def test_a_taken_port_is_named(server, tmp_path):
    command = [BINARY, "up", "--port", str(server.port), "--search-port", "0", "--data", str(tmp_path / "data")]
    run = subprocess.run(command, text=True, capture_output=True, timeout=20, cwd=tmp_path)
    assert run.returncode != 0 and str(server.port) in run.stderr and "panicked" not in run.stderr
