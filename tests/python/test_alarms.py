"""CloudWatch's alarms through boto3 and the AWS CLI: states, what they follow from, and what they do."""

import configparser
import datetime
import http.server
import io
import json
import pathlib
import threading
import time
import urllib.parse
import urllib.request
import zipfile

import boto3
import botocore.exceptions
import pytest

ACCOUNT = "000000000000"
PREFIX = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"


@pytest.fixture
def cw(server):
    return server.client("cloudwatch")


@pytest.fixture
def put(cw, unique):
    """Defines an alarm on a metric of its own: put(Statistic="Sum", …) → (its name, a function that puts values)."""
    made = []

    def put(values=True, **settings):
        name = settings.pop("AlarmName", None) or unique("alarm")
        alarm = {
            "AlarmName": name, "Namespace": name, "MetricName": "Age", "Statistic": "Maximum", "Period": 10,
            "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanThreshold",
        } | settings
        alarm = {member: value for member, value in alarm.items() if value is not None}
        cw.put_metric_alarm(**alarm)
        made.append(name)

        def give(*values, metric="Age", ago=0):
            moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago)
            data = [{"MetricName": metric, "Value": value, "Timestamp": moment, "StorageResolution": 1} for value in values]
            cw.put_metric_data(Namespace=name, MetricData=data)

        return name, give

    yield put
    cw.delete_alarms(AlarmNames=made)


def alarm(cw, name):
    found = cw.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return (found["MetricAlarms"] + found["CompositeAlarms"])[0]


def state(cw, name):
    return alarm(cw, name)["StateValue"]


def becomes(cw, eventually, name, wanted, seconds=20):
    eventually(lambda: state(cw, name) == wanted, seconds, f"{name} to be {wanted}")
    return alarm(cw, name)


def set_state(cw, name, value, reason="by hand"):
    cw.set_alarm_state(AlarmName=name, StateValue=value, StateReason=reason)


def history(cw, name, kind, **more):
    return cw.describe_alarm_history(AlarmName=name, HistoryItemType=kind, **more)["AlarmHistoryItems"]


@pytest.fixture
def inbox(server, unique):
    """A queue: its ARN, and a function that waits for so many messages and gives their bodies."""
    sqs = server.client("sqs")
    name = unique("inbox")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    def messages(count=1, seconds=20):
        bodies, end = [], time.monotonic() + seconds
        while len(bodies) < count:
            assert time.monotonic() < end, f"{len(bodies)} of {count} messages after {seconds} s: {bodies}"
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(json.loads(message["Body"]))
        return bodies

    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}", messages


class Webhook:
    """What a webhook got; it keeps silent while `answers` is not set."""

    def __init__(self):
        self.got, self.times, self.answers, self.status = [], [], threading.Event(), 200
        self.answers.set()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.times.append(time.monotonic())
                hook.got.append(body)
                hook.answers.wait(30)
                try:
                    self.send_response(hook.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alarms"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def webhook():
    hook = Webhook()
    yield hook
    hook.answers.set()
    hook.server.shutdown()


def test_an_alarm_as_operators_type_it(server, cw, unique, eventually):
    stream = server.create_stream(unique("orders"))
    name = unique("orders-iterator-age-high")
    words = (
        f"cloudwatch put-metric-alarm --alarm-name {name} --namespace AWS/Kinesis "
        f"--metric-name GetRecords.IteratorAgeMilliseconds --dimensions Name=StreamName,Value={stream} "
        "--statistic Maximum --period 60 --evaluation-periods 5 --threshold 60000 "
        "--comparison-operator GreaterThanThreshold"
    )
    done = server.aws(*words.split())
    assert done.returncode == 0, done.stderr
    told = json.loads(server.aws("cloudwatch", "describe-alarms", "--alarm-names", name).stdout)["MetricAlarms"][0]
    assert (told["StateValue"], told["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert told["AlarmArn"] == f"{PREFIX}:{name}"
    found = cw.describe_alarms_for_metric(
        Namespace="AWS/Kinesis", MetricName="GetRecords.IteratorAgeMilliseconds",
        Dimensions=[{"Name": "StreamName", "Value": stream}],
    )["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == [name]
    cw.delete_alarms(AlarmNames=[name])
    assert cw.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


def test_a_breach_goes_to_a_topic_a_queue_and_a_webhook(server, cw, put, unique, inbox, webhook, eventually):
    arn, messages = inbox
    sns = server.client("sns")
    topic = sns.create_topic(Name=unique("page"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name, give = put(AlarmActions=[topic, arn, webhook.url], Unit="None", AlarmDescription="ages", DatapointsToAlarm=1)
    began = time.monotonic()
    give(21.5)
    bodies = messages(2)
    eventually(lambda: webhook.got, what="the webhook")
    assert webhook.times[0] - began < 8, "a maximum breaches inside its period"
    envelope = next(body for body in bodies if "TopicArn" in body)
    assert envelope["Subject"] == f'ALARM: "{name}" in US East (N. Virginia)'
    direct = next(body for body in bodies if "TopicArn" not in body)
    assert json.loads(envelope["Message"]) == direct == webhook.got[0]
    assert direct["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [21.5 (")
    reason = "was greater than the threshold (10.0) (minimum 1 datapoint for OK -> ALARM transition)."
    assert direct["NewStateReason"].endswith(reason)
    moments = {"AlarmConfigurationUpdatedTimestamp", "StateChangeTime", "NewStateReason"}
    assert {member: value for member, value in direct.items() if member not in moments} == {
        "AlarmName": name, "AlarmDescription": "ages", "AWSAccountId": ACCOUNT, "NewStateValue": "ALARM",
        "Region": "US East (N. Virginia)", "AlarmArn": f"{PREFIX}:{name}", "OldStateValue": "INSUFFICIENT_DATA",
        "ActionExecutedAfterMuteWindow": False, "OKActions": [], "AlarmActions": [topic, arn, webhook.url],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "Age", "Namespace": name, "StatisticType": "Statistic", "Statistic": "MAXIMUM", "Unit": "None",
            "Dimensions": [], "Period": 10, "EvaluationPeriods": 1, "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": 10.0, "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }
    eventually(lambda: len(history(cw, name, "Action")) == 3, what="three actions in the history")
    item = next(item for item in history(cw, name, "Action") if arn in item["HistorySummary"])
    assert item["HistorySummary"] == f"Successfully executed action {arn}"
    data = json.loads(item["HistoryData"])
    assert (data["actionState"], data["notificationResource"]) == ("Succeeded", arn)
    assert json.loads(data["publishedMessage"]) == direct


def test_a_function_gets_an_event(server, cw, put, unique, inbox):
    arn, messages = inbox
    lam = server.client("lambda")
    source = """
def handler(event, context):
    return event
"""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", (2026, 1, 1, 0, 0, 0)), source)
    function = unique("pager")
    made = lam.create_function(
        FunctionName=function, Runtime="python3.12", Handler="app.handler", Role=ROLE, Code={"ZipFile": code.getvalue()},
    )
    # What came of an event goes to the queue with the event itself.
    lam.put_function_event_invoke_config(FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": arn}})
    name, _ = put(AlarmActions=[made["FunctionArn"]], AlarmDescription="to a function", Statistic="Average", Period=60)
    set_state(cw, name, "ALARM", "testing alarm")
    event = messages()[0]["requestPayload"]
    times = [event.pop("time"), event["alarmData"]["state"].pop("timestamp")]
    times.append(event["alarmData"]["previousState"].pop("timestamp"))
    assert all(datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%f%z") for moment in times)
    assert event == {
        "source": "aws.cloudwatch", "alarmArn": f"{PREFIX}:{name}", "accountId": ACCOUNT, "region": "us-east-1",
        "alarmData": {
            "alarmName": name,
            "state": {"value": "ALARM", "reason": "testing alarm"},
            "previousState": {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation"},
            "configuration": {
                "description": "to a function",
                "metrics": [{
                    "id": "m1", "returnData": True,
                    "metricStat": {
                        "metric": {"namespace": name, "name": "Age", "dimensions": {}}, "period": 60, "stat": "Average",
                    },
                }],
            },
        },
    }
    lam.delete_function(FunctionName=function)


def test_what_cannot_be_done_is_told_in_the_history(cw, put, eventually):
    gone = f"arn:aws:sqs:us-east-1:{ACCOUNT}:nobody"
    name, _ = put(AlarmActions=[gone], Period=60)
    set_state(cw, name, "ALARM")
    eventually(lambda: history(cw, name, "Action"), 10, "the failed action")
    item = history(cw, name, "Action")[0]
    assert item["HistorySummary"].startswith(f"Failed to execute action {gone}. Received error: ")
    assert json.loads(item["HistoryData"])["actionState"] == "Failed"


def test_three_out_of_five_and_back(cw, put, eventually):
    name, give = put(Statistic="Average", EvaluationPeriods=5, DatapointsToAlarm=3, TreatMissingData="notBreaching")
    for ago, value in [(50, 50), (40, 1), (30, 50), (20, 1)]:
        give(value, ago=ago)
    becomes(cw, eventually, name, "OK")
    give(50, ago=10)
    told = becomes(cw, eventually, name, "ALARM")
    assert " out of the last 5 datapoints [" in told["StateReason"]
    assert "(minimum 3 datapoints for OK -> ALARM transition)." in told["StateReason"]
    data = json.loads(told["StateReasonData"])
    assert (data["version"], data["statistic"], data["period"], data["threshold"]) == ("1.0", "Average", 10, 10.0)
    assert data["evaluatedDatapoints"][0].keys() >= {"timestamp", "sampleCount", "value"}
    changes = history(cw, name, "StateUpdate", ScanBy="TimestampAscending")
    assert [item["HistorySummary"] for item in changes] == [
        "Alarm updated from INSUFFICIENT_DATA to OK", "Alarm updated from OK to ALARM",
    ]
    data = json.loads(changes[1]["HistoryData"])
    assert data["oldState"]["stateValue"] == "OK" and data["newState"]["stateReason"] == told["StateReason"]


def test_missing_data_in_four_ways(cw, put, eventually):
    names = {treat: put(TreatMissingData=treat, EvaluationPeriods=2)[0] for treat in
             ("missing", "ignore", "breaching", "notBreaching")}
    for name in (names["missing"], names["ignore"]):
        set_state(cw, name, "OK")
    told = becomes(cw, eventually, names["breaching"], "ALARM")
    lost = "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as "
    assert told["StateReason"] == f"{lost}[Breaching]."
    assert len(json.loads(told["StateReasonData"])["evaluatedDatapoints"]) == 2
    told = becomes(cw, eventually, names["notBreaching"], "OK")
    assert told["StateReason"] == f"{lost}[NonBreaching]."
    told = becomes(cw, eventually, names["missing"], "INSUFFICIENT_DATA")
    assert told["StateReason"] == "Insufficient Data: 2 datapoints were unknown."
    assert state(cw, names["ignore"]) == "OK"


def test_math_over_two_metrics(cw, put, eventually):
    def stat(metric):
        return {"Metric": {"Namespace": name, "MetricName": metric}, "Period": 10, "Stat": "Sum"}

    name, give = put()
    put(AlarmName=name, Namespace=None, MetricName=None, Statistic=None, Period=None, Threshold=5, Metrics=[
        {"Id": "rate", "Expression": "100 * errors / requests", "Label": "error rate"},
        {"Id": "errors", "MetricStat": stat("Errors"), "ReturnData": False},
        {"Id": "requests", "MetricStat": stat("Requests"), "ReturnData": False},
    ])
    give(10, metric="Errors", ago=10)
    give(100, metric="Requests", ago=10)
    told = becomes(cw, eventually, name, "ALARM")
    assert told["StateReason"].startswith("Threshold Crossed: 1 datapoint [10.0 (")
    assert [query["Id"] for query in told["Metrics"]] == ["rate", "errors", "requests"]
    assert "Statistic" not in told and "Period" not in told


def test_a_percentile_of_few_samples(cw, put, eventually):
    watch = {"Statistic": None, "ExtendedStatistic": "p99"}
    every, give = put(**watch)
    patient, give_patient = put(**watch, EvaluateLowSampleCountPercentile="ignore")
    give(50, ago=10)
    give_patient(50, ago=10)
    told = becomes(cw, eventually, every, "ALARM")
    assert told["ExtendedStatistic"] == "p99" and "Statistic" not in told
    assert state(cw, patient) == "INSUFFICIENT_DATA"


def test_metrics_of_minutes_serve_alarms_of_seconds(cw, put, eventually):
    """What `put-metric-data` puts without a storage resolution, under an alarm with a period of ten seconds."""
    name, _ = put(Statistic="Average", TreatMissingData="ignore")
    cw.put_metric_data(Namespace=name, MetricData=[{"MetricName": "Age", "Value": value} for value in (21, 22)])
    told = becomes(cw, eventually, name, "ALARM")
    assert told["StateReason"].startswith("Threshold Crossed: 1 datapoint [21.5 (")
    assert told["StateReason"].endswith(")] was greater than the threshold (10.0).")


def test_a_state_set_by_hand_gives_way_to_the_metric(cw, put, eventually):
    name, give = put(TreatMissingData="notBreaching")
    becomes(cw, eventually, name, "OK")
    set_state(cw, name, "ALARM")
    assert state(cw, name) == "ALARM"
    becomes(cw, eventually, name, "OK")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        set_state(cw, name, "INVALID")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["Error"]["Message"].startswith(
        "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must satisfy enum"
    )
    with pytest.raises(cw.exceptions.ResourceNotFound):
        set_state(cw, "nobody", "OK")


def test_defining_it_again_keeps_its_state_and_tags(cw, put):
    name, _ = put(Period=60, Tags=[{"Key": "team", "Value": "orders"}])
    set_state(cw, name, "ALARM")
    put(AlarmName=name, Period=60, Threshold=20)
    told = alarm(cw, name)
    assert (told["Threshold"], told["StateValue"]) == (20.0, "ALARM")
    arn = told["AlarmArn"]
    assert cw.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "orders"}]
    cw.tag_resource(ResourceARN=arn, Tags=[{"Key": "tier", "Value": "1"}])
    cw.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert cw.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "tier", "Value": "1"}]
    items = history(cw, name, "ConfigurationUpdate")
    assert [item["HistorySummary"] for item in items] == [f'Alarm "{name}" updated', f'Alarm "{name}" created']
    data = json.loads(items[0]["HistoryData"])
    assert (data["type"], data["updatedAlarm"]["threshold"], data["updatedAlarm"]["namespace"]) == ("Update", 20.0, name)


def test_disabled_actions_are_not_carried_out(cw, put, inbox):
    arn, messages = inbox
    name, _ = put(AlarmActions=[arn], OKActions=[arn], Period=60)
    cw.disable_alarm_actions(AlarmNames=[name])
    assert alarm(cw, name)["ActionsEnabled"] is False
    set_state(cw, name, "ALARM")
    cw.enable_alarm_actions(AlarmNames=[name])
    set_state(cw, name, "OK")
    assert [body["NewStateValue"] for body in messages(1)] == ["OK"]
    assert len(history(cw, name, "Action")) <= 1


def test_a_composite_alarm_and_its_suppressor(cw, put, unique, inbox, eventually):
    arn, messages = inbox
    child, other, suppressor = (put(Period=300)[0] for _ in range(3))
    name = unique("composite")
    rule = f"ALARM({child}) OR (ALARM(\"{PREFIX}:{other}\") AND NOT OK({child}))"
    cw.put_composite_alarm(
        AlarmName=name, AlarmRule=rule, AlarmActions=[arn], ActionsSuppressor=suppressor,
        ActionsSuppressorWaitPeriod=2, ActionsSuppressorExtensionPeriod=2,
    )
    told = becomes(cw, eventually, name, "OK")
    assert told["StateReason"] == f"{PREFIX}:{name} was created and its alarm rule evaluates to OK"
    assert cw.describe_alarms(AlarmNames=[name])["CompositeAlarms"] == [], "metric alarms unless types are named"
    children = cw.describe_alarms(ChildrenOfAlarmName=name)["MetricAlarms"]
    assert {found["AlarmName"] for found in children} == {child, other}
    set_state(cw, suppressor, "ALARM", "deployment")
    set_state(cw, child, "ALARM")
    told = becomes(cw, eventually, name, "ALARM")
    assert told["StateReason"].startswith(f"{PREFIX}:{child} transitioned to ALARM at ")
    triggering = json.loads(told["StateReasonData"])["triggeringAlarms"]
    assert [(found["arn"], found["state"]["value"]) for found in triggering] == [(f"{PREFIX}:{child}", "ALARM")]
    assert (told["ActionsSuppressedBy"], told["ActionsSuppressedReason"]) == ("Alarm", "Actions suppressed by Alarm")
    set_state(cw, suppressor, "OK", "deployed")
    set_state(cw, child, "ALARM")
    eventually(lambda: alarm(cw, name).get("ActionsSuppressedBy") == "ExtensionPeriod", 10, "the extension period")
    body = messages()[0]
    assert (body["AlarmRule"], body["NewStateValue"]) == (rule, "ALARM")
    assert body["TriggeringChildren"][0]["Arn"] == f"{PREFIX}:{child}"
    with pytest.raises(botocore.exceptions.ClientError, match="depends on it"):
        cw.delete_alarms(AlarmNames=[child])
    with pytest.raises(botocore.exceptions.ClientError, match="does not exist"):
        cw.put_composite_alarm(AlarmName=unique("composite"), AlarmRule="ALARM(nobody)")
    with pytest.raises(botocore.exceptions.ClientError, match="depend on itself"):
        cw.put_composite_alarm(AlarmName=name, AlarmRule=f"ALARM({name})")
    cw.delete_alarms(AlarmNames=[name])


def test_a_mute_rule(cw, put, unique, inbox, eventually):
    arn, messages = inbox
    name, _ = put(AlarmActions=[arn], OKActions=[arn], Period=60, TreatMissingData="ignore")
    rule = unique("night")
    schedule = {"Expression": "cron(* * * * *)", "Duration": "PT2M"}
    target = {"AlarmNames": [name]}
    cw.put_alarm_mute_rule(Name=rule, Rule={"Schedule": schedule}, MuteTargets=target)
    assert cw.get_alarm_mute_rule(AlarmMuteRuleName=rule)["Status"] == "ACTIVE"
    assert len(cw.list_alarm_mute_rules(AlarmName=name)["AlarmMuteRuleSummaries"]) == 1
    set_state(cw, name, "ALARM")
    assert history(cw, name, "Action")[0]["HistorySummary"] == f"Actions muted by alarm mute rule {rule}"
    # Its time is over, and the alarm still rings.
    cw.delete_alarm_mute_rule(AlarmMuteRuleName=rule)
    body = messages()[0]
    assert (body["NewStateValue"], body["ActionExecutedAfterMuteWindow"]) == ("ALARM", True)
    set_state(cw, name, "OK")
    body = messages()[0]
    assert (body["NewStateValue"], body["ActionExecutedAfterMuteWindow"]) == ("OK", False)
    with pytest.raises(cw.exceptions.ResourceNotFoundException):
        cw.get_alarm_mute_rule(AlarmMuteRuleName=rule)


def test_alarms_are_described_page_by_page(cw, put, unique):
    prefix = unique("paged")
    names = sorted(put(AlarmName=f"{prefix}-{number}", Period=60)[0] for number in range(5))
    pages = cw.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, PaginationConfig={"PageSize": 2})
    pages = [[found["AlarmName"] for found in page["MetricAlarms"]] for page in pages]
    assert pages == [names[:2], names[2:4], names[4:]]
    set_state(cw, names[3], "ALARM")
    found = cw.describe_alarms(AlarmNamePrefix=prefix, StateValue="ALARM")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == [names[3]]


@pytest.mark.parametrize("changes, words", [
    ({"Period": 15}, "Period"),
    ({"DatapointsToAlarm": 2}, "DatapointsToAlarm"),
    ({"TreatMissingData": "perhaps"}, "The value perhaps is not supported for TreatMissingData parameter."),
    ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "does not support"),
    ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "Invalid or unsupported action"),
    ({"EvaluationPeriods": 100_000}, "Metrics cannot be checked across more than a day"),
    ({"Statistic": None, "ExtendedStatistic": "often"}, "'often' is no statistic"),
    ({"Threshold": None}, "Threshold"),
])
def test_what_makes_no_sense_is_refused(put, changes, words):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        put(**changes)
    assert words in refused.value.response["Error"]["Message"]


def test_the_query_protocol(server, cw, put):
    """What older SDKs speak."""
    name, _ = put(Period=60)
    form = urllib.parse.urlencode({"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": name})
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=000000000000/20261121/us-east-1/monitoring/aws4_request, "
                               "SignedHeaders=host, Signature=00", "X-Amz-Date": "20261121T000000Z"}
    request = urllib.request.Request(server.endpoint, form.encode(), signed)
    text = urllib.request.urlopen(request).read().decode()
    assert f"<AlarmName>{name}</AlarmName>" in text and "<StateValue>INSUFFICIENT_DATA</StateValue>" in text


TEMPLATE = """
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: alarms-inbox}
  Age:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: stack-age
      Namespace: Orders
      MetricName: Age
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: 1
      Threshold: 10
      ComparisonOperator: GreaterThanThreshold
      AlarmActions: [!GetAtt Inbox.Arn]
      Tags: [{Key: team, Value: orders}]
  Any:
    Type: AWS::CloudWatch::CompositeAlarm
    Properties:
      AlarmName: stack-any
      AlarmRule: !Sub ALARM(${Age})
  Night:
    Type: AWS::CloudWatch::AlarmMuteRule
    Properties:
      Name: stack-night
      Rule:
        Schedule: {Expression: cron(0 2 * * *), Duration: PT4H, Timezone: Europe/London}
      MuteTargets: {AlarmNames: [!Ref Age]}
      StartDate: "2026-01-01T00:00:00Z"
"""


def test_templates_make_alarms(start_server, tmp_path):
    template = pathlib.Path(tmp_path) / "alarms.yaml"
    template.write_text(TEMPLATE)
    server = start_server(template)
    cw = server.client("cloudwatch")
    told = alarm(cw, "stack-age")
    assert told["AlarmActions"] == [f"arn:aws:sqs:us-east-1:{ACCOUNT}:alarms-inbox"]
    tags = cw.list_tags_for_resource(ResourceARN=told["AlarmArn"])["Tags"]
    assert {"Key": "team", "Value": "orders"} in tags
    assert alarm(cw, "stack-any")["AlarmRule"] == "ALARM(stack-age)"
    rule = cw.get_alarm_mute_rule(AlarmMuteRuleName="stack-night")
    assert rule["MuteTargets"] == {"AlarmNames": ["stack-age"]} and rule["StartDate"].year == 2026
    server.stop()
    template.write_text(TEMPLATE.replace("Threshold: 10", "Threshold: 20"))
    server.start()
    assert alarm(cw, "stack-age")["Threshold"] == 20.0


def test_a_crash_between_the_change_and_its_action(start_server, webhook, eventually):
    server = start_server()
    cw = server.client("cloudwatch")
    webhook.answers.clear()
    cw.put_metric_alarm(
        AlarmName="crash", Namespace="Orders", MetricName="Age", Statistic="Maximum", Period=60, EvaluationPeriods=1,
        Threshold=10, ComparisonOperator="GreaterThanThreshold", AlarmActions=[webhook.url], TreatMissingData="ignore",
    )
    set_state(cw, "crash", "ALARM", "before the crash")
    eventually(lambda: webhook.got, 10, "the action to begin")
    server.kill9()
    webhook.answers.set()
    webhook.got.clear()
    server.start()
    eventually(lambda: webhook.got, 10, "the action after the restart")
    assert (webhook.got[0]["NewStateValue"], webhook.got[0]["NewStateReason"]) == ("ALARM", "before the crash")
    assert alarm(cw, "crash")["StateValue"] == "ALARM"
    eventually(lambda: history(cw, "crash", "Action"), 10, "the action in the history")
    assert [item["HistorySummary"] for item in history(cw, "crash", "StateUpdate")] == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM"
    ]


def test_with_auth_on_a_queue_must_let_cloudwatch_in(start_server, eventually):
    server = start_server(arguments=("--auth", "on"))
    keys = configparser.ConfigParser()
    keys.read(server.data / "credentials")
    root = keys["default"]
    session = boto3.session.Session(root["aws_access_key_id"], root["aws_secret_access_key"], region_name="us-east-1")
    cw, sqs, sns = (session.client(service, endpoint_url=server.endpoint) for service in ("cloudwatch", "sqs", "sns"))
    url = sqs.create_queue(QueueName="closed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="own")["TopicArn"]
    cw.put_metric_alarm(
        AlarmName="guarded", Namespace="Orders", MetricName="Age", Statistic="Maximum", Period=60, EvaluationPeriods=1,
        Threshold=10, ComparisonOperator="GreaterThanThreshold", AlarmActions=[arn, topic], OKActions=[arn],
        TreatMissingData="ignore",
    )
    set_state(cw, "guarded", "ALARM")
    # A topic's own policy lets its account's alarms in; a queue's must be written.
    eventually(lambda: len(history(cw, "guarded", "Action")) == 2, 10, "both actions")
    said = sorted(item["HistorySummary"] for item in history(cw, "guarded", "Action"))
    assert said[0].startswith(f"Failed to execute action {arn}. Received error: ")
    assert "sqs:sendmessage" in said[0].lower()
    assert said[1] == f"Successfully executed action {topic}"
    statement = {
        "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnLike": {"aws:SourceArn": cw.describe_alarms()["MetricAlarms"][0]["AlarmArn"]}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    set_state(cw, "guarded", "OK")
    got = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    assert json.loads(got[0]["Body"])["NewStateValue"] == "OK"
