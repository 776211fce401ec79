"""The proof of the whole path: a week of flights with one poison record in a hundred, through a stream, an event source
mapping and a function into the index, while the server and the functions are killed.

Every good record is indexed once, every poison one is in the queue with its place and its reason, and what an aircraft did
last is what the stream says it did last. The functions are those of examples/functions, as they are.

`MILLRACE_FUNCTIONS=python,node,rust` chooses; without it Python, and Node.js where it is. Rust is built by `cargo xtask compat`.
"""

import gzip
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from conftest import ACCOUNT, REGION, ROOT, wait_for

EXAMPLES = ROOT / "examples" / "functions"
FLIGHTS = ROOT / "examples" / "flights" / "flights.ndjson.gz"
# What the Python function needs beside itself: the pinned client and what that imports.
PACKAGES = ["opensearchpy", "requests", "urllib3", "certifi", "idna", "charset_normalizer", "dateutil", "events", "six.py"]
STREAM, QUEUE, FUNCTION = "flights", "flights-failed", "index-flights"
POISON_EVERY = 100
KILLS = 3
RETRIES = 3


def zipped(files):
    """A deployment package of (name in it, path) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, path in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o755 if name == "bootstrap" else 0o644) << 16
            package.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tree(folder, below):
    """The files of a folder, named from `below`."""
    files = [folder] if folder.is_file() else (path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(below)), path) for path in files if "__pycache__" not in path.parts]


def python_code():
    """As `pip install --target` would fill it, from the packages that these tests run with."""
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    files = tree(EXAMPLES / "python" / "index_flights.py", EXAMPLES / "python")
    for name in PACKAGES:
        files += tree(packages / name, packages)
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return {"Runtime": runtime, "Handler": "index_flights.handler", "Code": {"ZipFile": zipped(files)}}


def node_code():
    major = subprocess.run(["node", "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True).stdout.strip()
    files = tree(EXAMPLES / "node" / "index.mjs", EXAMPLES / "node")
    return {"Runtime": f"nodejs{major}.x", "Handler": "index.handler", "Code": {"ZipFile": zipped(files)}}


def rust_code():
    binary = pathlib.Path(os.environ["MILLRACE_RUST_FUNCTION"])
    return {"Runtime": "provided.al2023", "Handler": "bootstrap", "Code": {"ZipFile": zipped([("bootstrap", binary)])}}


LANGUAGES = {"python": python_code, "node": node_code, "rust": rust_code}


def chosen():
    named = os.environ.get("MILLRACE_FUNCTIONS")
    return named.split(",") if named else ["python", "node"]


def skip_unless_possible(language):
    if language == "node" and not shutil.which("node"):
        pytest.skip("node is not installed: the Node.js function is not proven here")
    if language == "rust" and "MILLRACE_RUST_FUNCTION" not in os.environ:
        pytest.skip("the Rust function is not built: `cargo xtask compat` builds it and sets MILLRACE_RUST_FUNCTION")


def week():
    """(data, partition key, event or None): the week's flights in their order, and every hundredth a poison record."""
    with gzip.open(FLIGHTS) as file:
        flights = [json.loads(line) for line in file]
    records = []
    for number, flight in enumerate(flights):
        key = flight["tailnum"] or flight["event_id"]
        records.append((json.dumps(flight).encode(), key, flight))
        if number % POISON_EVERY == POISON_EVERY // 2:
            # No JSON; JSON that is no flight; a flight that the index refuses. Each between two records of one aircraft.
            poison = [
                b"\xff\xfe no flight",
                json.dumps({"note": "no flight"}).encode(),
                json.dumps(flight | {"event_id": f"poison-{number}", "tailnum": None, "dep_delay_min": "late"}).encode(),
            ][number // POISON_EVERY % 3]
            records.append((poison, key, None))
    return records


class Pipeline:
    """The stream, the queue, the function, the mapping between them, and the clients that look at what comes of them."""

    def __init__(self, server, language):
        self.server = server
        # A server that is killed now and then is asked again, as SDKs do.
        patient = {"retries": {"total_max_attempts": 10, "mode": "standard"}}
        self.kinesis, self.sqs, self.functions = (
            server.client(name, **patient) for name in ("kinesis", "sqs", "lambda")
        )
        self.search = OpenSearch(hosts=[server.search_url], timeout=20)
        server.create_stream(STREAM, shards=2)
        self.queue = self.sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        # The flight's numbers are numbers from the start, so that what is none is refused.
        numbers = {"mappings": {"properties": {"dep_delay_min": {"type": "integer"}}}}
        self.search.indices.create(index="flights", body=numbers)
        self.functions.create_function(
            FunctionName=FUNCTION, Role=f"arn:aws:iam::{ACCOUNT}:role/index", Timeout=30, MemorySize=512,
            Environment={"Variables": {"SEARCH_URL": server.search_url}}, **LANGUAGES[language](),
        )
        self.functions.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})

    def map(self):
        self.functions.create_event_source_mapping(
            FunctionName=FUNCTION, EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{STREAM}",
            StartingPosition="TRIM_HORIZON", BatchSize=200, ParallelizationFactor=2,
            FunctionResponseTypes=["ReportBatchItemFailures"], BisectBatchOnFunctionError=True,
            MaximumRetryAttempts=RETRIES,
            DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}"}},
        )

    def put(self, records):
        """Puts records; gives the shard and sequence number of each. Nothing is killed meanwhile, so each stands there once."""
        places = []
        for start in range(0, len(records), 100):
            entries = [{"Data": data, "PartitionKey": key} for data, key, _ in records[start:start + 100]]
            answer = self.kinesis.put_records(StreamName=STREAM, Records=entries)
            assert answer["FailedRecordCount"] == 0, answer
            places += [(record["ShardId"], record["SequenceNumber"]) for record in answer["Records"]]
        return places

    def indexed(self):
        """How many flights the index has, or none while it is away."""
        try:
            self.search.indices.refresh(index="flights")
            return self.search.count(index="flights")["count"]
        except OpenSearchException:
            return 0

    def documents(self, index):
        self.search.indices.refresh(index=index)
        hits = self.search.search(index=index, body={"size": 10_000})["hits"]
        assert hits["total"]["value"] == len(hits["hits"])
        return {hit["_id"]: hit["_source"] for hit in hits["hits"]}

    def failures(self):
        """Takes what is in the queue."""
        taken = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            taken += [json.loads(message["Body"]) for message in messages]
            entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
            self.sqs.delete_message_batch(QueueUrl=self.queue, Entries=entries)
        return taken


def descendants(pid):
    """The processes that a process started, and theirs."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        except OSError:
            continue
    found, waiting = [], [pid]
    while waiting:
        mine = children.get(waiting.pop(), [])
        found += mine
        waiting += mine
    return found


class Killer(threading.Thread):
    """Kills function processes of a server, one at a time, until told to stop."""

    def __init__(self, server, dice):
        super().__init__(daemon=True)
        self.server, self.dice, self.done, self.killed = server, dice, threading.Event(), 0

    def run(self):
        while not self.done.wait(self.dice.uniform(0.4, 1.2)):
            victims = descendants(self.server.process.pid)
            if victims:
                try:
                    os.kill(self.dice.choice(victims), signal.SIGKILL)
                    self.killed += 1
                except ProcessLookupError:
                    pass


@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", chosen())
def test_a_week_of_flights_survives_poison_and_kills(start_server, language):
    skip_unless_possible(language)
    dice = random.Random(language)
    server = start_server()
    pipeline = Pipeline(server, language)
    records = week()
    good = {event["event_id"]: event for _, _, event in records if event}
    poison = sum(event is None for _, _, event in records)
    half = len(records) // 2
    places = pipeline.put(records[:half])
    pipeline.map()

    killer = Killer(server, dice)
    killer.start()
    for kill in range(KILLS):
        # Each at another point of the work, so that some of it is always under way.
        wait_for(lambda: pipeline.indexed() > kill * 800, what=f"work before kill {kill}")
        time.sleep(dice.uniform(0.0, 0.5))
        server.kill9()
        server.start()
        if kill == 0:
            places += pipeline.put(records[half:])
    killer.done.set()
    killer.join()

    wait_for(lambda: pipeline.indexed() == len(good), seconds=120, what=f"{len(good)} flights in the index")
    failed = {}

    def all_failed():
        for failure in pipeline.failures():
            failed.setdefault(failure["KinesisBatchInfo"]["startSequenceNumber"], []).append(failure)
        return len(failed) >= poison

    wait_for(all_failed, seconds=120, what=f"{poison} failures in the queue")

    flights = pipeline.documents("flights")
    assert flights.keys() == good.keys(), "each good record once, no poison"
    for event_id, flight in flights.items():
        assert good[event_id].items() <= flight.items()
        assert flight["route"] == f"{flight['origin']}-{flight['dest']}" and flight["carrier_name"]

    bad = {sequence: shard for (shard, sequence), (_, _, event) in zip(places, records) if event is None}
    assert failed.keys() == bad.keys(), "each poison record is set aside, and nothing else is"
    for sequence, failures in failed.items():
        for failure in failures:
            batch, request = failure["KinesisBatchInfo"], failure["requestContext"]
            assert batch["shardId"] == bad[sequence] and batch["batchSize"] == 1
            assert batch["endSequenceNumber"] == sequence and batch["streamArn"].endswith(f":stream/{STREAM}")
            assert request["condition"] == "RetryAttemptsExhausted"
            assert request["approximateInvokeCount"] > RETRIES

    last = {event["tailnum"]: event["event_id"] for _, _, event in records if event and event["tailnum"]}
    seen = {tailnum: aircraft["event_id"] for tailnum, aircraft in pipeline.documents("aircraft").items()}
    assert seen == last, "the order of each aircraft's flights is kept"
    assert killer.killed > 0, "no function was killed"


@pytest.mark.timeout(120)
def test_the_examples_template_runs_as_its_readme_says(start_server, tmp_path):
    example = tmp_path / "functions"
    shutil.copytree(EXAMPLES, example, ignore=shutil.ignore_patterns("rust", "node"))
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    for name in PACKAGES:
        copy = shutil.copytree if (packages / name).is_dir() else shutil.copy
        copy(packages / name, example / "python" / name)
    server = start_server()
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    done = server.millrace(
        "deploy", example / "template.yaml", "--parameter", f"SearchUrl={server.search_url}",
        "--parameter", f"Runtime={runtime}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with gzip.open(FLIGHTS, "rt") as file:
        flights = "".join(line for line, _ in zip(file, range(300)))
    put = server.millrace("put", "flights-to-index", "--key-field", "tailnum", stdin=flights)
    assert put.returncode == 0, put.stderr
    assert server.millrace("put", "flights-to-index", stdin="no flight\n").returncode == 0
    search = OpenSearch(hosts=[server.search_url])

    def found():
        if not search.indices.exists(index="flights"):
            return None
        search.indices.refresh(index="flights")
        return search.count(index="flights")["count"] == 300

    wait_for(found, what="300 flights in the index")
    late = search.search(index="flights", q="punctuality:late", size=3)["hits"]["hits"]
    assert late and all(hit["_source"]["dep_delay_min"] > 15 for hit in late)
    shown = wait_for(lambda: said if "RetryAttemptsExhausted" in (said := dlq(server)) else None, what="the failure")
    assert "index-flights" in shown and "flights-to-index" in shown


def dlq(server):
    done = server.millrace("dlq", "show", "flights-failed")
    return done.stdout + done.stderr
