"""examples/payments: a few hundred authorizations through the whole pipeline, with locks on every door and everything sealed.

No card number comes out of it: not in the index, not in the lake's columns, not in logs, not below the data folder.
"""

import base64
import datetime
import http.server
import importlib
import io
import json
import pathlib
import sys
import threading
import time
import types
import urllib.request

import pyarrow.parquet
import pytest
import requests
from conftest import ROOT, Server, put_all, read_all, wait_for
from test_encryption import places
from test_signatures import root_key

EXAMPLE = ROOT / "examples" / "payments"
TABLES = {name: [line.split(",") for line in (EXAMPLE / f"{name}.csv").read_text().splitlines()[1:]] for name in ("bins", "merchants")}
# Some cards: BIN, a number that no other text has in it.
AT_HOME = next(row for row in TABLES["bins"] if row[2] == "US")
OUTAGE_ISSUER = next(row for row in TABLES["bins"] if row[1] != AT_HOME[1])
MERCHANT = next(row for row in TABLES["merchants"] if row[3] == "US")
ABROAD = next(row for row in TABLES["merchants"] if row[3] == "GB")


class Listener:
    """A webhook: confirms subscriptions, as a receiver of topics' messages has to, and keeps what comes."""

    def __init__(self):
        self.messages = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                if message["Type"] == "SubscriptionConfirmation":
                    urllib.request.urlopen(message["SubscribeURL"]).read()
                else:
                    listener.messages.append((time.monotonic(), json.loads(message["Message"])))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alarms"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def rang(self, alarm):
        """When the alarm was heard of for the first time; None while it was not."""
        rang = (at for at, said in self.messages if (said["AlarmName"], said["NewStateValue"]) == (alarm, "ALARM"))
        return next(rang, None)


def number_of(bin, place):
    return f"{bin}{7_000_000_000 + place * 13:010d}"


def authorization(place, at, bin=AT_HOME[0], card=None, merchant=MERCHANT, amount=12.5, code="00"):
    card = place if card is None else card
    return {
        "authorization_id": f"auth-t-{place:010d}",
        "event_time": datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "card": {"number": number_of(bin, card), "bin": bin, "expiry": "09/29", "brand": "VISA", "entry_mode": "chip"},
        "card_id": f"c-{card}",
        "amount": amount,
        "currency": "USD",
        "merchant": {"id": merchant[0], "name": merchant[1], "category_code": merchant[2], "country": merchant[3],
                     "city": merchant[4], "terminal_id": "t-1"},
        "response_code": code,
        "network": "VISA",
        "acquirer_id": "a-1",
        "trace_number": "000001",
        "device": {"type": "pos"},
        "emv": {"9F26": "A1B2C3D4E5F60718"},
    }


def written(events):
    return [(json.dumps(event, separators=(",", ":")).encode(), event["card"]["bin"]) for event in events]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """The pipeline, after its day."""
    listener = Listener()
    arguments = ["--auth", "on", "--encrypt"]
    for parameter in ("BatchWindowSeconds=0", "LakeBufferSeconds=1", f"WebhookUrl={listener.url}"):
        arguments += ["--parameter", parameter]
    server = Server(tmp_path_factory.mktemp("payments"), EXAMPLE / "template.yaml", arguments=arguments).start()
    server.root = root_key(server)
    server.listener = listener
    kinesis = server.root.client(server, "kinesis")
    topics = server.root.client(server, "sns")
    arn = topics.list_topics()["Topics"][0]["TopicArn"]
    wait_for(lambda: topics.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]["SubscriptionArn"].startswith("arn:"),
             what="the webhook to be confirmed")

    now = time.time()
    server.normal = [authorization(place, now - 30 + place / 10) for place in range(200)]
    server.declined = [authorization(place, now - 20, code="51", bin=TABLES["bins"][40][0]) for place in range(300, 340)]
    server.fraud = [authorization(place, now - 10 + place % 5, card=9999, merchant=ABROAD, amount=150.0) for place in range(400, 405)]
    server.fine = [authorization(place, now - 10, card=8888, amount=400.0) for place in range(410, 415)]
    server.poison = poison(now)
    put_all(kinesis, "authorizations", written(server.normal + server.declined + server.fraud + server.fine) + server.poison)
    # A gateway that is not sure sends again.
    put_all(kinesis, "authorizations", written(server.normal[:20]))
    server.outage_began = time.monotonic()
    server.outage = [authorization(place, now, bin=OUTAGE_ISSUER[0], code="91") for place in range(500, 560)]
    put_all(kinesis, "authorizations", written(server.outage))
    # Later on, so that all windows close: watermarks follow the events' own time.
    server.later = [authorization(600 + place, now + 900, bin=row[0]) for place, row in enumerate(TABLES["bins"][100:140])]
    put_all(kinesis, "authorizations", written(server.later))
    server.good = server.normal + server.declined + server.fraud + server.fine + server.outage + server.later
    yield server
    server.stop()
    listener.server.shutdown()
    print(server.log_text()[-4000:])


def poison(at):
    """What is no authorization, each in its own way; those with a card have its number in them."""
    without_id = authorization(700, at)
    del without_id["authorization_id"]
    odd_amount, no_merchant = authorization(701, at, amount="12.x4"), authorization(702, at)
    no_merchant["merchant"] = None
    cut = written([authorization(703, at)])[0][0][:-200]
    records = [json.dumps(one).encode() for one in (without_id, odd_amount, no_merchant, {})] + [cut, b"#CORRUPT \xff auth-704"]
    return [(data, AT_HOME[0]) for data in records]


def search(server, path, body=None):
    auth = (server.root.id, server.root.secret)
    answer = requests.request("POST" if body else "GET", f"{server.search_url}{path}", json=body, auth=auth, timeout=20)
    return answer.json()


def count(server, index):
    return search(server, f"/{index}/_count").get("count")


def numbers(server):
    events = server.good + [authorization(place, 0) for place in range(700, 704)]
    return {event["card"]["number"] for event in events}


def test_the_index_has_every_authorization_once_and_enriched(day):
    wait_for(lambda: count(day, "authorizations") == len(day.good), seconds=30, what=f"{len(day.good)} authorizations")
    body = {"size": 1000, "query": {"match_all": {}}}
    hits = search(day, "/authorizations/_search", body)["hits"]["hits"]
    assert {hit["_id"] for hit in hits} == {event["authorization_id"] for event in day.good}
    today = datetime.datetime.now(datetime.UTC).strftime("authorizations-%Y.%m.%d")
    assert today in {hit["_index"] for hit in hits}
    by_id = {hit["_id"]: hit["_source"] for hit in hits}
    outage = by_id[day.outage[0]["authorization_id"]]
    assert (outage["issuer"], outage["issuer_country"], outage["is_decline"]) == (OUTAGE_ISSUER[1], OUTAGE_ISSUER[2], True)
    normal = by_id[day.normal[0]["authorization_id"]]
    assert normal["is_decline"] is False and normal["merchant_category"] != "unknown" and "number" not in normal["card"]
    assert normal["amount"] == 12.5 and normal["emv"] == day.normal[0]["emv"]
    assert len({by_id[event["authorization_id"]]["card_token"] for event in day.fraud}) == 1, "one card, one token"
    assert len({source["card_token"] for source in by_id.values()}) == len({event["card"]["number"] for event in day.good})
    text = json.dumps(hits)
    assert not [number for number in numbers(day) if number in text]
    issuers = {"size": 0, "aggs": {"issuers": {"terms": {"field": "issuer"}}}, "query": {"term": {"is_decline": True}}}
    buckets = search(day, "/authorizations/_search", issuers)["aggregations"]["issuers"]["buckets"]
    assert {"key": OUTAGE_ISSUER[1], "doc_count": 60} in buckets
    explained = search(day, "/_plugins/_ism/explain/authorizations-*")
    assert explained[today]["policy_id"] == "authorizations" and explained[today]["state"] == {"name": "hot"}


def test_what_is_none_is_in_quarantine(day):
    queue = day.root.client(day, "sqs")
    url = queue.get_queue_url(QueueName="authorizations-failed")["QueueUrl"]

    def waiting():
        attributes = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) == len(day.poison)

    wait_for(waiting, seconds=40, what=f"{len(day.poison)} dead letters")
    letters = []
    while len(letters) < len(day.poison):
        letters += queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    for letter in letters:
        body = json.loads(letter["Body"])
        assert body["KinesisBatchInfo"]["batchSize"] == 1 and body["requestContext"]["condition"] == "RetryAttemptsExhausted"
        assert not [number for number in numbers(day) if number in letter["Body"]]
    metrics = day.root.client(day, "cloudwatch")
    day_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    warned = metrics.get_metric_statistics(
        Namespace="Millrace/Kinesis", MetricName="SchemaWarnedRecords", StartTime=day_ago, Period=3600, Statistics=["Sum"],
        EndTime=day_ago + datetime.timedelta(hours=2), Dimensions=[{"Name": "StreamName", "Value": "authorizations"}],
    )["Datapoints"]
    assert sum(point["Sum"] for point in warned) == len(day.poison), "the contract tells of all of them"


def test_the_lake_has_every_record_without_card_numbers(day):
    s3 = day.root.client(day, "s3")
    bucket = next(bucket["Name"] for bucket in s3.list_buckets()["Buckets"])

    def objects(prefix):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed}

    def rows(found):
        return [row for data in found.values() for row in pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()]

    def arrived():
        return {row["authorization_id"] for row in rows(objects("authorizations/"))} >= {e["authorization_id"] for e in day.good}

    wait_for(arrived, seconds=30, what="all authorizations in the lake")
    found = objects("authorizations/")
    key = next(iter(found))
    assert "/dt=20" in key and "/hour=" in key and key.endswith(".parquet"), key
    ids = [row["authorization_id"] for row in rows(found)]
    good = [event["authorization_id"] for event in day.good]
    again = [event["authorization_id"] for event in day.normal[:20]]
    assert sorted(id for id in ids if id in set(good)) == sorted(good + again), "each record of the stream once"
    one = next(row for row in rows(found) if row["authorization_id"] == good[0])
    assert set(one["card"]) == {"bin", "expiry", "brand", "entry_mode"} and one["merchant"]["id"] == MERCHANT[0]
    assert not [number for number in numbers(day) for data in found.values() if number.encode() in data]
    errors = b"".join(objects("errors/").values())
    assert b"format-conversion-failed" in b"".join(key.encode() for key in objects("errors/")) and errors


def test_fraud_and_declines_are_found_by_sql(day):
    kinesis = day.root.client(day, "kinesis")

    def of(stream):
        return [json.loads(record["Data"]) for record in read_all(kinesis, stream)]

    alerts = wait_for(lambda: of("fraud-alerts"), seconds=30, what="a fraud alert")
    assert {alert["card_id"] for alert in alerts} == {"c-9999"}, "cards at home, and cards that are used seldom, are left alone"
    assert max(alert["authorizations"] for alert in alerts) == 5 and alerts[0]["home_country"] == "US"
    wait_for(lambda: count(day, "fraud-alerts"), seconds=20, what="the alert in the index")
    declines = wait_for(lambda: of("decline-alerts"), seconds=20, what="a decline alert")
    assert {OUTAGE_ISSUER[0], TABLES["bins"][40][0]} == {alert["bin"] for alert in declines}
    outage = [alert for alert in declines if alert["bin"] == OUTAGE_ISSUER[0]]
    assert max(alert["unavailable"] for alert in outage) == 60 and outage[-1]["decline_rate"] == 1.0
    sessions = wait_for(lambda: of("merchant-sessions"), seconds=20, what="a merchant's session")
    assert {session["merchant_id"] for session in sessions} == {MERCHANT[0], ABROAD[0]}
    assert of("late-authorizations") == []


def test_alarms_ring(day):
    outage = wait_for(lambda: day.listener.rang("payments-issuer-outage"), seconds=20, what="the outage's alarm at the webhook")
    assert outage - day.outage_began < 15, "an outage is heard of within 15 seconds"
    for alarm in ("payments-fraud", "payments-bin-declines"):
        wait_for(lambda: day.listener.rang(alarm), seconds=30, what=f"{alarm} at the webhook")
    metrics = day.root.client(day, "cloudwatch")
    issuers = {
        dimension["Value"]
        for metric in metrics.list_metrics(Namespace="Payments", MetricName="IssuerUnavailableRate")["Metrics"]
        for dimension in metric["Dimensions"]
    }
    assert issuers == {OUTAGE_ISSUER[1]}


def test_no_card_number_is_in_logs_or_below_the_data_folder(day):
    logs = day.root.client(day, "logs")
    events = logs.filter_log_events(logGroupName="/aws/lambda/enrich-authorizations")["events"]
    text = "".join(event["message"] for event in events)
    assert "amount is no number" in text and "no JSON" in text
    assert not [number for number in numbers(day) if number in text or number in day.log_text()]
    for number in (day.fraud[0]["card"]["number"], day.normal[3]["card"]["number"]):
        assert places(day.data, number) == []


def test_the_schema_in_the_template_is_the_one_in_the_file(day):
    glue = day.root.client(day, "glue")
    version = glue.get_schema_version(
        SchemaId={"RegistryName": "payments", "SchemaName": "authorization"}, SchemaVersionNumber={"LatestVersion": True}
    )
    assert json.loads(version["SchemaDefinition"]) == json.loads((EXAMPLE / "schema/authorization.json").read_text())


@pytest.fixture
def function(monkeypatch):
    """The function's modules, without an index."""
    monkeypatch.setenv("SEARCH_ENDPOINT", "127.0.0.1:1")
    monkeypatch.setenv("TOKEN_KEY", "k" * 32)
    monkeypatch.setenv("KEEP", "14d")
    monkeypatch.setenv("INDEX_PREFIX", "authorizations-")
    monkeypatch.syspath_prepend(str(EXAMPLE / "functions/enrich"))
    names = ("aws", "tables", "index", "outage", "enrich")
    for name in names:
        sys.modules.pop(name, None)
    yield importlib.import_module("enrich")
    for name in names:
        sys.modules.pop(name, None)


TEXTS = {
    "as it comes": lambda event: json.dumps(event, separators=(",", ":")),
    "with spaces": json.dumps,
    "on lines": lambda event: json.dumps(event, indent=1),
    "with an escape": lambda event: json.dumps(event | {"note": "a\nb"}, separators=(",", ":")),
    "number elsewhere too": lambda event: json.dumps(event | {"track": f"x{event['card']['number']}y"}, separators=(",", ":")),
    "a member twice": lambda event: json.dumps(event, separators=(",", ":"))[:-1] + ',"card":' + json.dumps(
        event["card"] | {"number": "5555555555554444"}) + "}",
    "a member twice and alike": lambda event: json.dumps(
        {"card": event["card"] | {"number": "5555555555554444"}}, separators=(",", ":"))[:-1] + "," + json.dumps(
        event, separators=(",", ":"))[1:],
    "number last": lambda event: json.dumps(event | {"card": dict(reversed(event["card"].items()))}, separators=(",", ":")),
    "what is added is there": lambda event: json.dumps(event | {"issuer": "Mallory", "card_token": event["card"]["number"]}),
}


@pytest.mark.parametrize("how", TEXTS)
def test_a_number_never_stays_however_it_is_written(function, how):
    event = authorization(1, 0)
    text = TEXTS[how](event)
    line, issuer = function.document(text, function.parse(text), 1234)
    made = json.loads(line)
    assert "\n" not in line and event["card"]["number"] not in line and "5555555555554444" not in line
    assert "number" not in made["card"] and made["issuer"] == issuer == AT_HOME[1] and made["arrived_at"] == 1234
    assert made["authorization_id"] == event["authorization_id"] and made["card_token"].startswith("t-")


def test_a_token_is_an_hmac(function):
    import hashlib
    import hmac

    expected = hmac.new(b"k" * 32, b"4000010000000001", hashlib.sha256).hexdigest()[:32]
    assert function.token_of("4000010000000001") == f"t-{expected}"


def test_an_outage_is_told_from_a_bad_day(function):
    outage = importlib.import_module("outage")
    put, now = [], [0.0]
    watch = outage.Watch(put.append, lambda: now[0])
    for second in range(20):
        now[0] = float(second)
        # One in twelve is unavailable, and a small issuer has too few to say anything.
        watch.batch({"Good": [12, 1], "Small": [1, 1]}, 2)
    worst = [d["StatisticValues"]["Maximum"] for data in put for d in data if d["MetricName"] == "IssuerUnavailableRate"]
    assert worst and max(worst) < 0.1 and not any("Dimensions" in datum for data in put for datum in data)
    now[0] = 30.0
    watch.batch({"Good": [12, 0], "Away": [20, 19]}, 19)
    named = {d["Dimensions"][0]["Value"]: d["StatisticValues"]["Maximum"] for d in put[-1] if "Dimensions" in d}
    assert named == {"Away": 0.95}
    declined = next(datum for datum in put[-1] if datum["MetricName"] == "Declined")["StatisticValues"]
    assert declined == {"SampleCount": 32, "Sum": 19.0, "Minimum": 0.0, "Maximum": 1.0}


def test_what_comes_again_is_counted_once(function):
    """A batch is called again from its first failure on: six calls of one decline are not six declines."""
    index = importlib.import_module("index")
    index.search.call = lambda method, path, body, headers: (200, b'{"took":1,"errors":false}')
    counted = []
    function.watch.batch = lambda counts, declines: counted.append((declines, counts))
    good, declined = authorization(1, 0), authorization(2, 0) | {"response_code": "91"}
    texts = [json.dumps(good), "no JSON", json.dumps(declined)]

    def handle(*places):
        records = [
            {"data": base64.b64encode(texts[place].encode()).decode(), "sequenceNumber": str(place), "approximateArrivalTimestamp": 1.5}
            for place in places
        ]
        context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: 9_000)
        return function.handler({"Records": [{"kinesis": record} for record in records]}, context)

    again = {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert [handle(0, 1, 2), handle(1, 2), handle(1), handle(2)] == [again, again, again, {"batchItemFailures": []}]
    assert counted == [(0, {AT_HOME[1]: [1, 0]}), (0, {}), (0, {}), (1, {AT_HOME[1]: [1, 1]})]


def test_a_busy_index_is_asked_again_until_the_time_is_up(function):
    index = importlib.import_module("index")
    item = {"index": {"status": 201}}
    busy = {"index": {"status": 429, "error": {"type": "rejected_execution_exception"}}}
    wrong = {"index": {"status": 400, "error": {"type": "mapper_parsing_exception"}}}
    answers = [(503, b""), (200, json.dumps({"errors": True, "items": [item, busy, wrong]}).encode()), (200, b'{"took":1,"errors":false}')]
    bodies = []

    def call(method, path, body, headers):
        bodies.append(body)
        return answers.pop(0)

    index.search.call = call
    refused = index.bulk(["a\n", "b\n", "c\n"], time.monotonic() + 5)
    assert list(refused) == [2] and bodies == [b"a\nb\nc\n", b"a\nb\nc\n", b"b\n"]
    asked = []
    answers = [(503, b""), (201, b""), (409, b"")]
    index.search.call = lambda method, path, *_: asked.append(path) or answers.pop(0)
    index.prepare(time.monotonic() + 5)
    index.prepare(time.monotonic() + 5)
    template, policy = "/_index_template/authorizations", "/_plugins/_ism/policies/authorizations"
    assert asked == [template, template, policy], "an index that is away is waited for, and told once"
    index.search.call = lambda *_: (503, b"away")
    with pytest.raises(RuntimeError, match="1 of 1 authorizations are not indexed: 503"):
        index.bulk(["a\n"], time.monotonic() + 0.1)
