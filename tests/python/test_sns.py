"""SNS: what boto3, the AWS CLI and plain HTTP endpoints see of topics."""

import http.server
import json
import queue
import threading
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

REGION = "us-east-1"


@pytest.fixture
def sns(server):
    return server.client("sns")


@pytest.fixture
def sqs(server):
    return server.client("sqs")


class Endpoint:
    """An HTTP endpoint: what it was posted waits in `.posts`; `.answers` has the statuses to answer with before 200."""

    def __init__(self):
        self.posts, self.answers = queue.Queue(), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = outer.answers.pop(0) if outer.answers else 200
                outer.posts.put((self.headers, body, status))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, seconds=20):
        return self.posts.get(timeout=seconds)


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()


def subscribed_queue(sns, sqs, topic, name, **attributes):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url, answer["SubscriptionArn"]


def receive(sqs, url, seconds=5, count=1):
    messages, end = [], time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < end:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            messages.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


def error_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_topic_is_created_described_tagged_and_deleted(sns, unique):
    name = unique("alarms")
    arn = sns.create_topic(Name=name, Attributes={"DisplayName": "Alarms"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:000000000000:{name}"
    assert sns.create_topic(Name=name)["TopicArn"] == arn
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "Alarms" and attributes["SubscriptionsConfirmed"] == "0"
    assert json.loads(attributes["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert json.loads(attributes["Policy"])["Id"] == "__default_policy_ID"
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Other")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "Other"
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    sns.add_permission(TopicArn=arn, Label="x", AWSAccountId=["111122223333"], ActionName=["Publish"])
    assert "111122223333" in sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    sns.remove_permission(TopicArn=arn, Label="x")
    topics = [topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]]
    assert arn in topics
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert error_of(sns.get_topic_attributes, TopicArn=arn) == ("NotFound", "Topic does not exist")


def test_a_queue_gets_the_envelope_and_a_raw_one_the_message(sns, sqs, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    url, subscription = subscribed_queue(sns, sqs, topic, unique("q"))
    raw, _ = subscribed_queue(sns, sqs, topic, unique("raw"), RawMessageDelivery="true")
    attributes = {
        "store": {"DataType": "String", "StringValue": "fans"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    message_id = sns.publish(TopicArn=topic, Message="höllo", Subject="s", MessageAttributes=attributes)["MessageId"]
    [message] = receive(sqs, url)
    envelope = json.loads(message["Body"])
    assert envelope["Type"] == "Notification" and envelope["MessageId"] == message_id
    assert envelope["TopicArn"] == topic and envelope["Subject"] == "s" and envelope["Message"] == "höllo"
    assert envelope["MessageAttributes"] == {
        "store": {"Type": "String", "Value": "fans"}, "blob": {"Type": "Binary", "Value": "AP8="}}
    assert subscription in envelope["UnsubscribeURL"]
    assert list(envelope)[:3] == ["Type", "MessageId", "TopicArn"] and message["Body"].startswith('{\n  "Type" : ')
    [message] = receive(sqs, raw)
    assert message["Body"] == "höllo" and message["MessageAttributes"]["store"]["StringValue"] == "fans"
    assert message["MessageAttributes"]["blob"]["BinaryValue"] == b"\x00\xff"


def test_filter_policies_choose_by_attributes_and_by_body(sns, sqs, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    policy = json.dumps({"price": [{"numeric": [">=", 100]}], "kind": [{"prefix": "or"}, "x"]})
    by_attributes, subscription = subscribed_queue(
        sns, sqs, topic, unique("a"), FilterPolicy=policy, RawMessageDelivery="true")
    body_policy = json.dumps({"order": {"lines": {"sku": [{"anything-but": "s1"}]}}})
    by_body, _ = subscribed_queue(
        sns, sqs, topic, unique("b"), FilterPolicy=body_policy, FilterPolicyScope="MessageBody", RawMessageDelivery="true")
    number = lambda value: {"DataType": "Number", "StringValue": value}
    kinds = {"DataType": "String.Array", "StringValue": '["order", 5]'}
    sns.publish(TopicArn=topic, Message="1", MessageAttributes={"price": number("1.5e2"), "kind": kinds})
    sns.publish(TopicArn=topic, Message="2", MessageAttributes={"price": number("99"), "kind": kinds})
    sns.publish(TopicArn=topic, Message="3", MessageAttributes={"price": number("100")})
    sns.publish(TopicArn=topic, Message=json.dumps({"order": {"lines": [{"sku": "s1"}, {"sku": "s2"}]}}))
    sns.publish(TopicArn=topic, Message=json.dumps({"order": {"lines": [{"sku": "s1"}]}}))
    assert [message["Body"] for message in receive(sqs, by_attributes, 2, 2)] == ["1"]
    assert [json.loads(message["Body"])["order"]["lines"][1] for message in receive(sqs, by_body, 2, 2)] == [{"sku": "s2"}]
    kept = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert kept["FilterPolicy"] == policy and kept["FilterPolicyScope"] == "MessageAttributes"
    refused = error_of(
        sns.set_subscription_attributes, SubscriptionArn=subscription, AttributeName="FilterPolicy",
        AttributeValue=json.dumps({"price": [{"numeric": ["<", "5"]}]}))
    assert refused == ("InvalidParameter", "Invalid parameter: FilterPolicy: Value of < must be numeric")


def test_errors_have_awss_words(sns, sqs, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    assert error_of(sns.create_topic, Name="a b") == ("InvalidParameter", "Invalid parameter: Topic Name")
    assert error_of(sns.publish, TopicArn=topic, Message="") == ("InvalidParameter", "Invalid parameter: Empty message")
    assert error_of(sns.publish, TopicArn=topic + "x", Message="m") == ("NotFound", "Topic does not exist")
    assert error_of(sns.publish, TopicArn=topic, Message="x" * 262145)[1] == "Invalid parameter: Message too long"
    assert error_of(sns.publish, TopicArn=topic, Message="{", MessageStructure="json")[1].endswith("failed to parse")
    assert error_of(
        sns.publish, TopicArn=topic, Message="m", MessageAttributes={"n": {"DataType": "Number", "StringValue": "x"}},
    )[0] == "ParameterValueInvalid"
    assert error_of(sns.subscribe, TopicArn=topic, Protocol="pigeon", Endpoint="x")[1] == (
        "Invalid parameter: Amazon SNS does not support this protocol string: pigeon")
    assert "docs/compat/sns.md" in error_of(sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@b.c")[1]
    assert error_of(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint="q")[1] == "Invalid parameter: SQS endpoint ARN"
    assert "docs/compat/sns.md" in error_of(sns.list_platform_applications)[1]
    entries = [{"Id": "1", "Message": "a"}, {"Id": "1", "Message": "b"}]
    assert error_of(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=entries)[0] == "BatchEntryIdsNotDistinct"


def test_a_batch_is_published_entry_by_entry(sns, sqs, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    url, _ = subscribed_queue(sns, sqs, topic, unique("q"), RawMessageDelivery="true")
    entries = [{"Id": str(number), "Message": f"m{number}"} for number in range(9)]
    entries.append({"Id": "bad", "Message": ""})
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == [str(number) for number in range(9)]
    [failed] = answer["Failed"]
    assert failed["Id"] == "bad" and failed["Code"] == "InvalidParameter" and failed["SenderFault"] is True
    assert sorted(message["Body"] for message in receive(sqs, url, 5, 9)) == [f"m{number}" for number in range(9)]


def test_fifo_topics_keep_order_in_fifo_queues(sns, sqs, unique):
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
    topic = sns.create_topic(Name=unique("t") + ".fifo", Attributes=attributes)["TopicArn"]
    url = sqs.create_queue(QueueName=unique("q") + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    texts = [f"m{number % 20}" for number in range(25)]
    published = [sns.publish(TopicArn=topic, Message=text, MessageGroupId="g") for text in texts]
    assert published[0]["MessageId"] == published[20]["MessageId"]
    numbers = [answer["SequenceNumber"] for answer in published[:20]]
    assert numbers == sorted(numbers) and len(set(numbers)) == 20
    messages = receive(sqs, url, 10, 20)
    assert [message["Body"] for message in messages] == [f"m{number}" for number in range(20)]
    assert messages[0]["Attributes"]["MessageGroupId"] == "g"


def test_an_http_endpoint_confirms_and_gets_what_is_published(server, sns, endpoint, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    headers, body, _ = endpoint.next()
    question = json.loads(body)
    assert headers["x-amz-sns-message-type"] == question["Type"] == "SubscriptionConfirmation"
    assert headers["x-amz-sns-topic-arn"] == question["TopicArn"] == topic
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [one["SubscriptionArn"] for one in listed] == ["PendingConfirmation"]
    # The link is opened as a browser would, without credentials.
    assert question["SubscribeURL"].startswith(server.endpoint)
    confirmed = urllib.request.urlopen(question["SubscribeURL"]).read().decode()
    assert "ConfirmSubscriptionResponse" in confirmed
    sns.publish(TopicArn=topic, Message="hello", Subject="s")
    headers, body, _ = endpoint.next()
    assert headers["x-amz-sns-message-type"] == "Notification"
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert headers["x-amz-sns-subscription-arn"] == listed["SubscriptionArn"]
    assert json.loads(body)["Message"] == "hello"
    urllib.request.urlopen(json.loads(body)["UnsubscribeURL"])
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    sns.publish(TopicArn=topic, Message="nobody hears")
    with pytest.raises(queue.Empty):
        endpoint.next(1)


def test_an_http_endpoint_that_fails_is_tried_again_and_then_given_up(sns, sqs, endpoint, unique):
    topic = sns.create_topic(Name=unique("t"))["TopicArn"]
    url = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 2, "numNoDelayRetries": 1}}
    attributes = {
        "DeliveryPolicy": json.dumps(policy), "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead}),
        "RawMessageDelivery": "true",
    }
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes)
    sns.confirm_subscription(TopicArn=topic, Token=json.loads(endpoint.next()[1])["Token"])
    endpoint.answers = [500, 503]
    sns.publish(TopicArn=topic, Message="third time lucky")
    assert [endpoint.next()[2] for _ in range(3)] == [500, 503, 200]
    endpoint.answers = [500, 500, 500]
    sns.publish(TopicArn=topic, Message="lost")
    [letter] = receive(sqs, url, 10)
    assert letter["Body"] == "lost" and letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "500"
    endpoint.answers = [404]
    sns.publish(TopicArn=topic, Message="refused for good")
    [letter] = receive(sqs, url, 10)
    assert letter["Body"] == "refused for good"


def test_what_was_acknowledged_is_delivered_after_a_kill(start_server, endpoint):
    server = start_server()
    sns, sqs = server.client("sns"), server.client("sqs")
    topic = sns.create_topic(Name="t")["TopicArn"]
    url, _ = subscribed_queue(sns, sqs, topic, "q", RawMessageDelivery="true")
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes={"RawMessageDelivery": "true"})
    sns.confirm_subscription(TopicArn=topic, Token=json.loads(endpoint.next()[1])["Token"])
    # The endpoint takes nothing until the server died.
    endpoint.answers = [503] * 1000
    for number in range(50):
        sns.publish(TopicArn=topic, Message=f"m{number}")
    server.kill9()
    endpoint.answers = []
    server.restart()
    wanted = {f"m{number}" for number in range(50)}
    assert {message["Body"] for message in receive(sqs, url, 20, 50)} == wanted
    got, end = set(), time.monotonic() + 90
    while got != wanted and time.monotonic() < end:
        _, body, status = endpoint.next(90)
        if status == 200:
            got.add(body)
    assert got == wanted


def test_the_aws_cli_publishes_to_a_queue(server, sqs, unique):
    name = unique("cli")
    run = lambda *words: server.aws("sns", *words, "--output", "text")
    topic = run("create-topic", "--name", name, "--query", "TopicArn").stdout.strip()
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue_arn = f"arn:aws:sqs:{REGION}:000000000000:{name}"
    subscribe = ["subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue_arn]
    subscribed = run(*subscribe, "--attributes", '{"RawMessageDelivery":"true","FilterPolicy":"{\\"k\\":[\\"v\\"]}"}')
    assert subscribed.returncode == 0, subscribed.stderr
    attributes = '{"k":{"DataType":"String","StringValue":"v"}}'
    published = run("publish", "--topic-arn", topic, "--message", "from the shell", "--message-attributes", attributes)
    assert published.returncode == 0, published.stderr
    [message] = receive(sqs, url)
    assert message["Body"] == "from the shell"
    listed = run("list-subscriptions", "--query", f"Subscriptions[?TopicArn=='{topic}'].Endpoint")
    assert listed.stdout.strip() == queue_arn
