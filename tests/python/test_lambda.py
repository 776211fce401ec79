"""Lambda's API through boto3 and the AWS CLI: functions as anyone writes them, from their zip to their logs."""

import base64
import hashlib
import io
import json
import re
import threading
import time
import urllib.request
import zipfile

import botocore.exceptions
import pytest

ROLE = "arn:aws:iam::000000000000:role/lambda"
ECHO = """
import os

def handler(event, context):
    print("handling", event)
    if event.get("fail"):
        raise ValueError("as asked")
    return {"event": event, "version": context.function_version, "arn": context.invoked_function_arn,
            "greeting": os.environ.get("GREETING"), "client": getattr(context.client_context, "custom", None)}
"""
PREFIX = "arn:aws:lambda:us-east-1:000000000000:function"


def package(source=ECHO, name="app.py"):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), source)
    return content.getvalue()


@pytest.fixture
def lam(server):
    return server.client("lambda")


@pytest.fixture
def create(lam, unique):
    made = []

    def create(source=ECHO, wait=True, **more):
        name = unique("function")
        settings = {"Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Timeout": 20} | more
        answer = lam.create_function(FunctionName=name, Code={"ZipFile": package(source)}, **settings)
        made.append(name)
        if wait:
            active(lam, name)
        return answer

    yield create
    for name in made:
        try:
            lam.delete_function(FunctionName=name)
        except lam.exceptions.ResourceNotFoundException:
            pass


def active(lam, name):
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def updated(lam, name):
    lam.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def invoke(lam, name, event=None, **more):
    answer = lam.invoke(FunctionName=name, Payload=json.dumps(event or {}), **more)
    return answer, json.loads(answer["Payload"].read() or "null")


def refused(error, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == error, caught.value
    return caught.value.response["Error"]["Message"]


def test_a_function_from_its_zip_to_its_logs(server, lam, create, eventually):
    created = create(wait=False, Environment={"Variables": {"GREETING": "hello"}}, Tags={"team": "lake"})
    name = created["FunctionName"]
    assert created["FunctionArn"] == f"{PREFIX}:{name}"
    assert (created["Version"], created["State"], created["StateReasonCode"]) == ("$LATEST", "Pending", "Creating")
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(package()).digest()).decode()
    assert created["CodeSize"] == len(package())
    active(lam, name)

    answer, result = invoke(lam, name, {"n": 1}, LogType="Tail")
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer
    assert result == {"event": {"n": 1}, "version": "$LATEST", "arn": f"{PREFIX}:{name}", "greeting": "hello", "client": None}
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "handling {'n': 1}" in tail and "REPORT RequestId: " in tail

    failed, error = invoke(lam, name, {"fail": True})
    assert failed["StatusCode"] == 200 and failed["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "as asked")

    about = lam.get_function(FunctionName=name)
    assert about["Tags"] == {"team": "lake"} and about["Configuration"]["State"] == "Active"
    with urllib.request.urlopen(about["Code"]["Location"]) as answer:
        assert answer.read() == package()

    logs = server.client("logs")
    found = lambda: logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="handling")["events"]
    events = eventually(lambda: len(found()) == 2 and found(), what="both lines")
    assert events[0]["message"] == "handling {'n': 1}\n"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", events[0]["logStreamName"])

    lam.delete_function(FunctionName=name)
    assert refused("ResourceNotFoundException", lam.invoke, FunctionName=name) == f"Function not found: {PREFIX}:{name}"


def test_invocation_types(lam, create, server, eventually):
    name = create()["FunctionName"]
    answer, _ = invoke(lam, name, {"n": 7}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    logs = server.client("logs")

    def ran():
        try:
            return logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern='"\'n\': 7"')["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None

    eventually(ran, what="the event to be handled")
    answer, _ = invoke(lam, name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    context = base64.b64encode(json.dumps({"custom": {"a": 1}}).encode()).decode()
    assert invoke(lam, name, ClientContext=context)[1]["client"] == {"a": 1}
    # Without a payload the event is an empty object.
    assert json.loads(lam.invoke(FunctionName=name)["Payload"].read())["event"] == {}
    refused("InvalidRequestContentException", lam.invoke, FunctionName=name, Payload=b"{")
    words = refused("RequestTooLargeException", lam.invoke, FunctionName=name, InvocationType="Event",
                    Payload=json.dumps("x" * 1024 * 1024))
    assert "too large for the Event invocation type (limit 1048576 bytes)" in words
    refused("RequestTooLargeException", lam.invoke, FunctionName=name, Payload=json.dumps("x" * 6 * 1024 * 1024))
    for form in [f"000000000000:function:{name}", f"{PREFIX}:{name}", f"{PREFIX}:{name}:$LATEST"]:
        assert invoke(lam, form)[0]["StatusCode"] == 200


def test_updates_versions_and_aliases(lam, create):
    created = create(Publish=True)
    name = created["FunctionName"]
    assert created["Version"] == "1" and created["FunctionArn"] == f"{PREFIX}:{name}:1"
    dry = lam.update_function_code(FunctionName=name, ZipFile=package("def handler(e, c): return 'two'"), DryRun=True)
    assert lam.get_function_configuration(FunctionName=name)["CodeSha256"] != dry["CodeSha256"]
    updating = lam.update_function_code(FunctionName=name, ZipFile=package("def handler(e, c): return 'two'"))
    assert updating["LastUpdateStatus"] == "InProgress" and updating["CodeSha256"] == dry["CodeSha256"]
    updated(lam, name)
    assert invoke(lam, name)[1] == "two"
    assert invoke(lam, name, Qualifier="1")[1]["version"] == "1"
    revision = lam.get_function_configuration(FunctionName=name)["RevisionId"]
    words = refused("PreconditionFailedException", lam.update_function_configuration, FunctionName=name, RevisionId="other")
    assert words.startswith("The Revision Id provided does not match the latest Revision Id.")
    lam.update_function_configuration(FunctionName=name, Description="the second", RevisionId=revision)
    updated(lam, name)
    second = lam.publish_version(FunctionName=name)
    assert second["Version"] == "2" == lam.publish_version(FunctionName=name)["Version"]
    assert [v["Version"] for v in lam.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST", "1", "2"]

    alias = lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert alias["AliasArn"] == f"{PREFIX}:{name}:live"
    assert invoke(lam, f"{name}:live")[1]["arn"] == f"{PREFIX}:{name}:live"
    lam.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    answer, result = invoke(lam, name, Qualifier="live")
    assert (answer["ExecutedVersion"], result) == ("2", "two")
    words = refused("ResourceConflictException", lam.create_alias, FunctionName=name, Name="live", FunctionVersion="1")
    assert words == f"Alias already exists: {PREFIX}:{name}:live"
    refused("ResourceConflictException", lam.delete_function, FunctionName=name, Qualifier="2")
    assert [a["Name"] for a in lam.list_aliases(FunctionName=name)["Aliases"]] == ["live"]
    lam.delete_alias(FunctionName=name, Name="live")
    words = refused("ResourceNotFoundException", lam.get_alias, FunctionName=name, Name="live")
    assert words == f"Cannot find alias arn: {PREFIX}:{name}:live"
    lam.delete_function(FunctionName=name, Qualifier="1")
    refused("ResourceNotFoundException", lam.get_function, FunctionName=name, Qualifier="1")


def test_what_ran_runs_on_until_an_update_is_ready(lam, create):
    name = create()["FunctionName"]
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "new"}})
    assert invoke(lam, name)[0]["StatusCode"] == 200
    updated(lam, name)
    assert invoke(lam, name)[1]["greeting"] == "new"


def test_concurrency_is_kept_and_bounded(lam, create):
    name = create("import time\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n")["FunctionName"]
    invoke(lam, name)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    assert lam.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 1
    busy = threading.Thread(target=invoke, args=(lam, name, {"s": 2}))
    busy.start()
    time.sleep(1)
    with pytest.raises(lam.exceptions.TooManyRequestsException) as caught:
        invoke(lam, name)
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    busy.join()
    lam.delete_function_concurrency(FunctionName=name)
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName=name)
    refused("InvalidParameterValueException", lam.put_function_concurrency, FunctionName=name,
            ReservedConcurrentExecutions=901)


def test_layers_are_laid_under_the_code(lam, create, unique):
    name = unique("layer")
    layer = lam.publish_layer_version(
        LayerName=name, Content={"ZipFile": package("VALUE = 'from the layer'", "python/shared.py")},
        CompatibleRuntimes=["python3.12"],
    )
    assert layer["Version"] == 1 and layer["LayerVersionArn"].endswith(f":layer:{name}:1")
    function = create("import shared\ndef handler(e, c): return shared.VALUE", Layers=[layer["LayerVersionArn"]])
    assert function["Layers"][0]["Arn"] == layer["LayerVersionArn"]
    lam.delete_layer_version(LayerName=name, VersionNumber=1)
    assert invoke(lam, function["FunctionName"])[1] == "from the layer"
    refused("ResourceNotFoundException", lam.get_layer_version, LayerName=name, VersionNumber=1)
    again = lam.publish_layer_version(LayerName=name, Content={"ZipFile": package("VALUE = 2", "python/shared.py")})
    assert again["Version"] == 2
    by_arn = lam.get_layer_version_by_arn(Arn=again["LayerVersionArn"])
    with urllib.request.urlopen(by_arn["Content"]["Location"]) as answer:
        assert hashlib.sha256(answer.read()).digest() == base64.b64decode(by_arn["Content"]["CodeSha256"])
    assert name in [layer["LayerName"] for layer in lam.list_layers()["Layers"]]


def test_policies_settings_and_tags(lam, create):
    created = create()
    name, arn = created["FunctionName"], created["FunctionArn"]
    grant = {"FunctionName": name, "StatementId": "sns", "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"}
    statement = json.loads(lam.add_permission(**grant)["Statement"])
    assert statement == {"Sid": "sns", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
                         "Action": "lambda:InvokeFunction", "Resource": arn}
    assert json.loads(lam.get_policy(FunctionName=name)["Policy"])["Statement"] == [statement]
    assert "already exists" in refused("ResourceConflictException", lam.add_permission, **grant)
    lam.remove_permission(FunctionName=name, StatementId="sns")
    refused("ResourceNotFoundException", lam.get_policy, FunctionName=name)

    queue = "arn:aws:sqs:us-east-1:000000000000:failed"
    put = lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert put["MaximumRetryAttempts"] == 0 and put["FunctionArn"] == f"{arn}:$LATEST"
    lam.update_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": queue}})
    got = lam.get_function_event_invoke_config(FunctionName=name)
    assert (got["MaximumRetryAttempts"], got["DestinationConfig"]["OnFailure"]["Destination"]) == (0, queue)
    lam.delete_function_event_invoke_config(FunctionName=name)
    refused("ResourceNotFoundException", lam.get_function_event_invoke_config, FunctionName=name)

    lam.tag_resource(Resource=arn, Tags={"a": "1", "b": "2"})
    lam.untag_resource(Resource=arn, TagKeys=["a"])
    assert lam.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert lam.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000


def test_what_terraform_reads_is_there(lam, create):
    name = create()["FunctionName"]
    assert lam.get_function_code_signing_config(FunctionName=name)["FunctionName"] == name
    assert lam.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    assert lam.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    refused("ResourceNotFoundException", lam.get_function_code_signing_config, FunctionName=name + "-none")


def test_what_is_wrong_is_said_in_awss_words(lam, create):
    def wrong(error, **more):
        return refused(error, create, **more)

    assert "at 'timeout' failed to satisfy constraint" in wrong("ValidationException", Timeout=901)
    assert "less than or equal to 10240" in wrong("ValidationException", MemorySize=10241)
    runtime = wrong("InvalidParameterValueException", Runtime="cobol74")
    assert runtime.startswith("Value cobol74 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set")
    reserved = wrong("InvalidParameterValueException", Environment={"Variables": {"AWS_REGION": "x"}})
    assert reserved.endswith("Reserved keys used in this request: AWS_REGION")
    assert "4KB limit" in wrong("InvalidParameterValueException", Environment={"Variables": {"LARGE": "x" * 4096}})
    assert "regular expression" in wrong("ValidationException", Role="nobody")
    layer = "arn:aws:lambda:us-east-1:000000000000:layer:none:1"
    assert wrong("InvalidParameterValueException", Layers=[layer]) == f"Layer version {layer} does not exist."
    wrong("UnsupportedOperationException", VpcConfig={"SubnetIds": ["subnet-1"]})
    wrong("UnsupportedOperationException", TracingConfig={"Mode": "Active"})
    name = create()["FunctionName"]
    message = refused("ResourceConflictException", lam.create_function, FunctionName=name, Role=ROLE, Runtime="python3.12",
                      Handler="app.handler", Code={"ZipFile": package()})
    assert message == f"Function already exist: {name}"
    assert "unzip" in refused("InvalidParameterValueException", lam.update_function_code, FunctionName=name, ZipFile=b"no zip")
    message = refused("InvalidParameterValueException", lam.update_function_code, FunctionName=name, S3Bucket="none-such", S3Key="k")
    assert message.startswith("Error occurred while GetObject. S3 Error Code: NoSuchKey.")
    abroad = f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"
    message = refused("ResourceNotFoundException", lam.get_function, FunctionName=abroad)
    assert message == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"


def test_metrics_of_invocations(server, lam, create):
    name = create()["FunctionName"]
    invoke(lam, name)
    invoke(lam, name, {"fail": True})
    watch = server.client("cloudwatch")
    dimensions = [{"Name": "FunctionName", "Value": name}]
    names = {m["MetricName"] for m in watch.list_metrics(Namespace="AWS/Lambda", Dimensions=dimensions)["Metrics"]}
    assert {"Invocations", "Errors", "Duration", "ConcurrentExecutions"} <= names
    now = time.time()
    stat = lambda id, name, stat: {"Id": id, "MetricStat": {
        "Metric": {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}, "Period": 60, "Stat": stat}}
    queries = [stat("i", "Invocations", "Sum"), stat("e", "Errors", "Sum")]
    data = watch.get_metric_data(MetricDataQueries=queries, StartTime=now - 600, EndTime=now + 60)["MetricDataResults"]
    assert {result["Id"]: sum(result["Values"]) for result in data} == {"i": 2, "e": 1}


def test_functions_survive_kill9(start_server):
    server = start_server()
    lam = server.client("lambda")
    lam.create_function(FunctionName="f", Code={"ZipFile": package()}, Runtime="python3.12", Handler="app.handler", Role=ROLE,
                        Timeout=20, Publish=True)
    active(lam, "f")
    before = lam.get_function_configuration(FunctionName="f")
    invoke(lam, "f", {"n": 1})
    logs = server.client("logs")
    found = lambda: logs.filter_log_events(logGroupName="/aws/lambda/f", filterPattern="handling")["events"]
    end = time.time() + 20
    while not (lines := found()) and time.time() < end:
        time.sleep(0.05)
    server.kill9()
    server.start()
    after = lam.get_function_configuration(FunctionName="f")
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}
    assert found() == lines and len(lines) == 1
    assert invoke(lam, "f:1", {"n": 2})[1]["version"] == "1"


def test_the_cli_deploys_and_invokes(server, unique, tmp_path):
    name = unique("cli")
    (tmp_path / "f.zip").write_bytes(package())
    out = tmp_path / "out.json"

    def aws(*words):
        done = server.aws(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    aws("lambda", "create-function", "--function-name", name, "--runtime", "python3.12", "--handler", "app.handler",
        "--zip-file", f"fileb://{tmp_path / 'f.zip'}", "--role", ROLE, "--timeout", "20")
    aws("lambda", "wait", "function-active-v2", "--function-name", name)
    aws("lambda", "invoke", "--function-name", name, "--payload", '{"from": "cli"}', str(out))
    assert json.loads(out.read_text())["event"] == {"from": "cli"}
    assert name in aws("lambda", "list-functions", "--query", "Functions[].FunctionName", "--output", "text")
    aws("lambda", "delete-function", "--function-name", name)


def test_code_comes_from_a_bucket(server, lam, create, unique):
    bucket = unique("code")
    folder = server.data / "lake" / bucket
    folder.mkdir(parents=True)
    (folder / "f.zip").write_bytes(package("def handler(e, c): return 'from the bucket'"))
    name = create()["FunctionName"]
    lam.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="f.zip")
    updated(lam, name)
    assert invoke(lam, name)[1] == "from the bucket"


def test_functions_of_two_accounts_do_not_meet(server, lam, create):
    name = create()["FunctionName"]
    other = server.client("lambda", account="111111111111")
    assert name not in [f["FunctionName"] for f in other.list_functions()["Functions"]]
    refused("ResourceNotFoundException", other.invoke, FunctionName=name)
    refused("AccessDeniedException", other.invoke, FunctionName=f"{PREFIX}:{name}")
    pages = lam.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    assert name in [f["FunctionName"] for page in pages for f in page["Functions"]]
