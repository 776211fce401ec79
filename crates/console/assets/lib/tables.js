// A stream as a table: columns and types as its last records have them.

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

/** So many records are looked at: one alone may lack a member, or have a whole number where others have none. */
const LOOKED_AT = 100;

/** A value that has all that either has. */
function merged(one, other) {
  if (one === null || one === undefined) return other;
  if (typeof one === 'number' && typeof other === 'number') return Number.isInteger(one) ? other : one;
  if (Array.isArray(one)) return one.length ? one : other;
  if (typeof one !== 'object' || !other || typeof other !== 'object') return one;
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(names.map((name) => [name, merged(one[name], other[name])]));
}

/** The members of records that are JSON objects; none when none is. */
function membersOf(texts) {
  const objects = texts.map((text) => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  });
  return Object.entries(objects.filter((each) => each && typeof each === 'object' && !Array.isArray(each)).reduce(merged, null) ?? {});
}

async function lastRecords(name) {
  const shards = await all('kinesis', 'ListShards', { StreamName: name }, 'Shards');
  for (const back of BACK_SECONDS) {
    for (const { ShardId } of shards) {
      const place = { StreamName: name, ShardId, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: serverNow() / 1000 - back };
      const { ShardIterator } = await aws('kinesis', 'GetShardIterator', place);
      const { Records } = await aws('kinesis', 'GetRecords', { ShardIterator, Limit: LOOKED_AT });
      if (Records.length) return Records.map((record) => fromBase64(record.Data));
    }
  }
  return [];
}

/** `CREATE TABLE` of a stream, and a query of it. */
export async function tableOf({ StreamName, StreamARN }) {
  const members = membersOf(await lastRecords(StreamName));
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
