"""CloudWatch Logs' API through boto3 and the AWS CLI."""

import time

import botocore.exceptions
import pytest


@pytest.fixture
def logs(server):
    return server.client("logs")


@pytest.fixture
def group(logs, unique):
    name = "/test/" + unique("group")
    logs.create_log_group(logGroupName=name, tags={"team": "lake"})
    return name


def millis():
    return int(time.time() * 1000)


def put(logs, group, stream, messages, start=None):
    """Puts messages a millisecond apart, the first at `start`."""
    start = start or millis()
    try:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    events = [{"timestamp": start + n, "message": message} for n, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def refused(error, call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == error, caught.value
    return caught.value.response["Error"]["Message"]


def test_one_stream_forward_and_backward(logs, group):
    start = millis() - 1000
    put(logs, group, "s", [str(n) for n in range(10)], start)
    place = {"logGroupName": group, "logStreamName": "s"}
    assert messages(logs.get_log_events(**place)) == [str(n) for n in range(10)]
    assert messages(logs.get_log_events(**place, limit=3)) == ["7", "8", "9"], "the latest, unless from the head"
    page = logs.get_log_events(**place, limit=4, startFromHead=True)
    assert messages(page) == ["0", "1", "2", "3"]
    assert page["nextForwardToken"].startswith("f/") and page["nextBackwardToken"].startswith("b/")
    walked = []
    token = page["nextForwardToken"]
    while True:
        page = logs.get_log_events(**place, limit=4, startFromHead=True, nextToken=token)
        walked += messages(page)
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert walked == ["4", "5", "6", "7", "8", "9"]
    put(logs, group, "s", ["later"])
    assert messages(logs.get_log_events(**place, nextToken=token, startFromHead=True)) == ["later"], "the token goes on"
    back = logs.get_log_events(**place, limit=3)
    back = logs.get_log_events(**place, limit=3, nextToken=back["nextBackwardToken"])
    assert messages(back) == ["5", "6", "7"]
    between = logs.get_log_events(**place, startTime=start + 2, endTime=start + 5)
    assert messages(between) == ["2", "3", "4"], "the end is not included"
    refused("InvalidParameterException", logs.get_log_events, **place, nextToken="f/nonsense/s")


def test_filtering_across_streams(logs, group):
    start = millis() - 1000
    put(logs, group, "a", ['{"level": "ERROR", "ms": 12}', '{"level": "INFO", "ms": 900}'], start)
    put(logs, group, "b", ["ERROR plain", "WARN plain", "ERROR again"], start + 1)
    found = lambda **more: messages(logs.filter_log_events(logGroupName=group, **more))
    assert found() == ['{"level": "ERROR", "ms": 12}', '{"level": "INFO", "ms": 900}', "ERROR plain", "WARN plain", "ERROR again"]
    assert found(filterPattern="ERROR") == ['{"level": "ERROR", "ms": 12}', "ERROR plain", "ERROR again"]
    assert found(filterPattern="ERROR -again", logStreamNames=["b"]) == ["ERROR plain"]
    assert found(filterPattern="?WARN ?again") == ["WARN plain", "ERROR again"]
    assert found(filterPattern='{ $.level = "ERROR" || $.ms > 500 }', logStreamNamePrefix="a") == [
        '{"level": "ERROR", "ms": 12}', '{"level": "INFO", "ms": 900}']
    assert found(startTime=start + 2, endTime=start + 2) == ["WARN plain"], "the end is included"
    walked, more = [], {}
    while True:
        page = logs.filter_log_events(logGroupName=group, limit=2, **more)
        walked += messages(page)
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert walked == found()
    newest = logs.filter_log_events(logGroupName=group, startFromHead=False, limit=2)
    assert messages(newest) == ["ERROR again", "WARN plain"]
    ids = [event["eventId"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert len(set(ids)) == 5 and all(len(id) == 56 for id in ids)
    assert "Invalid filter pattern" in refused("InvalidParameterException", logs.filter_log_events, logGroupName=group,
                                               filterPattern="{ $.a = ")


def test_groups_streams_and_tags(logs, group, unique):
    about = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]
    assert about["arn"] == f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    assert "retentionInDays" not in about
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"] == 7
    refused("InvalidParameterException", logs.put_retention_policy, logGroupName=group, retentionInDays=8)
    logs.delete_retention_policy(logGroupName=group)
    logs.tag_resource(resourceArn=about["logGroupArn"], tags={"a": "1"})
    logs.untag_resource(resourceArn=about["logGroupArn"], tagKeys=["team"])
    assert logs.list_tags_for_resource(resourceArn=about["logGroupArn"])["tags"] == {"a": "1"}

    for name in ["one", "two", "three"]:
        put(logs, group, name, [name])
        time.sleep(0.005)
    names = lambda **more: [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group, **more)["logStreams"]]
    assert names() == ["one", "three", "two"]
    assert names(orderBy="LastEventTime", descending=True) == ["three", "two", "one"]
    assert names(logStreamNamePrefix="t") == ["three", "two"]
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group, limit=2)
    assert [s["logStreamName"] for page in pages for s in page["logStreams"]] == ["one", "three", "two"]
    logs.delete_log_stream(logGroupName=group, logStreamName="one")
    assert messages(logs.filter_log_events(logGroupName=group)) == ["two", "three"]
    assert refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=group) == (
        "The specified log group already exists")
    logs.delete_log_group(logGroupName=group)
    assert refused("ResourceNotFoundException", logs.describe_log_streams, logGroupName=group) == (
        "The specified log group does not exist.")


def test_what_is_too_old_or_new_is_left_out_and_told(logs, group):
    day = 24 * 3600 * 1000
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = millis()
    times = [now - 15 * day, now - 1000, now, now + 3 * 3600 * 1000]
    events = [{"timestamp": at, "message": str(n)} for n, at in enumerate(times)]
    answer = logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3}
    assert messages(logs.get_log_events(logGroupName=group, logStreamName="s")) == ["1", "2"]
    words = refused("InvalidParameterException", logs.put_log_events, logGroupName=group, logStreamName="s",
                    logEvents=list(reversed(events)))
    assert words == "Log events in a single PutLogEvents request must be in chronological order."
    refused("ResourceNotFoundException", logs.put_log_events, logGroupName=group, logStreamName="none", logEvents=events[1:3])


def test_scopes_do_not_see_each_others_logs(server, logs, group):
    other = server.client("logs", account="111111111111")
    assert other.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    refused("ResourceNotFoundException", other.filter_log_events, logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}"
    refused("ResourceNotFoundException", other.filter_log_events, logGroupIdentifier=arn)
    assert logs.filter_log_events(logGroupIdentifier=arn)["events"] == []


def test_acknowledged_events_survive_kill9(start_server):
    server = start_server()
    logs = server.client("logs")
    logs.create_log_group(logGroupName="g")
    expected = []
    for n in range(50):
        put(logs, "g", f"s{n % 3}", [f"event {n}"])
        expected.append(f"event {n}")
    server.kill9()
    server.start()
    assert sorted(messages(logs.filter_log_events(logGroupName="g"))) == sorted(expected)
    put(logs, "g", "s0", ["after"])
    assert "after" in messages(logs.filter_log_events(logGroupName="g"))


def test_metrics_of_ones_own(server, unique):
    watch = server.client("cloudwatch")
    namespace = unique("Own")
    watch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "Depth", "Value": 3, "Unit": "Count"},
        {"MetricName": "Depth", "Values": [1, 5], "Counts": [2, 1], "Unit": "Count"},
    ])
    now = time.time()
    [point] = watch.get_metric_statistics(
        Namespace=namespace, MetricName="Depth", StartTime=now - 600, EndTime=now + 60, Period=3600,
        Statistics=["Sum", "Minimum", "Maximum", "Average", "SampleCount"])["Datapoints"]
    assert {key: point[key] for key in ("Sum", "Minimum", "Maximum", "Average", "SampleCount", "Unit")} == {
        "Sum": 10, "Minimum": 1, "Maximum": 5, "Average": 2.5, "SampleCount": 4, "Unit": "Count"}
    query = {"Id": "m", "Expression": "1 + 1"}
    refused("ValidationError", watch.get_metric_data, MetricDataQueries=[query], StartTime=now - 60, EndTime=now)
    refused("InvalidParameterValue", watch.get_metric_statistics, Namespace=namespace, MetricName="Depth",
            StartTime=now - 60, EndTime=now, Period=45, Statistics=["Sum"])


def test_the_cli_reads_logs(server, logs, group):
    put(logs, group, "s", ["from the cli"])
    done = server.aws("logs", "filter-log-events", "--log-group-name", group, "--query", "events[].message", "--output", "text")
    assert done.returncode == 0 and done.stdout.strip() == "from the cli", done.stderr
