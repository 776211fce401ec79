"""Nothing that went through the pipeline is readable below the data folder when encryption is on, and keys rotate meanwhile."""

import base64
import hashlib
import json
import subprocess
import urllib.request

import botocore.exceptions
import pytest

from conftest import BINARY, TEMPLATES, Server, read_all, wait_for

MARKER = "xyzzy-plugh-4711-secret"


def forms(marker):
    """How the marker may stand in a file: as it is, or in base64 at any of its three phases."""
    text = marker.encode()
    yield text
    for phase in range(3):
        # What surrounds the marker changes the first and last letters only.
        yield base64.b64encode(b"\0" * phase + text)[4:-4]


def places(folder, marker):
    """The files below a folder in which the marker can be read."""
    wanted = list(forms(marker))
    found = []
    for path in folder.rglob("*"):
        # Unpacked code is plain, for processes; it holds no data.
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [str(path)] if any(form in content for form in wanted) else []
    return found


def fill(server, first, count):
    kinesis = server.client("kinesis")
    for number in range(first, first + count):
        data = json.dumps({"id": number, "text": f"{MARKER}-{number}"}).encode()
        kinesis.put_record(StreamName="orders", Data=data, PartitionKey=str(number))


def search(server, method, path, body=None):
    request = urllib.request.Request(
        server.search_url + path, json.dumps(body).encode() if body else None,
        {"Content-Type": "application/json"}, method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def lake_objects(server):
    return [path for path in (server.data / "lake").rglob("*") if path.is_file()]


def test_nothing_below_the_data_folder_is_readable(start_server):
    server = start_server(TEMPLATES / "encrypted.yaml", arguments=["--encrypt"])
    assert "encryption on" in server.log_text() and "root.key" in server.log_text()
    assert (server.data / "root.key").stat().st_mode & 0o777 == 0o600
    kinesis, kms, sqs, sns, logs = (server.client(name) for name in ["kinesis", "kms", "sqs", "sns", "logs"])
    named = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="failed")["QueueUrl"], AttributeNames=["All"])["Attributes"]
    key = kms.describe_key(KeyId="alias/orders")["KeyMetadata"]["Arn"]
    assert (named["KmsMasterKeyId"], named["KmsDataKeyReusePeriodSeconds"]) == (key, "86400")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == "alias/orders"

    fill(server, 0, 20)
    own = kms.describe_key(KeyId="alias/aws/millrace")["KeyMetadata"]["KeyId"]
    for key in ["alias/orders", own]:
        kms.rotate_key_on_demand(KeyId=key)
    fill(server, 20, 20)
    for number in range(5):
        search(server, "PUT", f"/secrets/_doc/{number}?refresh=true", {"text": f"{MARKER} {number}"})

    def failures():
        url = sqs.get_queue_url(QueueName="failed")["QueueUrl"]
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"])

    def logged():
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/poisoned", filterPattern=f'"{MARKER}"')
        except botocore.exceptions.ClientError:
            return []
        return found["events"]

    assert len(read_all(kinesis, "copies", expected=40, seconds=60)) == 40
    wait_for(lambda: failures() > 0, what="a batch in the dead-letter queue")
    wait_for(logged, what="the function's own words in its log")
    wait_for(lambda: lake_objects(server), what="an object in the lake")
    assert search(server, "GET", f"/secrets/_search?q=text:{MARKER.split('-')[0]}")["hits"]["total"]["value"] == 5

    server.kill9()
    assert places(server.data, MARKER) == []
    server.restart()
    records = read_all(kinesis, "orders", expected=40, seconds=30)
    assert json.loads(records[0]["Data"])["text"].startswith(MARKER)
    assert search(server, "GET", f"/secrets/_search?q=text:{MARKER.split('-')[0]}")["hits"]["total"]["value"] == 5
    assert logged()
    server.stop()
    assert places(server.data, MARKER) == []

    # Without the root key there is no start, and the message says what to do.
    key = (server.data / "root.key").read_text()
    (server.data / "root.key").unlink()
    ended = subprocess.run(
        [BINARY, "up", "--port", "0", "--search-port", "0", "--data", server.data], capture_output=True, text=True, timeout=20
    )
    assert ended.returncode != 0 and "--root-key-file" in ended.stderr, ended.stderr
    # With another key neither; by the variable it is there again, and it can be exchanged.
    wrong = subprocess.run(
        [BINARY, "up", "--port", "0", "--search-port", "0", "--data", server.data],
        env={"MILLRACE_ROOT_KEY": "00" * 32, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=20,
    )
    assert wrong.returncode != 0 and "fingerprint" in wrong.stderr, wrong.stderr
    fresh = server.folder / "new.key"
    subprocess.run(
        [BINARY, "keys", "rotate-root", "--data", server.data, "--new-root-key-file", fresh],
        env={"MILLRACE_ROOT_KEY": key.strip(), "PATH": "/usr/bin:/bin"}, check=True, timeout=20,
    )
    server.arguments = ["--root-key-file", str(fresh)]
    server.start()
    assert len(read_all(kinesis, "orders", expected=40, seconds=30)) == 40
    server.stop()
    assert places(server.data, MARKER) == [], "encryption stays on when nobody says otherwise"


def test_a_stream_has_a_key_of_its_own(start_server):
    server = start_server()
    kinesis, kms = server.client("kinesis"), server.client("kms")
    key = kms.create_key(Description="of one stream", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    kms.create_alias(AliasName="alias/one", TargetKeyId=key["KeyId"])
    kinesis.create_stream(StreamName="one", ShardCount=1)
    put = lambda text: kinesis.put_record(StreamName="one", Data=text.encode(), PartitionKey="k")
    assert "EncryptionType" not in put("plain " + MARKER)
    kinesis.start_stream_encryption(StreamName="one", EncryptionType="KMS", KeyId="alias/one")
    shown = kinesis.describe_stream(StreamName="one")["StreamDescription"]
    assert (shown["EncryptionType"], shown["KeyId"]) == ("KMS", "alias/one")
    assert put("sealed-only")["EncryptionType"] == "KMS"
    folder = server.data / "log"
    assert places(folder, MARKER) and not places(folder, "sealed-only")

    stream = kinesis.describe_stream(StreamName="one")["StreamDescription"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="c")["Consumer"]["ConsumerARN"]
    wait_for(
        lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE",
        what="the consumer",
    )
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(kinesis.exceptions.KMSDisabledException):
        put("no")
    shard = kinesis.list_shards(StreamName="one")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="one", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    with pytest.raises(kinesis.exceptions.KMSDisabledException):
        kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "TRIM_HORIZON"})
    assert refused.value.response["Error"]["Code"] == "KMSDisabledException"
    kms.enable_key(KeyId=key["KeyId"])
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["Data"].decode() for record in records] == ["plain " + MARKER, "sealed-only"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    with pytest.raises(kinesis.exceptions.KMSInvalidStateException):
        put("no")
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    kms.enable_key(KeyId=key["KeyId"])
    server.kill9()
    server.restart()
    put("sealed-after")
    assert not places(folder, "sealed-after")
    kinesis.stop_stream_encryption(StreamName="one", EncryptionType="KMS", KeyId="alias/one")
    assert kinesis.describe_stream_summary(StreamName="one")["StreamDescriptionSummary"]["EncryptionType"] == "NONE"
    put("open-again")
    assert places(folder, "open-again")
    with pytest.raises(kinesis.exceptions.KMSNotFoundException):
        kinesis.start_stream_encryption(StreamName="one", EncryptionType="KMS", KeyId="alias/nobody")


def test_a_root_key_without_encryption_is_not_taken_in_silence(start_server, tmp_path):
    server = start_server()
    server.stop()
    server.arguments = ["--root-key-file", str(tmp_path / "absent")]
    ended = subprocess.run(
        [BINARY, "up", "--port", "0", "--search-port", "0", "--data", tmp_path / "data", *server.arguments],
        capture_output=True, text=True, timeout=20,
    )
    assert ended.returncode != 0 and "absent" in ended.stderr, ended.stderr
    (tmp_path / "absent").write_text("42" * 32)
    server.start()
    assert "encryption OFF, though a root key is given" in server.log_text()
    server.client("kms").create_key()
    assert (server.data / "keyring").exists() and not (server.data / "root.key").exists()
    server.stop()
    server.arguments = []
    ended = subprocess.run(
        [BINARY, "up", "--port", "0", "--search-port", "0", "--data", server.data], capture_output=True, text=True, timeout=20
    )
    assert ended.returncode != 0 and "--root-key-file" in ended.stderr, ended.stderr


def test_a_queue_has_a_key_of_its_own(start_server):
    server = start_server()
    sqs, kms = server.client("sqs"), server.client("kms")
    keys = {}
    for name in ["q", "dead"]:
        keys[name] = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=keys[name])
    with pytest.raises(sqs.exceptions.KmsNotFound, match="alias/nobody") as refused:
        sqs.create_queue(QueueName="q", Attributes={"KmsMasterKeyId": "alias/nobody"})
    assert refused.value.response["Error"]["Code"] == "KMS.NotFoundException"
    dead = sqs.create_queue(QueueName="dead", Attributes={"KmsMasterKeyId": keys["dead"]})["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1}, separators=(",", ":"))
    attributes = {"KmsMasterKeyId": "alias/q", "KmsDataKeyReusePeriodSeconds": "60", "RedrivePolicy": policy, "VisibilityTimeout": "0"}
    url = sqs.create_queue(QueueName="q", Attributes=attributes)["QueueUrl"]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {name: shown[name] for name in attributes} == attributes and shown["SqsManagedSseEnabled"] == "false"
    with pytest.raises(sqs.exceptions.InvalidAttributeValue):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsDataKeyReusePeriodSeconds": "59"})
    words = {"of": {"DataType": "String", "StringValue": MARKER}}
    send = lambda: sqs.send_message(QueueUrl=url, MessageBody=f"body {MARKER}", MessageAttributes=words)
    receive = lambda url: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
    send()

    # A disabled key stops both directions and hides nothing; what is pending deletion says so.
    kms.disable_key(KeyId=keys["q"])
    for call in [send, lambda: receive(url)]:
        with pytest.raises(sqs.exceptions.KmsDisabled) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "KMS.DisabledException"
    kms.schedule_key_deletion(KeyId=keys["q"], PendingWindowInDays=7)
    with pytest.raises(sqs.exceptions.KmsInvalidState):
        send()
    kms.cancel_key_deletion(KeyId=keys["q"])
    kms.enable_key(KeyId=keys["q"])
    [message] = receive(url)
    assert message["Body"] == f"body {MARKER}" and message["MessageAttributes"]["of"]["StringValue"] == MARKER
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"

    # What was received too often lies in the other queue under that one's key: the first is not needed any more.
    wait_for(lambda: receive(url) == [], what="the message to leave")
    kms.disable_key(KeyId=keys["q"])
    server.kill9()
    assert places(server.data, MARKER) == []
    server.restart()
    kms.disable_key(KeyId=keys["dead"])
    with pytest.raises(sqs.exceptions.KmsDisabled):
        receive(dead)
    kms.enable_key(KeyId=keys["dead"])
    [message] = receive(dead)
    assert message["Body"] == f"body {MARKER}" and message["MD5OfBody"] == hashlib.md5(f"body {MARKER}".encode()).hexdigest()
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)

    # It goes back only when the key of there may be used, and is sealed by it again.
    def move():
        sqs.start_message_move_task(SourceArn=dead_arn)
        moves = lambda: sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0]
        wait_for(lambda: moves()["Status"] != "RUNNING", what="the move")
        return moves()

    failed = move()
    assert failed["Status"] == "FAILED" and "is disabled" in failed["FailureReason"]
    kms.enable_key(KeyId=keys["q"])
    assert move()["Status"] == "COMPLETED"
    kms.disable_key(KeyId=keys["dead"])
    [message] = receive(url)
    assert message["Body"] == f"body {MARKER}"
    assert places(server.data, MARKER) == []


def test_sqs_managed_encryption_is_what_it_says(start_server):
    server = start_server()
    sqs = server.client("sqs")
    shown = lambda url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["SqsManagedSseEnabled"]
    plain = sqs.create_queue(QueueName="plain")["QueueUrl"]
    assert shown(plain) == "false"
    sqs.send_message(QueueUrl=plain, MessageBody="plain-4711")
    with pytest.raises(sqs.exceptions.QueueNameExists, match="SqsManagedSseEnabled"):
        sqs.create_queue(QueueName="plain", Attributes={"SqsManagedSseEnabled": "true"})
    sealed = sqs.create_queue(QueueName="sealed", Attributes={"SqsManagedSseEnabled": "true"})["QueueUrl"]
    assert shown(sealed) == "true"
    sqs.send_message(QueueUrl=sealed, MessageBody=MARKER)
    assert places(server.data, "plain-4711") and places(server.data, MARKER) == []
    sqs.set_queue_attributes(QueueUrl=plain, Attributes={"SqsManagedSseEnabled": "true"})
    sqs.send_message(QueueUrl=plain, MessageBody=MARKER)
    assert shown(plain) == "true" and places(server.data, MARKER) == []
    server.stop()
    server.arguments = ["--encrypt"]
    server.start()
    sqs = server.client("sqs")
    [message] = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="sealed")["QueueUrl"])["Messages"]
    assert message["Body"] == MARKER
    named = sqs.create_queue(QueueName="named", Attributes={"KmsMasterKeyId": "alias/aws/sqs"})["QueueUrl"]
    assert shown(named) == "false" and shown(sqs.create_queue(QueueName="default")["QueueUrl"]) == "true"


def test_a_topic_has_a_key_of_its_own(start_server):
    server = start_server()
    sns, sqs, kms = server.client("sns"), server.client("sqs"), server.client("kms")
    with pytest.raises(sns.exceptions.KMSNotFoundException):
        sns.create_topic(Name="t", Attributes={"KmsMasterKeyId": "alias/nobody"})
    key = kms.create_key()["KeyMetadata"]
    topic = sns.create_topic(Name="t", Attributes={"KmsMasterKeyId": key["Arn"]})["TopicArn"]
    url = sqs.create_queue(QueueName="q", Attributes={"KmsMasterKeyId": "alias/aws/sqs"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # What a function is to get goes through the topic's own journal, whether there is such a function or not.
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn.replace(":sqs:", ":lambda:").replace(":q", ":function:q"))
    sns.publish(TopicArn=topic, Message=f"first {MARKER}-text", Subject=f"{MARKER}-text")
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["Message"] == f"first {MARKER}-text"
    assert places(server.data, f"{MARKER}-text") == []
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(sns.exceptions.KMSDisabledException):
        sns.publish(TopicArn=topic, Message="no")
    with pytest.raises(sns.exceptions.KMSDisabledException):
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "no"}])
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="")
    sns.publish(TopicArn=topic, Message="again")
    assert json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])["Message"] == "again"


def test_kms(server, unique):
    kms = server.client("kms")
    key = kms.create_key(Description="first")["KeyMetadata"]
    assert (key["KeyState"], key["KeySpec"], key["KeyManager"]) == ("Enabled", "SYMMETRIC_DEFAULT", "CUSTOMER")
    alias = "alias/" + unique("a")
    kms.create_alias(AliasName=alias, TargetKeyId=key["Arn"])
    with pytest.raises(kms.exceptions.AlreadyExistsException):
        kms.create_alias(AliasName=alias, TargetKeyId=key["Arn"])
    said = {"order": "1"}
    old = kms.encrypt(KeyId=alias, Plaintext=b"text", EncryptionContext=said)
    assert old["KeyId"] == key["Arn"]
    kms.rotate_key_on_demand(KeyId=key["KeyId"])
    new = kms.encrypt(KeyId=alias, Plaintext=b"text", EncryptionContext=said)
    for blob in [old["CiphertextBlob"], new["CiphertextBlob"]]:
        assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=said)["Plaintext"] == b"text"
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=old["CiphertextBlob"])
    rotations = kms.list_key_rotations(KeyId=key["KeyId"])["Rotations"]
    assert [rotation["RotationType"] for rotation in rotations] == ["ON_DEMAND"]

    other = kms.create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(kms.exceptions.IncorrectKeyException):
        kms.decrypt(CiphertextBlob=old["CiphertextBlob"], EncryptionContext=said, KeyId=other)
    moved = kms.re_encrypt(
        CiphertextBlob=old["CiphertextBlob"], SourceEncryptionContext=said, DestinationKeyId=other
    )
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == b"text"
    data_key = kms.generate_data_key(KeyId=alias, KeySpec="AES_256")
    assert len(data_key["Plaintext"]) == 32
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=alias, NumberOfBytes=24)
    assert len(kms.generate_random(NumberOfBytes=17)["Plaintext"]) == 17

    kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 90)
    kms.disable_key_rotation(KeyId=key["KeyId"])
    assert not kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "team", "TagValue": "x"}])
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "x"}]
    kms.untag_resource(KeyId=key["KeyId"], TagKeys=["team"])
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == []
    assert kms.list_key_policies(KeyId=key["KeyId"])["PolicyNames"] == ["default"]
    assert "kms:*" in kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
    with pytest.raises(kms.exceptions.MalformedPolicyDocumentException):
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy="no")
    kms.update_key_description(KeyId=key["KeyId"], Description="second")
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["Description"] == "second"
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    assert kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"] == other
    listed = [entry["KeyId"] for page in kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1}) for entry in page["Keys"]]
    assert {key["KeyId"], other} <= set(listed)
    kms.disable_key(KeyId=other)
    with pytest.raises(kms.exceptions.DisabledException):
        kms.encrypt(KeyId=other, Plaintext=b"text")
    kms.schedule_key_deletion(KeyId=other, PendingWindowInDays=7)
    with pytest.raises(kms.exceptions.KMSInvalidStateException):
        kms.enable_key(KeyId=other)
    kms.delete_alias(AliasName=alias)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId=alias)
    with pytest.raises(kms.exceptions.UnsupportedOperationException):
        kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    assert kms.describe_key(KeyId="alias/aws/kinesis")["KeyMetadata"]["KeyManager"] == "AWS"


def test_the_command_line_speaks_kms(server):
    created = json.loads(server.aws("kms", "create-key", "--description", "by hand").stdout)
    assert created["KeyMetadata"]["Enabled"]


ASKING = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Lake:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: asking-for-encryption
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault:
              SSEAlgorithm: AES256
            BucketKeyEnabled: false
  Search:
    Type: AWS::OpenSearchService::Domain
    Properties:
      DomainName: asking
      EncryptionAtRestOptions:
        Enabled: true
      NodeToNodeEncryptionOptions:
        Enabled: true
      DomainEndpointOptions:
        EnforceHTTPS: true
        TLSSecurityPolicy: Policy-Min-TLS-1-2-PFS-2023-10
"""


def test_a_template_that_asks_for_encryption_gets_it_or_a_refusal(tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text(ASKING)
    for number, (arguments, place, cure) in enumerate([
        ((), ":11:", "start the server with --encrypt"),
        (("--encrypt",), "EnforceHTTPS", "start the server with --tls required"),
        (("--tls", "required"), "EncryptionAtRestOptions", "start the server with --encrypt"),
    ]):
        with pytest.raises(AssertionError) as refused:
            Server(tmp_path / str(number), template, arguments=arguments).start()
        assert cure in str(refused.value) and place in str(refused.value), refused.value
    whole = Server(tmp_path / "whole", template, arguments=("--encrypt", "--tls", "required")).start()
    rules = whole.client("s3").get_bucket_encryption(Bucket="asking-for-encryption")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert whole.stop() == 0
