"""CloudFormation: queues, topics and functions as templates deploy, change and remove them."""

import json
import time

from conftest import TEMPLATES, wait_for


def outputs(run):
    """What `millrace deploy` says of a stack: name to value."""
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(line.strip().split(" = ", 1) for line in run.stdout.splitlines() if " = " in line)


def deploy(server, name, change=lambda text: text):
    template = server.folder / name
    template.write_text(change((TEMPLATES / name).read_text()))
    return server.millrace("deploy", template)


def replaced(*pairs):
    def change(text):
        for before, after in pairs:
            assert before in text, before
            text = text.replace(before, after)
        return text
    return change


def bodies(sqs, url, count, seconds=30):
    found, end = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(found)


def test_queues_and_topics_are_made_changed_and_removed(start_server):
    server = start_server()
    sqs, sns = server.client("sqs"), server.client("sns")
    said = outputs(deploy(server, "messaging.yaml"))
    url = said["QueueUrl"]
    assert url == f"{server.endpoint}/000000000000/expensive" and said["QueueName"] == "expensive"
    assert said["OrderedName"].endswith(".fifo") and said["TopicArn"].endswith(":" + said["TopicName"])
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "45" and attributes["QueueArn"] == said["QueueArn"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 3
    assert "sns.amazonaws.com" in attributes["Policy"]
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "orders"}
    assert "everybody" in sns.get_topic_attributes(TopicArn=said["TopicArn"])["Attributes"]["Policy"]
    for price in (50, 150):
        sns.publish(TopicArn=said["TopicArn"], Message=json.dumps({"order": {"price": price}}))
    assert bodies(sqs, url, 1) == [json.dumps({"order": {"price": 150}})]

    again = deploy(server, "messaging.yaml")
    assert "nothing had changed" in again.stdout, again.stdout + again.stderr
    changed = deploy(server, "messaging.yaml", replaced(
        ("Default: 45", "Default: 60"), ("maxReceiveCount: 3", "maxReceiveCount: 5"), ("Value: orders", "Value: sales"),
        ('numeric: [">", 100]', 'numeric: [">", 10]'), ("DisplayName: Orders\n", "DisplayName: Sales\n"),
    ))
    assert outputs(changed)["SubscriptionArn"] == said["SubscriptionArn"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "60" and json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 5
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "sales"}
    assert sns.get_topic_attributes(TopicArn=said["TopicArn"])["Attributes"]["DisplayName"] == "Sales"
    sns.publish(TopicArn=said["TopicArn"], Message=json.dumps({"order": {"price": 50}}))
    assert bodies(sqs, url, 1) == [json.dumps({"order": {"price": 50}})]

    # Another endpoint is another subscription; what the template no longer gives is the default again.
    moved = deploy(server, "messaging.yaml", replaced(
        ("      VisibilityTimeout: !Ref Visibility\n", ""), ("Endpoint: !GetAtt Expensive.Arn", "Endpoint: !GetAtt Dead.Arn"),
        ("        - Protocol: sqs\n          Endpoint: !GetAtt Dead.Arn\n", "        []\n"),
    ))
    assert outputs(moved)["SubscriptionArn"] != said["SubscriptionArn"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "30"
    [left] = sns.list_subscriptions_by_topic(TopicArn=said["TopicArn"])["Subscriptions"]
    assert left["Endpoint"].split(":")[-1].startswith("messaging-Dead-")


def test_what_cannot_be_is_said_before_anything_is_changed(start_server):
    server = start_server()
    run = deploy(server, "messaging.yaml", replaced(("QueueName: expensive", "QueueName: expensive\n      DelaySeconds: 5000")))
    assert run.returncode != 0 and "DelaySeconds" in run.stderr, run.stderr
    run = deploy(server, "messaging.yaml", replaced(("DisplayName: Orders", "DisplayName: Orders\n      ArchivePolicy: {}")))
    assert run.returncode != 0 and "ArchivePolicy" in run.stderr, run.stderr
    run = deploy(server, "messaging.yaml", replaced(('numeric: [">", 100]', 'numeric: ["!=", 100]')))
    assert run.returncode != 0 and "Unrecognized numeric range operator: !=" in run.stderr, run.stderr
    assert "FilterPolicy" in run.stderr and "messaging.yaml:" in run.stderr
    assert "QueueUrls" not in server.client("sqs").list_queues()
    # What only the service can know fails the deploy, which is undone.
    run = deploy(server, "messaging.yaml", replaced(("FifoQueue: true", "QueueName: other.fifo\n      FifoQueue: true"), (
        "Endpoint: !GetAtt Expensive.Arn", "Endpoint: !GetAtt Ordered.Arn")))
    assert run.returncode != 0 and "FIFO SQS Queues can not be subscribed to standard SNS topics" in run.stderr, run.stderr
    assert "QueueUrls" not in server.client("sqs").list_queues()
    assert server.client("sns").list_topics()["Topics"] == []


def test_a_function_is_deployed_with_all_that_calls_it(start_server):
    server = start_server()
    sqs, sns, functions = server.client("sqs"), server.client("sns"), server.client("lambda")
    said = outputs(deploy(server, "functions.yaml"))
    assert said["Alias"].endswith(":relay:live") and said["Version"] == "1"
    assert said["Consumer"].split(":")[-2].endswith("stream/events/consumer/reader")
    assert said["LogGroup"].endswith(":log-group:/aws/lambda/relay:*")
    done = f"{server.endpoint}/000000000000/done"
    kinesis = server.client("kinesis")
    for kind in ("order", "noise"):
        data = json.dumps({"kind": kind}).encode()
        kinesis.put_record(StreamName="events", Data=data, PartitionKey="k")
    sqs.send_message(QueueUrl=f"{server.endpoint}/000000000000/work", MessageBody="from the queue")
    sns.publish(TopicArn=said["Topic"], Message="from the topic")
    expected = sorted(["hello from the queue", "hello from the topic", 'hello {"kind": "order"}'])
    assert bodies(sqs, done, 3, 60) == expected
    logs = server.client("logs")
    wait_for(
        lambda: [e for e in logs.filter_log_events(logGroupName="/aws/lambda/relay")["events"] if "relayed" in e["message"]],
        what="the function's log")

    # Code and configuration change in place, the published version does not.
    changed = deploy(server, "functions.yaml", replaced(
        ("GREETING: hello", "GREETING: good day"), ("      Timeout: 20\n", ""), ("MemorySize: 256", "MemorySize: 512"),
        ('print("relayed", text)', 'print("passed on", text)'), ("BatchSize: 10", "BatchSize: 20"),
    ))
    outputs(changed)
    shown = functions.get_function_configuration(FunctionName="relay")
    assert (shown["Timeout"], shown["MemorySize"]) == (3, 512)
    assert functions.get_event_source_mapping(UUID=said["Mapping"])["BatchSize"] == 20
    sns.publish(TopicArn=said["Topic"], Message="again")
    sqs.send_message(QueueUrl=f"{server.endpoint}/000000000000/work", MessageBody="by the alias")
    assert bodies(sqs, done, 2, 60) == ["good day again", "hello by the alias"]

    # What leaves the template is removed.
    gone = deploy(server, "functions.yaml", lambda text: text[:text.index("  News:")] + text[text.index("Outputs:"):]
                  .replace("  Topic: {Value: !Ref News}\n", ""))
    outputs(gone)
    assert sns.list_topics()["Topics"] == []
    assert "Policy" not in functions.get_function(FunctionName="relay")


def test_code_that_its_runtime_cannot_find_is_refused(start_server):
    server = start_server()
    run = deploy(server, "functions.yaml", replaced(("Runtime: python3.11", "Runtime: provided.al2023")))
    assert run.returncode != 0 and "ZipFile" in run.stderr and "S3Bucket" in run.stderr, run.stderr
    run = deploy(server, "functions.yaml", replaced(("MemorySize: 256", "MemorySize: 256\n      VpcConfig: {SubnetIds: [a]}")))
    assert run.returncode != 0 and "VpcConfig" in run.stderr, run.stderr
    assert server.client("lambda").list_functions()["Functions"] == []


LOCAL = """
Resources:
  Hello:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: hello
      Runtime: python3.11
      Handler: app.handler
      Role: arn:aws:iam::000000000000:role/r
      Layers: [!Ref Words]
      Code: src/
  Words:
    Type: AWS::Lambda::LayerVersion
    Properties:
      LayerName: words
      Content: layer
"""


def test_local_code_is_packaged_as_it_is_deployed(start_server):
    server = start_server()
    folder = server.folder / "project"
    (folder / "src" / "inner").mkdir(parents=True)
    (folder / "src" / "inner" / "__init__.py").write_text("LAST = '!'\n")
    (folder / "src" / "app.py").write_text(
        "import words, inner\ndef handler(event, context):\n    return words.FIRST + event['name'] + inner.LAST\n")
    (folder / "layer" / "python").mkdir(parents=True)
    (folder / "layer" / "python" / "words.py").write_text("FIRST = 'hello '\n")
    (folder / "template.yaml").write_text(LOCAL)
    functions = server.client("lambda")
    call = lambda: json.load(functions.invoke(FunctionName="hello", Payload=b'{"name": "you"}')["Payload"])
    outputs(server.millrace("deploy", folder / "template.yaml"))
    assert call() == "hello you!"
    again = server.millrace("deploy", folder / "template.yaml")
    assert "nothing had changed" in again.stdout, again.stdout + again.stderr
    (folder / "src" / "inner" / "__init__.py").write_text("LAST = '?'\n")
    outputs(server.millrace("deploy", folder / "template.yaml"))
    assert call() == "hello you?"
    (folder / "layer" / "python" / "words.py").write_text("FIRST = 'good day '\n")
    outputs(server.millrace("deploy", folder / "template.yaml"))
    assert call() == "good day you?"
    # Only what the stack names is kept, and a restart finds it.
    assert len(list((server.data / "functions" / "uploads").glob("*.zip"))) == 2
    server.kill9()
    server.restart()
    assert call() == "good day you?"
    (folder / "template.yaml").write_text(LOCAL.replace("src/", "elsewhere/"))
    run = server.millrace("deploy", folder / "template.yaml")
    assert run.returncode != 0 and "elsewhere/" in run.stderr, run.stderr
