"""Event source mappings through boto3: real functions, real streams and queues, kill -9 and resharding."""

import base64
import io
import json
import sys
import time
import zipfile

import botocore.exceptions
import pytest

from conftest import ACCOUNT, REGION, stream_status, wait_for

# Sends its event to a queue, then does what the data says: `raise`, or `report` for a failed item.
CODE = '''
import base64, json, os, urllib.request

def tell(body):
    key, region = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_REGION"]
    scope = f"{key}/20260101/{region}/sqs/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessage",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    body = json.dumps({"QueueUrl": os.environ["SEEN"], "MessageBody": json.dumps(body)}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()

def text(record):
    return record["body"] if "body" in record else base64.b64decode(record["kinesis"]["data"]).decode()

def name(record):
    return record["messageId"] if "body" in record else record["kinesis"]["sequenceNumber"]

def handler(event, context):
    tell(event)
    texts = [text(record) for record in event["Records"]]
    if any("raise" in text for text in texts):
        raise ValueError("told to")
    failed = [name(record) for record in event["Records"] if "report" in text(record)]
    state = event.get("state", {})
    state["all"] = state.get("all", []) + texts
    return {"state": state, "batchItemFailures": [{"itemIdentifier": name} for name in failed]}
'''
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"


def package():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", CODE)
    return out.getvalue()


class Bench:
    """A function, the queue that its events go to, and clients."""

    def __init__(self, server, unique):
        self.server, self.unique = server, unique
        self.functions, self.kinesis = server.client("lambda"), server.client("kinesis")
        self.sqs = server.client("sqs")
        self.seen = self.queue()
        self.name = unique("mapped")
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.functions.create_function(
            FunctionName=self.name, Runtime=runtime, Role=ROLE, Handler="app.handler", Code={"ZipFile": package()},
            Environment={"Variables": {"SEEN": self.seen}}, Timeout=20)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=self.name)

    def queue(self, name=None, **attributes):
        return self.sqs.create_queue(QueueName=name or self.unique("queue"), Attributes=attributes)["QueueUrl"]

    def queue_arn(self, url):
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def stream(self, shards=1):
        name = self.server.create_stream(self.unique("orders"), shards)
        return name, f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"

    def put(self, stream, *texts, key="k"):
        records = [{"Data": text.encode(), "PartitionKey": key} for text in texts]
        return self.kinesis.put_records(StreamName=stream, Records=records)["Records"]

    def map(self, arn, **more):
        if ":kinesis:" in arn:
            more.setdefault("StartingPosition", "TRIM_HORIZON")
        answer = self.functions.create_event_source_mapping(FunctionName=self.name, EventSourceArn=arn, **more)
        uuid = answer["UUID"]
        wait_for(lambda: self.state(uuid) == "Enabled", what="the mapping is enabled")
        return answer

    def state(self, uuid):
        return self.functions.get_event_source_mapping(UUID=uuid)["State"]

    def messages(self, url, count, seconds=20):
        """So many messages of a queue, in order; fails when there are fewer."""
        found, end = [], time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert len(found) >= count, f"{len(found)} of {count} messages: {found}\n{self.server.log_text()[-2000:]}"
        return found

    def events(self, count, seconds=20):
        return self.messages(self.seen, count, seconds)


def texts(event):
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]


def all_texts(bench, wanted, seconds=30):
    """Events until every wanted text was seen; all texts in order."""
    found, end = [], time.monotonic() + seconds
    while not wanted <= set(found):
        assert time.monotonic() < end, f"missing {sorted(wanted - set(found))[:9]}"
        answer = bench.sqs.receive_message(QueueUrl=bench.seen, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            found += texts(json.loads(message["Body"]))
            bench.sqs.delete_message(QueueUrl=bench.seen, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture
def bench(server, unique):
    return Bench(server, unique)


def test_a_stream_is_mapped_paused_changed_and_unmapped(bench):
    stream, arn = bench.stream()
    answer = bench.map(arn)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["State"] == "Creating" and answer["StateTransitionReason"] == "User action"
    assert answer["BatchSize"] == 100 and answer["MaximumRetryAttempts"] == -1
    assert answer["LastProcessingResult"] == "No records processed"
    assert answer["DestinationConfig"] == {"OnFailure": {}} and answer["FunctionResponseTypes"] == []
    placed = bench.put(stream, "one")[0]
    (event,) = bench.events(1)
    (record,) = event["Records"]
    arrival = record["kinesis"].pop("approximateArrivalTimestamp")
    assert abs(arrival - time.time()) < 60
    assert record == {
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": placed["SequenceNumber"],
                    "data": base64.b64encode(b"one").decode()},
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"shardId-000000000000:{placed['SequenceNumber']}",
        "eventName": "aws:kinesis:record", "invokeIdentityArn": ROLE, "awsRegion": REGION, "eventSourceARN": arn,
    }
    uuid = answer["UUID"]
    get = lambda: bench.functions.get_event_source_mapping(UUID=uuid)
    wait_for(lambda: get()["LastProcessingResult"] == "OK", what="the last result is OK")
    assert bench.functions.update_event_source_mapping(UUID=uuid, Enabled=False)["State"] == "Disabling"
    wait_for(lambda: bench.state(uuid) == "Disabled", what="the mapping rests")
    bench.put(stream, "two", "three")
    assert bench.functions.update_event_source_mapping(UUID=uuid, Enabled=True, BatchSize=1)["State"] == "Enabling"
    assert [texts(event) for event in bench.events(2)] == [["two"], ["three"]]
    listed = bench.functions.list_event_source_mappings(FunctionName=bench.name)["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [uuid]
    assert bench.functions.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    with pytest.raises(bench.functions.exceptions.ResourceNotFoundException) as refused:
        get()
    assert refused.value.response["Error"]["Message"] == "The resource you requested does not exist."


def test_a_poison_record_is_isolated_and_lands_in_a_queue(bench):
    stream, arn = bench.stream()
    dlq = bench.queue()
    bench.map(arn, BatchSize=4, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0,
              MaximumBatchingWindowInSeconds=1, DestinationConfig={"OnFailure": {"Destination": bench.queue_arn(dlq)}})
    placed = bench.put(stream, "1", "2", "raise", "4")
    (record,) = bench.messages(dlq, 1)
    number = placed[2]["SequenceNumber"]
    batch = record["KinesisBatchInfo"]
    assert (batch["startSequenceNumber"], batch["endSequenceNumber"], batch["batchSize"]) == (number, number, 1)
    assert batch["streamArn"] == arn and batch["shardId"] == "shardId-000000000000"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["functionArn"] == FUNCTION + bench.name
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["version"] == "1.0"
    seen = [texts(event) for event in bench.events(5)]
    assert seen == [["1", "2", "raise", "4"], ["1", "2"], ["raise", "4"], ["raise"], ["4"]]


def test_a_destination_that_is_missing_holds_its_shard_and_is_told_once(bench):
    stream, arn = bench.stream()
    name = bench.unique("later")
    target = {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}}
    uuid = bench.map(arn, BatchSize=1, MaximumRetryAttempts=0, DestinationConfig=target)["UUID"]
    bench.put(stream, "raise", "behind")
    label = f"event source mapping {uuid} ({arn}, shardId-000000000000 to {FUNCTION}{bench.name})"
    told = lambda words: bench.server.log_text().count(f"{label} {words}")
    wait_for(lambda: told("is stuck: "), what="the server to say that the shard is stuck")
    assert [texts(event) for event in bench.events(1)] == [["raise"]]
    time.sleep(1)
    queue = bench.queue(name)
    (record,) = bench.messages(queue, 1, 10)
    assert record["KinesisBatchInfo"]["batchSize"] == 1
    assert [texts(event) for event in bench.events(1)] == [["behind"]]
    wait_for(lambda: told("goes on"), what="the server to say that the shard goes on")
    assert told("is stuck: ") == 1


def test_what_is_given_up_lands_in_a_topic_and_in_a_bucket(start_server, tmp_path, unique):
    template = tmp_path / "bucket.yaml"
    template.write_text("Resources:\n  Failed:\n    Type: AWS::S3::Bucket\n    Properties: { BucketName: failed }\n")
    server = start_server(template)
    bench = Bench(server, unique)
    sns, copies = server.client("sns"), bench.queue()
    topic = sns.create_topic(Name="failed")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=bench.queue_arn(copies), Attributes={"RawMessageDelivery": "true"})
    uuids = {}
    for destination in (topic, "arn:aws:s3:::failed"):
        stream, arn = bench.stream()
        target = {"OnFailure": {"Destination": destination}}
        uuids[destination] = bench.map(arn, MaximumRetryAttempts=0, DestinationConfig=target)["UUID"]
        bench.put(stream, "raise")
    (record,) = bench.messages(copies, 1)
    assert record["KinesisBatchInfo"]["batchSize"] == 1 and "payload" not in record
    folder = server.data / "lake" / "failed" / "aws" / "lambda" / uuids["arn:aws:s3:::failed"] / "shardId-000000000000"
    (found,) = wait_for(lambda: list(folder.rglob("*T*.*.*-*")) if folder.exists() else None, what="the object is there")
    stored = json.loads(found.read_text())
    assert texts(json.loads(stored["payload"])) == ["raise"]
    assert found.parent.relative_to(folder).parts == tuple(stored["timestamp"][:10].split("-"))


def test_a_missing_bucket_is_told_with_what_creates_it(start_server, tmp_path, unique):
    server = start_server()
    bench = Bench(server, unique)
    stream, arn = bench.stream()
    uuid = bench.map(arn, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::later"}})["UUID"]
    bench.put(stream, "raise")
    result = lambda: bench.functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]
    wait_for(lambda: "there is no bucket later" in result(), what="the mapping to miss the bucket")
    assert "AWS::S3::Bucket" in result() and "millrace deploy" in result(), result()
    template = tmp_path / "bucket.yaml"
    template.write_text("Resources:\n  Later:\n    Type: AWS::S3::Bucket\n    Properties: { BucketName: later }\n")
    done = server.millrace("deploy", template)
    assert done.returncode == 0, done.stderr
    folder = server.data / "lake" / "later"
    wait_for(lambda: folder.exists() and list(folder.rglob("*T*.*.*-*")), what="the object is there")


def test_a_reported_item_is_called_again_with_those_behind_it(bench):
    stream, arn = bench.stream()
    dlq = bench.queue()
    bench.map(arn, BatchSize=4, MaximumRetryAttempts=1, MaximumBatchingWindowInSeconds=1,
              FunctionResponseTypes=["ReportBatchItemFailures"],
              DestinationConfig={"OnFailure": {"Destination": bench.queue_arn(dlq)}})
    bench.put(stream, "1", "report", "3")
    (record,) = bench.messages(dlq, 1)
    assert record["responseContext"]["functionError"] is None
    assert record["KinesisBatchInfo"]["batchSize"] == 2
    assert [texts(event) for event in bench.events(2)] == [["1", "report", "3"], ["report", "3"]]


def test_filters_choose_record_by_record(bench):
    stream, arn = bench.stream()
    pattern = json.dumps({"data": {"temperature": [{"numeric": [">", 30]}]}})
    bench.map(arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    bench.put(stream, '{"temperature": 20}', '{"temperature": 31}', "no json", '{"temperature": 32}')
    (event,) = bench.events(1)
    assert texts(event) == ['{"temperature": 31}', '{"temperature": 32}']


def test_latest_sees_everything_since_its_creation(bench):
    stream, arn = bench.stream()
    bench.put(stream, "before")
    bench.functions.create_event_source_mapping(FunctionName=bench.name, EventSourceArn=arn, StartingPosition="LATEST")
    bench.put(stream, "after")
    (event,) = bench.events(1)
    assert texts(event) == ["after"]


def test_a_registered_consumer_is_a_source(bench):
    stream, arn = bench.stream()
    with pytest.raises(botocore.exceptions.ClientError):
        bench.map(f"{arn}/consumer/nobody:1700000000")
    consumer = bench.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="fan")["Consumer"]["ConsumerARN"]
    bench.map(consumer)
    bench.put(stream, "1")
    (event,) = bench.events(1)
    assert texts(event) == ["1"] and event["Records"][0]["eventSourceARN"] == consumer


def test_a_consumer_that_is_deregistered_gets_nothing_more(bench):
    stream, arn = bench.stream(2)
    consumer = bench.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="fan")["Consumer"]["ConsumerARN"]
    uuid = bench.map(consumer, BatchSize=1)["UUID"]
    for key in "ac":
        bench.put(stream, "seen", key=key)
        assert texts(bench.events(1)[0]) == ["seen"]
    bench.kinesis.deregister_stream_consumer(ConsumerARN=consumer)
    # `a` and `c` are in different shards.
    for key in "acac":
        bench.put(stream, "unseen", key=key)
    get = lambda: bench.functions.get_event_source_mapping(UUID=uuid)
    problem = f"Consumer {consumer} not found"
    wait_for(lambda: get()["LastProcessingResult"] == f"PROBLEM: {problem}", what="the mapping to say what is missing")
    assert "Messages" not in bench.sqs.receive_message(QueueUrl=bench.seen, WaitTimeSeconds=2)
    lines = [line for line in bench.server.log_text().splitlines() if uuid in line]
    assert len(lines) == 1 and f"is stuck: {problem}" in lines[0], lines


def test_windows_keep_a_state(bench):
    stream, arn = bench.stream()
    bench.map(arn, TumblingWindowInSeconds=1, BatchSize=1)
    bench.put(stream, "1", "2", "3")
    events = bench.events(4)
    last = next(event for event in events if event["isFinalInvokeForWindow"])
    assert last["Records"] == [] and last["state"]["all"][0] == "1"
    assert last["shardId"] == "shardId-000000000000" and last["eventSourceARN"] == arn
    assert not last["isWindowTerminatedEarly"] and last["window"]["start"] < last["window"]["end"]


def test_children_of_a_shard_follow_it(bench):
    stream, arn = bench.stream()
    bench.map(arn, BatchSize=10)
    keys = [f"key-{number}" for number in range(12)]
    for text in range(3):
        for key in keys:
            bench.put(stream, f"{key} {text}", key=key)
        if text < 2:
            open_shards = [shard for shard in bench.kinesis.list_shards(StreamName=stream)["Shards"]
                           if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
            hashes = open_shards[0]["HashKeyRange"]
            middle = (int(hashes["StartingHashKey"]) + int(hashes["EndingHashKey"])) // 2
            bench.kinesis.split_shard(StreamName=stream, ShardToSplit=open_shards[0]["ShardId"], NewStartingHashKey=str(middle))
            wait_for(lambda: stream_status(bench.kinesis, stream) == "ACTIVE", what="the shard to be split")
    found = all_texts(bench, {f"{key} {text}" for key in keys for text in range(3)})
    for key in keys:
        assert [text for text in found if text.startswith(f"{key} ")] == [f"{key} {text}" for text in range(3)]


def test_every_record_is_seen_across_kills(start_server, unique):
    server = start_server()
    bench = Bench(server, unique)
    stream, arn = bench.stream(2)
    bench.map(arn, BatchSize=20, ParallelizationFactor=2)
    wanted = set()
    for number in range(6):
        batch = [f"{number} {text}" for text in range(60)]
        for start in range(0, 60, 20):
            for key in "abcd":
                bench.put(stream, *[f"{text} {key}" for text in batch[start:start + 20]], key=key)
        wanted |= {f"{text} {key}" for text in batch for key in "abcd"}
        if number % 2:
            server.kill9()
            server.restart()
    found = all_texts(bench, wanted, 90)
    for key in "abcd":
        order = list(dict.fromkeys(text for text in found if text.endswith(key)))
        assert order == [f"{number} {text} {key}" for number in range(6) for text in range(60)]
    mapping = bench.functions.list_event_source_mappings()["EventSourceMappings"][0]
    wait_for(lambda: bench.functions.get_event_source_mapping(UUID=mapping["UUID"])["LastProcessingResult"] == "OK", what="it is OK")
    time.sleep(1)
    bench.sqs.purge_queue(QueueUrl=bench.seen)
    server.restart()
    bench.put(stream, "the last", key="a")
    (event,) = bench.events(1)
    assert texts(event) == ["the last"]


def test_a_queue_is_emptied(bench):
    source = bench.queue(VisibilityTimeout="30")
    answer = bench.map(bench.queue_arn(source))
    assert answer["BatchSize"] == 10 and answer["StateTransitionReason"] == "USER_INITIATED"
    attributes = {"who": {"DataType": "String", "StringValue": "me"}}
    sent = bench.sqs.send_message(QueueUrl=source, MessageBody="hello", MessageAttributes=attributes)
    (event,) = bench.events(1)
    (record,) = event["Records"]
    assert record["messageId"] == sent["MessageId"] and record["body"] == "hello"
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["attributes"]["ApproximateReceiveCount"] == "1" and record["receiptHandle"]
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"]["who"]["stringValue"] == "me"
    assert record["messageAttributes"]["who"]["dataType"] == "String"
    assert (record["eventSource"], record["awsRegion"]) == ("aws:sqs", REGION)
    assert record["eventSourceARN"] == bench.queue_arn(source)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_empty():
        counts = bench.sqs.get_queue_attributes(QueueUrl=source, AttributeNames=names)["Attributes"]
        return all(count == "0" for count in counts.values())

    wait_for(is_empty, what="the message is deleted")


def test_a_queue_that_was_deleted_is_told(bench):
    source = bench.queue(VisibilityTimeout="30")
    uuid = bench.map(bench.queue_arn(source))["UUID"]
    get = lambda: bench.functions.get_event_source_mapping(UUID=uuid)
    bench.sqs.send_message(QueueUrl=source, MessageBody="hello")
    bench.events(1)
    assert "LastProcessingResult" not in get()
    bench.sqs.delete_queue(QueueUrl=source)
    problem = "PROBLEM: The specified queue does not exist."
    wait_for(lambda: get().get("LastProcessingResult") == problem, what="the mapping to miss its queue")


def test_failed_messages_come_again_and_end_in_the_dead_letter_queue(bench):
    dead = bench.queue()
    policy = json.dumps({"deadLetterTargetArn": bench.queue_arn(dead), "maxReceiveCount": 2})
    source = bench.queue(VisibilityTimeout="20", RedrivePolicy=policy)
    bench.map(bench.queue_arn(source), FunctionResponseTypes=["ReportBatchItemFailures"])
    # A visibility timeout below the function's is refused at the creation only.
    bench.sqs.set_queue_attributes(QueueUrl=source, Attributes={"VisibilityTimeout": "1"})
    entries = [{"Id": str(number), "MessageBody": json.dumps(body)} for number, body in enumerate(["fine", "report", "fine too"])]
    bench.sqs.send_message_batch(QueueUrl=source, Entries=entries)
    (message,) = bench.messages(dead, 1, 30)
    assert message == "report"
    bodies = [json.loads(record["body"]) for event in bench.events(2) for record in event["Records"]]
    assert sorted(bodies) == ["fine", "fine too", "report", "report"]


def test_groups_of_a_fifo_queue_stay_in_order(bench):
    source = bench.queue(bench.unique("work") + ".fifo", FifoQueue="true", ContentBasedDeduplication="true",
                         VisibilityTimeout="30")
    bench.map(bench.queue_arn(source), BatchSize=3)
    wanted = {group: [f"{group} {number}" for number in range(12)] for group in "abc"}
    for number in range(12):
        for group in "abc":
            bench.sqs.send_message(QueueUrl=source, MessageBody=f"{group} {number}", MessageGroupId=group)
    found, end = [], time.monotonic() + 30
    while len(found) < 36 and time.monotonic() < end:
        found += [record["body"] for event in bench.events(1) for record in event["Records"]]
    assert len(found) == 36
    # The queue of seen events is not FIFO, but one group has one call at a time.
    for group, texts_of_group in wanted.items():
        assert sorted(text for text in found if text.startswith(group)) == sorted(texts_of_group)


def test_refusals_are_awss(bench):
    stream, arn = bench.stream()
    queue = bench.queue()

    def refused(code, words, **more):
        arguments = {"FunctionName": bench.name, "EventSourceArn": arn, "StartingPosition": "TRIM_HORIZON"} | more
        arguments = {name: value for name, value in arguments.items() if value is not None}
        with pytest.raises(botocore.exceptions.ClientError) as error:
            bench.functions.create_event_source_mapping(**arguments)
        found = error.value.response
        assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (code, 409 if "Conflict" in code else 400)
        assert words in found["Error"]["Message"], found

    parameter = "InvalidParameterValueException"
    refused(parameter, "Function does not exist", FunctionName="nobody")
    refused(parameter, f"Stream nothing under account {ACCOUNT} not found.", EventSourceArn=arn.rsplit("/", 1)[0] + "/nothing")
    refused(parameter, "Value null at 'startingPosition'", StartingPosition=None)
    refused(parameter, "Timestamp only valid with StartingPosition AT_TIMESTAMP", StartingPositionTimestamp=1.0)
    refused(parameter, "must be either -1 (forever) or between 60 and 604800 (inclusive)", MaximumRecordAgeInSeconds=30)
    refused(parameter, "Invalid filter pattern definition.", FilterCriteria={"Filters": [{"Pattern": "{"}]})
    refused(parameter, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            EventSourceArn=bench.queue_arn(queue), StartingPosition=None, BatchSize=11)
    refused("ValidationException", "Member must satisfy enum value set", StartingPosition="NOW")
    uuid = bench.map(arn)["UUID"]
    refused("ResourceConflictException", f"Please update or delete the existing mapping with UUID {uuid}")


def test_a_record_reaches_a_warm_function_at_once(bench):
    stream, arn = bench.stream()
    bench.map(arn)
    bench.put(stream, "warm")
    bench.events(1)
    took = []
    for number in range(10):
        start = time.monotonic()
        bench.put(stream, str(number))
        bench.events(1)
        took.append(time.monotonic() - start)
    # Put, invoke, send and receive together: nothing of it polls.
    assert sorted(took)[5] < 0.25, took
