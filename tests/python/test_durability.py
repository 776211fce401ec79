"""kill -9 at random moments: every acknowledged record is there once and in order, for readers that never stopped too."""

import random
import threading
import time

import botocore.exceptions
import pytest

from conftest import read_shard, wait_for

KILLS = 12
WRITERS = 4
SHARDS = 3
GONE = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ConnectionError)


class Writer(threading.Thread):
    """Puts ascending numbers under one partition key, so into one shard, each batch after the last was answered."""

    def __init__(self, server, stream, name, seed, done):
        super().__init__(daemon=True)
        self.kinesis = server.client("kinesis")
        self.stream, self.key, self.dice, self.done = stream, name, random.Random(seed), done
        self.acknowledged = {}  # data → (shard, sequence number)
        self.unknown = set()  # sent, never answered: may be there once, or not
        self.refused = []

    def run(self):
        number = 0
        while not self.done.is_set():
            batch = [f"{self.key}/{number + n:08}/".encode() + self.dice.randbytes(self.dice.randrange(2000))
                     for n in range(self.dice.randint(1, 40))]
            number += len(batch)
            try:
                self.put(batch)
            except GONE as error:
                if isinstance(error, botocore.exceptions.ClientError):
                    self.refused.append(str(error))
                self.unknown.update(batch)
                time.sleep(0.02)

    def put(self, batch):
        entries = [{"Data": data, "PartitionKey": self.key} for data in batch]
        answer = self.kinesis.put_records(StreamName=self.stream, Records=entries)
        for data, placed in zip(batch, answer["Records"]):
            if "ErrorCode" in placed:
                self.unknown.add(data)
            else:
                self.acknowledged[data] = (placed["ShardId"], placed["SequenceNumber"])


class Reader(threading.Thread):
    """Follows one shard from its beginning, and goes on with the iterator it holds when the server comes back."""

    def __init__(self, server, stream, shard):
        super().__init__(daemon=True)
        self.kinesis = server.client("kinesis")
        self.records, self.refused, self.done = [], [], threading.Event()
        place = {"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        self.iterator = self.kinesis.get_shard_iterator(**place)["ShardIterator"]

    def run(self):
        while True:
            last_look = self.done.is_set()
            try:
                answer = self.kinesis.get_records(ShardIterator=self.iterator)
            except botocore.exceptions.ClientError as error:
                self.refused.append(str(error))
                return
            except GONE:
                time.sleep(0.02)
                continue
            self.records += answer["Records"]
            self.iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                if last_look:
                    return
                time.sleep(0.01)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [2026])
def test_kill_minus_nine_loses_and_repeats_nothing(start_server, seed):
    dice = random.Random(seed)
    server = start_server()
    stream = server.create_stream("audit", shards=SHARDS)
    shards = [shard["ShardId"] for shard in server.client("kinesis").list_shards(StreamName=stream)["Shards"]]
    done = threading.Event()
    writers = [Writer(server, stream, f"writer-{n}", seed + n, done) for n in range(WRITERS)]
    readers = [Reader(server, stream, shard) for shard in shards]
    for thread in writers + readers:
        thread.start()
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.02, 0.6))
        server.kill9()
        server.start()
    time.sleep(0.5)
    done.set()
    for thread in writers:
        thread.join(60)
    assert all(writer.refused == [] for writer in writers), "a server that is up takes records"

    acknowledged = {data: place for writer in writers for data, place in writer.acknowledged.items()}
    unknown = set().union(*(writer.unknown for writer in writers))
    assert len(acknowledged) > 500, "the writers hardly wrote"
    kinesis = server.client("kinesis")
    stored = {shard: list(read_shard(kinesis, stream, shard)) for shard in shards}
    audit(stored, acknowledged, unknown)

    # Those who read all along saw just that: nothing twice, nothing that a crash took back.
    for reader, shard in zip(readers, shards):
        wait_for(lambda: len(reader.records) >= len(stored[shard]) or reader.refused, what=f"the reader of {shard}")
        reader.done.set()
        reader.join(20)
        assert reader.refused == []
        assert numbers(reader.records) == numbers(stored[shard])

    # And the same after an orderly restart.
    server.restart()
    again = {shard: list(read_shard(kinesis, stream, shard)) for shard in shards}
    assert {shard: numbers(records) for shard, records in again.items()} == {
        shard: numbers(records) for shard, records in stored.items()
    }


def numbers(records):
    return [record["SequenceNumber"] for record in records]


def audit(stored, acknowledged, unknown):
    found = {}
    for shard, records in stored.items():
        sequence = [int(number) for number in numbers(records)]
        assert sequence == sorted(set(sequence)), f"{shard}: sequence numbers do not ascend"
        last = {}
        for record in records:
            data = record["Data"]
            assert data not in found, f"{data[:20]!r} is there twice"
            found[data] = (shard, record["SequenceNumber"])
            key, number, _ = data.split(b"/", 2)
            assert int(number) > last.get(key, -1), f"{shard}: {data[:20]!r} stands before its predecessor"
            last[key] = int(number)
    lost = [data[:20] for data in acknowledged if data not in found]
    assert not lost, f"{len(lost)} acknowledged records are lost, for example {lost[:3]}"
    moved = [data[:20] for data, place in acknowledged.items() if found[data] != place]
    assert not moved, f"{len(moved)} records are not where they were acknowledged, for example {moved[:3]}"
    invented = [data[:20] for data in found if data not in acknowledged and data not in unknown]
    assert not invented, f"records that nobody put: {invented[:3]}"
