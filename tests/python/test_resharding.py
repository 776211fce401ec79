"""Resharding and enhanced fan-out as clients see them: boto3, the AWS CLI, and `millrace tail`, while a producer writes."""

import collections
import json
import threading

import pytest

MIDDLE = str(2**127)
KEYS = [f"key-{i}" for i in range(12)]


@pytest.fixture
def stream(kinesis, unique):
    name = unique("reshard")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def open_shards(kinesis, stream):
    shards = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))


def read_shard(kinesis, stream, shard):
    """All records of a closed shard with its children; of an open one until it is read up, with None."""
    place = {"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator, records = kinesis.get_shard_iterator(**place)["ShardIterator"], []
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=100)
        records += answer["Records"]
        iterator = answer.get("NextShardIterator")
        # What every consumer library checks: children, each with its parents, or a way to go on; never both.
        assert (iterator is None) == bool(answer.get("ChildShards"))
        if iterator is None:
            assert all(child["ParentShards"] for child in answer["ChildShards"])
            return records, answer["ChildShards"]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return records, None


def read_lineage(kinesis, stream):
    """Reads a stream as a consumer library does: from the first shards on, children after all of their parents."""
    shards = kinesis.list_shards(StreamName=stream)["Shards"]
    todo = [shard["ShardId"] for shard in shards if "ParentShardId" not in shard]
    ended, records = set(), []
    while todo:
        shard = todo.pop(0)
        found, children = read_shard(kinesis, stream, shard)
        records += found
        if children is not None:
            ended.add(shard)
            todo += [c["ShardId"] for c in children if set(c["ParentShards"]) <= ended and c["ShardId"] not in todo]
    return records


class Producer(threading.Thread):
    """Writes numbered records under every key until it is told to stop; each batch must be taken whole."""

    def __init__(self, kinesis, stream):
        super().__init__()
        self.kinesis, self.stream, self.stopping, self.batches, self.error = kinesis, stream, False, 0, None

    def run(self):
        try:
            while not self.stopping:
                entries = [{"Data": json.dumps(self.batches).encode(), "PartitionKey": key} for key in KEYS]
                answer = self.kinesis.put_records(StreamName=self.stream, Records=entries)
                assert answer["FailedRecordCount"] == 0
                self.batches += 1
        except Exception as error:  # Told to whoever joins.
            self.error = error

    def stop(self):
        self.stopping = True
        self.join()
        assert self.error is None


def test_every_key_keeps_its_order_while_shards_change(server, kinesis, stream, eventually):
    producer = Producer(server.client("kinesis"), stream)
    producer.start()

    def written(more):
        until = producer.batches + more
        eventually(lambda: producer.batches >= until or producer.error, what=f"{more} more batches")

    written(20)
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    for target in (4, 3, 6, 3, 2):
        written(20)
        answer = kinesis.update_shard_count(StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        assert answer["TargetShardCount"] == target
        ranges = [shard["HashKeyRange"] for shard in open_shards(kinesis, stream)]
        assert [int(r["StartingHashKey"]) for r in ranges] == [i * (2**128 // target) for i in range(target)]
        assert int(ranges[-1]["EndingHashKey"]) == 2**128 - 1
    written(20)
    low, high = open_shards(kinesis, stream)
    kinesis.merge_shards(StreamName=stream, ShardToMerge=low["ShardId"], AdjacentShardToMerge=high["ShardId"])
    written(20)
    producer.stop()
    assert kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["OpenShardCount"] == 1
    by_key = collections.defaultdict(list)
    for record in read_lineage(kinesis, stream):
        by_key[record["PartitionKey"]].append((int(record["SequenceNumber"]), json.loads(record["Data"])))
    assert sorted(by_key) == sorted(KEYS)
    for key, records in by_key.items():
        assert [number for _, number in records] == list(range(producer.batches)), key
        numbers = [sequence for sequence, _ in records]
        assert numbers == sorted(numbers), f"the numbers of {key} go back"


def test_tail_follows_children(server, kinesis, stream):
    for batch in range(3):
        entries = [{"Data": f"{key} {batch}\n".encode(), "PartitionKey": key} for key in KEYS]
        kinesis.put_records(StreamName=stream, Records=entries)
        kinesis.update_shard_count(StreamName=stream, TargetShardCount=2 - batch % 2, ScalingType="UNIFORM_SCALING")
    tail = server.millrace("tail", stream, "--from-start", "-n", 3 * len(KEYS))
    assert tail.returncode == 0, tail.stderr
    lines = [line.split() for line in tail.stdout.split("\n") if line]
    for key in KEYS:
        assert [batch for of, batch in lines if of == key] == ["0", "1", "2"]


def test_the_cli_splits_and_merges(server, kinesis, stream):
    split = server.aws("kinesis", "split-shard", "--stream-name", stream, "--shard-to-split", "shardId-000000000000",
                       "--new-starting-hash-key", "1000")
    assert (split.returncode, split.stderr) == (0, "")
    again = server.aws("kinesis", "split-shard", "--stream-name", stream, "--shard-to-split", "shardId-000000000000",
                       "--new-starting-hash-key", "1000")
    assert again.returncode != 0 and "has already been merged or split" in again.stderr
    merge = server.aws("kinesis", "merge-shards", "--stream-name", stream, "--shard-to-merge", "shardId-000000000001",
                       "--adjacent-shard-to-merge", "shardId-000000000002")
    assert (merge.returncode, merge.stderr) == (0, "")
    shards = kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"]
    parents = [(shard.get("ParentShardId"), shard.get("AdjacentParentShardId")) for shard in shards]
    zero, one, two = (f"shardId-00000000000{i}" for i in range(3))
    assert parents == [(None, None), (zero, None), (zero, None), (one, two)]
    ended = [shard for shard in shards if "EndingSequenceNumber" in shard["SequenceNumberRange"]]
    assert [shard["ShardId"] for shard in ended] == [zero, one, two]
    for parent, child in zip(ended, shards[1:]):
        first = child["SequenceNumberRange"]["StartingSequenceNumber"]
        assert int(parent["SequenceNumberRange"]["EndingSequenceNumber"]) < int(first)


def test_shards_that_changed_survive_a_kill(start_server):
    server = start_server()
    kinesis = server.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=2)
    shards = kinesis.list_shards(StreamName="s")["Shards"]
    for round_ in range(4):
        kinesis.put_records(StreamName="s", Records=[{"Data": b"%d" % round_, "PartitionKey": key} for key in KEYS])
        kinesis.update_shard_count(StreamName="s", TargetShardCount=3 - round_ % 2, ScalingType="UNIFORM_SCALING")
        shards = kinesis.list_shards(StreamName="s")["Shards"]
        server.kill9()
        server.start()
        assert kinesis.list_shards(StreamName="s")["Shards"] == shards
    assert len(read_lineage(kinesis, "s")) == 4 * len(KEYS)


def test_a_template_scales_its_stream(start_server, tmp_path):
    def template(**properties):
        stream = {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "s", **properties}}
        path = tmp_path / "stack.json"
        path.write_text(json.dumps({"Resources": {"Stream": stream}}))
        return path

    server = start_server(template(ShardCount=2))
    kinesis = server.client("kinesis")
    kinesis.put_records(StreamName="s", Records=[{"Data": b"kept", "PartitionKey": key} for key in KEYS])
    template(ShardCount=3)
    server.restart()
    assert len(open_shards(kinesis, "s")) == 3
    template(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    server.restart()
    summary = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
    assert (summary["StreamModeDetails"]["StreamMode"], summary["OpenShardCount"]) == ("ON_DEMAND", 3)
    assert len(read_lineage(kinesis, "s")) == len(KEYS)


def events(subscription):
    for event in subscription["EventStream"]:
        yield event["SubscribeToShardEvent"]


def test_enhanced_fan_out_pushes_records_and_the_end_of_a_shard(kinesis, stream):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]
    assert consumer["ConsumerStatus"] == "CREATING"
    consumer = kinesis.describe_stream_consumer(ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]
    assert consumer["ConsumerStatus"] == "ACTIVE"
    place = {"ConsumerARN": consumer["ConsumerARN"], "ShardId": "shardId-000000000000"}
    subscription = kinesis.subscribe_to_shard(**place, StartingPosition={"Type": "LATEST"})
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.subscribe_to_shard(**place, StartingPosition={"Type": "LATEST"})
    incoming = events(subscription)
    first = next(incoming)
    assert first["Records"] == [] and first["MillisBehindLatest"] == 0 and "ChildShards" not in first
    sent = []
    for number in range(50):
        sent.append(kinesis.put_record(StreamName=stream, Data=b"%d" % number, PartitionKey="k")["SequenceNumber"])
    got = []
    while len(got) < 50:
        event = next(incoming)
        got += [record["SequenceNumber"] for record in event["Records"]]
        assert event["ContinuationSequenceNumber"] == got[-1]
    assert got == sent
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    end = next(event for event in incoming if "ContinuationSequenceNumber" not in event)
    children = [child["ShardId"] for child in end["ChildShards"]]
    assert children == ["shardId-000000000001", "shardId-000000000002"]
    assert list(incoming) == [], "the answer ends with the shard"
    kinesis.put_record(StreamName=stream, Data=b"child", PartitionKey="k", ExplicitHashKey="0")
    place = {"ConsumerARN": consumer["ConsumerARN"], "ShardId": children[0]}
    subscription = kinesis.subscribe_to_shard(**place, StartingPosition={"Type": "TRIM_HORIZON"})
    assert next(events(subscription))["Records"][0]["Data"] == b"child"
    subscription["EventStream"].close()
    kinesis.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []


def test_a_subscription_goes_on_where_another_one_stood(server, kinesis, stream, eventually):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    consumers = [kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"c{i}")["Consumer"] for i in range(4)]
    producer = Producer(server.client("kinesis"), stream)
    producer.start()
    start, got = {"Type": "TRIM_HORIZON"}, []
    # Each with a consumer of its own: the same one may only subscribe every five seconds.
    for consumer in consumers:
        place = {"ConsumerARN": consumer["ConsumerARN"], "ShardId": "shardId-000000000000"}
        subscription = kinesis.subscribe_to_shard(**place, StartingPosition=start)
        for _, event in zip(range(10), events(subscription)):
            got += [record["SequenceNumber"] for record in event["Records"]]
            start = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": event["ContinuationSequenceNumber"]}
        subscription["EventStream"].close()
    producer.stop()
    all_numbers = [record["SequenceNumber"] for record in read_shard(kinesis, stream, "shardId-000000000000")[0]]
    assert len(got) > 100 and got == all_numbers[:len(got)]
