"""A Flink SQL application between two streams gives what a plain computation gives, also when it is killed."""

import collections
import datetime
import decimal
import json
import random
import signal
import subprocess
import time

import pytest

from conftest import BINARY, TEMPLATES, put_all, read_all, stream_status, wait_for

START = datetime.datetime(2026, 1, 1)
# One key for each half of the hash range, so that both shards' watermarks can be moved.
HALVES = [0, 2**127]


def orders(count, seed):
    """Orders whose times ascend but for a jitter below the watermark's bound of five seconds."""
    dice = random.Random(seed)
    for n in range(count):
        at = START + datetime.timedelta(milliseconds=n * 200 + dice.randrange(4000))
        yield {
            "order_id": f"o-{n}",
            "customer": f"c-{dice.randrange(20)}",
            "quantity": dice.randint(-1, 9),
            "amount": dice.randrange(1, 100000) / 100,
            "ordered_at": at.isoformat(sep=" ", timespec="milliseconds"),
        }


def totals(orders):
    """What the application must put out: (minute, customer) → (orders, quantity, amount)."""
    groups = collections.defaultdict(lambda: [0, 0, decimal.Decimal(0)])
    for order in orders:
        if order["quantity"] > 0:
            group = groups[order["ordered_at"][:16] + ":00", order["customer"]]
            group[0] += 1
            group[1] += order["quantity"]
            group[2] += decimal.Decimal(str(order["amount"]))
    return {key: tuple(group) for key, group in groups.items()}


def finish(kinesis):
    """Moves the watermark of both shards far past every window."""
    end = {"order_id": "end", "customer": "end", "quantity": 1, "amount": 0, "ordered_at": "2027-01-01 00:00:00.000"}
    for key in HALVES:
        kinesis.put_record(
            StreamName="orders", Data=json.dumps(end).encode(), PartitionKey="end", ExplicitHashKey=str(key)
        )


def result(kinesis, expected):
    records = read_all(kinesis, "totals", expected=expected, seconds=60)
    rows = [json.loads(record["Data"], parse_float=decimal.Decimal) for record in records]
    keys = collections.Counter((row["window_start"], row["customer"]) for row in rows)
    assert not [key for key, count in keys.items() if count > 1], "a window came out twice"
    return {
        (row["window_start"][:19].replace("T", " "), row["customer"]):
            (row["orders"], row["quantity"], decimal.Decimal(row["amount"]))
        for row in rows
    }


def deploy(start_server):
    server = start_server(TEMPLATES / "windows.yaml")
    kinesis = server.client("kinesis")
    wait_for(lambda: stream_status(kinesis, "totals") == "ACTIVE", what="the template to be deployed")
    return server, kinesis


def test_windows_equal_a_plain_computation(start_server):
    server, kinesis = deploy(start_server)
    sent = list(orders(5000, seed=3))
    put_all(kinesis, "orders", [(json.dumps(order).encode(), order["customer"]) for order in sent])
    finish(kinesis)
    expected = totals(sent)
    assert result(kinesis, len(expected)) == expected


@pytest.mark.timeout(300)
def test_killed_and_restarted_it_gives_the_same(start_server):
    dice = random.Random(5)
    server, kinesis = deploy(start_server)
    sent = list(orders(6000, seed=4))
    for start in range(0, len(sent), 500):
        batch = sent[start:start + 500]
        put_all(kinesis, "orders", [(json.dumps(order).encode(), order["customer"]) for order in batch])
        time.sleep(dice.uniform(0, 0.8))
        server.kill9()
        server.start()
    finish(kinesis)
    expected = totals(sent)
    found = result(kinesis, len(expected))
    assert found == expected, sorted(set(found.items()) ^ set(expected.items()))[:4]


@pytest.mark.timeout(300)
def test_what_comes_too_late_is_kept_beside(start_server):
    """Every order is counted in its window or stands in the late stream, never both, never neither, kills or not."""
    dice = random.Random(8)
    server, kinesis = deploy(start_server)
    sent = list(orders(3000, seed=9))
    for order in sent[1000::10]:
        order["ordered_at"] = (START + datetime.timedelta(seconds=dice.randrange(60))).isoformat(sep=" ") + ".000"
    for start in range(0, len(sent), 500):
        batch = sent[start:start + 500]
        put_all(kinesis, "orders", [(json.dumps(order).encode(), order["customer"]) for order in batch])
        time.sleep(dice.uniform(0, 0.5))
        server.kill9()
        server.start()
    finish(kinesis)
    counted = [order for order in sent if order["quantity"] > 0]

    def everywhere():
        found = result(kinesis, None)
        late = [json.loads(record["Data"])["order_id"] for record in read_all(kinesis, "late")]
        return found, late, sum(row[0] for row in found.values()) + len(late)

    wait_for(lambda: everywhere()[2] >= len(counted), what="every order in a window or beside")
    found, late, total = everywhere()
    assert total == len(counted) and len(set(late)) == len(late) > 0
    assert found == totals(order for order in sent if order["order_id"] not in set(late))


def test_a_script_over_files_needs_no_server(server, tmp_path):
    sent = list(orders(2000, seed=6))
    source, sink = tmp_path / "orders", tmp_path / "totals"
    source.mkdir()
    (source / "orders.json").write_text("".join(json.dumps(order) + "\n" for order in sent))
    script = tmp_path / "totals.sql"
    script.write_text(f"""
        CREATE TABLE orders (
          customer STRING, quantity INT, amount DECIMAL(10, 2), ordered_at TIMESTAMP(3),
          WATERMARK FOR ordered_at AS ordered_at - INTERVAL '5' SECOND
        ) WITH ('connector' = 'filesystem', 'path' = 'file://{source}', 'format' = 'json');
        CREATE TABLE totals (
          window_start TIMESTAMP(3), customer STRING, orders BIGINT, quantity INT, amount DECIMAL(38, 2)
        ) WITH ('connector' = 'filesystem', 'path' = 'file://{sink}', 'format' = 'json');
        INSERT INTO totals
        SELECT window_start, customer, COUNT(*), SUM(quantity), SUM(amount)
        FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ordered_at), INTERVAL '1' MINUTE))
        WHERE quantity > 0 GROUP BY window_start, window_end, customer;
    """)
    run = server.millrace("sql", script)
    assert run.returncode == 0, run.stderr
    files = [file for file in sink.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))]
    rows = [json.loads(line, parse_float=decimal.Decimal) for file in files for line in file.read_text().splitlines()]
    found = {
        (row["window_start"][:19], row["customer"]): (row["orders"], row["quantity"], decimal.Decimal(row["amount"]))
        for row in rows
    }
    assert len(rows) == len(found) and found == totals(sent)


def test_a_query_over_a_stream_prints_rows(server, unique, tmp_path):
    name = server.create_stream(unique("query"))
    kinesis = server.client("kinesis")
    put_all(kinesis, name, [(json.dumps({"n": n, "name": f"row-{n}"}).encode(), "k") for n in range(10)])
    script = tmp_path / "query.sql"
    script.write_text(f"""
        CREATE TABLE t (n INT, name STRING) WITH (
          'connector' = 'kinesis', 'stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/{name}',
          'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
        SELECT UPPER(name) AS name, n * 2 AS twice FROM t WHERE n >= 5;
    """)
    # A stream has no end: the rows come as they are, more when more is put, until Ctrl-C.
    query = subprocess.Popen(
        [BINARY, "sql", script], env=server.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        seen = ""
        while "ROW-9" not in seen:
            seen += query.stdout.readline()
        put_all(kinesis, name, [(b'{"n": 77, "name": "fresh"}', "k")])
        while "FRESH" not in seen:
            seen += query.stdout.readline()
        query.send_signal(signal.SIGINT)
        assert query.wait(20) in (0, 130), query.stderr.read()
    finally:
        query.kill()
    for n in range(5, 10):
        assert f"ROW-{n}" in seen and str(n * 2) in seen
    assert "ROW-4" not in seen and "154" in seen
