// Dead letters: what a message in a queue for failures stands for, the records that it means, and bringing them back.
//
//     const failure = failureOf(letter)                   → { kind: 'batch' | 'event' | 'message' | 'other', … }
//     await recordsOf(failure)                            → the records as they still lie in the stream
//     await redrive(queue, letter, failure, 'other-fn')   → what was done; the message is gone only after that

import { aws } from './aws.js';
import { nameOf } from './format.js';
import { own } from './millrace.js';

/** Records of one call, below Lambda's 6 MB of payload, with what the event adds to each. */
const CALL_BYTES_MAX = 5_000_000;
const RECORD_OVERHEAD = 600;
const LOOK_EVERY = 300;

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** What a message stands for. Event source mappings and asynchronous invocations describe in JSON what failed. */
export function failureOf(letter) {
  let body = parsed(letter.body);
  if (body?.Type === 'Notification') body = parsed(body.Message);
  const context = body?.requestContext;
  if (context?.functionArn) {
    const called = {
      function: context.functionArn, request: context.requestId, condition: context.condition ?? '',
      tries: context.approximateInvokeCount ?? 0, at: body.timestamp, error: body.responseContext?.functionError,
    };
    if ('requestPayload' in body) return { kind: 'event', ...called, payload: body.requestPayload, answer: body.responsePayload };
    const batch = body.KinesisBatchInfo;
    if (batch) {
      return {
        kind: 'batch', ...called, stream: batch.streamArn, shard: batch.shardId, start: batch.startSequenceNumber, end: batch.endSequenceNumber,
        size: batch.batchSize, arrived: [batch.approximateArrivalOfFirstRecord, batch.approximateArrivalOfLastRecord],
      };
    }
  }
  if (letter.source) return { kind: 'message', source: letter.source, tries: letter.received };
  return { kind: 'other' };
}

/** Whether one sequence number is behind another: they are numbers, longer ones are larger. */
const isAfter = (a, b) => a.length > b.length || (a.length === b.length && a > b);

/** A batch's records that the stream still holds. */
export async function recordsOf(batch, { max = Infinity, signal } = {}) {
  const place = { StreamARN: batch.stream, ShardId: batch.shard, ShardIteratorType: 'AT_SEQUENCE_NUMBER', StartingSequenceNumber: batch.start };
  let { ShardIterator: iterator } = await aws('kinesis', 'GetShardIterator', place, { signal });
  const found = [];
  while (iterator) {
    const answer = await aws('kinesis', 'GetRecords', { ShardIterator: iterator, Limit: Math.min(1000, Math.max(batch.size, 1)), StreamARN: batch.stream }, { signal });
    for (const record of answer.Records) {
      if (isAfter(record.SequenceNumber, batch.end) || found.length >= max) return found;
      found.push(record);
    }
    if (found.at(-1)?.SequenceNumber === batch.end) return found;
    if (answer.Records.length === 0 && answer.MillisBehindLatest === 0) return found;
    iterator = answer.NextShardIterator;
  }
  return found;
}

function eventOf(batch, records, role) {
  const one = (record) => ({
    kinesis: {
      kinesisSchemaVersion: '1.0', partitionKey: record.PartitionKey, sequenceNumber: record.SequenceNumber, data: record.Data,
      approximateArrivalTimestamp: record.ApproximateArrivalTimestamp,
    },
    eventSource: 'aws:kinesis', eventVersion: '1.0', eventID: `${batch.shard}:${record.SequenceNumber}`, eventName: 'aws:kinesis:record',
    invokeIdentityArn: role, awsRegion: batch.stream.split(':')[3], eventSourceARN: batch.stream,
  });
  return { Records: records.map(one) };
}

function parts(records) {
  const cut = [[]];
  let size = 0;
  for (const record of records) {
    const more = record.Data.length + record.PartitionKey.length + RECORD_OVERHEAD;
    if (cut.at(-1).length && size + more > CALL_BYTES_MAX) [cut[cut.length], size] = [[], 0];
    cut.at(-1).push(record);
    size += more;
  }
  return cut;
}

/** Calls a function; an error of its own and records that it names as failed are failures. */
async function call(FunctionName, event) {
  const { FunctionError, Payload } = await aws('lambda', 'Invoke', { FunctionName, Payload: JSON.stringify(event) });
  const answer = parsed(Payload);
  if (FunctionError) throw new Error(`${nameOf(FunctionName)} failed (${FunctionError}): ${answer?.errorMessage ?? 'it said nothing more'}`);
  const failed = answer?.batchItemFailures?.length ?? 0;
  if (failed) {
    const first = answer.batchItemFailures[0].itemIdentifier || 'without a number';
    throw new Error(`${nameOf(FunctionName)} names ${failed} as failed, the first is ${first}`);
  }
}

async function again(batch, to) {
  const records = await recordsOf(batch);
  if (records[0]?.SequenceNumber !== batch.start || records.at(-1)?.SequenceNumber !== batch.end) {
    throw new Error(`the stream no longer holds all of its records (${records.length} of ${batch.size}): they are older than its retention`);
  }
  const { Role } = await aws('lambda', 'GetFunctionConfiguration', { FunctionName: to });
  for (const part of parts(records)) await call(to, eventOf(batch, part, Role));
  return `${records.length} ${records.length === 1 ? 'record' : 'records'} given to ${nameOf(to)}`;
}

/** Takes messages out of a queue for good. */
export async function discard(queue, letters) {
  const { discarded } = await own(`/_millrace/dlq/${encodeURIComponent(queue)}/discard`, { body: { handles: letters.map((letter) => letter.handle) } });
  return discarded;
}

/** Brings one failure back to its function, or to another; its message goes when the function succeeded with all of it. */
export async function redrive(queue, letter, failure, to) {
  const target = to || failure.function;
  let done;
  if (failure.kind === 'batch') done = await again(failure, target);
  else if (failure.kind === 'event') {
    await call(target, failure.payload);
    done = `event given to ${nameOf(target)}`;
  } else throw new Error('the message does not say what failed, so there is nothing to repeat');
  await discard(queue, [letter]);
  return done;
}

/** Moves all messages of a queue back to the queues that gave them up. `onMoved` hears how many are. */
export async function moveBack(arn, onMoved) {
  await aws('sqs', 'StartMessageMoveTask', { SourceArn: arn });
  for (;;) {
    const { Results: [task] } = await aws('sqs', 'ListMessageMoveTasks', { SourceArn: arn });
    const moved = task.ApproximateNumberOfMessagesMoved ?? 0;
    onMoved(moved);
    if (task.Status === 'COMPLETED') return moved;
    if (task.Status !== 'RUNNING') throw new Error(`${moved} moved, then it ended: ${task.FailureReason ?? 'it was cancelled'}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}
