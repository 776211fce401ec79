"""Kinesis as its clients see it: boto3 as users have it, and raw CBOR as the Java SDK sends it."""

import datetime
import http.client
import urllib.parse

import botocore.exceptions
import cbor2
import pytest

FIRST = "shardId-000000000000"


def call_cbor(server, operation, body, account="000000000000"):
    """One request in Kinesis's CBOR dialect; gives the status, the headers and the decoded answer."""
    address = urllib.parse.urlparse(server.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    credential = f"{account}/20261121/us-east-1/kinesis/aws4_request"
    connection.request("POST", "/", body if isinstance(body, bytes) else cbor2.dumps(body), {
        "Content-Type": "application/x-amz-cbor-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "X-Amz-Date": "20261121T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00",
    })
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    assert answer.headers["Content-Type"] == "application/x-amz-cbor-1.1"
    return answer.status, answer.headers, raw


def iterator(kinesis, stream, kind, **start):
    place = {"StreamName": stream, "ShardId": FIRST, "ShardIteratorType": kind}
    return kinesis.get_shard_iterator(**place, **start)["ShardIterator"]


def data(answer):
    return [record["Data"] for record in answer["Records"]]


@pytest.fixture
def stream(kinesis, unique):
    name = unique("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name)


def test_a_stream_is_active_at_once(kinesis, unique):
    name = unique("life")
    kinesis.create_stream(StreamName=name, ShardCount=3, Tags={"team": "mill"})
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE" and summary["OpenShardCount"] == 3
    assert abs(summary["StreamCreationTimestamp"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "team", "Value": "mill"}]
    shards = [shard["HashKeyRange"] for shard in kinesis.list_shards(StreamName=name)["Shards"]]
    assert int(shards[0]["StartingHashKey"]) == 0 and int(shards[-1]["EndingHashKey"]) == 2**128 - 1
    kinesis.delete_stream(StreamARN=summary["StreamARN"])
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream(StreamName=name)


def test_paginators_end(kinesis, unique):
    names = sorted(unique("page") for _ in range(3))
    for name in names:
        kinesis.create_stream(StreamName=name, ShardCount=2)
    pages = kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1})
    found = [name for page in pages for name in page["StreamNames"]]
    assert [name for name in found if name in names] == names and len(found) == len(set(found))
    # boto3's own paginator repeats StreamName beside the token, which AWS refuses; so do we.
    first = kinesis.list_shards(StreamName=names[0], MaxResults=1)
    second = kinesis.list_shards(NextToken=first["NextToken"], MaxResults=1)
    assert [shard["ShardId"] for shard in first["Shards"] + second["Shards"]] == [FIRST, "shardId-000000000001"]
    assert "NextToken" not in second
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.list_shards(StreamName=names[0], NextToken=first["NextToken"])
    for name in names:
        kinesis.delete_stream(StreamName=name)


def test_records_come_back_in_order(kinesis, stream):
    latest = iterator(kinesis, stream, "LATEST")
    entries = [{"Data": bytes([n]) * n, "PartitionKey": f"κ{n}"} for n in range(100)]
    answer = kinesis.put_records(StreamName=stream, Records=entries)
    numbers = [int(record["SequenceNumber"]) for record in answer["Records"]]
    assert answer["FailedRecordCount"] == 0 and numbers == sorted(numbers) and len(set(numbers)) == 100
    records = kinesis.get_records(ShardIterator=latest)["Records"]
    assert [(record["Data"], record["PartitionKey"]) for record in records] == [(e["Data"], e["PartitionKey"]) for e in entries]
    assert [int(record["SequenceNumber"]) for record in records] == numbers
    middle = str(numbers[50])
    at = kinesis.get_records(ShardIterator=iterator(kinesis, stream, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=middle))
    after = kinesis.get_records(ShardIterator=iterator(kinesis, stream, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=middle))
    assert data(at) == data({"Records": records[50:]}) and data(after) == data({"Records": records[51:]})


def test_an_empty_tail_gives_a_fresh_iterator(kinesis, stream):
    first = iterator(kinesis, stream, "LATEST")
    seen = {first}
    for _ in range(5):
        answer = kinesis.get_records(ShardIterator=first)
        first = answer["NextShardIterator"]
        assert answer["Records"] == [] and answer["MillisBehindLatest"] == 0 and len(first) <= 512
        seen.add(first)
    kinesis.put_record(StreamName=stream, Data=b"late", PartitionKey="k")
    for each in seen:
        assert data(kinesis.get_records(ShardIterator=each)) == [b"late"]


def test_a_limit_never_skips(kinesis, stream):
    kinesis.put_records(StreamName=stream, Records=[{"Data": b"%d" % n, "PartitionKey": "k"} for n in range(25)])
    place, found = iterator(kinesis, stream, "TRIM_HORIZON"), []
    while len(found) < 25:
        answer = kinesis.get_records(ShardIterator=place, Limit=7)
        assert 0 < len(answer["Records"]) <= 7
        found += data(answer)
        place = answer["NextShardIterator"]
    assert found == [b"%d" % n for n in range(25)]


def test_large_answers_are_cut_at_ten_mebibytes(kinesis, stream):
    for _ in range(12):
        kinesis.put_record(StreamName=stream, Data=b"x" * 1_000_000, PartitionKey="k")
    answer = kinesis.get_records(ShardIterator=iterator(kinesis, stream, "TRIM_HORIZON"))
    assert 0 < sum(len(record["Data"]) for record in answer["Records"]) <= 10 * 1024 * 1024
    rest = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    assert len(answer["Records"]) + len(rest["Records"]) == 12


@pytest.mark.parametrize("change, message", [
    ({"PartitionKey": "k" * 257}, "Member must have length less than or equal to 256"),
    ({"ExplicitHashKey": str(2**128)}, "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]"),
    ({"Data": b"x" * (1024 * 1024)}, "maximum record size of 1024 KiB"),
    ({"DryRun": True}, "DryRun"),
])
def test_a_bad_put_says_why(kinesis, stream, change, message):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        kinesis.put_record(**{"StreamName": stream, "Data": b"", "PartitionKey": "k"} | change)
    assert message in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(refused.value.response["ResponseMetadata"]["RequestId"]) == 36


def test_what_is_not_there_yet_says_so(kinesis, stream):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        kinesis.describe_account_settings()
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperationException"
    assert "DescribeAccountSettings" in refused.value.response["Error"]["Message"]


def test_cbor_reads_what_json_wrote(server, kinesis, stream):
    put = kinesis.put_record(StreamName=stream, Data=b"\x00\xff", PartitionKey="k")
    status, _, raw = call_cbor(server, "GetRecords", {"ShardIterator": iterator(kinesis, stream, "TRIM_HORIZON")})
    record = decode(raw)["Records"][0]
    assert status == 200 and record["Data"] == b"\x00\xff" and record["SequenceNumber"] == put["SequenceNumber"]
    now = datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000
    assert abs(record["ApproximateArrivalTimestamp"] - now) < 60_000


def decode(raw):
    """Kinesis writes tag 1 with milliseconds, which a standard decoder takes for seconds: the tag is read as its number."""
    name = b"ApproximateArrivalTimestamp"
    return cbor2.loads(raw.replace(name + b"\xc1", name))


def test_json_reads_what_cbor_wrote(server, kinesis, stream):
    # Indefinite lengths, a blob in two pieces, and a half float, as other encoders send them.
    entry = b"\xbf" + cbor2.dumps("Data") + b"\x5f\x41\x00\x41\xff\xff" + cbor2.dumps("PartitionKey") + cbor2.dumps("k") + b"\xff"
    body = b"\xbf" + cbor2.dumps("StreamName") + cbor2.dumps(stream) + cbor2.dumps("Records") + b"\x9f" + entry + b"\xff\xff"
    status, _, raw = call_cbor(server, "PutRecords", body)
    assert status == 200 and cbor2.loads(raw)["FailedRecordCount"] == 0
    place = cbor2.dumps("ShardIterator") + cbor2.dumps(iterator(kinesis, stream, "TRIM_HORIZON"))
    status, _, raw = call_cbor(server, "GetRecords", b"\xbf" + place + cbor2.dumps("Limit") + b"\xf9\x3c\x00\xff")
    assert status == 200 and len(decode(raw)["Records"]) == 1
    assert data(kinesis.get_records(ShardIterator=iterator(kinesis, stream, "TRIM_HORIZON"))) == [b"\x00\xff"]


def test_a_cbor_time_is_in_milliseconds(server, kinesis, stream):
    kinesis.put_record(StreamName=stream, Data=b"old", PartitionKey="k")
    arrival = kinesis.get_records(ShardIterator=iterator(kinesis, stream, "TRIM_HORIZON"))["Records"][0]["ApproximateArrivalTimestamp"]
    millis = round(arrival.timestamp() * 1000)
    for offset, expected in [(0, 1), (-1, 1)]:
        start = {"StreamName": stream, "ShardId": FIRST, "ShardIteratorType": "AT_TIMESTAMP"}
        body = b"\xa4" + b"".join(cbor2.dumps(part) for pair in start.items() for part in pair)
        body += cbor2.dumps("Timestamp") + b"\xc1\x1b" + (millis + offset).to_bytes(8, "big")
        status, _, raw = call_cbor(server, "GetShardIterator", body)
        assert status == 200
        assert len(kinesis.get_records(ShardIterator=cbor2.loads(raw)["ShardIterator"])["Records"]) == expected


def test_cbor_errors_are_cbor(server):
    status, headers, raw = call_cbor(server, "DescribeStream", {"StreamName": "nobody-made-this"})
    assert (status, headers["x-amzn-ErrorType"]) == (400, "ResourceNotFoundException")
    assert cbor2.loads(raw) == {
        "__type": "ResourceNotFoundException",
        "message": "Stream nobody-made-this under account 000000000000 not found.",
    }


def test_the_aws_cli_puts_and_gets(server, stream):
    put = server.aws("kinesis", "put-record", "--stream-name", stream, "--partition-key", "k", "--data", "aGVsbG8=")
    assert put.returncode == 0, put.stderr
    listed = server.aws("kinesis", "list-streams", "--query", "StreamNames", "--output", "text")
    assert stream in listed.stdout, listed.stderr
