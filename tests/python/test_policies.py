"""IAM policies through the real door: an administrator makes people and roles, and nobody does more than they may."""

import io
import json
import subprocess
import time
import zipfile

import boto3
import pytest
from conftest import ACCOUNT, BINARY, REGION, Server, clean_environment, wait_for
from test_signatures import Key, refusal, root_key

# boto3 comes from the tests' own environment: the function's process has none.
SITE = boto3.__file__.rsplit("/boto3/", 1)[0]
TEMPLATE = """
Resources:
  Lake:
    Type: AWS::S3::Bucket
    Properties: {BucketName: guarded}
  In:
    Type: AWS::Kinesis::Stream
    Properties: {Name: app-in, ShardCount: 1}
  Out:
    Type: AWS::Kinesis::Stream
    Properties: {Name: app-out, ShardCount: 1}
  Copy:
    Type: AWS::KinesisAnalyticsV2::Application
    Properties:
      ApplicationName: guarded-copy
      RuntimeEnvironment: ZEPPELIN-FLINK-3_0
      ApplicationMode: INTERACTIVE
      ServiceExecutionRole: !Sub arn:aws:iam::${AWS::AccountId}:role/copier
      ApplicationConfiguration:
        ApplicationCodeConfiguration:
          CodeContentType: PLAINTEXT
          CodeContent:
            TextContent: !Sub |
              SET 'execution.checkpointing.interval' = '1s';
              CREATE TABLE a (id BIGINT) WITH ('connector' = 'kinesis', 'stream.arn' = '${In.Arn}',
                'aws.region' = '${AWS::Region}', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
              CREATE TABLE b (id BIGINT) WITH ('connector' = 'kinesis', 'stream.arn' = '${Out.Arn}',
                'aws.region' = '${AWS::Region}', 'format' = 'json');
              INSERT INTO b SELECT id FROM a;
"""
CODE = """
import os, sys
sys.path.append(os.environ["SITE"])
import boto3

def handler(event, context):
    who = boto3.client("sts").get_caller_identity()["Arn"]
    try:
        boto3.client("kinesis").put_record(StreamName="fn-out", Data=b"x", PartitionKey="k")
        said = "put"
    except Exception as error:
        said = str(error)
    return {"who": who, "said": said}
"""


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions, resource="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    template = folder / "lake.yaml"
    template.write_text(TEMPLATE)
    server = Server(folder, template, arguments=("--auth", "on")).start()
    server.root = root_key(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(locked):
    return lambda service: locked.root.client(locked, service)


def person(admin, name, *documents):
    iam = admin("iam")
    iam.create_user(UserName=name)
    for place, document in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"p{place}", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Key(key["AccessKeyId"], key["SecretAccessKey"])


def stream(admin, name):
    kinesis = admin("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return arn("kinesis", f"stream/{name}")


def lacks(user, action, resource):
    who = f"User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: {action}"
    return f"{who} on resource: {resource} because no identity-based policy allows the {action} action"


def test_a_user_does_what_its_policies_allow_and_is_denied_the_rest_in_awss_words(locked, admin):
    orders, secret = stream(admin, "pol-orders"), stream(admin, "pol-secret")
    ann = person(admin, "ann", policy(allow(["kinesis:PutRecord", "kinesis:PutRecords"], orders)))
    kinesis = ann.client(locked, "kinesis")
    record = {"Data": b"1", "PartitionKey": "k"}
    kinesis.put_record(StreamName="pol-orders", **record)
    kinesis.put_records(StreamARN=orders, Records=[record])
    denied = refusal(lambda: kinesis.put_record(StreamName="pol-secret", **record))
    assert denied == ("AccessDeniedException", lacks("ann", "kinesis:PutRecord", secret), 400)
    code, message, _ = refusal(lambda: kinesis.put_records(StreamName="pol-secret", Records=[record]))
    assert (code, message) == ("AccessDeniedException", lacks("ann", "kinesis:PutRecords", secret))
    code, message, _ = refusal(lambda: kinesis.list_streams())
    assert message.endswith("is not authorized to perform: kinesis:ListStreams because no identity-based policy allows the "
                            "kinesis:ListStreams action")
    # What an iterator leads to is asked about when it is used.
    admins = admin("kinesis")
    shard = admins.list_shards(StreamName="pol-secret")["Shards"][0]["ShardId"]
    given = admins.get_shard_iterator(StreamName="pol-secret", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    code, message, _ = refusal(lambda: kinesis.get_records(ShardIterator=given["ShardIterator"]))
    assert message == lacks("ann", "kinesis:GetRecords", secret)


def test_each_service_denies_with_its_own_code(locked, admin):
    bob = person(admin, "bob")
    queue = admin("sqs").create_queue(QueueName="pol-q")["QueueUrl"]
    topic = admin("sns").create_topic(Name="pol-t")["TopicArn"]
    calls = [
        ("sqs", "AccessDenied", 403, lambda c: c.send_message(QueueUrl=queue, MessageBody="x"), "sqs:sendmessage"),
        ("sns", "AuthorizationError", 403, lambda c: c.publish(TopicArn=topic, Message="x"), "SNS:Publish"),
        ("iam", "AccessDenied", 403, lambda c: c.list_users(), "iam:ListUsers"),
        ("lambda", "AccessDeniedException", 403, lambda c: c.list_functions(), "lambda:ListFunctions"),
        ("logs", "AccessDeniedException", 400, lambda c: c.describe_log_groups(), "logs:DescribeLogGroups"),
        ("firehose", "AccessDeniedException", 400, lambda c: c.list_delivery_streams(), "firehose:ListDeliveryStreams"),
        ("glue", "AccessDeniedException", 400, lambda c: c.get_databases(), "glue:GetDatabases"),
        ("cloudwatch", "AccessDenied", 403, lambda c: c.list_metrics(), "cloudwatch:ListMetrics"),
        ("kms", "AccessDeniedException", 400, lambda c: c.list_keys(), "kms:ListKeys"),
    ]
    for service, code, status, call, action in calls:
        client = bob.client(locked, service)
        got, message, http = refusal(lambda: call(client))
        assert (got, http) == (code, status), service
        assert f"user/bob is not authorized to perform: {action} " in message, message
    assert bob.client(locked, "sts").get_caller_identity()["Arn"].endswith(":user/bob")


def test_groups_boundaries_and_denies_hold_at_once(locked, admin):
    orders = stream(admin, "pol-group")
    iam, eve = admin("iam"), person(admin, "eve")
    kinesis = eve.client(locked, "kinesis")
    put = lambda: kinesis.put_record(StreamName="pol-group", Data=b"1", PartitionKey="k")
    refusal(put)
    iam.create_group(GroupName="writers")
    iam.put_group_policy(GroupName="writers", PolicyName="w", PolicyDocument=policy(allow("kinesis:*", orders)))
    iam.add_user_to_group(GroupName="writers", UserName="eve")
    put()
    bound = iam.create_policy(PolicyName="only-s3", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="eve", PermissionsBoundary=bound)
    assert "because no permissions boundary allows the kinesis:PutRecord action" in refusal(put)[1]
    iam.delete_user_permissions_boundary(UserName="eve")
    put()
    iam.put_user_policy(UserName="eve", PolicyName="no", PolicyDocument=policy({**allow("kinesis:Put*"), "Effect": "Deny"}))
    assert refusal(put)[1].endswith("with an explicit deny in an identity-based policy")
    said = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/eve", ActionNames=["kinesis:PutRecord", "kinesis:GetRecords"],
        ResourceArns=[orders],
    )["EvaluationResults"]
    assert [one["EvalDecision"] for one in said] == ["explicitDeny", "allowed"]


def test_a_session_is_bounded_by_trust_role_and_session_policy(locked, admin):
    iam, orders = admin("iam"), stream(admin, "pol-session")
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole",
                 "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    iam.put_role_policy(RoleName="reader", PolicyName="r", PolicyDocument=policy(allow("kinesis:*", orders)))
    role = f"arn:aws:iam::{ACCOUNT}:role/reader"
    zoe = person(admin, "zoe", policy(allow("sts:AssumeRole", role)))
    sts = zoe.client(locked, "sts")
    code, message, status = refusal(lambda: sts.assume_role(RoleArn=role, RoleSessionName="s1"))
    assert (code, status) == ("AccessDenied", 403) and "because no role trust policy allows" in message
    given = sts.assume_role(RoleArn=role, RoleSessionName="s1", ExternalId="42",
                            Policy=policy(allow("kinesis:DescribeStreamSummary")))["Credentials"]
    kinesis = Key(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]).client(locked, "kinesis")
    kinesis.describe_stream_summary(StreamName="pol-session")
    message = refusal(lambda: kinesis.put_record(StreamName="pol-session", Data=b"1", PartitionKey="k"))[1]
    assert f"assumed-role/reader/s1 is not authorized to perform: kinesis:PutRecord on resource: {orders} " in message
    assert message.endswith("because no session policy allows the kinesis:PutRecord action")


def test_a_queues_own_policy_lets_somebody_in(locked, admin):
    sqs, max_ = admin("sqs"), person(admin, "max")
    url = sqs.create_queue(QueueName="pol-open")["QueueUrl"]
    send = lambda: max_.client(locked, "sqs").send_message(QueueUrl=url, MessageBody="x")
    refusal(send)
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/max"}, "Action": "sqs:SendMessage",
                 "Resource": arn("sqs", "pol-open")}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(statement)})
    send()


def package():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", CODE)
    return out.getvalue()


def test_a_function_calls_others_as_its_role_and_its_mapping_reads_as_its_role(locked, admin):
    source, iam, functions = stream(admin, "fn-in"), admin("iam"), admin("lambda")
    out = stream(admin, "fn-out")
    role = f"arn:aws:iam::{ACCOUNT}:role/fn"
    definition = dict(FunctionName="guarded", Runtime="python3.13", Role=role, Handler="app.handler", Timeout=60,
                      Code={"ZipFile": package()}, Environment={"Variables": {"SITE": SITE}})
    passing = person(admin, "pat", policy(allow("lambda:CreateFunction")))
    message = refusal(lambda: passing.client(locked, "lambda").create_function(**definition))[1]
    assert f"is not authorized to perform: iam:PassRole on resource: {role} because" in message
    unassumable = ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", 400)
    assert refusal(lambda: functions.create_function(**definition)) == unassumable
    iam.create_role(RoleName="fn", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    functions.create_function(**definition)
    nobodys = f"arn:aws:iam::{ACCOUNT}:role/nobodys"
    assert refusal(lambda: functions.update_function_configuration(FunctionName="guarded", Role=nobodys)) == unassumable
    functions.get_waiter("function_active_v2").wait(FunctionName="guarded", WaiterConfig={"Delay": 1})
    answer = json.load(functions.invoke(FunctionName="guarded")["Payload"])
    assert answer["who"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/fn/guarded"
    assert f"not authorized to perform: kinesis:PutRecord on resource: {out} because" in answer["said"]
    iam.put_role_policy(RoleName="fn", PolicyName="out", PolicyDocument=policy(allow("kinesis:PutRecord", out)))
    assert json.load(functions.invoke(FunctionName="guarded")["Payload"])["said"] == "put"

    uuid = functions.create_event_source_mapping(
        EventSourceArn=source, FunctionName="guarded", StartingPosition="TRIM_HORIZON")["UUID"]
    result = lambda: functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]
    wait_for(lambda: f"PROBLEM: Cannot access stream {source}" in result(), what="the mapping says what it lacks")
    admin("kinesis").put_record(StreamName="fn-in", Data=b"x", PartitionKey="k")
    reads = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStream", "kinesis:ListShards"]
    iam.put_role_policy(RoleName="fn", PolicyName="in", PolicyDocument=policy(allow(reads, source)))
    wait_for(lambda: result() == "OK", what="the mapping goes on when its role is mended")
    iam.delete_role_policy(RoleName="fn", PolicyName="in")
    admin("kinesis").put_record(StreamName="fn-in", Data=b"y", PartitionKey="k")
    wait_for(lambda: "Cannot access stream" in result(), what="the mapping stops when its role is narrowed")


def test_a_delivery_stream_writes_when_its_role_may(locked, admin):
    iam, firehose = admin("iam"), admin("firehose")
    role = f"arn:aws:iam::{ACCOUNT}:role/fh"
    create = lambda: firehose.create_delivery_stream(
        DeliveryStreamName="pol-fh", ExtendedS3DestinationConfiguration={
            "RoleARN": role, "BucketARN": "arn:aws:s3:::guarded", "Prefix": "in/",
            "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 1}})
    unassumable = f"Firehose is unable to assume role {role}. Please check the role provided."
    assert refusal(create) == ("InvalidArgumentException", unassumable, 400), "there is no role"
    iam.create_role(RoleName="fh", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    assert refusal(create)[1] == unassumable, "it is Lambda's"
    iam.update_assume_role_policy(RoleName="fh", PolicyDocument=trust("firehose.amazonaws.com"))
    create()
    iam.update_assume_role_policy(RoleName="fh", PolicyDocument=trust("lambda.amazonaws.com"))
    firehose.put_record(DeliveryStreamName="pol-fh", Record={"Data": b"one\n"})
    # Its role is Lambda's, so Firehose cannot assume it; the reason is in the server's log.
    wait_for(lambda: "S3.AccessDenied: Access was denied." in locked.log_text() and "role trust policy" in locked.log_text())
    assert not list(locked.lake("guarded"))
    iam.update_assume_role_policy(RoleName="fh", PolicyDocument=trust("firehose.amazonaws.com"))
    time.sleep(1)
    assert not list(locked.lake("guarded"))
    iam.put_role_policy(RoleName="fh", PolicyName="w", PolicyDocument=policy(allow("s3:PutObject", "arn:aws:s3:::guarded/in/*")))
    wait_for(lambda: list(locked.lake("guarded")), what="it delivers when its role is mended")


def test_an_application_starts_when_its_role_may(locked, admin):
    iam, kinesis = admin("iam"), admin("kinesis")
    kinesis.put_record(StreamName="app-in", Data=b'{"id": 7}', PartitionKey="k")
    wait_for(lambda: "sts:AssumeRole" in locked.log_text() and "role/copier" in locked.log_text(), what="there is no role")
    iam.create_role(RoleName="copier", AssumeRolePolicyDocument=trust("kinesisanalytics.amazonaws.com"))
    reads = ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStreamSummary", "kinesis:ListShards"]
    iam.put_role_policy(RoleName="copier", PolicyName="r", PolicyDocument=policy(allow(reads, arn("kinesis", "stream/app-in"))))
    lacking = "assumed-role/copier/guarded-copy is not authorized to perform: kinesis:PutRecords"
    wait_for(lambda: lacking in locked.log_text(), what="the role may read, not write")
    iam.put_role_policy(RoleName="copier", PolicyName="w",
                        PolicyDocument=policy(allow("kinesis:PutRecords", arn("kinesis", "stream/app-out"))))
    shard = kinesis.list_shards(StreamName="app-out")["Shards"][0]["ShardId"]

    def copied():
        given = kinesis.get_shard_iterator(StreamName="app-out", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        return [json.loads(r["Data"]) for r in kinesis.get_records(ShardIterator=given["ShardIterator"])["Records"]]

    wait_for(lambda: copied() == [{"id": 7}], what="it runs when its role is mended")
    # A running application that loses a right fails within seconds, says why, and goes on when it has it again.
    told = locked.log_text().count(lacking)
    iam.delete_role_policy(RoleName="copier", PolicyName="w")
    wait_for(lambda: locked.log_text().count(lacking) > told, what="it fails when its role is narrowed")
    kinesis.put_record(StreamName="app-in", Data=b'{"id": 8}', PartitionKey="k")
    time.sleep(1.5)
    assert copied() == [{"id": 7}]
    iam.put_role_policy(RoleName="copier", PolicyName="w",
                        PolicyDocument=policy(allow("kinesis:PutRecords", arn("kinesis", "stream/app-out"))))
    wait_for(lambda: copied() == [{"id": 7}, {"id": 8}], what="it goes on from its checkpoint")


def test_sql_does_what_whoever_runs_it_may(locked, admin):
    source, sink = stream(admin, "sql-in"), stream(admin, "sql-out")
    admin("kinesis").put_record(StreamName="sql-in", Data=b'{"id": 77}', PartitionKey="k")
    analyst = person(admin, "analyst", policy(allow("millrace:PostSql")))
    tables = "".join(
        f"CREATE TABLE {name} (id BIGINT) WITH ('connector' = 'kinesis', 'stream.arn' = '{of}', 'aws.region' = '{REGION}', "
        "'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');" for name, of in (("a", source), ("b", sink))
    )
    secrets = f"CREATE TABLE secrets (line STRING) WITH ('connector' = 'filesystem', 'path' = '{locked.data}/credentials', 'format' = 'csv');"
    score = "CREATE EXTERNAL FUNCTION score (BIGINT) RETURNS BIGINT LAMBDA 'score';"

    def start(who, statements):
        environment = clean_environment() | {"AWS_ENDPOINT_URL": locked.endpoint, "AWS_REGION": REGION,
                                             "AWS_ACCESS_KEY_ID": who.id, "AWS_SECRET_ACCESS_KEY": who.secret}
        script = locked.folder / "own.sql"
        script.write_text(tables + statements)
        return subprocess.Popen([BINARY, "sql", script], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)

    def sql(who, statements):
        told = start(who, statements).communicate(timeout=60)[0]
        return told.replace("\n", " ")

    lacks = lambda action: f"user/analyst is not authorized to perform: {action}"
    grant = lambda actions, on: admin("iam").put_user_policy(
        UserName="analyst", PolicyName="tables", PolicyDocument=policy(allow(actions, on)))
    told = sql(analyst, "SELECT id FROM a LIMIT 1;")
    assert lacks("kinesis:DescribeStreamSummary") in told and "77" not in told
    reads = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"]
    grant(reads, source)
    assert "77" in sql(analyst, "SELECT id FROM a LIMIT 1;")
    assert lacks("kinesis:PutRecords") in sql(analyst, "INSERT INTO b VALUES (1);")
    assert lacks("lambda:InvokeFunction") in sql(analyst, score + "SELECT score(id) FROM a;")
    # The server's own files are nobody's tables, not even the root user's.
    for who in (analyst, locked.root):
        told = sql(who, secrets + "SELECT line FROM secrets;")
        assert "is in the server's data folder" in told and locked.root.secret not in told
    assert "77" in sql(locked.root, "INSERT INTO b VALUES (77); SELECT id FROM b LIMIT 1;")
    # A right that is lost ends what runs, within seconds.
    running = start(analyst, "SELECT id FROM a;")
    wait_for(lambda: "77" in running.stdout.readline(), what="the query runs")
    grant(reads, sink)
    assert lacks("kinesis:DescribeStreamSummary") in running.communicate(timeout=60)[0].replace("\n", " ")


def test_who_did_what_is_on_record_and_cannot_be_changed(locked, admin):
    kim = person(admin, "kim")
    refusal(lambda: kim.client(locked, "kinesis").delete_stream(StreamName="pol-orders"))
    lines = (locked.data / "audit" / "audit-000000000001.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    denied = [r for r in records if r["eventName"] == "DeleteStream" and r.get("errorCode") == "AccessDenied"]
    [record] = [r for r in denied if r["userIdentity"].get("userName") == "kim"]
    assert record["eventSource"] == "kinesis.amazonaws.com" and record["readOnly"] is False
    assert record["requestParameters"] == {"streamName": "pol-orders"} and record["sourceIPAddress"] == "127.0.0.1"
    assert record["userIdentity"]["type"] == "IAMUser" and record["recipientAccountId"] == ACCOUNT
    made = [r for r in records if r["eventName"] == "CreateAccessKey"][-1]
    assert made["responseElements"]["accessKey"]["secretAccessKey"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert kim.secret not in "".join(lines)

    def verify(folder):
        done = subprocess.run([BINARY, "audit", "verify", folder], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    assert verify(locked.data)[0] == 0
    shown = subprocess.run([BINARY, "audit", "show", locked.data], capture_output=True, text=True, timeout=60)
    assert shown.stdout.splitlines()[: len(lines)] == lines
    copy = locked.data.parent / "copy"
    copy.mkdir()
    place = next(at for at, r in enumerate(records) if r["eventName"] == "DeleteStream")
    lines[place] = lines[place].replace("pol-orders", "pol-others")
    (copy / "audit-000000000001.jsonl").write_text("\n".join(lines) + "\n")
    code, said = verify(copy)
    assert code == 1 and f"audit-000000000001.jsonl:{place + 1}: this line was changed" in said


def test_a_sealed_audit_can_be_read(start_server):
    server = start_server(arguments=["--encrypt"])
    server.client("sqs").create_queue(QueueName="sealed-audit")
    server.stop()
    assert b"CreateQueue" not in (server.data / "audit" / "audit-000000000001.jsonl").read_bytes()
    shown = subprocess.run([BINARY, "audit", "show", server.data], capture_output=True, text=True, timeout=60, check=True)
    assert "CreateQueue" in [json.loads(line)["eventName"] for line in shown.stdout.splitlines()]


def test_topics_and_alarms_deliver_where_they_are_let_in(locked, admin):
    sns, sqs, metrics = admin("sns"), admin("sqs"), admin("cloudwatch")
    topic = sns.create_topic(Name="pol-fan")["TopicArn"]
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ["pol-in", "pol-dead"]}
    dead = json.dumps({"deadLetterTargetArn": arn("sqs", "pol-dead")})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "pol-in"),
                  Attributes={"RawMessageDelivery": "true", "RedrivePolicy": dead})

    def received(name):
        got = sqs.receive_message(QueueUrl=urls[name], MessageAttributeNames=["All"]).get("Messages", [])
        return [(one["Body"], {n: a["StringValue"] for n, a in one.get("MessageAttributes", {}).items()}) for one in got]

    def let_in(source, queue="pol-in"):
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                     "Resource": arn("sqs", queue), "Condition": {"ArnEquals": {"aws:SourceArn": source}}}
        sqs.set_queue_attributes(QueueUrl=urls[queue], Attributes={"Policy": policy(statement)})

    let_in(topic + "-other")
    counted = lambda name: [m["Dimensions"] for m in metrics.list_metrics(
        Namespace="AWS/SNS", MetricName=name)["Metrics"]]
    of_topic = [{"Name": "TopicName", "Value": "pol-fan"}]
    sns.publish(TopicArn=topic, Message="lost")
    wait_for(lambda: of_topic in counted("NumberOfNotificationsFailedToRedriveToDlq"), what="the lost one is counted")
    assert received("pol-dead") == [], "its policy does not let the topic in"
    let_in(topic, "pol-dead")
    sns.publish(TopicArn=topic, Message="refused")
    [(body, why)] = received("pol-dead")
    assert body == "refused" and received("pol-in") == []
    assert why["ErrorCode"] == "AccessDenied" and "because no resource-based policy allows" in why["ErrorMessage"]
    assert "a topic may not deliver to a subscriber" in locked.log_text()
    wait_for(lambda: of_topic in counted("NumberOfNotificationsFailed"), what="the refusal is counted")
    let_in(topic)
    sns.publish(TopicArn=topic, Message="let in")
    assert [body for body, _ in received("pol-in")] == ["let in"]


def test_a_keys_own_policy_and_the_encryption_context_decide(locked, admin):
    kms = admin("kms")
    key = kms.create_key()["KeyMetadata"]
    deb = person(admin, "deb", policy(
        allow(["kms:Encrypt", "kms:Decrypt"], key["Arn"], Condition={"StringEquals": {"kms:EncryptionContext:room": "lake"}})))
    mine = deb.client(locked, "kms")
    kms.create_alias(AliasName="alias/pol", TargetKeyId=key["KeyId"])
    sealed = mine.encrypt(KeyId="alias/pol", Plaintext=b"x", EncryptionContext={"room": "lake"})["CiphertextBlob"]
    assert mine.decrypt(CiphertextBlob=sealed, EncryptionContext={"room": "lake"})["Plaintext"] == b"x"
    assert "no identity-based policy allows" in refusal(lambda: mine.encrypt(KeyId=key["KeyId"], Plaintext=b"x"))[1]
    assert "no identity-based policy" in refusal(
        lambda: mine.decrypt(CiphertextBlob=sealed, EncryptionContext={"room": "attic"}))[1]
    # A key policy that leaves nothing to IAM: only its administrator is in it.
    root = {"Sid": "admin", **allow("kms:*"), "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:root"}}}
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=policy(root))
    code, message, status = refusal(lambda: mine.decrypt(CiphertextBlob=sealed, EncryptionContext={"room": "lake"}))
    assert code == "AccessDeniedException" and "because no resource-based policy allows the kms:Decrypt action" in message
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"room": "lake"})["Plaintext"] == b"x"
