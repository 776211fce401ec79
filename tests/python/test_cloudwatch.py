"""CloudWatch: what is put comes back by every protocol, with math, percentiles, dashboards, and on /metrics."""

import datetime
import gzip
import json
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions
import pytest

from conftest import ACCOUNT, wait_for

MINUTE = datetime.timedelta(minutes=1)


@pytest.fixture
def cloudwatch(server):
    return server.client("cloudwatch")


@pytest.fixture
def namespace(unique):
    return unique("Orders")


def minute(ago=5):
    """The beginning of a minute some minutes ago."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    return now - ago * MINUTE


def query(identity, namespace, name, stat="Sum", period=60, **more):
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": more.pop("dimensions", [])}
    return {"Id": identity, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def code_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_values_counts_and_statistics_come_back(cloudwatch, namespace):
    at = minute()
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "Latency", "Timestamp": at, "Unit": "Milliseconds", "Values": [10, 20, 30], "Counts": [1, 8, 1]},
        {"MetricName": "Size", "Timestamp": at, "StatisticValues":
            {"SampleCount": 4, "Sum": 40, "Minimum": 5, "Maximum": 20}},
    ])
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "Latency", "Timestamp": at, "Unit": "Milliseconds", "Value": 40}])
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName="Latency", StartTime=at, EndTime=at + MINUTE, Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"])
    point = answer["Datapoints"][0]
    assert point["Timestamp"] == at and point["Unit"] == "Milliseconds"
    assert (point["SampleCount"], point["Sum"], point["Minimum"], point["Maximum"]) == (11, 240, 10, 40)
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName="Latency", StartTime=at, EndTime=at + MINUTE, Period=60,
        ExtendedStatistics=["p50", "p99.9", "tm90", "PR(:20)"])
    extended = answer["Datapoints"][0]["ExtendedStatistics"]
    assert extended["p50"] == 20 and extended["p99.9"] == 40 and round(extended["PR(:20)"], 2) == 81.82
    # Of statistics nobody knows the distribution.
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName="Size", StartTime=at, EndTime=at + MINUTE, Period=60,
        Statistics=["Average"], ExtendedStatistics=["p50"])
    assert answer["Datapoints"][0]["Average"] == 10 and answer["Datapoints"][0]["ExtendedStatistics"] == {}


def test_metric_math(cloudwatch, namespace):
    start = minute(10)
    data = []
    for place, (errors, requests) in enumerate([(1, 10), (0, 20), (None, 30), (5, 50)]):
        at = start + place * MINUTE
        data += [{"MetricName": "Errors", "Timestamp": at, "Value": errors}] if errors is not None else []
        data.append({"MetricName": "Requests", "Timestamp": at, "Value": requests})
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
    queries = [
        query("errors", namespace, "Errors", ReturnData=False),
        query("requests", namespace, "Requests"),
        {"Id": "rate", "Expression": "errors / requests * 100", "Label": "error rate, at most ${MAX}"},
        {"Id": "filled", "Expression": "FILL(errors, 7)"},
        {"Id": "all", "Expression": "METRICS()"},
        {"Id": "found", "Expression": f"SUM(SEARCH('{{{namespace}}}', 'Sum', 60))"},
    ]
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=start + 4 * MINUTE, ScanBy="TimestampAscending")
    results = {}
    for result in answer["MetricDataResults"]:
        assert result["StatusCode"] == "Complete"
        results.setdefault(result["Id"], []).append(result)
    assert list(results) == ["requests", "rate", "filled", "all", "found"]
    assert results["requests"][0]["Values"] == [10, 20, 30, 50] and results["requests"][0]["Label"] == "Requests"
    assert results["rate"][0]["Values"] == [10, 0, 0, 10]
    assert results["rate"][0]["Label"] == "error rate, at most 10"
    assert results["filled"][0]["Values"] == [1, 0, 7, 5]
    assert [result["Values"] for result in results["all"]] == [[1, 0, 5], [10, 20, 30, 50]]
    assert results["found"][0]["Values"] == [11, 20, 30, 55]
    code, message = code_of(
        cloudwatch.get_metric_data, StartTime=start, EndTime=start + MINUTE,
        MetricDataQueries=[{"Id": "e1", "Expression": "SUMM(METRICS())"}])
    assert code == "ValidationError" and "did you mean 'SUM'" in message, message


def test_pages_have_every_datapoint_once(cloudwatch, namespace):
    start = minute(20)
    for name in "abc":
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": name, "Timestamp": start + place * MINUTE, "Value": place} for place in range(10)])
    queries = [query(name, namespace, name) for name in "abc"]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=start, EndTime=start + 10 * MINUTE, MaxDatapoints=7)
    points = [(result["Id"], value) for page in pages for result in page["MetricDataResults"] for value in result["Values"]]
    assert points == [(name, value) for name in "abc" for value in range(9, -1, -1)]


def test_high_resolution_and_two_weeks_back(cloudwatch, namespace):
    second = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(seconds=20)
    long_ago = minute(14 * 24 * 60)
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "Fast", "Timestamp": second, "Value": 1, "StorageResolution": 1},
        {"MetricName": "Fast", "Timestamp": second + datetime.timedelta(seconds=3), "Value": 2, "StorageResolution": 1},
        {"MetricName": "Old", "Timestamp": long_ago, "Value": 3},
    ])
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("m1", namespace, "Fast", period=1)], ScanBy="TimestampAscending",
        StartTime=second, EndTime=second + datetime.timedelta(seconds=10))
    result = answer["MetricDataResults"][0]
    assert result["Values"] == [1, 2] and result["Timestamps"][0] == second
    answer = cloudwatch.get_metric_statistics(
        Namespace=namespace, MetricName="Old", StartTime=long_ago, EndTime=long_ago + MINUTE, Period=60, Statistics=["Sum"])
    assert answer["Datapoints"][0]["Sum"] == 3
    # Only what was put in the last hours is active.
    names = {metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace=namespace)["Metrics"]}
    active = cloudwatch.list_metrics(Namespace=namespace, RecentlyActive="PT3H")["Metrics"]
    assert names == {"Fast", "Old"} and [metric["MetricName"] for metric in active] == ["Fast"]


@pytest.mark.parametrize("datum, code", [
    ({"Value": float("nan")}, "MalformedInput"),
    ({"Value": 1e300}, "InvalidParameterValue"),
    ({}, "InvalidParameterCombination"),
    ({"Value": 1, "Values": [1]}, "InvalidParameterCombination"),
    ({"Values": [1, 2], "Counts": [1]}, "InvalidParameterCombination"),
    ({"Values": [1.0] * 151}, "InvalidParameterValue"),
    ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue"),
    ({"Value": 1, "Timestamp": minute(16 * 24 * 60)}, "InvalidParameterValue"),
    ({"Value": 1, "Timestamp": minute(-180)}, "InvalidParameterValue"),
    ({"Value": 1, "Dimensions": [{"Name": "A", "Value": "1"}, {"Name": "A", "Value": "2"}]}, "InvalidParameterValue"),
    ({"StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}}, "InvalidParameterValue"),
])
def test_what_cannot_be_kept_is_refused_whole(cloudwatch, namespace, datum, code):
    data = [{"MetricName": "Good", "Value": 1}, {"MetricName": "Bad", **datum}]
    found, message = code_of(cloudwatch.put_metric_data, Namespace=namespace, MetricData=data)
    assert found == code, message
    assert cloudwatch.list_metrics(Namespace=namespace)["Metrics"] == []


def test_requests_that_say_nothing_sensible(cloudwatch, namespace):
    at = minute()
    entities = [{"MetricData": [{"MetricName": "m", "Value": 1}]}]
    code, message = code_of(cloudwatch.put_metric_data, Namespace=namespace, EntityMetricData=entities)
    assert code == "UnsupportedOperationException" and "ntityMetricData" in message, message
    code, _ = code_of(cloudwatch.put_metric_data, Namespace="AWS/Mine", MetricData=[{"MetricName": "m", "Value": 1}])
    assert code == "InvalidParameterValue"
    statistics = {"Namespace": namespace, "MetricName": "m", "StartTime": at, "EndTime": at + MINUTE, "Period": 60}
    assert code_of(cloudwatch.get_metric_statistics, **statistics)[0] == "InvalidParameterCombination"
    statistics["Statistics"] = ["Sum"]
    assert code_of(cloudwatch.get_metric_statistics, **statistics | {"Period": 45})[0] == "InvalidParameterValue"
    assert code_of(cloudwatch.get_metric_statistics, **statistics | {"EndTime": at})[0] == "InvalidParameterCombination"
    code, message = code_of(cloudwatch.get_metric_statistics, **statistics | {"StartTime": at - 2000 * MINUTE})
    assert code == "InvalidParameterCombination" and "1440" in message
    code, message = code_of(cloudwatch.get_metric_widget_image, MetricWidget="{}")
    assert code == "UnsupportedOperationException" and "GetMetricWidgetImage" in message


def test_metrics_are_filtered_and_paged(cloudwatch, namespace):
    for start in range(0, 600, 200):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": f"m{place % 2}", "Value": 1, "Dimensions": [
                {"Name": "Shard", "Value": str(place)}, {"Name": "Kind", "Value": f"k{place % 3}"}]}
            for place in range(start, start + 200)])
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace))
    assert [len(page["Metrics"]) for page in pages] == [500, 100]
    found = cloudwatch.list_metrics(Namespace=namespace, MetricName="m0", Dimensions=[{"Name": "Kind", "Value": "k0"}])
    assert len(found["Metrics"]) == 100
    found = cloudwatch.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Shard", "Value": "7"}, {"Name": "Kind"}])
    assert len(found["Metrics"]) == 1
    assert found["Metrics"][0]["Dimensions"] == [{"Name": "Kind", "Value": "k1"}, {"Name": "Shard", "Value": "7"}]


def test_units_are_told_apart(cloudwatch, namespace):
    at = minute()
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
        {"MetricName": "m", "Timestamp": at, "Value": 1, "Unit": "Seconds"},
        {"MetricName": "m", "Timestamp": at, "Value": 2, "Unit": "Bytes"}])
    ask = {"Namespace": namespace, "MetricName": "m", "StartTime": at, "EndTime": at + MINUTE, "Period": 60, "Statistics": ["Sum"]}
    all_units = cloudwatch.get_metric_statistics(**ask)["Datapoints"]
    assert sorted((point["Unit"], point["Sum"]) for point in all_units) == [("Bytes", 2), ("Seconds", 1)]
    assert [point["Sum"] for point in cloudwatch.get_metric_statistics(**ask, Unit="Bytes")["Datapoints"]] == [2]
    assert cloudwatch.get_metric_statistics(**ask, Unit="Count")["Datapoints"] == []


def post(server, body, headers, path="/"):
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=000000000000/20261121/us-east-1/monitoring/aws4_request, "
                               "SignedHeaders=host, Signature=00", "X-Amz-Date": "20261121T000000Z"}
    request = urllib.request.Request(server.endpoint + path, data=body, headers=signed | headers)
    with urllib.request.urlopen(request) as response:
        return response.read()


def test_older_sdks_speak_the_query_protocol_also_compressed(server, cloudwatch, namespace):
    at = minute()
    form = {
        "Action": "PutMetricData", "Version": "2010-08-01", "Namespace": namespace,
        "MetricData.member.1.MetricName": "Old", "MetricData.member.1.Timestamp": at.isoformat(),
        "MetricData.member.1.Unit": "Count", "MetricData.member.1.Values.member.1": "3",
        "MetricData.member.1.Values.member.2": "4", "MetricData.member.1.Counts.member.1": "1",
        "MetricData.member.1.Counts.member.2": "2", "MetricData.member.1.Dimensions.member.1.Name": "Shop",
        "MetricData.member.1.Dimensions.member.1.Value": "a & b",
    }
    body = gzip.compress(urllib.parse.urlencode(form).encode())
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert b"PutMetricDataResponse" in post(server, body, kind | {"Content-Encoding": "gzip"})
    form = {
        "Action": "GetMetricData", "Version": "2010-08-01", "StartTime": at.isoformat(), "EndTime": (at + MINUTE).isoformat(),
        "MetricDataQueries.member.1.Id": "m1", "MetricDataQueries.member.1.MetricStat.Period": "60",
        "MetricDataQueries.member.1.MetricStat.Stat": "Sum",
        "MetricDataQueries.member.1.MetricStat.Metric.Namespace": namespace,
        "MetricDataQueries.member.1.MetricStat.Metric.MetricName": "Old",
        "MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name": "Shop",
        "MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value": "a & b",
        "MetricDataQueries.member.2.Id": "e1", "MetricDataQueries.member.2.Expression": "m1 * 2",
    }
    answer = post(server, urllib.parse.urlencode(form).encode(), kind).decode()
    assert "<Values><member>11</member></Values>" in answer and "<Values><member>22</member></Values>" in answer, answer
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(server, urllib.parse.urlencode({**form, "MetricDataQueries.member.2.Expression": "m1 +"}).encode(), kind)
    assert b"<Code>ValidationError</Code>" in caught.value.read()


def test_cbor_answers_as_json_does(server, cloudwatch, namespace):
    """The protocol that newer SDKs choose, by botocore's own serializer."""
    import botocore.parsers
    import botocore.serialize

    at = minute()
    model = cloudwatch.meta.service_model.operation_model("PutMetricData")
    parameters = {"Namespace": namespace, "MetricData": [{"MetricName": "m", "Timestamp": at, "Value": 2.5}]}
    request = botocore.serialize.create_serializer("smithy-rpc-v2-cbor").serialize_to_request(parameters, model)
    post(server, request["body"], dict(request["headers"]), request["url_path"])
    model = cloudwatch.meta.service_model.operation_model("GetMetricData")
    parameters = {"MetricDataQueries": [query("m1", namespace, "m")], "StartTime": at, "EndTime": at + MINUTE}
    request = botocore.serialize.create_serializer("smithy-rpc-v2-cbor").serialize_to_request(parameters, model)
    body = post(server, request["body"], dict(request["headers"]), request["url_path"])
    answer = {"status_code": 200, "headers": {"smithy-protocol": "rpc-v2-cbor"}, "body": body}
    parsed = botocore.parsers.create_parser("smithy-rpc-v2-cbor").parse(answer, model.output_shape)
    result = parsed["MetricDataResults"][0]
    assert result["Values"] == [2.5] and result["Timestamps"][0] == at


BODY = {"widgets": [
    {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {
        "metrics": [["AWS/Kinesis", "IncomingRecords", "StreamName", "orders", {"stat": "Sum"}], [{"expression": "m1*2"}]],
        "region": "us-east-1", "title": "orders"}},
    {"type": "text", "properties": {"markdown": "# Orders"}},
]}


def test_dashboards_are_kept_and_checked(cloudwatch, unique):
    name = unique("board")
    assert cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(BODY))["DashboardValidationMessages"] == []
    found = cloudwatch.get_dashboard(DashboardName=name)
    assert json.loads(found["DashboardBody"]) == BODY
    assert found["DashboardArn"] == f"arn:aws:cloudwatch::000000000000:dashboard/{name}"
    entry = cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"][0]
    assert entry["Size"] == len(json.dumps(BODY)) and entry["DashboardName"] == name
    odd = cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(BODY | {"colour": "red"}))
    assert odd["DashboardValidationMessages"][0]["DataPath"] == "/colour"
    wrong = {"widgets": [{"type": "metric", "properties": {"metrics": [["AWS/Kinesis"]], "region": "us-east-1"}}]}
    code, message = code_of(cloudwatch.put_dashboard, DashboardName=name, DashboardBody=json.dumps(wrong))
    assert code == "InvalidParameterInput" and "/widgets/0/properties/metrics/0" in message
    assert code_of(cloudwatch.put_dashboard, DashboardName="no spaces", DashboardBody=json.dumps(BODY))[0] == "InvalidParameterValue"
    arn = found["DashboardArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": "b"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["stage"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    # All or none.
    assert code_of(cloudwatch.delete_dashboards, DashboardNames=[name, "nobody"])[0] == "ResourceNotFound"
    cloudwatch.delete_dashboards(DashboardNames=[name])
    assert code_of(cloudwatch.get_dashboard, DashboardName=name)[0] == "ResourceNotFound"


def test_the_cli_puts_and_reads(server, unique):
    namespace = unique("Cli")
    put = server.aws("cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-name", "m", "--value", "4",
                     "--dimensions", "Shop=a", "--storage-resolution", "1")
    assert put.returncode == 0, put.stderr
    listed = server.aws("cloudwatch", "list-metrics", "--namespace", namespace)
    assert json.loads(listed.stdout)["Metrics"][0]["Dimensions"] == [{"Name": "Shop", "Value": "a"}]
    queries = json.dumps([query("m1", namespace, "m", period=1, dimensions=[{"Name": "Shop", "Value": "a"}]),
                          {"Id": "e1", "Expression": "m1 ^ 2"}])
    start, end = minute(2).isoformat(), minute(-2).isoformat()
    got = server.aws("cloudwatch", "get-metric-data", "--metric-data-queries", queries, "--start-time", start, "--end-time", end)
    results = {result["Id"]: result["Values"] for result in json.loads(got.stdout)["MetricDataResults"]}
    assert results == {"m1": [4], "e1": [16]}


def scrape(server):
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(server.endpoint + "/metrics") as response:
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = response.read().decode()
    families = list(text_string_to_metric_families(text))
    return {(sample.name, tuple(sorted(sample.labels.items()))): (family.type, sample.value)
            for family in families for sample in family.samples}


def test_prometheus_reads_every_metric(server, unique, eventually):
    stream = server.create_stream(unique("scraped"))
    kinesis, odd = server.client("kinesis"), unique("Odd Shop")
    labels = {"account_id": "000000000000", "region": "us-east-1", "unit": "Count", "dimension_StreamName": stream}
    counter = ("aws_kinesis_incoming_records_total", tuple(sorted(labels.items())))

    def total():
        return scrape(server).get(counter, ("", 0))

    kinesis.put_records(StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "k"}] * 10)
    assert eventually(lambda: total() if total()[1] >= 10 else None, seconds=10, what="ten records") == ("counter", 10)
    kinesis.put_records(StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "k"}] * 5)
    eventually(lambda: total()[1] == 15, seconds=10, what="five more")
    # Gauges are of the last whole minute; a value that lies there is seen at once.
    awkward = 'quote " backslash \\ line\nend'
    cloudwatch = server.client("cloudwatch")
    for ago in (1, 0):
        cloudwatch.put_metric_data(Namespace=odd, MetricData=[
            {"MetricName": "m.Size", "Timestamp": minute(ago), "Values": [2, 4], "Dimensions": [{"Name": "A-B", "Value": awkward}]}])
    family = "aws_" + odd.lower().replace(" ", "_").replace("-", "_") + "_m_size"
    samples = scrape(server)
    found = {name[0]: value for name, value in samples.items() if dict(name[1]).get("dimension_A_B") == awkward}
    family = next(name for name in found if name.endswith("_sum")).removesuffix("_sum")
    assert family.startswith("aws_odd_shop") and family.endswith("_m_size")
    expected = {"sum": 6, "average": 3, "minimum": 2, "maximum": 4, "sample_count": 2}
    assert found == {f"{family}_{suffix}": ("gauge", value) for suffix, value in expected.items()}


TEMPLATE = """
Resources:
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: %s
      DashboardBody: !Sub '{"widgets": [{"type": "text", "properties": {"markdown": "%s ${AWS::Region}"}}]}'
"""


def test_metrics_and_dashboards_survive_a_kill(start_server, tmp_path, eventually):
    template = tmp_path / "board.yaml"
    template.write_text(TEMPLATE % ("pipeline", "first"))
    server = start_server(template)
    cloudwatch = server.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName="pipeline")["DashboardBody"])
    assert body["widgets"][0]["properties"]["markdown"] == "first us-east-1"
    at = minute(30)
    cloudwatch.put_metric_data(Namespace="Kept", MetricData=[{"MetricName": "m", "Timestamp": at, "Value": 5}])

    def journal():
        return sum(path.stat().st_size for path in (server.data / "metrics").glob("journal-*"))

    # What is in the journal survives; it is written every few seconds. The first write may have been on its way before the put,
    # so another one is waited for, for which there is something to write.
    for name in ("one", "two"):
        before = journal()
        cloudwatch.put_metric_data(Namespace="Kept", MetricData=[{"MetricName": name, "Timestamp": at, "Value": 1}])
        eventually(lambda: journal() > before, seconds=15, what="the journal to have it")
    server.kill9()
    template.write_text(TEMPLATE % ("pipeline", "second"))
    server.restart()
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("m1", "Kept", "m")], StartTime=at, EndTime=at + MINUTE)
    assert answer["MetricDataResults"][0]["Values"] == [5]
    assert "second" in cloudwatch.get_dashboard(DashboardName="pipeline")["DashboardBody"]
    # An orderly end loses nothing at all.
    cloudwatch.put_metric_data(Namespace="Kept", MetricData=[{"MetricName": "m", "Timestamp": at, "Value": 7}])
    server.restart()
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query("m1", "Kept", "m")], StartTime=at, EndTime=at + MINUTE)
    assert answer["MetricDataResults"][0]["Values"] == [12]


def test_scopes_are_walls(server, unique):
    namespace = unique("Walls")
    server.client("cloudwatch", account="111111111111").put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1}])
    assert server.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"] == []
    other = server.client("cloudwatch", account="111111111111", region="eu-west-1")
    assert other.list_metrics(Namespace=namespace)["Metrics"] == []


def test_the_index_has_metrics_without_a_domain(start_server):
    server = start_server()
    request = urllib.request.Request(
        f"{server.search_url}/lines/_doc/1", b'{"n": 1}', {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request).close()
    cloudwatch, now = server.client("cloudwatch"), minute(ago=0)
    domain = [{"Name": "DomainName", "Value": "millrace"}, {"Name": "ClientId", "Value": ACCOUNT}]

    def indexed():
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[query("m1", "AWS/ES", "IndexingRate", dimensions=domain)],
            StartTime=now, EndTime=now + 3 * MINUTE)
        return sum(answer["MetricDataResults"][0]["Values"]) == 1

    wait_for(indexed, what="the document in the index's rate")
