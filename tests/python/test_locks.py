"""What locks had left open: who is on record, roles that templates hand out, and policies of streams, domains and functions."""

import io
import json
import subprocess
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import ACCOUNT, BINARY, REGION, Server, clean_environment, wait_for
from test_policies import allow, arn, person, policy, stream, trust
from test_signatures import refusal, root_key

DOMAIN = """
Resources:
  Search:
    Type: AWS::OpenSearchService::Domain
    Properties:
      DomainName: guarded
      EngineVersion: OpenSearch_2.19
      AccessPolicies:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${AWS::AccountId}:user/reader"}
            Action: es:ESHttpGet
            Resource: !Sub arn:aws:es:${AWS::Region}:${AWS::AccountId}:domain/guarded/*
          - Effect: Deny
            Principal: "*"
            Action: es:*
            Resource: !Sub arn:aws:es:${AWS::Region}:${AWS::AccountId}:domain/guarded/secret/*
"""
HANDING = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: handed
      AssumeRolePolicyDocument:
        Statement: {Effect: Allow, Principal: {Service: SERVICE}, Action: "sts:AssumeRole"}
  Lake:
    Type: AWS::S3::Bucket
    Properties: {BucketName: handed}
  Delivery:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamName: handed
      ExtendedS3DestinationConfiguration: {RoleARN: !GetAtt Role.Arn, BucketARN: !GetAtt Lake.Arn}
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locks")
    template = folder / "domain.yaml"
    template.write_text(DOMAIN)
    server = Server(folder, template, arguments=("--auth", "on")).start()
    server.root = root_key(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(locked):
    return lambda service: locked.root.client(locked, service)


def records(server):
    files = sorted((server.data / "audit").glob("audit-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def search(server, key, method, path, body=None):
    """A signed request to the OpenSearch port: status and answer."""
    url, data = f"{server.search_url}{path}", json.dumps(body).encode() if body is not None else None
    request = AWSRequest(method=method, url=url, data=data, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(key.id, key.secret), "es", REGION).add_auth(request)
    sent = urllib.request.Request(url, data=data, method=method, headers=dict(request.headers))
    try:
        with urllib.request.urlopen(sent, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def deploy(server, key, folder, text, stack):
    template = folder / f"{stack}.yaml"
    template.write_text(text)
    environment = server.environment() | {"AWS_ACCESS_KEY_ID": key.id, "AWS_SECRET_ACCESS_KEY": key.secret}
    command = [str(BINARY), "deploy", str(template), "--stack", stack]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_search_ports_definitions_are_on_record_and_documents_are_not(locked):
    assert search(locked, locked.root, "PUT", "/audited", {"mappings": {"properties": {"Name": {"type": "keyword"}}}})[0] == 200
    assert search(locked, locked.root, "PUT", "/audited/_doc/1?refresh=true", {"Name": "somebody"})[0] == 201
    assert search(locked, locked.root, "GET", "/audited/_search")[0] == 200
    assert search(locked, locked.root, "DELETE", "/never-there")[0] == 404
    assert search(locked, locked.root, "DELETE", "/audited")[0] == 200
    told = [r for r in records(locked) if r["eventSource"] == "es.amazonaws.com" and r["userIdentity"]["type"] == "Root"]
    said = [(r["eventName"], r["requestParameters"]["path"], r.get("errorCode")) for r in told]
    assert said == [("ESHttpPut", "/audited", None), ("ESHttpDelete", "/never-there", "ResourceNotFoundException"),
                    ("ESHttpDelete", "/audited", None)]
    assert told[0]["requestParameters"]["body"] == {"mappings": {"properties": {"Name": {"type": "keyword"}}}}
    assert told[0]["readOnly"] is False and told[0]["recipientAccountId"] == ACCOUNT


def test_a_domains_access_policy_decides(locked, admin):
    reader, writer = person(admin, "reader"), person(admin, "writer", policy(allow("es:*")))
    assert search(locked, writer, "PUT", "/open/_doc/1?refresh=true", {"n": 1})[0] == 201
    assert search(locked, reader, "GET", "/open/_search")[0] == 200, "the domain's policy lets it in"
    status, said = search(locked, reader, "PUT", "/open/_doc/2", {"n": 2})
    assert status == 403 and "user/reader is not authorized to perform: es:ESHttpPut" in said
    status, said = search(locked, writer, "GET", "/secret/_search")
    assert status == 403 and "with an explicit deny in a resource-based policy" in said
    denied = [r for r in records(locked) if r.get("errorCode") == "AccessDenied" and r["eventSource"] == "es.amazonaws.com"]
    assert {r["userIdentity"]["userName"] for r in denied} == {"reader", "writer"}


def test_a_template_hands_out_only_roles_that_its_deployer_may_pass(locked, admin, tmp_path):
    text = HANDING.replace("SERVICE", "firehose.amazonaws.com")
    deployer = person(admin, "deployer", policy(allow("millrace:*")))
    code, said = deploy(locked, deployer, tmp_path, text, "handing")
    role = f"arn:aws:iam::{ACCOUNT}:role/handed"
    assert code != 0 and f"is not authorized to perform: iam:PassRole on resource: {role}" in said, said
    assert "ExtendedS3DestinationConfiguration" in said
    assert refusal(lambda: admin("iam").get_role(RoleName="handed"))[0] == "NoSuchEntity", "what was done is undone"
    admin("iam").put_user_policy(UserName="deployer", PolicyName="pass", PolicyDocument=policy(
        allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "firehose.amazonaws.com"}})))
    code, said = deploy(locked, deployer, tmp_path, text.replace("SERVICE", "x"), "handing")
    assert code == 0, said
    code, said = deploy(locked, locked.root, tmp_path, HANDING.replace("SERVICE", "lambda.amazonaws.com")
                        .replace("handed", "lambdas"), "unassumable")
    assert code != 0 and "role/lambdas cannot be assumed by firehose.amazonaws.com" in said, said
    told = [r for r in records(locked) if r["eventName"] == "PostDeploy"]
    assert [r["requestParameters"]["stackName"] for r in told] == ["handing", "handing", "unassumable"]
    assert told[0]["eventSource"] == "millrace" and told[0]["userIdentity"]["userName"] == "deployer"
    assert len(told[0]["requestParameters"]["templateSha256"]) == 64


def test_refused_signatures_are_on_record_and_a_flood_of_them_is_a_number(locked, admin):
    wrong = type(locked.root)(locked.root.id, "w" * 40)
    for _ in range(50):
        code = refusal(lambda: wrong.client(locked, "kinesis").delete_stream(StreamName="x"))[0]
        assert code == "InvalidSignatureException"
    assert search(locked, wrong, "DELETE", "/x")[0] == 403
    told = [r for r in records(locked) if r.get("errorCode") == "SignatureDoesNotMatch"]
    assert len(told) <= 2 and told[0]["userIdentity"] == {"type": "Unknown"}
    first = told[0]
    assert (first["eventSource"], first["eventName"]) == ("kinesis.amazonaws.com", "DeleteStream")
    assert first["additionalEventData"] == {"claimedAccessKeyId": locked.root.id, "count": 1}
    assert first["sourceIPAddress"] == "127.0.0.1" and first["requestParameters"] is None
    assert "Canonical" not in first["errorMessage"]
    # What was counted is told when the minute is over, or the server ends; the chain is whole.
    locked.restart()
    told = [r for r in records(locked) if r.get("errorCode") == "SignatureDoesNotMatch"]
    assert sum(r["additionalEventData"]["count"] for r in told) == 51 and len(told) <= 4
    assert subprocess.run([BINARY, "audit", "verify", locked.data], capture_output=True, timeout=60).returncode == 0


def test_sql_and_discarded_letters_are_on_record(locked):
    environment = clean_environment() | {"AWS_ENDPOINT_URL": locked.endpoint, "AWS_REGION": REGION,
                                         "AWS_ACCESS_KEY_ID": locked.root.id, "AWS_SECRET_ACCESS_KEY": locked.root.secret}
    subprocess.run([BINARY, "sql"], env=environment, input="SELECT 'pa55word';", text=True, capture_output=True, timeout=60)
    [told] = [r for r in records(locked) if r["eventName"] == "PostSql"]
    assert len(told["requestParameters"]["scriptSha256"]) == 64 and told["userIdentity"]["type"] == "Root"
    assert "pa55word" not in json.dumps(records(locked))


def test_when_a_key_was_used_last(locked, admin):
    iam, una = admin("iam"), person(admin, "una", policy(allow("sqs:ListQueues")))
    last = lambda: iam.get_access_key_last_used(AccessKeyId=una.id)
    never = last()
    assert (never["UserName"], never["AccessKeyLastUsed"]) == ("una", {"ServiceName": "N/A", "Region": "N/A"})
    una.client(locked, "sqs").list_queues()
    used = last()["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sqs", REGION) and used["LastUsedDate"]
    locked.restart()
    assert last()["AccessKeyLastUsed"] == used
    assert refusal(lambda: iam.get_access_key_last_used(AccessKeyId="AKIAMR0000000000NONE"))[0] == "NoSuchEntity"


def test_a_streams_own_policy_lets_in_and_keeps_out(locked, admin):
    orders, kinesis = stream(admin, "own-policy"), admin("kinesis")
    ivy, ned = person(admin, "ivy"), person(admin, "ned", policy(allow("kinesis:*")))
    put = lambda who: who.client(locked, "kinesis").put_record(StreamName="own-policy", Data=b"1", PartitionKey="k")
    assert refusal(lambda: kinesis.get_resource_policy(ResourceARN=orders))[0] == "ResourceNotFoundException"
    who = lambda name: {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}
    document = policy(allow("kinesis:PutRecord", orders, Principal=who("ivy")),
                      {**allow("kinesis:PutRecord", orders, Principal=who("ned")), "Effect": "Deny"})
    refusal(lambda: put(ivy))
    put(ned)
    kinesis.put_resource_policy(ResourceARN=orders, Policy=document)
    assert kinesis.get_resource_policy(ResourceARN=orders)["Policy"] == document
    put(ivy)
    assert refusal(lambda: put(ned))[1].endswith("with an explicit deny in a resource-based policy")
    bad = refusal(lambda: kinesis.put_resource_policy(ResourceARN=orders, Policy='{"Statement": {"Effect": "Maybe"}}'))
    assert bad[0] == "InvalidArgumentException"
    locked.restart()
    put(ivy)
    kinesis.delete_resource_policy(ResourceARN=orders)
    assert "no identity-based policy allows" in refusal(lambda: put(ivy))[1]
    # A later stream of the same name has none.
    kinesis.put_resource_policy(ResourceARN=orders, Policy=document)
    kinesis.delete_stream(StreamName="own-policy")
    stream(admin, "own-policy")
    assert refusal(lambda: kinesis.get_resource_policy(ResourceARN=orders))[0] == "ResourceNotFoundException"


def package():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    print('got', event['Records'][0]['Sns']['Message'])\n")
    return out.getvalue()


def test_a_topic_calls_a_function_only_by_its_permission(locked, admin):
    sns, sqs, functions, iam = admin("sns"), admin("sqs"), admin("lambda"), admin("iam")
    iam.create_role(RoleName="told", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    iam.put_role_policy(RoleName="told", PolicyName="logs", PolicyDocument=policy(allow("logs:*")))
    function = functions.create_function(
        FunctionName="told", Runtime="python3.13", Role=f"arn:aws:iam::{ACCOUNT}:role/told", Handler="app.handler",
        Code={"ZipFile": package()})["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="told", WaiterConfig={"Delay": 1})
    topic = sns.create_topic(Name="telling")["TopicArn"]
    dead = sqs.create_queue(QueueName="telling-dead")["QueueUrl"]
    into = {**allow("sqs:SendMessage", arn("sqs", "telling-dead")), "Principal": {"Service": "sns.amazonaws.com"}}
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"Policy": policy(into)})
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("sqs", "telling-dead")})})
    sns.publish(TopicArn=topic, Message="first")
    letters = lambda: sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"]).get("Messages", [])
    [letter] = wait_for(letters, what="the function's policy does not let the topic in")
    assert letter["MessageAttributes"]["ErrorCode"]["StringValue"] == "AccessDenied"
    functions.add_permission(FunctionName="told", StatementId="sns", Action="lambda:InvokeFunction",
                             Principal="sns.amazonaws.com", SourceArn=topic)
    sns.publish(TopicArn=topic, Message="second")

    def lines():
        found = admin("logs").filter_log_events(logGroupName="/aws/lambda/told")["events"]
        return [event["message"].strip() for event in found if event["message"].startswith("got")]

    wait_for(lambda: refusal_free(lines) == ["got second"], what="the function is called")


def refusal_free(call):
    """A log group is there when the function has run once."""
    try:
        return call()
    except Exception as error:
        assert "ResourceNotFoundException" in str(error)
        return []


def test_a_converting_delivery_stream_needs_its_table(locked, admin):
    """Record format conversion reads its schema from Glue in the role's name."""
    iam, glue, firehose = admin("iam"), admin("glue"), admin("firehose")
    admin("s3").create_bucket(Bucket="converted")
    glue.create_database(DatabaseInput={"Name": "locks"})
    columns = [{"Name": "id", "Type": "bigint"}]
    glue.create_table(DatabaseName="locks", TableInput={"Name": "rows", "StorageDescriptor": {"Columns": columns}})
    iam.create_role(RoleName="conv", AssumeRolePolicyDocument=trust("firehose.amazonaws.com"))
    iam.put_role_policy(RoleName="conv", PolicyName="s3", PolicyDocument=policy(allow("s3:PutObject")))
    role = f"arn:aws:iam::{ACCOUNT}:role/conv"
    firehose.create_delivery_stream(DeliveryStreamName="conv", ExtendedS3DestinationConfiguration={
        "RoleARN": role, "BucketARN": "arn:aws:s3:::converted", "BufferingHints": {"IntervalInSeconds": 1, "SizeInMBs": 64},
        "DataFormatConversionConfiguration": {
            "Enabled": True,
            "SchemaConfiguration": {"RoleARN": role, "DatabaseName": "locks", "TableName": "rows", "Region": REGION},
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}}}})
    firehose.put_record(DeliveryStreamName="conv", Record={"Data": b'{"id": 1}'})
    lacking = "assumed-role/conv/conv is not authorized to perform: glue:GetTable"
    wait_for(lambda: lacking in locked.log_text(), what="the role may not read the table")
    assert not locked.lake("converted")
    tables = [arn("glue", "catalog"), arn("glue", "database/locks"), arn("glue", "table/locks/rows")]
    iam.put_role_policy(RoleName="conv", PolicyName="glue", PolicyDocument=policy(allow(["glue:GetTable", "glue:GetTableVersions"], tables)))
    wait_for(lambda: locked.lake("converted"), what="it converts when its role is mended")


def test_a_key_may_be_for_one_service_alone(locked, admin):
    """kms:ViaService: whoever reads a sealed stream may do so only through Kinesis."""
    kms, iam, kinesis, functions = admin("kms"), admin("iam"), admin("kinesis"), admin("lambda")
    key, sealed = kms.create_key()["KeyMetadata"], stream(admin, "via")
    kinesis.start_stream_encryption(StreamName="via", EncryptionType="KMS", KeyId=key["KeyId"])
    through = lambda service: {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
    may = lambda service: policy(allow("kinesis:*", sealed), allow("logs:*"), allow("kms:Decrypt", key["Arn"], Condition=through(service)))
    iam.create_role(RoleName="via", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    iam.put_role_policy(RoleName="via", PolicyName="p", PolicyDocument=may("sqs"))
    functions.create_function(FunctionName="via", Runtime="python3.13", Role=f"arn:aws:iam::{ACCOUNT}:role/via",
                              Handler="app.handler", Code={"ZipFile": package()})
    functions.get_waiter("function_active_v2").wait(FunctionName="via", WaiterConfig={"Delay": 1})
    uuid = functions.create_event_source_mapping(
        EventSourceArn=sealed, FunctionName="via", StartingPosition="TRIM_HORIZON")["UUID"]
    result = lambda: functions.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]
    wait_for(lambda: "PROBLEM: Cannot access stream" in result(), what="the key is for SQS alone")
    iam.put_role_policy(RoleName="via", PolicyName="p", PolicyDocument=may("kinesis"))
    kinesis.put_record(StreamName="via", Data=b"x", PartitionKey="k")
    wait_for(lambda: "Cannot access" not in result(), what="the mapping reads through Kinesis")
    # Whoever asks KMS itself does so through nobody.
    vic = person(admin, "vic", policy(allow(["kms:Encrypt", "kms:Decrypt"], key["Arn"], Condition=through("kinesis"))))
    code, message, _ = refusal(lambda: vic.client(locked, "kms").encrypt(KeyId=key["KeyId"], Plaintext=b"x"))
    assert code == "AccessDeniedException" and "no identity-based policy allows" in message
