// Records of a stream: a look at what is there, and a record of one's own.

import { aws } from '../lib/aws.js';
import { ago, bytes, clock, dateTime, fromBase64, toBase64 } from '../lib/format.js';
import { html, useEffect, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { serverNow } from '../lib/session.js';
import { Button, Card, Copy, DefinitionList, Dialog, Empty, Field, Form, Input, Json, Select, State, Table, TextArea, toast } from '../lib/ui.js';

const SHOWN_MAX = 200;
const READ_AT_ONCE = 100;

/** Where reading begins. Live ones start a little back, so that something is there at once. */
function startOf(from) {
  if (from === 'oldest') return { ShardIteratorType: 'TRIM_HORIZON' };
  return { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: serverNow() / 1000 - (from === 'live' ? 2 : Number(from)) };
}

/** Reads on in every shard; gives all that is shown, the newest first. */
function reader(name, shards, from) {
  let iterators;
  let shown = [];
  return async (signal) => {
    iterators ??= await Promise.all(shards.map(async (ShardId) => {
      const { ShardIterator } = await aws('kinesis', 'GetShardIterator', { StreamName: name, ShardId, ...startOf(from) }, { signal });
      return [ShardId, ShardIterator];
    }));
    if (from === 'oldest' && shown.length >= READ_AT_ONCE) return shown;
    const answers = await Promise.all(iterators.map(async ([shard, ShardIterator]) => {
      if (!ShardIterator) return [shard, null, []];
      const answer = await aws('kinesis', 'GetRecords', { ShardIterator, Limit: READ_AT_ONCE }, { signal });
      return [shard, answer.NextShardIterator, answer.Records.map((record) => ({ ...record, shard }))];
    }));
    iterators = answers.map(([shard, next]) => [shard, next]);
    const fresh = answers.flatMap(([, , records]) => records);
    shown = [...shown, ...fresh].sort((a, b) => b.ApproximateArrivalTimestamp - a.ApproximateArrivalTimestamp);
    shown = from === 'oldest' ? shown.slice(-SHOWN_MAX) : shown.slice(0, SHOWN_MAX);
    return shown;
  };
}

function Live({ name, shards, from, wanted, onOpen }) {
  const [read] = useState(() => reader(name, shards, from));
  const live = useLive(read, { every: 1000 });
  const columns = [
    { key: 'ApproximateArrivalTimestamp', title: 'Arrived', cell: (row) => html`<span class="mono" title=${ago(row.ApproximateArrivalTimestamp, serverNow())}>${clock(row.ApproximateArrivalTimestamp, { millis: true })}</span>` },
    { key: 'shard', title: 'Shard', cell: (row) => html`<span class="mono faint">${row.shard.replace(/^shardId-0*(?=\d)/, '')}</span>` },
    { key: 'PartitionKey', title: 'Key', cell: (row) => html`<code class="clip key-cell">${row.PartitionKey}</code>` },
    { key: 'size', title: 'Size', num: true, cell: (row) => bytes((row.Data.length * 3) / 4), sort: (row) => row.Data.length },
    { key: 'Data', title: 'Data', grow: true, sort: false, cell: (row) => html`<code class="line">${fromBase64(row.Data).slice(0, 400)}</code>` },
  ];
  return html`<${State} live=${live} what="Records could not be read">${(records) => {
    const rows = wanted ? records.filter((row) => row.PartitionKey.includes(wanted) || fromBase64(row.Data).includes(wanted)) : records;
    return html`<${Table} label="Records" columns=${columns} rows=${rows} max=${SHOWN_MAX} rowKey=${(row) => `${row.shard}${row.SequenceNumber}`} onRow=${onOpen}
      empty=${html`<${Empty} title=${wanted && records.length ? 'No record that is shown holds that text' : 'No records'}>${from === 'live' ? 'What comes in now will stand here. Choose an earlier beginning to see what is there.' : 'Nothing has come in since then, or it has outlived its retention.'}</${Empty}>`} />`;
  }}</${State}>`;
}

/** A look at the records: live, of the last minutes, or from the oldest on. */
export function Records({ name, shards }) {
  const [from, setFrom] = useState('live');
  const [shard, setShard] = useState('');
  const [wanted, setWanted] = useState('');
  const [shown, setShown] = useState(null);
  const readable = shards.map((each) => each.ShardId);
  const open = shards.filter((each) => !each.SequenceNumberRange.EndingSequenceNumber).map((each) => each.ShardId);
  const list = shard ? [shard] : from === 'live' ? open : readable;
  const toolbar = html`
    <${Select} aria-label="From" value=${from} onValue=${setFrom} options=${[['live', 'Live'], ['60', 'Last minute'], ['900', 'Last 15 minutes'], ['3600', 'Last hour'], ['oldest', 'Oldest']]} />
    <${Select} aria-label="Shard" value=${shard} onValue=${setShard} options=${[['', 'All shards'], ...readable.map((id) => [id, id.replace(/^shardId-0*(?=\d)/, 'Shard ')])]} />
    <${Input} type="search" data-search placeholder="Text or key" aria-label="Text or key" value=${wanted} onValue=${setWanted} />`;
  return html`<${Card} flush title="Records" note="a look costs no consumer anything" actions=${toolbar}>
    <${Live} key=${`${from}/${list.join()}`} name=${name} shards=${list} from=${from} wanted=${wanted} onOpen=${setShown} />
    ${shown && html`<${Record} record=${shown} onClose=${() => setShown(null)} />`}
  </${Card}>`;
}

function Record({ record, onClose }) {
  const text = fromBase64(record.Data);
  return html`<${Dialog} wide title=${`Record of key ${record.PartitionKey}`} onClose=${onClose}>
    <${DefinitionList} items=${[
      ['Arrived', `${dateTime(record.ApproximateArrivalTimestamp)} (${ago(record.ApproximateArrivalTimestamp, serverNow())})`],
      ['Shard', html`<code>${record.shard}</code>`],
      ['Sequence number', html`<code>${record.SequenceNumber}</code> <${Copy} text=${record.SequenceNumber} />`],
      ['Size', bytes((record.Data.length * 3) / 4)],
    ]} />
    <div class="row spread above"><h3>Data</h3><${Copy} text=${text} label="Copy the data" /></div>
    <${Json} text=${text} />
  </${Dialog}>`;
}

/** Puts a record, by hand. */
export function PutRecord({ name, onClose }) {
  const [key, setKey] = useState('test');
  const [data, setData] = useState('{\n  "hello": "world"\n}');
  const [isJson, setJson] = useState(true);
  useEffect(() => {
    try {
      JSON.parse(data);
      setJson(true);
    } catch {
      setJson(false);
    }
  }, [data]);
  const put = async () => {
    // One line, as programs write it.
    const text = isJson ? JSON.stringify(JSON.parse(data)) : data;
    const answer = await aws('kinesis', 'PutRecord', { StreamName: name, PartitionKey: key, Data: toBase64(text) });
    toast(`Put into ${answer.ShardId}`);
    onClose();
  };
  return html`<${Dialog} title=${`Put a record into ${name}`} onClose=${onClose}>
    <${Form} onSubmit=${put}>
      <${Field} label="Partition key" hint="Records of one key keep their order."><${Input} required value=${key} onValue=${setKey} maxlength="256" /></${Field}>
      <${Field} label="Data" hint=${isJson ? 'JSON: put as one line.' : 'Not JSON: put as it is.'}><${TextArea} rows="10" value=${data} onValue=${setData} /></${Field}>
      <div class="actions"><${Button} type="submit" tone="primary">Put it</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}
