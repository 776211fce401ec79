// A stream as a table: columns and types as its last record has them.

import { aws, all } from './aws.js';
import { fromBase64 } from './format.js';
import { serverNow } from './session.js';

/** How far back a record is looked for, each time farther. */
const BACK_SECONDS = [10, 300, 86_400];

const quoted = (name) => (/^[a-z_][a-z0-9_]*$/i.test(name) ? name : `\`${name}\``);
/** Words that SQL keeps for itself and that people often call their columns. */
const RESERVED = new Set('at date day end from group hour language method minute month name order result row second start time timestamp to user value values window year'.split(' '));
const column = (name) => (RESERVED.has(name.toLowerCase()) ? `\`${name}\`` : quoted(name));

/** The type of a JSON value. A text that tells a moment is one, where every part of it is there. */
function typeOf(value) {
  if (typeof value === 'boolean') return 'BOOLEAN';
  if (typeof value === 'number') return Number.isInteger(value) ? 'BIGINT' : 'DOUBLE';
  if (Array.isArray(value)) return `ARRAY<${value.length ? typeOf(value[0]) : 'STRING'}>`;
  if (value && typeof value === 'object') {
    return `ROW<${Object.entries(value).map(([name, member]) => `${column(name)} ${typeOf(member)}`).join(', ')}>`;
  }
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return 'TIMESTAMP_LTZ(3)';
  return 'STRING';
}

async function lastRecord(name) {
  const shards = await all('kinesis', 'ListShards', { StreamName: name }, 'Shards');
  for (const back of BACK_SECONDS) {
    for (const { ShardId } of shards) {
      const place = { StreamName: name, ShardId, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: serverNow() / 1000 - back };
      const { ShardIterator } = await aws('kinesis', 'GetShardIterator', place);
      const { Records } = await aws('kinesis', 'GetRecords', { ShardIterator, Limit: 10 });
      if (Records.length) return fromBase64(Records.at(-1).Data);
    }
  }
  return null;
}

/** `CREATE TABLE` of a stream, and a query of it. */
export async function tableOf({ StreamName, StreamARN }) {
  const text = await lastRecord(StreamName);
  let members = [];
  try {
    members = Object.entries(JSON.parse(text) ?? {});
  } catch {
    members = [];
  }
  const table = StreamName.replace(/[^a-zA-Z0-9_]/g, '_');
  const raw = members.length === 0;
  const columns = raw ? ['line STRING'] : members.map(([name, value]) => `${column(name)} ${typeOf(value)}`);
  const options = [
    ['connector', 'kinesis'], ['stream.arn', StreamARN], ['aws.region', StreamARN.split(':')[3]], ['source.init.position', 'LATEST'],
    ['format', raw ? 'raw' : 'json'], ...(raw ? [] : [['json.timestamp-format.standard', 'ISO-8601'], ['json.ignore-parse-errors', 'true']]),
  ];
  return `CREATE TABLE ${table} (
  ${columns.join(',\n  ')}
) WITH (
  ${options.map(([name, value]) => `'${name}' = '${value}'`).join(',\n  ')}
);

SELECT * FROM ${table};
`;
}
