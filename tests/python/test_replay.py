"""Replay, both kinds, through the binary: an application goes back to a snapshot of its state, and a view is rebuilt beside the
live one from the log or the lake, also when the server dies in the middle."""

import gzip
import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions
import pyarrow.parquet
import pytest

from conftest import BINARY, put_all, read_all, wait_for
from test_lambda import package
from test_policies import allow, person, policy
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


def test_a_backfill_may_do_what_its_caller_may(start_server):
    server = start_server(arguments=("--auth", "on"))
    root = root_key(server)
    admin = lambda service: root.client(server, service)
    admin("kinesis").create_stream(StreamName="orders", ShardCount=1)
    admin("kinesis").get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1})
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
        command = [BINARY, "backfill", "--stream", "orders", "--to-index", "view", "--id-field", "id", *more]
        key = keys[who]
        env = server.environment() | {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
        return subprocess.run(command, env=env, text=True, capture_output=True, timeout=60)

    for who, action in (("reader", "es:ESHttpPut"), ("writer", "kinesis:GetRecords"), ("stranger", "millrace:PostBackfill")):
        denied = backfill(who)
        assert denied.returncode == 1 and action in denied.stderr, (who, denied.stderr)
    assert "es:ESHttpDelete" in backfill("both", "--drop-old").stderr
    done = backfill("both")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "50 documents" in done.stdout, done.stdout
