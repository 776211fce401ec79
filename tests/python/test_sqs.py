"""SQS: what boto3, the AWS CLI and clients of the older query protocol see of queues, and what survives kill -9."""

import collections
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ConnectionClosedError, HTTPClientError

REGION = "us-east-1"
ACCOUNT = "000000000000"
# Its everyday size; `cargo xtask audit queue` does it with a million messages in a minute.
AUDIT_MESSAGES = int(os.environ.get("MILLRACE_AUDIT_MESSAGES", "20000"))
AUDIT_KILLS = int(os.environ.get("MILLRACE_AUDIT_KILLS", "2"))


@pytest.fixture
def sqs(server):
    return server.client("sqs")


@pytest.fixture
def queue(sqs, unique):
    """A factory of queues: queue("orders", VisibilityTimeout="5") gives its URL."""

    def make(name="queue", **attributes):
        suffix = ".fifo" if attributes.get("FifoQueue") else ""
        return sqs.create_queue(QueueName=unique(name) + suffix, Attributes=attributes)["QueueUrl"]

    return make


def arn(url):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rsplit('/', 1)[1]}"


def policy(url, count):
    return json.dumps({"deadLetterTargetArn": arn(url), "maxReceiveCount": count})


def depth(sqs, url):
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_message_goes_round(sqs, queue):
    url = queue()
    attributes = {
        "kind": {"DataType": "String", "StringValue": "plain"},
        "size": {"DataType": "Number.int", "StringValue": "7"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    # boto3 verifies all MD5s by itself.
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="héllo\n\"w\"", MessageAttributes=attributes, MessageSystemAttributes=trace
    )
    assert len(sent["MD5OfMessageSystemAttributes"]) == 32
    message = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"][0]
    assert message["Body"] == "héllo\n\"w\"" and message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert set(message["Attributes"]) >= {"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"}
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert depth(sqs, url) == (0, 1, 0)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["si.*"])["Messages"][0]
    assert set(again["MessageAttributes"]) == {"size"} and "Attributes" not in again
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert depth(sqs, url) == (0, 0, 0)


def test_queues_are_made_listed_and_deleted(sqs, server, unique):
    name = unique("list")
    url = sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"}, tags={"team": "flights"})["QueueUrl"]
    assert url == f"{server.endpoint}/{ACCOUNT}/{name}"
    assert sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "1"})["QueueUrl"] == url
    code, message = refused(sqs.create_queue, QueueName=name, Attributes={"DelaySeconds": "2"})
    assert code in ("QueueAlreadyExists", "QueueNameExists")
    assert message == "A queue already exists with the same name and a different value for attribute DelaySeconds"
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    others = [sqs.create_queue(QueueName=f"{name}-{at}")["QueueUrl"] for at in range(5)]
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name, PaginationConfig={"PageSize": 2})
    assert [url for page in pages for url in page.get("QueueUrls", [])] == [url, *others]
    sqs.tag_queue(QueueUrl=url, Tags={"stage": "test"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "test"}
    everything = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert everything["QueueArn"] == arn(url) and everything["DelaySeconds"] == "1"
    assert everything["MaximumMessageSize"] == "1048576" and "FifoQueue" not in everything
    sqs.delete_queue(QueueUrl=url)
    for call in (sqs.get_queue_attributes, sqs.receive_message, sqs.purge_queue):
        assert refused(call, QueueUrl=url) == (
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        )
    # Whatever host a URL has, account and name decide.
    elsewhere = others[0].replace("127.0.0.1", "sqs.us-east-1.amazonaws.com")
    assert sqs.list_queue_tags(QueueUrl=elsewhere).get("Tags") is None


def test_batches_tell_what_became_of_each_entry(sqs, queue):
    url = queue(MaximumMessageSize="1024")
    entries = [
        {"Id": "good", "MessageBody": "a"},
        {"Id": "large", "MessageBody": "x" * 1025},
        {"Id": "late", "MessageBody": "b", "DelaySeconds": 900},
    ]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "late"]
    failed = answer["Failed"][0]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("large", "InvalidParameterValue", True)
    assert "Message must be shorter than 1024 bytes" in failed["Message"]
    assert depth(sqs, url) == (1, 0, 1)
    message = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"][0]
    entries = [
        {"Id": "yes", "ReceiptHandle": message["ReceiptHandle"]},
        {"Id": "no", "ReceiptHandle": "nonsense"},
    ]
    hidden = [entry | {"VisibilityTimeout": 60} for entry in entries]
    for answer in (
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=hidden),
        sqs.delete_message_batch(QueueUrl=url, Entries=entries),
    ):
        assert [entry["Id"] for entry in answer["Successful"]] == ["yes"]
        assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("no", "ReceiptHandleIsInvalid")]


def test_errors_are_aws_s_word_for_word(sqs, queue):
    url = queue()
    entry = {"Id": "a", "MessageBody": "x"}
    prefix = "AWS.SimpleQueueService."
    cases = [
        (refused(sqs.send_message_batch, QueueUrl=url, Entries=[]), prefix + "EmptyBatchRequest",
         "There should be at least one SendMessageBatchRequestEntry in the request."),
        (refused(sqs.send_message_batch, QueueUrl=url, Entries=[entry | {"Id": str(at)} for at in range(11)]),
         prefix + "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 11."),
        (refused(sqs.send_message_batch, QueueUrl=url, Entries=[entry, entry]), prefix + "BatchEntryIdsNotDistinct",
         "Id a repeated."),
        (refused(sqs.send_message_batch, QueueUrl=url, Entries=[entry | {"Id": "a b"}]),
         prefix + "InvalidBatchEntryId",
         "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
         "It can be at most 80 letters long."),
        (refused(sqs.send_message_batch, QueueUrl=url,
                 Entries=[{"Id": str(at), "MessageBody": "x" * 600_000} for at in range(2)]),
         prefix + "BatchRequestTooLong",
         "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes."),
        (refused(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense"), "ReceiptHandleIsInvalid",
         'The input receipt handle "nonsense" is not a valid receipt handle.'),
        (refused(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11), "InvalidParameterValue",
         "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."),
        (refused(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=21), "InvalidParameterValue",
         "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."),
        (refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Colour": "red"}), "InvalidAttributeName",
         "Unknown Attribute Colour."),
        (refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"VisibilityTimeout": "x"}),
         "InvalidAttributeValue", "Invalid value for the parameter VisibilityTimeout."),
        (refused(sqs.create_queue, QueueName="no dots."), "InvalidParameterValue",
         "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"),
        (refused(sqs.send_message, QueueUrl="orders", MessageBody="x"), "InvalidAddress",
         "The address orders is not valid for this endpoint."),
        (refused(sqs.send_message, QueueUrl=url, MessageBody="\u0001"), "InvalidMessageContents", None),
        (refused(sqs.get_queue_url, QueueName="nowhere"), prefix + "NonExistentQueue",
         "The specified queue does not exist."),
    ]
    for (code, message), wanted_code, wanted_message in cases:
        assert code == wanted_code
        assert wanted_message is None or message == wanted_message
    sqs.purge_queue(QueueUrl=url)
    assert refused(sqs.purge_queue, QueueUrl=url) == (
        prefix + "PurgeQueueInProgress",
        f"Only one PurgeQueue operation on {url.rsplit('/', 1)[1]} is allowed every 60 seconds.",
    )


def test_a_long_poll_is_woken_by_the_send(sqs, server, queue):
    url = queue()
    got = []

    def poll():
        got.append((server.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20), time.monotonic()))

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.5)
    sent = time.monotonic()
    sqs.send_message(QueueUrl=url, MessageBody="wake up")
    thread.join(15)
    answer, arrived = got[0]
    assert answer["Messages"][0]["Body"] == "wake up" and arrived - sent < 1
    begun = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert 0.9 < time.monotonic() - begun < 3


def test_fifo_queues_keep_order_and_refuse_repetitions(sqs, queue):
    url = queue(FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="1")
    first = sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a")
    again = sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a")
    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    for body, group in (("a2", "a"), ("b1", "b"), ("a3", "a")):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, AttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in messages] == ["a1", "a2"]
    assert messages[0]["Attributes"]["MessageGroupId"] == "a"
    assert messages[0]["Attributes"]["SequenceNumber"] < messages[1]["Attributes"]["SequenceNumber"]
    others = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in others] == ["b1"], "group a waits"
    time.sleep(1.1)
    code, message = refused(sqs.delete_message, QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    assert code == "InvalidParameterValue" and message.endswith("Reason: The receipt handle has expired.")
    code, message = refused(sqs.send_message, QueueUrl=url, MessageBody="x")
    assert (code, message) == ("MissingParameter", "The request must contain the parameter MessageGroupId.")


def test_what_is_received_too_often_goes_to_the_dead_letter_queue_and_back(sqs, queue, eventually):
    dead = queue("dead")
    url = queue("work", RedrivePolicy=policy(dead, 1), VisibilityTimeout="0")
    for at in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=f"poison {at}")
    for _ in range(4):
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert (depth(sqs, url)[0], depth(sqs, dead)[0]) == (0, 20)
    message = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], VisibilityTimeout=0)["Messages"][0]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn(url)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.start_message_move_task(SourceArn=arn(dead), MaxNumberOfMessagesPerSecond=10)
    code, _ = refused(sqs.start_message_move_task, SourceArn=arn(dead))
    assert code == "AWS.SimpleQueueService.UnsupportedOperation"

    def task():
        return sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]

    assert task()["Status"] == "RUNNING"
    eventually(lambda: task()["Status"] == "COMPLETED", what="the move to end")
    assert task()["ApproximateNumberOfMessagesMoved"] == 20 and "TaskHandle" not in task()
    assert (depth(sqs, url)[0], depth(sqs, dead)[0]) == (20, 0)


def test_permissions_are_statements_of_the_policy(sqs, queue):
    url = queue()
    sqs.add_permission(QueueUrl=url, Label="friends", AWSAccountIds=["111111111111"], Actions=["SendMessage"])

    def stored():
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {}).get("Policy")

    statement = json.loads(stored())["Statement"][0]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert (statement["Action"], statement["Resource"]) == ("SQS:SendMessage", arn(url))
    sqs.remove_permission(QueueUrl=url, Label="friends")
    assert stored() is None


def test_the_resource_of_boto3(server, unique):
    resource = boto3.resource(
        "sqs", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCOUNT, aws_secret_access_key="any"
    )
    queue = resource.create_queue(QueueName=unique("resource"))
    queue.send_messages(Entries=[{"Id": str(at), "MessageBody": str(at)} for at in range(3)])
    bodies = []
    while messages := queue.receive_messages(MaxNumberOfMessages=10, WaitTimeSeconds=1):
        bodies += [message.body for message in messages]
        for message in messages:
            message.delete()
    assert sorted(bodies) == ["0", "1", "2"]
    assert resource.get_queue_by_name(QueueName=queue.url.rsplit("/", 1)[1]).attributes["QueueArn"] == arn(queue.url)


def test_the_command_line(server, unique):
    def aws(*words):
        # Version 1 of the AWS CLI goes to queue.amazonaws.com unless it is told otherwise on its command line.
        return server.aws("sqs", *words, "--endpoint-url", server.endpoint)

    name = unique("cli")
    url = json.loads(aws("create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=5").stdout)["QueueUrl"]
    assert aws("send-message", "--queue-url", url, "--message-body", "from a shell").returncode == 0
    got = json.loads(aws("receive-message", "--queue-url", url).stdout)["Messages"][0]
    assert got["Body"] == "from a shell"
    assert aws("delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"]).returncode == 0
    assert "AWS.SimpleQueueService.NonExistentQueue" in aws("get-queue-url", "--queue-name", "nowhere").stderr


class OldClient:
    """SQS's older protocol as SDKs spoke it until 2023: forms in, XML out."""

    def __init__(self, server):
        self.endpoint = server.endpoint
        scope = f"{ACCOUNT}/20261121/{REGION}/sqs/aws4_request"
        self.headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Amz-Date": "20261121T000000Z",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00",
        }

    def __call__(self, action, url=None, **fields):
        fields = {"Action": action, "Version": "2012-11-05", **fields}
        body = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(url or self.endpoint + "/", body, self.headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return ElementTree.fromstring(answer.read())
        except urllib.error.HTTPError as error:
            return ElementTree.fromstring(error.read())


def texts(tree, name):
    return [element.text for element in tree.iter() if element.tag.rsplit("}", 1)[-1] == name]


def test_the_older_query_protocol(server, unique):
    old = OldClient(server)
    name = unique("old")
    made = old("CreateQueue", QueueName=name, **{"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7"})
    assert made.tag == "{http://queue.amazonaws.com/doc/2012-11-05/}CreateQueueResponse"
    url = texts(made, "QueueUrl")[0]
    attribute = {
        "MessageAttribute.1.Name": "kind",
        "MessageAttribute.1.Value.DataType": "String",
        "MessageAttribute.1.Value.StringValue": "a<b",
    }
    sent = old("SendMessage", url, MessageBody="<x> & y", **attribute)
    got = old("ReceiveMessage", url, **{"MessageAttributeName.1": "All", "AttributeName.1": "All"})
    assert texts(got, "Body") == ["<x> & y"] and texts(got, "StringValue") == ["a<b"]
    assert texts(got, "MD5OfMessageAttributes") == texts(sent, "MD5OfMessageAttributes")
    assert "ApproximateReceiveCount" in texts(got, "Name")
    handle = texts(got, "ReceiptHandle")[0]
    entries = {}
    for at, receipt in enumerate([handle, "nonsense"], 1):
        entries |= {f"DeleteMessageBatchRequestEntry.{at}.Id": f"e{at}",
                    f"DeleteMessageBatchRequestEntry.{at}.ReceiptHandle": receipt}
    deleted = old("DeleteMessageBatch", url, **entries)
    assert texts(deleted, "Id") == ["e1", "e2"] and texts(deleted, "Code") == ["ReceiptHandleIsInvalid"]
    attributes = old("GetQueueAttributes", url, **{"AttributeName.1": "VisibilityTimeout"})
    assert (texts(attributes, "Name"), texts(attributes, "Value")) == (["VisibilityTimeout"], ["7"])
    missing = old("GetQueueUrl", QueueName="nowhere")
    assert texts(missing, "Code") == ["AWS.SimpleQueueService.NonExistentQueue"]
    assert texts(missing, "Message") == ["The specified queue does not exist."]


# Kill -9.

LOST = (ClientError, EndpointConnectionError, ConnectionClosedError, HTTPClientError, OSError)


class Producer(threading.Thread):
    """Sends `count` numbered messages in batches; repeats a batch until it is acknowledged."""

    def __init__(self, server, url, name, count, group=None):
        super().__init__(daemon=True)
        self.client, self.url, self.name_, self.count, self.group = server.client("sqs"), url, name, count, group
        self.sent = 0

    def run(self):
        for start in range(0, self.count, 10):
            numbers = range(start, min(start + 10, self.count))
            entries = [self.entry(number) for number in numbers]
            while True:
                try:
                    answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
                    assert len(answer["Successful"]) == len(entries), answer
                    break
                except LOST:
                    time.sleep(0.05)
            self.sent += len(entries)

    def entry(self, number):
        body = f"{self.name_}:{number}"
        fifo = {"MessageGroupId": self.group, "MessageDeduplicationId": body} if self.group else {}
        return {"Id": str(number % 10), "MessageBody": body.ljust(1000, "."), **fifo}


class Consumer(threading.Thread):
    """Receives and deletes until told to stop. `got` has each body once for each deletion that was acknowledged."""

    def __init__(self, server, url):
        super().__init__(daemon=True)
        self.client, self.url = server.client("sqs"), url
        self.seen, self.got, self.stopping = [], collections.Counter(), False

    def run(self):
        while not self.stopping:
            try:
                answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                messages = answer.get("Messages", [])
                if not messages:
                    continue
                bodies = [message["Body"].rstrip(".") for message in messages]
                self.seen += bodies
                entries = [
                    {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)
                ]
                answer = self.client.delete_message_batch(QueueUrl=self.url, Entries=entries)
                self.got.update(bodies[int(entry["Id"])] for entry in answer.get("Successful", []))
            except LOST:
                time.sleep(0.05)


def run_audit(server, url, producers, consumers, kills):
    threads = [*producers, *consumers]
    for thread in threads:
        thread.start()
    total = sum(producer.count for producer in producers)
    for kill in range(1, kills + 1):
        while sum(producer.sent for producer in producers) < total * kill // (kills + 1):
            time.sleep(0.01)
        server.kill9()
        server.restart()
    for producer in producers:
        producer.join()
    sqs = server.client("sqs")
    while sum(depth(sqs, url)) > 0:
        time.sleep(0.1)
    for consumer in consumers:
        consumer.stopping = True
        consumer.join()


@pytest.mark.timeout(max(600, AUDIT_MESSAGES // 100))
def test_nothing_acknowledged_is_lost_and_nothing_deleted_comes_back_under_kill_9(start_server):
    server = start_server()
    url = server.client("sqs").create_queue(QueueName="audit", Attributes={"VisibilityTimeout": "3"})["QueueUrl"]
    producers = [Producer(server, url, f"p{at}", AUDIT_MESSAGES // 4) for at in range(4)]
    consumers = [Consumer(server, url) for _ in range(4)]
    run_audit(server, url, producers, consumers, AUDIT_KILLS)
    seen = collections.Counter(body for consumer in consumers for body in consumer.seen)
    deleted = collections.Counter()
    for consumer in consumers:
        deleted.update(consumer.got)
    wanted = {f"p{at}:{number}" for at in range(4) for number in range(AUDIT_MESSAGES // 4)}
    assert wanted <= set(seen), f"{len(wanted - set(seen))} acknowledged messages were never delivered"
    assert set(seen) <= wanted
    # A batch of ten is sent again when its answer was lost, and so may be there twice, for each kill and producer.
    twice = sum(count - 1 for count in seen.values())
    assert twice <= AUDIT_KILLS * (4 * 10 + 4 * 10), f"{twice} deliveries too many"


@pytest.mark.timeout(max(600, AUDIT_MESSAGES // 100))
def test_fifo_order_holds_under_kill_9(start_server):
    server = start_server()
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "2", "DeduplicationScope": "messageGroup",
                  "FifoThroughputLimit": "perMessageGroupId"}
    url = server.client("sqs").create_queue(QueueName="audit.fifo", Attributes=attributes)["QueueUrl"]
    producers = [Producer(server, url, f"g{at}", AUDIT_MESSAGES // 40, group=f"g{at}") for at in range(4)]
    consumer = Consumer(server, url)
    run_audit(server, url, producers, [consumer], AUDIT_KILLS)
    for at in range(4):
        numbers = [int(body.split(":")[1]) for body in consumer.seen if body.startswith(f"g{at}:")]
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == list(range(AUDIT_MESSAGES // 40)), f"group g{at} is out of order or has gaps"
        # Only what was in flight at a kill may come again: a batch of ten at each.
        assert len(numbers) - len(first_seen) <= AUDIT_KILLS * 10
