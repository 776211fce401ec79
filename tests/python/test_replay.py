"""Replay, both kinds, through the binary: an application goes back to a snapshot of its state, and a view is rebuilt beside the
live one from the log or the lake, also when the server dies in the middle."""

import base64
import gzip
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from types import SimpleNamespace

import botocore.exceptions
import duckdb
import pyarrow.parquet
import pytest

from conftest import BINARY, put_all, read_all, wait_for
from test_lambda import package
from test_policies import allow, person, policy, trust
from test_policies import stream as new_stream
from test_signatures import root_key

ROLE = "arn:aws:iam::000000000000:role/replay"
HALVES = [0, 2**127]
SQL = """
CREATE TABLE orders (id STRING, customer STRING, amount DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'kinesis', 'stream' = '{orders}', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE view (window_start TIMESTAMP(3), customer STRING, orders BIGINT, amount DOUBLE,
  PRIMARY KEY (window_start, customer) NOT ENFORCED)
WITH ('connector' = 'opensearch', 'hosts' = '{search}', 'index' = '{view}');
CREATE TABLE totals (window_start TIMESTAMP(3), customer STRING, orders BIGINT)
WITH ('connector' = 'kinesis', 'stream' = '{totals}', 'format' = 'json');
SET 'execution.checkpointing.interval' = '100ms';
EXECUTE STATEMENT SET BEGIN
INSERT INTO view SELECT window_start, customer, COUNT(*), SUM(amount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, customer;
INSERT INTO totals SELECT window_start, customer, COUNT(*)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, customer;
END;
"""
WRITER = """
import base64, json, os, urllib.request

def handler(event, context):
    lines = []
    for record in event["Records"]:
        order = json.loads(base64.b64decode(record["kinesis"]["data"]))
        order["tax"] = round(order["amount"] / 5, 2)
        lines.append(json.dumps({"index": {"_index": os.environ["INDEX_PREFIX"] + order["day"], "_id": order["id"]}}))
        lines.append(json.dumps(order))
    request = urllib.request.Request(os.environ["SEARCH"] + "/_bulk", "\\n".join(lines + [""]).encode(),
                                     {"content-type": "application/x-ndjson"}, method="POST")
    assert not json.load(urllib.request.urlopen(request))["errors"]
"""


def ask(server, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(server.search_url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error) | {"status": error.code}


def documents(server, index, field=None):
    """Every document of an index, by id; more than 10,000 in the order of a field."""
    ask(server, "POST", f"/{index}/_refresh")
    found, after = {}, None
    while True:
        body = {"size": 10000} | ({"sort": [{field: "asc"}]} if field else {}) | ({"search_after": after} if after else {})
        hits = ask(server, "POST", f"/{index}/_search", body)["hits"]["hits"]
        found |= {hit["_id"]: hit["_source"] for hit in hits}
        if not field or not hits:
            return found
        after = hits[-1]["sort"]


def count(server, index):
    ask(server, "POST", f"/{index}/_refresh")
    return ask(server, "GET", f"/{index}/_count").get("count")


def order(n):
    day = f"2026-01-{n % 3 + 1:02}"
    at = f"2026-01-01 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.000"
    return {"id": f"o-{n:06}", "customer": f"c-{n % 7}", "amount": n % 90 / 4, "ts": at, "day": day}


def put_orders(server, stream, numbers):
    return put_all(server.client("kinesis"), stream, [(json.dumps(order(n)).encode(), str(n)) for n in numbers])


def finish(server, stream):
    end = {"id": "end", "customer": "end", "amount": 0, "ts": "2027-01-01 00:00:00.000", "day": "2027-01-01"}
    for key in HALVES:
        server.client("kinesis").put_record(
            StreamName=stream, Data=json.dumps(end).encode(), PartitionKey="end", ExplicitHashKey=str(key))


def longer(rows, than):
    return rows if len(rows) > than else None


def code_of(error):
    return error.value.response["Error"]["Code"]


def configuration(sql):
    return {"ApplicationCodeConfiguration": {"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": sql}}}


def test_an_application_goes_back_to_a_snapshot(server, unique):
    flink = server.client("kinesisanalyticsv2")
    orders, totals, view, app = (unique(name) for name in ("orders", "totals", "view", "app"))
    server.create_stream(orders, 2)
    server.create_stream(totals)
    sql = SQL.format(orders=orders, totals=totals, view=view, search=server.search_url)
    made = flink.create_application(ApplicationName=app, RuntimeEnvironment="FLINK-2_2", ServiceExecutionRole=ROLE,
                                    ApplicationConfiguration=configuration(sql))["ApplicationDetail"]
    assert (made["ApplicationStatus"], made["ApplicationVersionId"]) == ("READY", 1)
    flink.start_application(ApplicationName=app)
    put_orders(server, orders, range(3000))
    first = wait_for(lambda: len(ask(server, "GET", f"/{view}/_search?size=1").get("hits", {}).get("hits", [])), what="windows")
    assert first
    flink.create_application_snapshot(ApplicationName=app, SnapshotName="middle")
    put_orders(server, orders, range(3000, 6000))
    finish(server, orders)
    windows = 6000 // 60 * 7
    wait_for(lambda: count(server, view) == windows, what=f"{windows} windows")
    before = documents(server, view)
    rows = read_all(server.client("kinesis"), totals, expected=windows)
    assert len(rows) == windows

    # A view that was damaged since the snapshot is whole again, a stream's readers are warned.
    for one in sorted(before)[-40:]:
        ask(server, "PUT", f"/{view}/_doc/{urllib.parse.quote(one)}", {"broken": True})
    planned = server.millrace("replay", "--application", app, "--snapshot", "middle", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "same again: view writes" in planned.stdout and "SEEN AGAIN: totals writes" in planned.stdout, planned.stdout
    done = server.millrace("replay", "--application", app, "--snapshot", "middle")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "records in" in done.stdout and "kept as snapshot before-replay-" in done.stdout, done.stdout
    wait_for(lambda: documents(server, view) == before, what="the view to be as the first run left it")
    rows_again = wait_for(lambda: longer(read_all(server.client("kinesis"), totals), windows), what="rows again")
    again = [json.loads(row["Data"]) for row in rows_again]
    times = {}
    for row in again:
        times.setdefault((row["window_start"], row["customer"]), set()).add(row["orders"])
    assert len(times) == windows and all(len(counts) == 1 for counts in times.values()), "the same rows, never others"
    shown = flink.describe_application(ApplicationName=app)["ApplicationDetail"]
    assert shown["ApplicationStatus"] == "RUNNING"
    restored = shown["ApplicationConfigurationDescription"]["RunConfigurationDescription"]
    assert restored["ApplicationRestoreConfigurationDescription"]["SnapshotName"] == "middle"
    flink.delete_application(ApplicationName=app, CreateTimestamp=shown["CreateTimestamp"])


def test_applications_and_snapshots_by_their_api(server, unique):
    flink = server.client("kinesisanalyticsv2")
    orders, app = unique("orders"), unique("app")
    server.create_stream(orders)
    sql = f"""CREATE TABLE orders (id STRING) WITH ('connector' = 'kinesis', 'stream' = '{orders}', 'format' = 'json');
              CREATE TABLE nothing (id STRING) WITH ('connector' = 'blackhole');
              INSERT INTO nothing SELECT id FROM orders"""
    make = {"ApplicationName": app, "RuntimeEnvironment": "FLINK-2_2", "ServiceExecutionRole": ROLE}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.create_application(**make, ApplicationConfiguration=configuration("INSERT INTO nowhere SELECT 1"))
    assert code_of(error) == "CodeValidationException"
    # A Studio notebook's runtime, as templates name it, has its own mode.
    notebook = {**make, "ApplicationName": unique("notebook"), "RuntimeEnvironment": "ZEPPELIN-FLINK-3_0"}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.create_application(**notebook, ApplicationMode="STREAMING", ApplicationConfiguration=configuration(sql))
    assert code_of(error) == "InvalidArgumentException" and "give INTERACTIVE" in str(error.value)
    made = flink.create_application(**notebook, ApplicationMode="INTERACTIVE", ApplicationConfiguration=configuration(sql))
    told = flink.describe_application(ApplicationName=notebook["ApplicationName"])["ApplicationDetail"]
    for shown in (made["ApplicationDetail"], told):
        assert (shown["ApplicationMode"], shown["RuntimeEnvironment"]) == ("INTERACTIVE", "ZEPPELIN-FLINK-3_0")
    flink.delete_application(ApplicationName=notebook["ApplicationName"], CreateTimestamp=told["CreateTimestamp"])
    created = flink.create_application(**make, ApplicationConfiguration=configuration(sql))["ApplicationDetail"]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.create_application(**make, ApplicationConfiguration=configuration(sql))
    assert code_of(error) == "ResourceInUseException"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.create_application_snapshot(ApplicationName=app, SnapshotName="one")
    assert code_of(error) == "InvalidRequestException"
    flink.start_application(ApplicationName=app)
    assert app in [one["ApplicationName"] for one in flink.list_applications()["ApplicationSummaries"]]

    def taken():
        try:
            flink.create_application_snapshot(ApplicationName=app, SnapshotName="one")
            return True
        except flink.exceptions.InvalidRequestException:
            return False

    wait_for(taken, what="the first checkpoint")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.create_application_snapshot(ApplicationName=app, SnapshotName="one")
    assert code_of(error) == "ResourceInUseException"
    flink.create_application_snapshot(ApplicationName=app, SnapshotName="two")
    page = flink.list_application_snapshots(ApplicationName=app, Limit=1)
    rest = flink.list_application_snapshots(ApplicationName=app, Limit=1, NextToken=page["NextToken"])
    names = [one["SnapshotName"] for one in page["SnapshotSummaries"] + rest["SnapshotSummaries"]]
    assert (names, "NextToken" in rest) == (["two", "one"], False)
    one = flink.describe_application_snapshot(ApplicationName=app, SnapshotName="one")["SnapshotDetails"]
    assert (one["SnapshotStatus"], one["ApplicationVersionId"]) == ("READY", 1)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.start_application(ApplicationName=app)
    assert code_of(error) == "ResourceInUseException"
    flink.stop_application(ApplicationName=app)
    assert flink.describe_application(ApplicationName=app)["ApplicationDetail"]["ApplicationStatus"] == "READY"
    restore = {"ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": "none"}
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.start_application(ApplicationName=app, RunConfiguration={"ApplicationRestoreConfiguration": restore})
    assert code_of(error) == "ResourceNotFoundException" and "there are: two, one" in str(error.value)
    flink.delete_application_snapshot(
        ApplicationName=app, SnapshotName="two", SnapshotCreationTimestamp=flink.describe_application_snapshot(
            ApplicationName=app, SnapshotName="two")["SnapshotDetails"]["SnapshotCreationTimestamp"])
    listed = flink.list_application_snapshots(ApplicationName=app)["SnapshotSummaries"]
    assert [one["SnapshotName"] for one in listed] == ["one"]
    # The stream that the snapshot stands in is another one now: what it would read again is gone.
    server.client("kinesis").delete_stream(StreamName=orders)
    gone = server.millrace("replay", "--application", app, "--snapshot", "one")
    assert gone.returncode == 1 and "Gone: stream" in gone.stderr and "millrace backfill" in gone.stderr, gone.stderr
    flink.delete_application(ApplicationName=app, CreateTimestamp=created["CreateTimestamp"])
    with pytest.raises(botocore.exceptions.ClientError) as error:
        flink.describe_application(ApplicationName=app)
    assert code_of(error) == "ResourceNotFoundException"


def test_a_backfill_survives_kill9(start_server):
    server = start_server()
    server.create_stream("orders", 2)
    put_orders(server, "orders", range(12000))
    ask(server, "PUT", "/view-1", {"mappings": {"properties": {"customer": {"type": "keyword"}}}})
    ask(server, "PUT", "/view-1/_doc/o-000000?refresh=true", {"id": "o-000000", "old": True})
    ask(server, "POST", "/_aliases", {"actions": [{"add": {"index": "view-1", "alias": "view"}}]})
    command = ["backfill", "--stream", "orders", "--to-index", "view", "--id-field", "id"]
    started = server.millrace(*command, "--detach")
    assert started.returncode == 0, started.stderr
    wait_for(lambda: any(count(server, name) for name in ask(server, "GET", "/_alias") if name.startswith("backfill-")),
             what="the first documents")
    server.kill9()
    server.start()
    assert count(server, "view") == 1 or "done" in server.millrace("backfill", "list").stdout
    done = server.millrace(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    built = [name for name in ask(server, "GET", "/_alias/view")]
    assert len(built) == 1 and built[0].startswith("backfill-") and built[0].endswith("-view")
    found = documents(server, "view", "id.keyword")
    assert found.keys() == {f"o-{n:06}" for n in range(12000)} and "old" not in found["o-000000"]
    mapping = ask(server, "GET", f"/{built[0]}/_mapping")[built[0]]["mappings"]["properties"]
    assert mapping["customer"] == {"type": "keyword"}
    assert count(server, "view-1") == 1, "the old index stays unless it is to be dropped"
    again = server.millrace(*command)
    assert again.returncode == 0 and "done already" in again.stdout, again.stdout
    # A second round takes the first one's place, and drops it.
    more = server.millrace(*command, "--again", "--drop-old")
    assert more.returncode == 0, more.stderr
    after = [name for name in ask(server, "GET", "/_alias/view")]
    assert len(after) == 1 and after != built and ask(server, "GET", f"/{built[0]}").get("status") == 404


def test_a_backfill_takes_over_from_a_live_writer(server, unique):
    """A delivery stream writes the view all the while; ids are positions on both sides."""
    kinesis, firehose = server.client("kinesis"), server.client("firehose")
    stream, view, delivery, bucket = (unique(name) for name in ("stream", "live", "writer", "bucket"))
    server.create_stream(stream, 2)
    server.client("s3").create_bucket(Bucket=bucket)
    early = put_orders(server, stream, range(4000))
    ask(server, "PUT", f"/{view}-1", {"aliases": {view: {}}})
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    s3 = {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}"}
    firehose.create_delivery_stream(
        DeliveryStreamName=delivery, DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": ROLE},
        AmazonopensearchserviceDestinationConfiguration={
            "RoleARN": ROLE, "DomainARN": "arn:aws:es:us-east-1:000000000000:domain/views", "IndexName": view,
            "IndexRotationPeriod": "NoRotation", "DocumentIdOptions": {"DefaultDocumentIdFormat": "FIREHOSE_DEFAULT"},
            "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1}, "S3Configuration": s3})
    late, stop = [], threading.Event()

    def produce():
        n = 4000
        while not stop.is_set():
            late.extend(put_orders(server, stream, range(n, n + 50)))
            n += 50
            time.sleep(0.02)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        time.sleep(1)
        refused = server.millrace("backfill", "--stream", stream, "--to-index", f"{view}-1")
        assert refused.returncode == 1 and "--drop-old" in refused.stderr, refused.stderr
        done = server.millrace("backfill", "--stream", stream, "--to-index", view, "--drop-old", "--allow-fewer")
        time.sleep(0.5)
    finally:
        stop.set()
        producer.join()
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {number for number in early + late}
    wait_for(lambda: count(server, view) == len(expected), what=f"{len(expected)} documents")
    assert {one.split(":")[1] for one in documents(server, view, "id.keyword")} == expected
    assert ask(server, "GET", f"/{view}-1").get("status") == 404
    firehose.delete_delivery_stream(DeliveryStreamName=delivery)


def test_a_backfill_through_a_function(server, unique):
    lam, kinesis = server.client("lambda"), server.client("kinesis")
    stream, function, view = unique("orders"), unique("writer"), unique("daily")
    server.create_stream(stream)
    put_orders(server, stream, range(900))
    kinesis.put_record(StreamName=stream, Data=b"{poison", PartitionKey="p")
    put_orders(server, stream, range(900, 1000))
    variables = {"INDEX_PREFIX": f"{view}-", "SEARCH": server.search_url}
    lam.create_function(FunctionName=function, Runtime="python3.12", Handler="app.handler", Role=ROLE, Timeout=20,
                        Code={"ZipFile": package(WRITER)}, Environment={"Variables": variables})
    wait_for(lambda: lam.get_function(FunctionName=function)["Configuration"]["State"] == "Active", what="the function")
    # The live view: a day whose documents are wrong, an alias over all days, and a day that nobody will rebuild.
    for day in ("2026-01-01", "2025-12-31"):
        ask(server, "PUT", f"/{view}-{day}", {"aliases": {f"all-{view}": {}}, "mappings": {"properties": {
            "customer": {"type": "keyword"}}}})
        ask(server, "PUT", f"/{view}-{day}/_doc/wrong?refresh=true", {"id": "wrong"})
    command = ["backfill", "--stream", stream, "--function", function, "--to-index", f"{view}-*"]
    wrong = server.millrace(*command, "--index-variable", "INDEX", "--drop-old")
    assert wrong.returncode == 1 and "no variable INDEX" in wrong.stderr, wrong.stderr
    kept = server.millrace(*command, "--index-variable", "INDEX_PREFIX")
    assert kept.returncode == 1 and "--drop-old" in kept.stderr, kept.stderr
    done = server.millrace(*command, "--index-variable", "INDEX_PREFIX", "--drop-old")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 records gave no document" in done.stdout and "JSONDecodeError" in done.stdout, done.stdout
    for place, day in enumerate(("2026-01-01", "2026-01-02", "2026-01-03")):
        found = documents(server, f"{view}-{day}")
        assert found.keys() == {f"o-{n:06}" for n in range(1000) if n % 3 == place}
        assert all(one["tax"] == round(one["amount"] / 5, 2) for one in found.values())
    first = list(ask(server, "GET", f"/_alias/{view}-2026-01-01"))[0]
    assert set(ask(server, "GET", f"/{first}/_alias")[first]["aliases"]) == {f"all-{view}", f"{view}-2026-01-01"}
    assert ask(server, "GET", f"/{first}/_mapping")[first]["mappings"]["properties"]["customer"] == {"type": "keyword"}
    assert documents(server, f"{view}-2025-12-31").keys() == {"wrong"}, "what was not rebuilt stays"
    assert [one for one in lam.list_functions()["Functions"] if "backfill" in one["FunctionName"]] == []


def test_a_function_that_fails_for_long_holds_nothing_up(start_server, tmp_path):
    server, gate = start_server(), tmp_path / "gate"
    lam = server.client("lambda")
    server.create_stream("orders")
    put_orders(server, "orders", range(40))
    held = WRITER.replace("    lines = []", "    import time\n    if not os.path.exists(os.environ['GATE']):\n"
                          "        time.sleep(1)\n        raise RuntimeError('nobody is there')\n    lines = []")
    variables = {"INDEX_PREFIX": "daily-", "SEARCH": server.search_url, "GATE": str(gate)}
    lam.create_function(FunctionName="writer", Runtime="python3.12", Handler="app.handler", Role=ROLE, Timeout=60,
                        Code={"ZipFile": package(held)}, Environment={"Variables": variables})
    wait_for(lambda: lam.get_function(FunctionName="writer")["Configuration"]["State"] == "Active", what="the function")
    command = ["backfill", "--stream", "orders", "--function", "writer", "--to-index", "daily-*", "--index-variable", "INDEX_PREFIX"]
    assert server.millrace(*command, "--detach").returncode == 0
    wait_for(lambda: "nobody is there" in server.millrace("backfill", "list").stdout, what="a word of what holds it up")
    begun = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - begun < 10, "the server waits for nobody"
    gate.touch()
    server.start()
    done = server.millrace(*command)
    assert done.returncode == 0 and "gave no document" not in done.stdout, done.stdout + done.stderr
    assert sum(count(server, f"daily-2026-01-0{day}") for day in (1, 2, 3)) == 40


def test_a_backfill_from_the_lake(server, unique):
    """The stream has lost everything (it is a new one of the same name); the lake has it, Parquet and JSON."""
    kinesis, firehose, glue = server.client("kinesis"), server.client("firehose"), server.client("glue")
    stream, bucket, base = unique("orders"), unique("lake"), unique("base")
    server.create_stream(stream, 2)
    server.client("s3").create_bucket(Bucket=bucket)
    glue.create_database(DatabaseInput={"Name": base})
    columns = [{"Name": name, "Type": kind} for name, kind in
               [("id", "string"), ("customer", "string"), ("amount", "double"), ("day", "date")]]
    glue.create_table(DatabaseName=base, TableInput={"Name": "orders", "StorageDescriptor": {"Columns": columns}})
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    schema = {"DatabaseName": base, "TableName": "orders", "Region": "us-east-1", "RoleARN": ROLE}
    conversion = {"Enabled": True, "SchemaConfiguration": schema,
                  "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                  "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}}}
    for name, more in (("parquet", {"DataFormatConversionConfiguration": conversion,
                                    "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 64}}),
                       ("json", {"CompressionFormat": "GZIP", "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1}})):
        firehose.create_delivery_stream(
            DeliveryStreamName=f"{name}-{stream}", DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": ROLE},
            ExtendedS3DestinationConfiguration={
                "RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "Prefix": f"{name}/dt=!{{timestamp:yyyy-MM-dd}}/",
                "ErrorOutputPrefix": f"errors/{name}/!{{firehose:error-output-type}}/", **more})
    put_orders(server, stream, range(1500))
    wait_for(lambda: len(server.lake(bucket)) >= 2, what="the first objects")
    put_orders(server, stream, range(1500, 2000))

    def delivered(name):
        done = server.millrace("backfill", "--stream", stream, "--to-index", f"{name}-{stream}", "--id-field", "id",
                               "--from-lake", f"s3://{bucket}/{name}/", "--again", "--allow-fewer", "--drop-old")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rows():
        tables = (pyarrow.parquet.read_table(path).num_rows for path in server.lake(bucket, ".parquet"))
        return sum(tables), sum(gzip.decompress(path.read_bytes()).count(b'"id"') for path in server.lake(bucket, ".gz"))

    wait_for(lambda: rows() == (2000, 2000), what="2000 records in both formats")
    for name in ("parquet", "json"):
        firehose.delete_delivery_stream(DeliveryStreamName=f"{name}-{stream}")
    kinesis.delete_stream(StreamName=stream)
    wait_for(lambda: stream not in kinesis.list_streams()["StreamNames"], what="the stream to be gone")
    server.create_stream(stream, 1)
    # Some of what the lake has comes once more: the seam.
    put_orders(server, stream, range(1900, 2200))
    for name in ("parquet", "json"):
        told = delivered(name)
        assert "objects of the lake" in told, told
        found = documents(server, f"{name}-{stream}")
        assert found.keys() == {f"o-{n:06}" for n in range(2200)}
        assert all(one["amount"] == order(int(key[2:]))["amount"] for key, one in found.items())
    refused = server.millrace("backfill", "--stream", stream, "--to-index", unique("x"), "--from-lake", f"s3://{bucket}/json/")
    assert refused.returncode == 1 and "--id-field" in refused.stderr, refused.stderr


def test_a_backfill_goes_on_when_its_command_is_stopped(server, unique):
    stream, view = unique("orders"), unique("view")
    server.create_stream(stream)
    put_orders(server, stream, range(3000))
    command = [BINARY, "backfill", "--stream", stream, "--to-index", view, "--id-field", "id"]
    watching = subprocess.Popen(command, env=server.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.1)
    watching.send_signal(signal.SIGINT)
    watching.wait()
    done = server.millrace(*command[1:])
    assert done.returncode == 0, done.stderr
    assert count(server, view) == 3000
    listed = server.millrace("backfill", "list").stdout
    assert f"{stream} to {view}: 3,000 records, done" in listed, listed
    absent = server.millrace("backfill", "cancel", "0123456789")
    assert absent.returncode == 1 and "no backfill 0123456789" in absent.stderr
    none = server.millrace("backfill", "--stream", unique("none"), "--to-index", view)
    assert none.returncode == 1 and "does not exist" in none.stderr, none.stderr


def locked_orders(start_server):
    """A server with --auth on that has a stream of orders, and its root's clients."""
    server = start_server(arguments=("--auth", "on"))
    root = root_key(server)
    admin = lambda service: root.client(server, service)
    new_stream(admin, "orders")
    return server, admin


def backfill_as(server, key, *arguments):
    """Rebuilds a view of the orders with somebody's access key."""
    env = server.environment() | {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
    command = [BINARY, "backfill", "--stream", "orders", *arguments]
    return subprocess.run(command, env=env, text=True, capture_output=True, timeout=60)


def test_a_backfill_may_do_what_its_caller_may(start_server):
    server, admin = locked_orders(start_server)
    put_all(admin("kinesis"), "orders", [(json.dumps(order(n)).encode(), str(n)) for n in range(50)])
    index = "arn:aws:es:us-east-1:000000000000:domain/*"
    route = allow(["millrace:PostBackfill", "millrace:GetBackfill"])
    keys = {
        "reader": person(admin, "reader", policy(route, allow("kinesis:GetRecords"))),
        "writer": person(admin, "writer", policy(route, allow("es:ESHttp*", index))),
        "both": person(admin, "both", policy(route, allow("kinesis:GetRecords"), allow(["es:ESHttpPut", "es:ESHttpPost"], index))),
        "stranger": person(admin, "stranger", policy(allow(["kinesis:*", "es:*"]))),
    }

    def backfill(who, *more):
        return backfill_as(server, keys[who], "--to-index", "view", "--id-field", "id", *more)

    for who, action in (("reader", "es:ESHttpPut"), ("writer", "kinesis:GetRecords"), ("stranger", "millrace:PostBackfill")):
        denied = backfill(who)
        assert denied.returncode == 1 and action in denied.stderr, (who, denied.stderr)
    assert "es:ESHttpDelete" in backfill("both", "--drop-old").stderr
    done = backfill("both")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "50 documents" in done.stdout, done.stdout


def delivery_to(server, stream, name, bucket, prefix, glue=None, **more):
    """A delivery stream from a Kinesis stream into a lake by day and hour: Parquet when a Glue table (base, name) is given."""
    arn = server.client("kinesis").describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    s3 = {"RoleARN": ROLE, "BucketARN": f"arn:aws:s3:::{bucket}", "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1},
          "Prefix": f"{prefix}dt=!{{timestamp:yyyy-MM-dd}}/hour=!{{timestamp:HH}}/",
          "ErrorOutputPrefix": f"errors/{prefix}!{{firehose:error-output-type}}/"}
    if glue:
        base, table = glue
        schema = {"DatabaseName": base, "TableName": table, "Region": "us-east-1", "RoleARN": ROLE}
        s3["BufferingHints"] = {"IntervalInSeconds": 1, "SizeInMBs": 64}
        s3["DataFormatConversionConfiguration"] = {
            "Enabled": True, "SchemaConfiguration": schema,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}}}
    server.client("firehose").create_delivery_stream(
        DeliveryStreamName=name, DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": ROLE},
        ExtendedS3DestinationConfiguration=s3 | more)


def orders_table(server, base, *columns):
    glue = server.client("glue")
    try:
        glue.create_database(DatabaseInput={"Name": base})
    except glue.exceptions.AlreadyExistsException:
        glue.delete_table(DatabaseName=base, Name="orders")
    columns = [{"Name": name, "Type": kind} for name, kind in columns]
    glue.create_table(DatabaseName=base, TableInput={"Name": "orders", "StorageDescriptor": {"Columns": columns}})
    return base, "orders"


COLUMNS = [("id", "string"), ("customer", "string"), ("amount", "double")]


def lake_rows(server, bucket, prefix):
    """How often each id is in the Parquet below a prefix, as DuckDB reads it from the disk while anything goes on."""
    folder = server.data / "lake" / bucket / prefix
    for _ in range(20):
        if not list(folder.rglob("*.parquet")):
            return {}
        try:
            rows = duckdb.sql(f"SELECT id, count(*) FROM read_parquet('{folder}/**/*.parquet', union_by_name=true) GROUP BY id")
            return dict(rows.fetchall())
        except duckdb.Error:
            # An object was replaced between the listing and the look: a reader looks again.
            time.sleep(0.01)
    raise AssertionError("the lake cannot be read")


def once(numbers):
    return {f"o-{n:06}": 1 for n in numbers}


def staged(server, bucket):
    return [path for path in server.lake(bucket) if "_backfill" in path.parts]


def test_a_lake_is_rebuilt_beside_the_live_one(server, unique):
    """The table has a new column, the first records were never delivered, and the delivery stream goes on all the while."""
    stream, bucket, base, delivery = (unique(name) for name in ("orders", "lake", "base", "to-lake"))
    server.create_stream(stream, 2)
    server.client("s3").create_bucket(Bucket=bucket)
    put_orders(server, stream, range(500))
    table = orders_table(server, base, *COLUMNS)
    delivery_to(server, stream, delivery, bucket, "raw/", table)
    put_orders(server, stream, range(500, 1500))
    server.client("kinesis").put_record(StreamName=stream, Data=b"{poison", PartitionKey="p")
    wait_for(lambda: lake_rows(server, bucket, "raw") == once(range(500, 1500)), what="1000 records in the lake")
    wait_for(lambda: any("errors" in path.parts for path in server.lake(bucket)), what="the poison")
    before = server.lake(bucket)
    orders_table(server, base, *COLUMNS, ("day", "string"))
    stop, put, seen = threading.Event(), [], []

    def produce():
        n = 1500
        while not stop.is_set():
            put_orders(server, stream, range(n, n + 25))
            put.append(n + 25)
            n += 25
            time.sleep(0.02)

    def read():
        while not stop.is_set():
            seen.append(max(lake_rows(server, bucket, "raw").values(), default=0))

    threads = [threading.Thread(target=produce), threading.Thread(target=read)]
    [thread.start() for thread in threads]
    try:
        time.sleep(0.5)
        done = server.millrace("backfill", "--stream", stream, "--to-lake", f"s3://{bucket}/raw/")
        time.sleep(0.5)
    finally:
        stop.set()
        [thread.join() for thread in threads]
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"the lake of {delivery} has" in done.stdout and "1 records could not be delivered" in done.stdout, done.stdout
    wait_for(lambda: lake_rows(server, bucket, "raw") == once(range(put[-1])), what="every record once")
    assert max(seen) == 1, "no reader has seen a record twice"
    assert not set(before) & set(server.lake(bucket)) and staged(server, bucket) == []
    folder = server.data / "lake" / bucket
    day = duckdb.sql(f"SELECT day FROM read_parquet('{folder}/raw/**/*.parquet', union_by_name=true) WHERE id = 'o-000007'")
    assert day.fetchall() == [(order(7)["day"],)]
    failures = [json.loads(line) for path in (folder / "errors").rglob("*") if path.is_file() for line in path.open()]
    assert [base64.b64decode(one["rawData"]) for one in failures] == [b"{poison"]

    # Once more, and once more from the middle: the same lake.
    again = server.millrace("backfill", "--stream", stream, "--to-lake", delivery)
    assert again.returncode == 0 and "done already" in again.stdout, again.stdout + again.stderr
    twice = server.millrace("backfill", "--stream", stream, "--to-lake", delivery, "--again")
    assert twice.returncode == 0, twice.stderr
    assert lake_rows(server, bucket, "raw") == once(range(put[-1]))
    server.client("firehose").delete_delivery_stream(DeliveryStreamName=delivery)


def test_a_lake_is_rebuilt_by_who_may(start_server):
    server, admin = locked_orders(start_server)
    admin("s3").create_bucket(Bucket="lake")
    admin("iam").create_role(RoleName="replay", AssumeRolePolicyDocument=trust("firehose.amazonaws.com"))
    admin("iam").put_role_policy(RoleName="replay", PolicyName="p", PolicyDocument=policy(allow(["s3:*", "kinesis:*"])))
    delivery_to(SimpleNamespace(client=admin), "orders", "to-lake", "lake", "raw/")
    put_all(admin("kinesis"), "orders", [(json.dumps(order(n)).encode(), str(n)) for n in range(50)])
    wait_for(lambda: server.lake("lake"), what="an object in the lake")
    # Each may one thing more than the one before: what it lacks is named, and nothing is rebuilt.
    steps = ["kinesis:GetRecords", "firehose:UpdateDestination", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    route = allow(["millrace:PostBackfill", "millrace:GetBackfill"])
    for count in range(len(steps) + 1):
        key = person(admin, f"p{count}", policy(route, *(allow(step) for step in steps[:count])))
        ended = backfill_as(server, key, "--to-lake", "to-lake")
        if count < len(steps):
            assert ended.returncode == 1 and steps[count] in ended.stderr, (count, ended.stderr)
        else:
            assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_part_of_a_lake_is_rebuilt(server, unique):
    """From a time on: objects from before stay, those from both sides are divided by the ids in them."""
    stream, bucket, base, delivery = (unique(name) for name in ("orders", "lake", "base", "to-lake"))
    server.create_stream(stream, 2)
    server.client("s3").create_bucket(Bucket=bucket)
    delivery_to(server, stream, delivery, bucket, "raw/", orders_table(server, base, *COLUMNS))
    put_orders(server, stream, range(200))
    wait_for(lambda: lake_rows(server, bucket, "raw") == once(range(200)), what="200 records in the lake")
    kept = server.lake(bucket, ".parquet")
    # Long ago: nothing that arrived since can be in them.
    [os.utime(path, (time.time() - 7200,) * 2) for path in kept]
    put_orders(server, stream, range(200, 400))
    time.sleep(0.1)
    middle = time.time()
    put_orders(server, stream, range(400, 900))
    wait_for(lambda: lake_rows(server, bucket, "raw") == once(range(900)), what="900 records in the lake")
    both = [path for path in server.lake(bucket, ".parquet") if path not in kept]
    command = ["backfill", "--stream", stream, "--to-lake", delivery, "--from", f"{middle:.3f}"]
    refused = server.millrace(*command)
    assert refused.returncode == 1 and "--id-field" in refused.stderr, refused.stderr
    done = server.millrace(*command, "--id-field", "id")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stays as it was" in done.stdout, done.stdout
    left = server.lake(bucket, ".parquet")
    assert set(kept) <= set(left) and not set(both) & set(left)
    assert lake_rows(server, bucket, "raw") == once(range(900))
    # Objects are lost, and come back from the log.
    [path.unlink() for path in server.lake(bucket, ".parquet")]
    done = server.millrace("backfill", "--stream", stream, "--to-lake", delivery)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lake_rows(server, bucket, "raw") == once(range(900))
    for words, why in (
        (["--to-lake", "s3://nowhere/raw/"], f"{delivery} writes to s3://{bucket}/raw/"),
        (["--to-lake", unique("none")], "not found"),
        (["--to-lake", delivery, "--from", "2020-01-01T00:00:00Z", "--from-lake", "s3://x/y", "--id-field", "id"], "not exact enough"),
    ):
        refused = server.millrace("backfill", "--stream", stream, *words)
        assert refused.returncode == 1 and why in refused.stderr, (words, refused.stderr)
    server.client("firehose").delete_delivery_stream(DeliveryStreamName=delivery)


def test_a_lake_is_rebuilt_from_another_one(server, unique):
    """The stream is a new one of the same name: what it had is in a lake of JSON, and becomes Parquet with what it has now."""
    stream, bucket, base = (unique(name) for name in ("orders", "lake", "base"))
    server.create_stream(stream, 2)
    server.client("s3").create_bucket(Bucket=bucket)
    delivery_to(server, stream, f"json-{stream}", bucket, "json/", CompressionFormat="GZIP")
    put_orders(server, stream, range(700))
    lines = lambda: sum(gzip.decompress(path.read_bytes()).count(b'"id"') for path in server.lake(bucket, ".gz"))
    wait_for(lambda: lines() == 700, what="700 records of JSON")
    server.client("firehose").delete_delivery_stream(DeliveryStreamName=f"json-{stream}")
    server.client("kinesis").delete_stream(StreamName=stream)
    wait_for(lambda: stream not in server.client("kinesis").list_streams()["StreamNames"], what="the stream to be gone")
    server.create_stream(stream, 1)
    delivery_to(server, stream, f"parquet-{stream}", bucket, "parquet/", orders_table(server, base, *COLUMNS))
    # Some of what the lake has comes once more: the seam.
    put_orders(server, stream, range(650, 1000))
    wait_for(lambda: lake_rows(server, bucket, "parquet") == once(range(650, 1000)), what="what the new stream has")
    command = ["backfill", "--stream", stream, "--to-lake", f"parquet-{stream}", "--from-lake", f"s3://{bucket}/json/"]
    refused = server.millrace(*command)
    assert refused.returncode == 1 and "--id-field" in refused.stderr, refused.stderr
    for more in ([], ["--again"]):
        done = server.millrace(*command, "--id-field", "id", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "objects of the lake" in done.stdout, done.stdout
        assert lake_rows(server, bucket, "parquet") == once(range(1000))
    assert lines() == 700, "what was read stays"
    server.client("firehose").delete_delivery_stream(DeliveryStreamName=f"parquet-{stream}")


@pytest.mark.parametrize("arguments", [(), ("--encryption", "on")], ids=["plain", "sealed"])
def test_a_lake_survives_kill9_while_it_is_rebuilt(start_server, arguments):
    """Killed again and again, at other moments each time: in the end every record is there once, read over S3's API."""
    server = start_server(arguments=arguments)
    server.create_stream("orders", 2)
    server.client("s3").create_bucket(Bucket="lake")
    pad = {"Processors": [{"Type": "AppendDelimiterToRecord", "Parameters": [
        {"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}], "Enabled": True}
    delivery_to(server, "orders", "to-lake", "lake", "raw/", ProcessingConfiguration=pad)
    records = [(json.dumps(order(n) | {"pad": "x" * 900}).encode(), str(n)) for n in range(8000)]
    put_all(server.client("kinesis"), "orders", records)

    def look():
        s3, found = server.client("s3"), {}
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="raw/"):
            for one in page.get("Contents", []):
                for line in s3.get_object(Bucket="lake", Key=one["Key"])["Body"].read().splitlines():
                    name = json.loads(line)["id"]
                    found[name] = found.get(name, 0) + 1
        return found

    def rows():
        for _ in range(20):
            try:
                return look()
            except botocore.exceptions.ClientError as error:
                # It was replaced between the listing and the look: a reader looks again.
                assert error.response["Error"]["Code"] == "NoSuchKey"

    wait_for(lambda: rows() == once(range(8000)), what="8000 records in the lake")
    for attempt, pauses in enumerate(([0.05, 0.2, 0.35], [0.1, 0.3, 0.02], [0.0, 0.15, 0.25])):
        command = ["backfill", "--stream", "orders", "--to-lake", "to-lake"] + (["--again"] if attempt else [])
        started = server.millrace(*command, "--detach")
        assert started.returncode == 0, started.stderr
        for pause in pauses:
            time.sleep(pause)
            server.kill9()
            server.start()
            assert set(rows().values()) <= {1}, "never twice, whenever somebody looks"
        done = server.millrace("backfill", "--stream", "orders", "--to-lake", "to-lake")
        wait_for(lambda: "done" in server.millrace("backfill", "list").stdout.splitlines()[0], what="the end")
        assert done.returncode == 0, done.stdout + done.stderr
        assert rows() == once(range(8000))
    assert server.client("s3").list_objects_v2(Bucket="lake", Prefix="_backfill/").get("KeyCount") == 0
    put_orders(server, "orders", range(8000, 8100))
    wait_for(lambda: rows() == once(range(8100)), what="the delivery stream to go on")
