"""One record's journey: `millrace trace` by trace id, request id, sequence number and text; OTLP; the log as JSON lines."""

import http.server
import io
import json
import threading
import time
import uuid
import zipfile

import pytest

from conftest import ACCOUNT, REGION, TEMPLATES, stream_status, wait_for

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CODE = "import os\ndef handler(event, context):\n    print('trace', os.environ['_X_AMZN_TRACE_ID'], len(event['Records']))\n"


@pytest.fixture
def collector():
    """A collector that keeps what it is sent."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.received = received
    yield server
    server.shutdown()


def put_traced(kinesis, data):
    """Puts one record with a traceparent; gives its sequence number and the request's id."""
    kinesis.meta.events.register(
        "before-sign.kinesis.PutRecord",
        lambda request, **_: request.headers.add_header("traceparent", f"00-{TRACE}-{SPAN}-01"),
        unique_id="traced",
    )
    put = kinesis.put_record(StreamName="orders", Data=json.dumps(data).encode(), PartitionKey="k")
    kinesis.meta.events.unregister("before-sign.kinesis.PutRecord", unique_id="traced")
    return put["SequenceNumber"], put["ResponseMetadata"]["RequestId"]


def function(server, name, code):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", code)
    aws = server.client("lambda")
    aws.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=f"arn:aws:iam::{ACCOUNT}:role/look",
        Code={"ZipFile": out.getvalue()},
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name)
    return aws


def mapped_function(server):
    aws = function(server, "look", CODE)
    mapping = aws.create_event_source_mapping(
        FunctionName="look", EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders",
        StartingPosition="TRIM_HORIZON",
    )
    wait_for(lambda: aws.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled", what="the mapping")


def trace(server, *words):
    run = server.millrace("trace", *words, "--json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def steps(journey):
    found = [(hop["depth"], hop["event"]["step"]) for hop in journey["hops"] if "step" in hop["event"]]
    return {(depth, step["stage"], step["name"]): step for depth, step in found}


def test_a_records_journey(start_server, collector):
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    server = start_server(
        TEMPLATES / "windows.yaml", arguments=("--otlp-endpoint", endpoint, "--log-format", "json")
    )
    kinesis = server.client("kinesis")
    wait_for(lambda: stream_status(kinesis, "orders") == "ACTIVE", what="the stream")
    mapped_function(server)
    order = {
        "order_id": "o-traced-1", "customer": "c-1", "quantity": 2, "amount": 1.5, "ordered_at": "2026-01-01 00:00:00.000",
    }
    number, request = put_traced(kinesis, order)
    wait_for(lambda: (0, "function", "look") in steps(trace(server, TRACE)), what="the function's step")

    journey = trace(server, TRACE)
    assert [record["sequence_number"] for record in journey["records"]] == [number]
    put = next(hop["event"]["put"] for hop in journey["hops"] if "put" in hop["event"])
    assert put["trace"] == TRACE and put["given"] and f"{put['parent']:016x}" == SPAN
    wait_for(lambda: any(key[1] == "sql" for key in steps(trace(server, number))), what="the application's step")

    # The same record by what its other ends know of it.
    called = steps(trace(server, number))[0, "function", "look"]
    assert called["outcome"] == "Done"
    by_request = called["made"][0].split()[1].rstrip(",")
    for words in [(f"00-{TRACE}-{SPAN}-01",), (number,), (by_request,), ("o-traced-1", "--stream", "orders")]:
        assert trace(server, *words)["records"] == journey["records"], words
    unknown = server.millrace("trace", "no-such-order")
    assert unknown.returncode == 1 and "--since" in unknown.stderr

    # Who gives no trace gets one: the request's id.
    plain = kinesis.put_record(StreamName="orders", Data=json.dumps(order).encode(), PartitionKey="k")
    own = wait_for(lambda: trace(server, plain["ResponseMetadata"]["RequestId"]), what="the record by its request id")
    assert [record["sequence_number"] for record in own["records"]] == [plain["SequenceNumber"]]

    def exported():
        spans = [
            span
            for path, body in collector.received
            if path == "/v1/traces"
            for resource in body["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]
        return spans if {"put orders", "function look"} <= {span["name"] for span in spans} else None

    spans = wait_for(exported, what="spans at the collector")
    assert {span["traceId"] for span in spans} == {TRACE}
    root = next(span for span in spans if span["name"] == "put orders")
    child = next(span for span in spans if span["name"] == "function look")
    assert root["parentSpanId"] == SPAN and child["parentSpanId"] == root["spanId"]

    # Killed and started again, the journey is still told.
    server.kill9()
    server.start()
    assert trace(server, TRACE)["records"] == journey["records"]
    assert (0, "function", "look") in steps(trace(server, TRACE))


COPY = """
CREATE TABLE a (id BIGINT) WITH ('connector' = 'kinesis', 'stream.arn' = 'arn:aws:kinesis:{region}:{account}:stream/old',
    'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE b (id BIGINT) WITH ('connector' = 'kinesis', 'stream.arn' = 'arn:aws:kinesis:{region}:{account}:stream/new',
    'format' = 'json');
INSERT INTO b SELECT id FROM a;
"""


def test_what_an_application_finds_when_it_begins_is_linked_and_steps_come_after_their_records(start_server):
    server = start_server()
    kinesis, analytics = server.client("kinesis"), server.client("kinesisanalyticsv2")
    for stream in ["old", "new"]:
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        wait_for(lambda: stream_status(kinesis, stream) == "ACTIVE", what="the stream")
    put = lambda id: kinesis.put_record(StreamName="old", Data=json.dumps({"id": id}).encode(), PartitionKey="k")["SequenceNumber"]
    first = put(1)
    code = {"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": COPY.format(region=REGION, account=ACCOUNT)}}
    analytics.create_application(
        ApplicationName="copier", RuntimeEnvironment="FLINK-1_20", ServiceExecutionRole=f"arn:aws:iam::{ACCOUNT}:role/any",
        ApplicationConfiguration={"ApplicationCodeConfiguration": code})
    analytics.start_application(ApplicationName="copier")

    def written(number):
        journey = trace(server, number, "--stream", "old")
        found = [hop["event"]["step"] for hop in journey["hops"] if hop["event"].get("step", {}).get("led_to")]
        return [journey, found[0]] if found else None

    assert wait_for(lambda: written(first), what="the first row's link")[1]["led_to"][0]["stream"] == "new"
    # The sink last wrote long before this record came: its step began with the record all the same.
    time.sleep(2)
    second = put(2)
    journey, step = wait_for(lambda: written(second), what="the next row's link")
    assert "put" in journey["hops"][0]["event"] and step["began"] >= journey["hops"][0]["event"]["put"]["began"]


def test_the_log_is_one_json_object_a_line(start_server):
    server = start_server(TEMPLATES / "windows.yaml", arguments=("--log-format", "json"))
    kinesis = server.client("kinesis")
    wait_for(lambda: stream_status(kinesis, "orders") == "ACTIVE", what="the stream")
    kinesis.put_record(StreamName="orders", Data=b"this is no order", PartitionKey="k")

    def events():
        lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if "starts again" in line["fields"]["message"]]

    event = wait_for(events, what="the failed job's line")[0]
    assert event["level"] == "WARN" and "totals-per-minute" in event["fields"]["message"] and event["timestamp"]


TRANSFORM = """
import base64, json

def handler(event, context):
    out = []
    for record in event["records"]:
        order = json.loads(base64.b64decode(record["data"]))
        data = base64.b64encode(json.dumps(order | {"seen": True}).encode() + b"\\n").decode()
        kept = {"recordId": record["recordId"], "result": "Ok", "data": data,
                "metadata": {"partitionKeys": {"kind": order["kind"]}}}
        out.append({"recordId": record["recordId"], "result": "Dropped"} if order["kind"] == "test" else kept)
    return {"records": out}
"""


def transforming(server, name, source=None):
    """A delivery stream, of direct puts unless a stream is its source, whose function names each record's partition."""
    function(server, f"{name}-function", TRANSFORM)
    server.client("s3").create_bucket(Bucket=name)
    processor = {"Type": "Lambda", "Parameters": [
        {"ParameterName": "LambdaArn", "ParameterValue": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}-function"},
        {"ParameterName": "BufferIntervalInSeconds", "ParameterValue": "0"},
    ]}
    of = {"DeliveryStreamType": "DirectPut"} if source is None else {
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {
            "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{source}",
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/any"},
    }
    server.client("firehose").create_delivery_stream(
        DeliveryStreamName=name, **of,
        ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/any", "BucketARN": f"arn:aws:s3:::{name}",
            "Prefix": "!{partitionKeyFromLambda:kind}/", "ErrorOutputPrefix": "failed/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {"Enabled": True, "Processors": [processor]},
        },
    )


def objects(journey):
    """The objects that a journey's deliveries made."""
    done = [step for step in (hop["event"].get("step", {}) for hop in journey["hops"]) if step.get("outcome") == "Done"]
    made = [made for step in done for made in step.get("made", [])]
    return [what.split(",")[0] for what in made if what.startswith("s3://")]


def test_a_journey_through_a_transformation_ends_at_the_object(server, unique):
    stream, name = server.create_stream(unique("orders")), unique("lake")
    transforming(server, name, stream)
    kinesis = server.client("kinesis")
    kinds = ["a", "b", "test", "a"]
    put = kinesis.put_records(StreamName=stream, Records=[
        {"Data": json.dumps({"id": at, "kind": kind}).encode(), "PartitionKey": "k"} for at, kind in enumerate(kinds)])
    numbers = [record["SequenceNumber"] for record in put["Records"]]
    for at, kind in enumerate(kinds):
        journey = wait_for(lambda: done(trace(server, numbers[at]), kind), what=f"the journey of {kind}")
        made = objects(journey)
        if kind == "test":
            assert made == []
            continue
        # Followed record by record: to the object that holds it, to no other.
        assert len(made) == 1 and made[0].startswith(f"s3://{name}/{kind}/"), made
        key = made[0].removeprefix("s3://")
        lines = [json.loads(line) for line in (server.data / "lake" / key).read_text().splitlines()]
        assert {"id": at, "kind": kind, "seen": True} in lines
    text = server.millrace("trace", numbers[0]).stdout
    assert f"transformed by arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}-function, 3 of 4 kept" in text, text
    assert f"what {name} delivers" in text


def done(journey, kind):
    """The journey, when all that its kind goes through is noted."""
    transformed = any(key[0] == 0 for key in steps(journey))
    return journey if transformed and (kind == "test" or objects(journey)) else None


def test_direct_puts_have_a_journey(server, unique):
    name = unique("direct")
    transforming(server, name)
    firehose = server.client("firehose")
    traced, span = uuid.uuid4().hex, "00f067aa0ba902b7"
    firehose.meta.events.register(
        "before-sign.firehose.PutRecord",
        lambda request, **_: request.headers.add_header("traceparent", f"00-{traced}-{span}-01"))
    one = firehose.put_record(DeliveryStreamName=name, Record={"Data": json.dumps({"id": 1, "kind": "a"}).encode()})
    batch = firehose.put_record_batch(DeliveryStreamName=name, Records=[
        {"Data": json.dumps({"id": at, "kind": "b", "text": f"{name}-needle"}).encode()} for at in (2, 3)])
    request = batch["ResponseMetadata"]["RequestId"]

    for words, kind in [((traced,), "a"), ((one["RecordId"],), "a"), ((request,), "b"),
                        ((batch["RequestResponses"][1]["RecordId"],), "b"), ((f"{name}-needle", "--stream", name), "b")]:
        journey = wait_for(lambda: done(trace(server, *words), kind), what=f"the journey of {words}")
        assert {made.rpartition("/")[0] for made in objects(journey)} == {f"s3://{name}/{kind}"}, words
        assert journey["records"][0]["stream"] == name
        put = next(hop["event"]["put"] for hop in journey["hops"] if "put" in hop["event"])
        assert put["given"] == (kind == "a")
    assert f"direct puts to {name}" in server.millrace("trace", one["RecordId"]).stdout


def attributes(point):
    """Attributes in OTLP's JSON as a dict; a map's are a dict, too."""
    def value(of):
        return attributes(of["kvlistValue"]["values"]) if "kvlistValue" in of else of["stringValue"]
    return {pair["key"]: value(pair["value"]) for pair in point}


def test_metrics_reach_a_collector(start_server, collector):
    """Within about a minute: what is sent are whole minutes."""
    server = start_server(arguments=("--otlp-endpoint", f"http://127.0.0.1:{collector.server_address[1]}/"))
    server.create_stream("orders")
    put = server.client("kinesis").put_record(StreamName="orders", Data=b"x" * 100, PartitionKey="key")
    assert put["ShardId"]
    # What users put goes, too, in their units.
    server.client("cloudwatch").put_metric_data(Namespace="Shop", MetricData=[
        {"MetricName": "Wait", "Unit": "Seconds", "Values": [1.5, 4.0], "Counts": [2, 1],
         "Dimensions": [{"Name": "Till", "Value": "näh 1"}]}])

    def found():
        metrics = {}
        for path, body in list(collector.received):
            if path != "/v1/metrics":
                continue
            for resource in body["resourceMetrics"]:
                of = attributes(resource["resource"]["attributes"])
                assert of == {"service.name": "millrace", "cloud.provider": "aws",
                              "cloud.account.id": ACCOUNT, "cloud.region": REGION}
                for scope in resource["scopeMetrics"]:
                    assert scope["scope"]["name"] == "millrace"
                    for metric in scope["metrics"]:
                        for point in metric["summary"]["dataPoints"]:
                            key = metric["name"], tuple(sorted(attributes(point["attributes"])["Dimensions"].items()))
                            metrics.setdefault(key, []).append((metric["unit"], point))
        wanted = ("amazonaws.com/AWS/Kinesis/IncomingBytes", (("StreamName", "orders"),))
        return metrics if wanted in metrics and ("amazonaws.com/Shop/Wait", (("Till", "näh 1"),)) in metrics else None

    metrics = wait_for(found, seconds=90, what="metrics at the collector")
    (unit, point), = metrics["amazonaws.com/AWS/Kinesis/IncomingBytes", (("StreamName", "orders"),)]
    assert unit == "By" and (point["count"], point["sum"]) == ("1", 103)
    of = attributes(point["attributes"])
    assert (of["Namespace"], of["MetricName"]) == ("AWS/Kinesis", "IncomingBytes")
    start, end = int(point["startTimeUnixNano"]), int(point["timeUnixNano"])
    assert end - start == 60 * 10**9 and start % (60 * 10**9) == 0 and start <= time.time_ns() <= end + 60 * 10**9
    (unit, point), = metrics["amazonaws.com/AWS/Kinesis/PutRecord.Latency", (("StreamName", "orders"),)]
    assert unit == "ms" and 0 < point["sum"] < 60_000
    (unit, point), = metrics["amazonaws.com/Shop/Wait", (("Till", "näh 1"),)]
    assert unit == "s" and (point["count"], point["sum"]) == ("3", 7)
    assert point["quantileValues"] == [{"quantile": 0, "value": 1.5}, {"quantile": 1, "value": 4}]
