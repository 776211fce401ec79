"""Accounts and regions do not see each other."""

import pytest

SCOPES = [("111111111111", "us-east-1"), ("222222222222", "us-east-1"), ("111111111111", "eu-west-1")]


def test_one_name_in_three_scopes_is_three_streams(server, unique):
    name = unique("shared")
    for account, region in SCOPES:
        server.create_stream(name, account=account, region=region)
        kinesis = server.client("kinesis", account=account, region=region)
        kinesis.put_record(StreamName=name, Data=f"{account} {region}".encode(), PartitionKey="k")
    for account, region in SCOPES:
        kinesis = server.client("kinesis", account=account, region=region)
        about = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        assert about["StreamARN"] == f"arn:aws:kinesis:{region}:{account}:stream/{name}"
        place = {"StreamName": name, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
        [record] = kinesis.get_records(ShardIterator=iterator)["Records"]
        assert record["Data"] == f"{account} {region}".encode()


def test_a_neighbours_stream_is_not_listed_nor_deleted(server, unique):
    name = unique("mine")
    mine = server.client("kinesis", account="333333333333")
    server.create_stream(name, account="333333333333")
    for account, region in [("444444444444", "us-east-1"), ("333333333333", "ap-south-1")]:
        other = server.client("kinesis", account=account, region=region)
        assert name not in other.list_streams()["StreamNames"]
        with pytest.raises(other.exceptions.ResourceNotFoundException):
            other.delete_stream(StreamName=name)
    assert name in mine.list_streams()["StreamNames"]


def test_a_key_that_is_no_account_is_the_default_one(server, unique):
    name = server.create_stream(unique("plain"))
    other = server.client("kinesis", account="AKIAIOSFODNN7EXAMPLE")
    about = other.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert about["StreamARN"] == f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"
