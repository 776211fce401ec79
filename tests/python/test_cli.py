"""The AWS CLI and `millrace`'s own commands, as a user types them."""

import json
import os
import resource
import signal
import subprocess
import time

from conftest import BINARY


def test_aws_cli_puts_and_gets(server, unique):
    name = unique("cli")
    assert server.aws("kinesis", "create-stream", "--stream-name", name, "--shard-count", "1").returncode == 0
    assert server.aws("kinesis", "wait", "stream-exists", "--stream-name", name).returncode == 0

    put = server.aws(
        "kinesis", "put-record", "--stream-name", name, "--partition-key", "k", "--data", "hello"
    )
    assert put.returncode == 0, put.stderr
    placed = json.loads(put.stdout)
    assert placed["ShardId"] == "shardId-000000000000" and len(placed["SequenceNumber"]) == 56

    iterator = server.aws(
        "kinesis", "get-shard-iterator", "--stream-name", name, "--shard-id", placed["ShardId"],
        "--shard-iterator-type", "TRIM_HORIZON", "--query", "ShardIterator", "--output", "text",
    )
    got = server.aws("kinesis", "get-records", "--shard-iterator", iterator.stdout.strip())
    assert got.returncode == 0, got.stderr
    [record] = json.loads(got.stdout)["Records"]
    assert record["Data"] == "aGVsbG8=" and record["SequenceNumber"] == placed["SequenceNumber"]

    listed = json.loads(server.aws("kinesis", "list-streams").stdout)
    assert name in listed["StreamNames"]
    assert server.aws("kinesis", "delete-stream", "--stream-name", name).returncode == 0


def test_aws_cli_shows_aws_errors(server, unique):
    name = unique("absent")
    gone = server.aws("kinesis", "describe-stream", "--stream-name", name)
    assert gone.returncode != 0
    assert (
        "An error occurred (ResourceNotFoundException) when calling the DescribeStream operation: "
        f"Stream {name} under account 000000000000 not found."
    ) in gone.stderr

    server.create_stream(name)
    twice = server.aws("kinesis", "create-stream", "--stream-name", name, "--shard-count", "1")
    assert twice.returncode != 0 and "(ResourceInUseException)" in twice.stderr and name in twice.stderr


def test_help_teaches():
    whole = subprocess.run([BINARY, "--help"], text=True, capture_output=True, timeout=20)
    assert whole.returncode == 0
    for command in ("up", "demo", "sql", "tail", "put"):
        assert command in whole.stdout, f"--help does not name {command}"
        one = subprocess.run([BINARY, command, "--help"], text=True, capture_output=True, timeout=20)
        assert one.returncode == 0 and len(one.stdout) > 100


def test_put_reads_lines_and_tail_prints_them(server, unique):
    name = server.create_stream(unique("lines"), shards=2)
    lines = [json.dumps({"n": n}) for n in range(100)]
    put = server.millrace("put", name, stdin="\n".join(lines) + "\n")
    assert put.returncode == 0, put.stderr

    tail = subprocess.Popen(
        [BINARY, "tail", name, "--from-start"], env=server.environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        seen = {tail.stdout.readline().strip() for _ in range(100)}
        assert len(seen) == 100 and all(any(line in row for row in seen) for line in lines)

        # A record put now comes without being asked for.
        started = time.monotonic()
        server.client("kinesis").put_record(StreamName=name, Data=b'{"n": "fresh"}', PartitionKey="k")
        assert "fresh" in tail.stdout.readline() and time.monotonic() - started < 5
        tail.send_signal(signal.SIGINT)
        tail.wait(10)
    finally:
        tail.kill()


def test_a_stream_that_is_not_there_is_named(server, unique):
    name = unique("nowhere")
    for words in (["put", name], ["tail", name]):
        run = server.millrace(*words, stdin="x\n")
        assert run.returncode != 0 and name in run.stderr, (words, run)


def test_the_region_is_found_as_the_aws_cli_finds_it(server):
    def region(**named):
        # An account that has nothing, of which the command says where it looked.
        environment = server.environment(account="987654321098")
        plain = {key: value for key, value in environment.items() if key not in ("AWS_REGION", "AWS_DEFAULT_REGION")}
        run = subprocess.run([BINARY, "dlq", "list"], env=plain | named, text=True, capture_output=True, timeout=20)
        assert run.returncode == 0, run
        return run.stdout.split()[-1]

    assert region() == "us-east-1"
    assert region(AWS_DEFAULT_REGION="eu-west-1") == "eu-west-1"
    assert region(AWS_DEFAULT_REGION="eu-west-1", AWS_REGION="us-west-2") == "us-west-2"


def test_no_server_gives_the_cure(tmp_path):
    env = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    run = subprocess.run([BINARY, "put", "x"], env=env, text=True, capture_output=True, input="x\n", timeout=30)
    assert run.returncode != 0
    assert "127.0.0.1:9" in run.stderr and "millrace up" in run.stderr, run.stderr


def test_a_taken_data_folder_is_refused(server):
    run = server.millrace("up", "--port", "0", "--search-port", "0", "--data", server.data, timeout=20)
    assert run.returncode != 0 and str(server.data) in run.stderr, run


def test_a_server_opens_more_files_than_its_shell_allows(start_server):
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        server = start_server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (most, most)


def test_an_orderly_end_exits_with_zero(start_server):
    server = start_server()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0, server.log_text()
