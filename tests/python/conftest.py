"""Fixtures of the whole-system tests: real clients against the real binary, on a data folder of its own.

The binary is the one that MILLRACE_BIN names (`cargo xtask test` builds it and sets that), else target/debug/millrace.

    server          one for the whole session: .endpoint, .search_url, .data, .client("kinesis"), .aws(…), .millrace(…)
    start_server    a factory of servers of the test's own: start_server(template, …), .kill9(), .restart()
    kinesis         a boto3 client of the session's server
    unique          a factory of names that no other test uses: unique("orders") → "orders-1f3a9c2b"
    eventually      waits until a check returns something true, else fails and says what it waited for
"""

import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import uuid

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MILLRACE_BIN", ROOT / "target/debug/millrace"))
TEMPLATES = pathlib.Path(__file__).parent / "templates"
ACCOUNT = "000000000000"
REGION = "us-east-1"
READY_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_environment():
    """This process's environment without what would point clients or servers elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MILLRACE_"))}


class Server:
    """A `millrace up` process. The ports stay the same over restarts, so clients made before a crash go on working."""

    def __init__(self, folder, *templates, arguments=(), env=None, data=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.log = self.folder / "server.log"
        self.port, self.search_port = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.search_url = f"http://127.0.0.1:{self.search_port}"
        self.templates, self.arguments, self.env = templates, arguments, env or {}
        self.process = None

    def environment(self, account=ACCOUNT, region=REGION):
        """What a shell needs so that the AWS CLI and `millrace` itself talk to this server."""
        return clean_environment() | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.folder),
            "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self):
        command = [BINARY, "up", "--port", str(self.port), "--search-port", str(self.search_port)]
        command += ["--data", str(self.data), *self.arguments, *map(str, self.templates)]
        said = len(self.log_text())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={**clean_environment(), **self.env},
            )
        end = time.monotonic() + READY_SECONDS
        # The line comes once templates are deployed, the ports a little earlier.
        while not (self.log_text()[said:].count("\nready") and listens(self.port) and listens(self.search_port)):
            if self.process.poll() is not None:
                raise AssertionError(f"millrace up ended with {self.process.returncode}:\n{self.log_text()}")
            if time.monotonic() > end:
                raise AssertionError(f"millrace up did not listen within {READY_SECONDS} s:\n{self.log_text()}")
            time.sleep(0.01)
        return self

    def kill9(self):
        """The process dies between two instructions, as in a power cut that spares the disk."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """An orderly end; gives the exit code."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill9()
        return self.process.returncode if self.process else None

    def restart(self):
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def client(self, service, account=ACCOUNT, region=REGION, **config):
        """A boto3 client that neither retries nor hides anything."""
        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30} | config
        return boto3.session.Session().client(
            service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=account,
            aws_secret_access_key="any", config=botocore.config.Config(**settings),
        )

    def aws(self, *words, account=ACCOUNT, region=REGION):
        """Runs the AWS CLI as a user would; gives the finished process with its output as text."""
        command = [str(pathlib.Path(sys.executable).parent / "aws"), *words]
        return subprocess.run(
            command, env=self.environment(account, region), text=True, capture_output=True, timeout=60, cwd=self.folder
        )

    def millrace(self, *words, stdin=None, timeout=60):
        """Runs a `millrace` command against this server; gives the finished process with its output as text."""
        return subprocess.run(
            [BINARY, *map(str, words)], env=self.environment(), text=True, capture_output=True, timeout=timeout,
            input=stdin or "", cwd=self.folder,
        )

    def create_stream(self, name, shards=1, **scope):
        """Creates a stream and waits until it takes records."""
        kinesis = self.client("kinesis", **scope)
        kinesis.create_stream(StreamName=name, ShardCount=shards)
        wait_for(lambda: stream_status(kinesis, name) == "ACTIVE", what=f"stream {name} to be ACTIVE")
        return name

    def lake(self, bucket, suffix=""):
        """The objects of a bucket on the local disk, sorted, those still being written aside."""
        folder = self.data / "lake" / bucket
        files = (path for path in folder.rglob("*") if path.is_file() and path.name.endswith(suffix))
        return sorted(path for path in files if not path.name.startswith(".") and not path.name.endswith(".tmp"))


def stream_status(kinesis, name):
    try:
        return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]
    except kinesis.exceptions.ResourceNotFoundException:
        return None


def wait_for(check, seconds=60, what="it"):
    """Calls `check` until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}; last seen: {result!r}")
        time.sleep(0.05)


def read_all(kinesis, stream, expected=None, seconds=60):
    """Every record of a stream, shard after shard; with `expected`, waits until that many are there."""
    shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=stream)["Shards"]]

    def once():
        return list(itertools.chain.from_iterable(read_shard(kinesis, stream, shard) for shard in shards))

    if expected is None:
        return once()
    end = time.monotonic() + seconds
    records = once()
    while len(records) < expected and time.monotonic() < end:
        time.sleep(0.1)
        records = once()
    return records


def read_shard(kinesis, stream, shard):
    place = {"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator)
        yield from answer["Records"]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return
        iterator = answer.get("NextShardIterator")


def put_all(kinesis, stream, records, batch=500):
    """Puts (data, partition key) pairs and fails when one is refused; gives the sequence numbers."""
    numbers = []
    for start in range(0, len(records), batch):
        entries = [{"Data": data, "PartitionKey": key} for data, key in records[start:start + batch]]
        answer = kinesis.put_records(StreamName=stream, Records=entries)
        assert answer["FailedRecordCount"] == 0, answer
        numbers += [record["SequenceNumber"] for record in answer["Records"]]
    return numbers


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not built: run `cargo xtask test`, or `cargo build` and pytest", returncode=2)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("session")).start()
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path, request):
    servers = []

    def start(*templates, started=True, **settings):
        server = Server(tmp_path / f"server-{len(servers)}", *templates, **settings)
        servers.append(server)
        return server.start() if started else server

    yield start
    for server in servers:
        server.stop()
        print(f"--- {server.log}\n{server.log_text()[-4000:]}")


@pytest.fixture
def kinesis(server):
    return server.client("kinesis")


@pytest.fixture
def unique():
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def eventually():
    return wait_for
