"""Functions within other services: Firehose's Lambda transformation, and a Lambda function called from SQL."""

import io
import json
import sys
import zipfile

import pytest

from conftest import ACCOUNT, REGION, put_all, wait_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

TRANSFORM = '''
import base64, json

def handler(event, context):
    out = []
    for record in event["records"]:
        order = json.loads(base64.b64decode(record["data"]))
        if order["kind"] == "test":
            out.append({"recordId": record["recordId"], "result": "Dropped"})
        elif order["kind"] == "bad":
            out.append({"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]})
        else:
            order["source"] = record["kinesisRecordMetadata"]["partitionKey"]
            data = base64.b64encode(json.dumps(order).encode() + b"\\n").decode()
            keys = {"partitionKeys": {"kind": order["kind"]}}
            out.append({"recordId": record["recordId"], "result": "Ok", "data": data, "metadata": keys})
    return {"records": out}
'''

SCORE = '''
import json

def handler(event, context):
    results = []
    for customer, amount in event["arguments"]:
        if customer == "boom":
            return json.dumps({"success": False, "error_msg": "no score for boom"})
        results.append(None if amount is None else round(amount * len(customer), 2))
    return json.dumps({"success": True, "num_records": event["num_records"], "results": results})

def plain(event, context):
    return json.loads(handler(event, context))
'''


def code(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("main.py", text)
    return {"ZipFile": out.getvalue()}


@pytest.fixture
def function(server, unique):
    """Makes a function of some Python and gives its name, once it can be called."""
    client = server.client("lambda")

    def make(text, handler="main.handler"):
        name = unique("function")
        client.create_function(
            FunctionName=name, Runtime=RUNTIME, Handler=handler, Role=ROLE, Timeout=10, Code=code(text)
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return name

    return make


def processors(arn, **more):
    parameters = {"LambdaArn": arn, "BufferIntervalInSeconds": "0", "NumberOfRetries": "1"} | more
    listed = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": listed}]}


def deliver(server, stream, bucket, arn):
    """A delivery stream from a stream through a function into folders that the function names."""
    server.client("firehose").create_delivery_stream(
        DeliveryStreamName=stream, DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}", "RoleARN": ROLE,
        },
        ExtendedS3DestinationConfiguration={
            "BucketARN": f"arn:aws:s3:::{bucket}", "RoleARN": ROLE,
            "Prefix": "kind=!{partitionKeyFromLambda:kind}/", "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 1},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": processors(arn),
        },
    )


def lines(server, bucket, prefix):
    """The JSON lines of all objects below a prefix."""
    objects = [path for path in server.lake(bucket) if prefix in str(path)]
    return [json.loads(line) for path in objects for line in path.read_text().splitlines()]


def all_lines(server, bucket, prefix, count):
    """Those lines once there are so many, else nothing."""
    found = lines(server, bucket, prefix)
    return found if len(found) >= count else None


def make_bucket(server, name, tmp_path):
    template = tmp_path / "bucket.yaml"
    properties = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    template.write_text(json.dumps({"Resources": {"Lake": properties}}))
    done = server.millrace("deploy", template, "--stack", name)
    assert done.returncode == 0, done.stderr


def test_firehose_asks_a_function_and_delivers_what_it_answers(server, function, unique, tmp_path):
    stream, bucket = server.create_stream(unique("orders")), unique("lake")
    make_bucket(server, bucket, tmp_path)
    name = function(TRANSFORM)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    deliver(server, stream, bucket, arn)
    shown = server.client("firehose").describe_delivery_stream(DeliveryStreamName=stream)
    destination = shown["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert destination["ProcessingConfiguration"] == processors(arn)

    kinds = ["gold", "silver", "test", "bad"]
    orders = [{"id": number, "kind": kinds[number % 4]} for number in range(400)]
    put_all(server.client("kinesis"), stream, [(json.dumps(order).encode(), f"k{order['id']}") for order in orders])
    for kind in ("gold", "silver"):
        wanted = [order["id"] for order in orders if order["kind"] == kind]
        found = wait_for(lambda: all_lines(server, bucket, f"kind={kind}/", len(wanted)), what=f"orders of kind {kind}")
        assert sorted(order["id"] for order in found) == wanted
        assert all(order["source"] == f"k{order['id']}" for order in found)
    failed = wait_for(lambda: all_lines(server, bucket, "errors/processing-failed/", 100), what="failures below errors/")
    assert len(failed) == 100
    assert {failure["errorCode"] for failure in failed} == {"Lambda.ProcessingFailedStatus"}
    assert {failure["lambdaArn"] for failure in failed} == {arn}


def test_a_template_deploys_both_and_what_a_broken_function_gets_is_set_aside(server, unique, tmp_path):
    stream, bucket, name = unique("orders"), unique("lake"), unique("broken")
    code = {"ZipFile": "def handler(event, context):\n    raise ValueError('out of ideas')\n"}
    arn = {"Fn::GetAtt": ["Function", "Arn"]}
    source = {"KinesisStreamARN": {"Fn::GetAtt": ["Orders", "Arn"]}, "RoleARN": ROLE}
    destination = {
        "BucketARN": {"Fn::GetAtt": ["Lake", "Arn"]}, "RoleARN": ROLE, "Prefix": "data/", "ErrorOutputPrefix": "errors/",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}, "ProcessingConfiguration": processors(arn),
    }
    resources = {
        "Orders": ("AWS::Kinesis::Stream", {"Name": stream, "ShardCount": 1}),
        "Lake": ("AWS::S3::Bucket", {"BucketName": bucket}),
        "Function": ("AWS::Lambda::Function", {
            "FunctionName": name, "Runtime": RUNTIME, "Handler": "index.handler", "Role": ROLE, "Code": code,
        }),
        "Delivery": ("AWS::KinesisFirehose::DeliveryStream", {
            "DeliveryStreamName": stream, "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": source, "ExtendedS3DestinationConfiguration": destination,
        }),
    }
    template = tmp_path / "delivery.yaml"
    listed = {key: {"Type": kind, "Properties": properties} for key, (kind, properties) in resources.items()}
    template.write_text(json.dumps({"Resources": listed}))
    done = server.millrace("deploy", template, "--stack", stream)
    assert done.returncode == 0, done.stderr
    put_all(server.client("kinesis"), stream, [(b'{"id": 1}', "k")])
    failed = wait_for(lambda: lines(server, bucket, "errors/processing-failed/"), what="the failure below errors/")
    assert failed[0]["errorCode"] == "Lambda.FunctionError" and failed[0]["attemptsMade"] == 2
    assert "out of ideas" in failed[0]["errorMessage"]
    assert failed[0]["lambdaArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def script(orders, scored, name, options=""):
    table = "'connector' = 'kinesis', 'aws.region' = 'us-east-1', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json'"
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream"
    return f"""
        CREATE TABLE orders (id BIGINT, customer STRING, amount DECIMAL(10, 2))
          WITH ({table}, 'stream.arn' = '{arn}/{orders}');
        CREATE EXTERNAL FUNCTION score (STRING, DOUBLE) RETURNS DOUBLE LAMBDA '{name}' {options};
        SELECT id, score(customer, amount) AS s FROM orders WHERE id < 1000 LIMIT {scored};
    """


def rows(said):
    """The ids and scores of the rows that `millrace sql` shows."""
    cells = [[cell.strip() for cell in line.split("|")] for line in said.splitlines() if line.count("|") == 1]
    return [(number, score) for number, score in cells if number.isdigit()]


def test_sql_calls_a_function_in_batches_and_keeps_the_order(server, function, unique):
    orders = server.create_stream(unique("orders"))
    sent = [{"id": number, "customer": "c" * (number % 5 + 1), "amount": None if number % 7 == 0 else number / 4}
            for number in range(300)]
    put_all(server.client("kinesis"), orders, [(json.dumps(order).encode(), "k") for order in sent])
    name = function(SCORE, "main.plain")
    done = server.millrace("sql", stdin=script(orders, 300, name, "WITH ('batch.rows' = '16', 'in-flight' = '3')"))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = rows(done.stdout)
    assert [int(number) for number, _ in shown] == list(range(300)), done.stdout[:2000]
    for (_, score), order in zip(shown, sent):
        if order["amount"] is None:
            assert score == "NULL"
        else:
            # DECIMAL(10, 2) rounds what it reads.
            assert abs(float(score) - round(order["amount"] + 1e-9, 2) * len(order["customer"])) < 0.1


def test_sql_says_what_a_failing_function_says(server, function, unique):
    orders = server.create_stream(unique("orders"))
    put_all(server.client("kinesis"), orders, [(b'{"id": 1, "customer": "boom", "amount": 1}', "k")])
    name = function(SCORE, "main.plain")
    strict = server.millrace("sql", stdin=script(orders, 1, name, "WITH ('retries' = '1')"))
    said = strict.stdout + strict.stderr
    assert rows(strict.stdout) == [] and "no score for boom" in said and "failed 2 times" in said, said
    lenient = server.millrace("sql", stdin=script(orders, 1, name, "WITH ('retries' = '0', 'on-error' = 'null')"))
    assert lenient.returncode == 0 and [number for number, _ in rows(lenient.stdout)] == ["1"], lenient.stdout
