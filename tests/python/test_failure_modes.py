"""Every failure mode that operators meet, caused for real: the leading metric moves, its alarm rings, and `millrace doctor`
names the cause.

TROUBLES lists them with their metrics: see `caused`.
"""

import contextlib
import dataclasses
import datetime
import io
import json
import shutil
import subprocess
import sys
import textwrap
import zipfile

import pytest

from conftest import ACCOUNT, REGION, Server, wait_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
SLOW = "import time\ndef handler(event, context):\n    time.sleep(3)\n"
POISONED = "def handler(event, context):\n    raise ValueError('cannot read this')\n"


@dataclasses.dataclass(frozen=True)
class Trouble:
    """The metric that tells of a trouble first, and from where on it does."""

    namespace: str
    metric: str
    dimensions: dict
    statistic: str
    threshold: float
    symptom: str
    cause: str


TROUBLES = {
    "slow consumer": Trouble(
        "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", {"StreamName": "slow"}, "Maximum", 10_000,
        "climbing iterator age", "a slow function"),
    "poison batch": Trouble(
        "AWS/Lambda", "Errors", {"FunctionName": "poisoned"}, "Sum", 3, "poison batch", "a poison batch: poisoned fails"),
    "failing sink": Trouble(
        "AWS/Firehose", "DeliveryToS3.DataFreshness", {"DeliveryStreamName": "blocked"}, "Maximum", 3,
        "stale delivery", "it cannot deliver"),
    "failing checkpoints": Trouble(
        "AWS/KinesisAnalytics", "numberOfFailedCheckpoints", {"Application": "refused"}, "Maximum", 2,
        "failing checkpoints", "index 'strict' refused a document"),
    "dead letters": Trouble(
        "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "given-up"}, "Maximum", 1,
        "dead letters", "RetryAttemptsExhausted"),
    "hot key": Trouble(
        "AWS/Kinesis", "WriteProvisionedThroughputExceeded", {"StreamName": "hot"}, "Sum", 100,
        "throttled writes", "a hot key: 'loud'"),
    "full disk": Trouble(
        "AWS/Kinesis", "PutRecords.FailedRecords", {"StreamName": "full"}, "Sum", 1, "full disk", "retention"),
}

TEMPLATE = """
Resources:
  Blocked: {Type: AWS::Kinesis::Stream, Properties: {Name: blocked, ShardCount: 1}}
  Rows: {Type: AWS::Kinesis::Stream, Properties: {Name: rows, ShardCount: 1}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: away}}
  Delivery:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamName: blocked
      DeliveryStreamType: KinesisStreamAsSource
      KinesisStreamSourceConfiguration:
        KinesisStreamARN: !GetAtt Blocked.Arn
        RoleARN: arn:aws:iam::000000000000:role/any
      ExtendedS3DestinationConfiguration:
        BucketARN: !GetAtt Bucket.Arn
        RoleARN: arn:aws:iam::000000000000:role/any
        BufferingHints: {SizeInMBs: 1, IntervalInSeconds: 0}
  Application:
    Type: AWS::KinesisAnalyticsV2::Application
    Properties:
      ApplicationName: refused
      RuntimeEnvironment: ZEPPELIN-FLINK-3_0
      ApplicationMode: INTERACTIVE
      ServiceExecutionRole: arn:aws:iam::000000000000:role/flink
      ApplicationConfiguration:
        ApplicationCodeConfiguration:
          CodeContentType: PLAINTEXT
          CodeContent:
            TextContent: |
              CREATE TABLE numbers (id STRING, n INT) WITH ('connector' = 'kinesis', 'stream.arn' =
                'arn:aws:kinesis:us-east-1:000000000000:stream/rows', 'aws.region' = 'us-east-1',
                'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
              CREATE TABLE strict (id STRING, n INT, PRIMARY KEY (id) NOT ENFORCED) WITH
                ('connector' = 'opensearch', 'hosts' = '@SEARCH@', 'index' = 'strict');
              INSERT INTO strict SELECT id, n FROM numbers;
"""


def watched(server):
    """A server with an alarm on each trouble's leading metric, all of which ring in the queue `alarms`."""
    cloudwatch, server.rang = server.client("cloudwatch"), set()
    server.alarms = server.client("sqs").create_queue(QueueName="alarms")["QueueUrl"]
    for name, trouble in TROUBLES.items():
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace=trouble.namespace, MetricName=trouble.metric, Statistic=trouble.statistic, Period=300,
            Dimensions=[{"Name": name, "Value": value} for name, value in trouble.dimensions.items()],
            EvaluationPeriods=1, Threshold=trouble.threshold, ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching", AlarmActions=[f"arn:aws:sqs:{REGION}:{ACCOUNT}:alarms"],
        )
    return server


def rings(server, name):
    """Whether a trouble's alarm has rung by now."""
    messages = server.client("sqs").receive_message(QueueUrl=server.alarms, MaxNumberOfMessages=10)
    bodies = [json.loads(message["Body"]) for message in messages.get("Messages", [])]
    server.rang |= {body["AlarmName"] for body in bodies if body["NewStateValue"] == "ALARM"}
    return name in server.rang


def statistic(server, trouble, client=None):
    """What GetMetricStatistics says of a trouble's metric: the largest or the whole of the last minutes."""
    now = datetime.datetime.now(datetime.timezone.utc)
    answer = (client or server.client("cloudwatch")).get_metric_statistics(
        Namespace=trouble.namespace, MetricName=trouble.metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in trouble.dimensions.items()],
        StartTime=now - datetime.timedelta(minutes=10), EndTime=now + datetime.timedelta(minutes=1), Period=60,
        Statistics=[trouble.statistic],
    )
    values = [point[trouble.statistic] for point in answer["Datapoints"]]
    return (sum(values) if trouble.statistic == "Sum" else max(values)) if values else 0


def doctor(server):
    """Exit code and findings of `millrace doctor --json`."""
    ran = server.millrace("doctor", "--json")
    assert ran.stdout, ran.stderr
    document = json.loads(ran.stdout)
    assert document["healthy"] == (ran.returncode == 0) == (not document["findings"])
    return ran.returncode, document["findings"]


def diagnosed(server, trouble):
    """The finding that names a trouble's cause."""
    for finding in doctor(server)[1]:
        if finding["symptom"] == trouble.symptom and trouble.cause in finding["cause"]:
            return finding
    return None


def caused(server, name, seconds=40):
    """Waits until a trouble's metric is past its threshold and the doctor names it; gives the finding. Its alarm is waited for
    by `rings`, which needs a queue that takes messages."""
    trouble, cloudwatch = TROUBLES[name], server.client("cloudwatch")
    wait_for(lambda: statistic(server, trouble, cloudwatch) >= trouble.threshold, seconds, f"{trouble.metric} to move")
    found = wait_for(lambda: diagnosed(server, trouble), seconds, f"the doctor to say '{trouble.symptom}'")
    assert found["remedy"] and any(digit in found["seen"] for digit in "0123456789"), found
    return found


def create_function(server, name, code):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", code)
    functions = server.client("lambda")
    functions.create_function(FunctionName=name, Runtime=RUNTIME, Role=ROLE, Handler="app.handler",
                              Code={"ZipFile": out.getvalue()}, Timeout=20)
    functions.get_waiter("function_active_v2").wait(FunctionName=name)


def create_mapping(server, function, stream, **more):
    return server.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}",
        StartingPosition="TRIM_HORIZON", **more)["UUID"]


def put(server, stream, records):
    entries = [{"Data": data.encode(), "PartitionKey": key} for data, key in records]
    return server.client("kinesis").put_records(StreamName=stream, Records=entries)


@pytest.fixture(scope="module")
def sick(tmp_path_factory):
    """A server with all the troubles that need time, caused at once: they climb while the tests look at one after the other."""
    server = watched(Server(tmp_path_factory.mktemp("sick")).start())
    code, findings = doctor(server)
    assert (code, findings) == (0, []), findings
    healthy = server.millrace("doctor")
    assert healthy.returncode == 0 and healthy.stdout.count("\n") == 1 and healthy.stdout.startswith("healthy"), healthy

    template = server.folder / "template.yaml"
    template.write_text(textwrap.dedent(TEMPLATE).replace("@SEARCH@", server.search_url))
    strict = json.dumps({"mappings": {"dynamic": "strict", "properties": {"id": {"type": "keyword"}}}})
    subprocess.run(["curl", "-sf", "-XPUT", f"{server.search_url}/strict", "-H", "content-type: application/json",
                    "-d", strict], check=True, capture_output=True, timeout=20)
    deployed = server.millrace("deploy", template)
    assert deployed.returncode == 0, deployed
    # The bucket is a file now: nothing can be written below it.
    bucket = server.data / "lake" / "away"
    shutil.rmtree(bucket, ignore_errors=True)
    bucket.write_text("in the way")

    queue = server.client("sqs").create_queue(QueueName="given-up")["QueueUrl"]
    assert queue
    for name, code in (("slow", SLOW), ("poisoned", POISONED), ("lost", POISONED)):
        server.create_stream(name)
        create_function(server, name, code)
    create_mapping(server, "slow", "slow", BatchSize=1)
    create_mapping(server, "poisoned", "poisoned", BatchSize=10)
    create_mapping(server, "lost", "lost", BatchSize=10, MaximumRetryAttempts=0, DestinationConfig={
        "OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:given-up"}})
    put(server, "slow", [("x", str(n)) for n in range(40)])
    put(server, "poisoned", [("x", "k")])
    put(server, "lost", [("x", "k")])
    put(server, "blocked", [("x", "k")])
    put(server, "rows", [(json.dumps({"id": "a", "n": 1}), "k")])
    yield server
    server.stop()
    print(f"--- {server.log}\n{server.log_text()[-4000:]}")


def test_a_bucket_that_cannot_be_written_makes_deliveries_stale_and_gets_all_in_the_end(sick):
    caused(sick, "failing sink")
    wait_for(lambda: rings(sick, "failing sink"), 60, "its alarm to ring")
    failed = Trouble("AWS/Firehose", "DeliveryToS3.Success", {"DeliveryStreamName": "blocked"}, "Minimum", 0, "", "")
    assert statistic(sick, failed) == 0
    bucket = sick.data / "lake" / "away"
    bucket.unlink()
    bucket.mkdir()
    wait_for(lambda: sick.lake("away"), 40, "the delivery to go on")
    wait_for(lambda: not diagnosed(sick, TROUBLES["failing sink"]), 10, "the doctor to see that it does")
    delivered = Trouble("AWS/Firehose", "DeliveryToS3.Records", {"DeliveryStreamName": "blocked"}, "Sum", 1, "", "")
    assert statistic(sick, delivered) == 1


def test_a_slow_consumer_falls_behind(sick):
    found = caused(sick, "slow consumer")
    wait_for(lambda: rings(sick, "slow consumer"), 60, "its alarm to ring")
    assert "slow" in found["subject"] and "--parallelization-factor" in found["command"]
    # A consumer that is a function has an age of its own, which is the stream's.
    own = Trouble("AWS/Lambda", "IteratorAge", {"FunctionName": "slow"}, "Maximum", 10_000, "", "")
    assert statistic(sick, own) >= own.threshold
    before = statistic(sick, TROUBLES["slow consumer"])
    wait_for(lambda: statistic(sick, TROUBLES["slow consumer"]) > before + 2_000, 20, "the age to climb on")


def test_a_poison_batch_is_tried_again_and_again(sick):
    found = caused(sick, "poison batch")
    wait_for(lambda: rings(sick, "poison batch"), 60, "its alarm to ring")
    assert "position 0 of shardId-000000000000" in found["seen"]
    assert "--bisect-batch-on-function-error" in found["command"]


def test_what_was_given_up_waits_in_its_queue(sick):
    found = caused(sick, "dead letters")
    wait_for(lambda: rings(sick, "dead letters"), 60, "its alarm to ring")
    assert found["subject"] == "queue given-up" and "lost" in found["cause"]


def test_checkpoints_fail_at_a_sink_that_refuses(sick):
    found = caused(sick, "failing checkpoints")
    wait_for(lambda: rings(sick, "failing checkpoints"), 60, "its alarm to ring")
    assert found["subject"] == "application refused" and "table 'strict'" in found["cause"]


def test_a_hot_key_throttles_its_shard_and_no_other(start_server):
    server = watched(start_server(arguments=["--kinesis-quotas"]))
    kinesis = server.client("kinesis")
    server.create_stream("hot", 2)
    metrics = kinesis.enable_enhanced_monitoring(StreamName="hot", ShardLevelMetrics=["ALL"])
    assert (metrics["CurrentShardLevelMetrics"], len(metrics["DesiredShardLevelMetrics"])) == ([], 7)

    refused, placed = [], set()
    for _ in range(8):
        records = [("x" * 100, "loud")] * 400 + [("x" * 100, f"quiet-{n}") for n in range(50)]
        for record, (_, key) in zip(put(server, "hot", records)["Records"], records):
            if record.get("ErrorCode"):
                refused.append((record["ErrorCode"], record["ErrorMessage"], key))
            else:
                placed.add(record["ShardId"])
    assert len(placed) == 2
    shards = {message.split("shard ")[1].split(" ")[0] for _, message, _ in refused}
    assert {code for code, *_ in refused} == {"ProvisionedThroughputExceededException"} and len(shards) == 1, shards
    assert sum(key == "loud" for *_, key in refused) > 500

    found = caused(server, "hot key")
    wait_for(lambda: rings(server, "hot key"), 60, "its alarm to ring")
    assert next(iter(shards)) in found["subject"] and "--target-shard-count 4" in found["command"]
    of_shard = {"StreamName": "hot", "ShardId": next(iter(shards))}
    shard = Trouble("AWS/Kinesis", "WriteProvisionedThroughputExceeded", of_shard, "Sum", 1, "", "")
    wait_for(lambda: statistic(server, shard) == len(refused), 10, "the shard's own metric")
    taken = Trouble("AWS/Kinesis", "IncomingRecords", {"StreamName": "hot"}, "Sum", 1, "", "")
    assert statistic(server, taken) == 8 * 450 - len(refused)

    description = kinesis.describe_stream(StreamName="hot")["StreamDescription"]
    assert len(description["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == 7
    kinesis.disable_enhanced_monitoring(StreamName="hot", ShardLevelMetrics=["IncomingBytes"])
    description = kinesis.describe_stream_summary(StreamName="hot")["StreamDescriptionSummary"]
    assert "IncomingBytes" not in description["EnhancedMonitoring"][0]["ShardLevelMetrics"]


def test_readers_have_a_quota_too(start_server):
    server = start_server(arguments=["--kinesis-quotas"])
    kinesis = server.client("kinesis")
    server.create_stream("read")
    place = {"StreamName": "read", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
    with pytest.raises(kinesis.exceptions.ProvisionedThroughputExceededException, match="Rate exceeded for shard"):
        for _ in range(50):
            kinesis.get_records(ShardIterator=iterator)
    exceeded = Trouble("AWS/Kinesis", "ReadProvisionedThroughputExceeded", {"StreamName": "read"}, "Sum", 1, "", "")
    assert statistic(server, exceeded) == 1


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """A disk of its own; needs a user who may mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this user cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_records_and_says_so(tmp_path):
    with small_disk(tmp_path / "disk", 192) as disk:
        server = Server(tmp_path / "server", data=disk / "data").start()
        try:
            watched(server).create_stream("full")
            filler = disk / "filler"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(b"\0" * (64 << 10))
                    file.flush()
            records = [("x" * 20_000, str(n)) for n in range(100)]
            answer = wait_for(lambda: full(put(server, "full", records)), 20, "the log to have no room")
            assert {record["ErrorCode"] for record in answer["Records"]} == {"InternalFailure"}
            assert "disk" in answer["Records"][0]["ErrorMessage"]
            found = caused(server, "full disk")
            assert str(disk) in found["subject"]
            filler.unlink()
            wait_for(lambda: put(server, "full", records)["FailedRecordCount"] == 0, 20, "the log to go on")
            assert not diagnosed(server, TROUBLES["full disk"])
            # What says so had to wait for room too.
            wait_for(lambda: rings(server, "full disk"), 60, "its alarm to ring")
        finally:
            server.stop()
            print(f"--- {server.log}\n{server.log_text()[-4000:]}")


def full(answer):
    return answer if answer["FailedRecordCount"] == len(answer["Records"]) else None
