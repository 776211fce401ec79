"""`millrace dlq`: what failed is shown with the records behind it, and comes back to its function, to another, to its queue."""

import io
import json
import re
import sys
import zipfile

import pytest

from conftest import ACCOUNT, REGION, wait_for

# Fails on poison, by raising or by naming the record, as its environment says; `MODE=fine` takes everything.
CODE = '''
import base64, os

def handler(event, context):
    mode = os.environ["MODE"]
    if "Records" not in event:
        if mode != "fine":
            raise ValueError("no such order")
        return "ok"
    poison = [r["kinesis"]["sequenceNumber"] for r in event["Records"]
              if b"poison" in base64.b64decode(r["kinesis"]["data"])]
    if poison and mode == "raise":
        raise ValueError("cannot read a poison record")
    named = poison if mode == "report" else []
    return {"batchItemFailures": [{"itemIdentifier": number} for number in named]}
'''
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"


def arn(url):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[1]}"


@pytest.fixture
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def function(server, unique):
    """A factory of functions: function("raise") gives a name."""

    def make(mode):
        client, name = server.client("lambda"), unique(mode)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as package:
            package.writestr("app.py", CODE)
        runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
        client.create_function(
            FunctionName=name, Runtime=runtime, Role=ROLE, Handler="app.handler", Timeout=20,
            Code={"ZipFile": out.getvalue()}, Environment={"Variables": {"MODE": mode}})
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    return make


def depth(sqs, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def failed_batch(server, sqs, unique, function, **how):
    """A stream with one poison record whose batch was given up to a queue: (stream, queue's name, queue's URL)."""
    stream, queue = server.create_stream(unique("orders")), unique("failed")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    texts = ["good 1", "poison pill", "good 2"]
    records = [{"Data": text.encode(), "PartitionKey": f"key {text}"} for text in texts]
    server.client("kinesis").put_records(StreamName=stream, Records=records)
    server.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}",
        StartingPosition="TRIM_HORIZON", MaximumRetryAttempts=0, **how,
        DestinationConfig={"OnFailure": {"Destination": arn(url)}})
    wait_for(lambda: depth(sqs, url) == 1, seconds=30, what="the batch to be given up")
    return stream, queue, url


def test_a_failed_batch_is_shown_and_given_to_functions_again(server, sqs, unique, function):
    failing = function("raise")
    stream, queue, url = failed_batch(server, sqs, unique, failing)

    listed = server.millrace("dlq", "list")
    line = next(line for line in listed.stdout.splitlines() if line.startswith(queue))
    assert re.split(r"\s{2,}", line)[1] == "1" and f"function {failing} on {stream}" in line

    shown = server.millrace("dlq", "show", queue).stdout
    for text in ("RetryAttemptsExhausted after 1 call, the function's error: Unhandled", f":stream/{stream}",
                 "shardId-000000000000", "3 records", "key poison pill poison pill", failing):
        assert text in shown, f"{text!r} is not in\n{shown}"
    assert "[ERROR] ValueError: cannot read a poison record" in shown and "Traceback" in shown
    assert "RequestId: " not in shown, "Lambda's own lines are no words of the function"
    as_json = json.loads(server.millrace("dlq", "show", queue, "--json").stdout)
    assert [record["Data"] for record in as_json["records"]] == ["good 1", "poison pill", "good 2"]
    assert as_json["received"] == 0, "looking is not receiving"

    body = as_json["body"]
    assert f"request   {body['requestContext']['requestId']}" in shown
    assert any("cannot read a poison record" in line for line in as_json["log"])

    # The same function fails again, and one that names the record fails too: the message stays.
    for words in ([], ["--to", function("report")]):
        again = server.millrace("dlq", "redrive", queue, *words)
        assert again.returncode == 1 and "0 messages brought back, 1 failed again" in again.stdout
        assert depth(sqs, url) == 1
    assert "cannot read a poison record" in server.millrace("dlq", "redrive", queue).stdout

    # Without the function's log there is one line about it.
    server.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{failing}")
    shown = server.millrace("dlq", "show", queue).stdout
    assert "the function's log no longer has this request" in shown and "Traceback" not in shown

    fixed = function("fine")
    done = server.millrace("dlq", "redrive", queue, "--to", fixed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"3 records given to {fixed}" in done.stdout and depth(sqs, url) == 0


def test_a_function_that_names_records_has_no_words_to_show(server, sqs, unique, function):
    how = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
    _, queue, _ = failed_batch(server, sqs, unique, function("report"), **how)
    shown = server.millrace("dlq", "show", queue).stdout
    assert re.search(r"request   [0-9a-f-]{36}\n  stream ", shown), shown


def test_a_queue_is_listed_as_long_as_it_holds_what_failed(server, sqs, unique, function):
    failing = function("raise")
    stream, queue, _ = failed_batch(server, sqs, unique, failing)
    client = server.client("lambda")
    [mapping] = client.list_event_source_mappings(FunctionName=failing)["EventSourceMappings"]
    client.delete_event_source_mapping(UUID=mapping["UUID"])

    def is_gone():
        return not client.list_event_source_mappings(FunctionName=failing)["EventSourceMappings"]

    wait_for(is_gone, seconds=30, what="the mapping to be gone")
    line = next((line for line in server.millrace("dlq", "list").stdout.splitlines() if line.startswith(queue)), "")
    assert f"function {failing} on {stream}, a mapping that was deleted" in line
    assert server.millrace("dlq", "drop", queue, "--yes").returncode == 0
    assert queue not in server.millrace("dlq", "list").stdout, "nothing is left to tell of"


def test_a_failed_event_is_given_to_another_function(server, sqs, unique, function):
    failing, queue = function("raise"), unique("events")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    client = server.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=failing, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn(url)}})
    client.invoke(FunctionName=failing, InvocationType="Event", Payload=json.dumps({"order": 7}))
    wait_for(lambda: depth(sqs, url) == 1, seconds=30, what="the event to be given up")
    assert f"function {failing}'s asynchronous events" in server.millrace("dlq", "list").stdout
    shown = server.millrace("dlq", "show", queue).stdout
    assert '{"order":7}' in shown and "no such order" in shown
    done = server.millrace("dlq", "redrive", queue, "--to", function("fine"))
    assert done.returncode == 0 and depth(sqs, url) == 0, done.stdout + done.stderr


def test_messages_of_a_queue_go_back_to_it(server, sqs, unique):
    dead, work = unique("dead"), unique("work")
    dead_url = sqs.create_queue(QueueName=dead)["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(dead_url), "maxReceiveCount": 1})
    url = sqs.create_queue(
        QueueName=work, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})["QueueUrl"]
    for at in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=f"order {at}")
    for _ in range(4):
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert f"queue {work} after 1 receive" in server.millrace("dlq", "list").stdout
    shown = server.millrace("dlq", "show", dead, "--limit", 2).stdout
    assert "order 0" in shown and "order 2" not in shown and "and more" in shown
    done = server.millrace("dlq", "redrive", dead)
    assert done.returncode == 0 and "3 messages moved back" in done.stdout, done.stdout + done.stderr
    assert (depth(sqs, url), depth(sqs, dead_url)) == (3, 0)


def test_messages_are_dropped_after_a_question(server, sqs, unique):
    queue = unique("drop")
    url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    ids = [sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"] for _ in range(3)]
    for command in (["drop", "--yes"], ["redrive"], ["show"]):
        unknown = server.millrace("dlq", *command, queue, "--id", "zzz")
        assert unknown.returncode == 1 and f"{queue} has no message 'zzz'" in unknown.stderr, command
    stays = server.millrace("dlq", "redrive", queue)
    assert stays.returncode == 1 and "3 messages left: they do not say what failed" in stays.stdout
    assert queue not in server.millrace("dlq", "list").stdout, "a queue of messages is no dead-letter queue"
    asked = server.millrace("dlq", "drop", queue, stdin="n\n")
    assert "Delete 3 messages" in asked.stdout and "nothing was deleted" in asked.stdout and depth(sqs, url) == 3
    assert "1 message deleted" in server.millrace("dlq", "drop", queue, "--id", ids[1][:13], "--yes").stdout
    assert "2 messages deleted" in server.millrace("dlq", "drop", queue, stdin="yes\n").stdout
    assert "holds nothing" in server.millrace("dlq", "show", queue).stdout
    missing = server.millrace("dlq", "show", "nowhere")
    assert missing.returncode == 1 and "there is no queue 'nowhere'" in missing.stderr
