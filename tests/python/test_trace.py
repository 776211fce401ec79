"""One record's journey: `millrace trace` by trace id, request id, sequence number and text; OTLP; the log as JSON lines."""

import http.server
import io
import json
import threading
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


def function(server):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", CODE)
    aws = server.client("lambda")
    aws.create_function(
        FunctionName="look", Runtime="python3.12", Handler="app.handler", Role=f"arn:aws:iam::{ACCOUNT}:role/look",
        Code={"ZipFile": out.getvalue()},
    )
    aws.get_waiter("function_active_v2").wait(FunctionName="look")
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
    function(server)
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
