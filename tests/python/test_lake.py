"""Delivery into the lake: every event once, whoever reads the Parquet, whatever dies on the way."""

import base64
import collections
import gzip
import json
import random
import time

import duckdb
import pyarrow.parquet
import pytest

from conftest import ROOT, TEMPLATES, put_all, wait_for

EXAMPLE = ROOT / "examples/flights"


def events(count, seed=7):
    dice = random.Random(seed)
    return [
        {
            "event_id": f"e-{n:06}",
            "carrier": dice.choice(["AA", "UA", "DL", "B6"]),
            "delay": None if n % 50 == 0 else dice.randint(-20, 300),
            "distance": dice.randint(100, 40000) / 8,
            "at": f"2013-01-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00Z",
        }
        for n in range(count)
    ]


def put_events(server, stream, batch):
    records = [(json.dumps(event).encode(), event["event_id"]) for event in batch]
    return put_all(server.client("kinesis"), stream, records)


def rows_of(files):
    """Every row of the Parquet files as pyarrow reads them. Whole objects only ever appear under their name."""
    rows = []
    for file in files:
        rows += pyarrow.parquet.ParquetFile(file).read().to_pylist()
    return rows


def wait_for_rows(server, bucket, count, seconds=60):
    # More than asked for is a failure that the caller names, so it ends the wait as well.
    wait_for(
        lambda: sum(pyarrow.parquet.read_metadata(file).num_rows for file in server.lake(bucket, ".parquet")) >= count,
        seconds, f"{count} rows in s3://{bucket}",
    )
    return rows_of(server.lake(bucket, ".parquet"))


def test_events_land_once_in_their_partitions(start_server):
    server = start_server(TEMPLATES / "lake.yaml")
    sent = events(3000)
    put_events(server, "lake-events", sent)
    rows = wait_for_rows(server, "lake-test", len(sent))

    assert collections.Counter(row["event_id"] for row in rows) == {event["event_id"]: 1 for event in sent}
    by_id = {row["event_id"]: row for row in rows}
    for event in sent:
        row = by_id[event["event_id"]]
        assert (row["delay"], row["distance"]) == (event["delay"], event["distance"])
        assert row["at"].strftime("%Y-%m-%dT%H:%M:%SZ") == event["at"]

    today = {time.strftime("%Y-%m-%d", time.gmtime(time.time() - back)) for back in (0, 600)}
    for file in server.lake("lake-test", ".parquet"):
        carrier, day = file.parent.parent.name, file.parent.name
        assert file.parent.parent.parent.name == "events" and day.removeprefix("dt=") in today
        assert {row["carrier"] for row in rows_of([file])} == {carrier.removeprefix("carrier=")}
        assert file.name.startswith("lake-delivery-1-")

    # An engine that shares no code with pyarrow says the same, its hive partitions included.
    pattern = str(server.data / "lake/lake-test/events/**/*.parquet")
    query = f"SELECT carrier, count(*), count(DISTINCT event_id), sum(delay) FROM read_parquet('{pattern}') GROUP BY 1"
    expected = {}
    for carrier in {event["carrier"] for event in sent}:
        mine = [event for event in sent if event["carrier"] == carrier]
        expected[carrier] = (len(mine), len(mine), sum(event["delay"] or 0 for event in mine))
    assert {row[0]: row[1:] for row in duckdb.sql(query).fetchall()} == expected


def test_a_record_that_does_not_parse_goes_to_the_error_prefix_alone(start_server):
    server = start_server(TEMPLATES / "lake.yaml")
    sent = events(200)
    poison = [b"this is no JSON", b'{"event_id": "half', b'{"event_id":"x","carrier":"AA","delay":"many"}']
    put_events(server, "lake-events", sent[:100])
    for data in poison:
        server.client("kinesis").put_record(StreamName="lake-events", Data=data, PartitionKey="poison")
    put_events(server, "lake-events", sent[100:])

    rows = wait_for_rows(server, "lake-test", len(sent))
    assert sorted(row["event_id"] for row in rows) == [event["event_id"] for event in sent]

    def errors():
        files = [file for file in server.lake("lake-test") if "errors" in file.parts]
        return [json.loads(line) for file in files for line in file.read_text().splitlines() if line]

    found = wait_for(lambda: len(errors()) >= len(poison) and errors(), what="the poison in the error prefix")
    assert sorted(base64.b64decode(error["rawData"]) for error in found) == sorted(poison)
    # AWS names them so when a conversion fails, and without "last" when a processor does.
    for error in found:
        assert error.get("lastErrorCode") or error.get("errorCode"), error
        assert error.get("lastErrorMessage") or error.get("errorMessage"), error


@pytest.mark.timeout(300)
def test_kill_minus_nine_repeats_nothing_in_the_lake(start_server):
    dice = random.Random(11)
    server = start_server(TEMPLATES / "lake.yaml")
    sent = events(6000)
    for start in range(0, len(sent), 500):
        put_events(server, "lake-events", sent[start:start + 500])
        time.sleep(dice.uniform(0, 1.2))
        server.kill9()
        server.start()
    rows = wait_for_rows(server, "lake-test", len(sent), seconds=90)
    # What a second delivery would have added comes within another buffer's time.
    time.sleep(3)
    rows = rows_of(server.lake("lake-test", ".parquet"))
    counts = collections.Counter(row["event_id"] for row in rows)
    assert counts == {event["event_id"]: 1 for event in sent}, counts.most_common(3)


def test_deploying_again_changes_only_what_changed(start_server):
    server = start_server(TEMPLATES / "lake.yaml")
    put_events(server, "lake-events", events(100))
    wait_for_rows(server, "lake-test", 100)
    kinesis = server.client("kinesis")
    created = kinesis.describe_stream_summary(StreamName="lake-events")["StreamDescriptionSummary"]

    same = server.millrace("deploy", TEMPLATES / "lake.yaml")
    assert same.returncode == 0 and "nothing had changed" in same.stdout + same.stderr, same
    changed = server.folder / "lake.yaml"
    changed.write_text((TEMPLATES / "lake.yaml").read_text().replace("Default: 1", "Default: 2"))
    deployed = server.millrace("deploy", changed)
    said = deployed.stdout + deployed.stderr
    assert deployed.returncode == 0 and "Delivery" in said and "Events" not in said, deployed

    again = kinesis.describe_stream_summary(StreamName="lake-events")["StreamDescriptionSummary"]
    assert again["StreamCreationTimestamp"] == created["StreamCreationTimestamp"], "the stream was made anew"

    put_events(server, "lake-events", events(200)[100:])
    rows = wait_for_rows(server, "lake-test", 200)
    assert len({row["event_id"] for row in rows}) == len(rows) == 200


def flights(count):
    """The first departures of the example's own data."""
    [archive] = sorted(EXAMPLE.glob("*.gz"))
    with gzip.open(archive, "rt") as lines:
        return [line.strip() for line, _ in zip(lines, range(count))]


@pytest.mark.timeout(300)
def test_the_flights_example_lands_in_its_lake(start_server):
    server = start_server(EXAMPLE / "template.yaml", arguments=["--parameter", "LakeBufferSeconds=1"])
    kinesis = server.client("kinesis")
    sent = {event["event_id"]: event for event in map(json.loads, flights(4000))}
    records = [(json.dumps(event).encode(), event["carrier"]) for event in sent.values()]
    put_all(kinesis, "flights", records[:2000])
    server.kill9()
    server.start()
    put_all(kinesis, "flights", records[2000:])

    bucket = "flights-lake-000000000000-us-east-1"
    wait_for_rows(server, bucket, len(sent), seconds=150)
    for file in server.lake(bucket, ".parquet"):
        origin, day = file.parts[-3:-1]
        for row in rows_of([file]):
            event = sent.pop(row["event_id"])  # a second landing finds nothing to pop
            assert (origin, day) == (f"origin={event['origin']}", f"scheduled_date={event['scheduled_at'][:10]}")
            assert (row["carrier"], row["dep_delay_min"]) == (event["carrier"], event["dep_delay_min"])
    assert not sent, f"{len(sent)} events did not land, for example {next(iter(sent))}"
    assert not [file for file in server.lake(bucket) if "errors" in file.parts]
