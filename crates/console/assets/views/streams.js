// Streams: what comes in, how it is spread over shards, who reads it how far behind, and what the records are.

import { aws, all } from '../lib/aws.js';
import { Chart, Spark } from '../lib/chart.js';
import { bytes, count, dateTime, duration, nameOf, percent, rate } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { latest, metric, perSecond, total, useMetrics } from '../lib/metrics.js';
import { own } from '../lib/millrace.js';
import { go, href } from '../lib/route.js';
import { Badge, Bar, Button, Card, DefinitionList, Empty, Grid, Input, Page, Stat, State, Stats, Status, Table, Tabs } from '../lib/ui.js';
import { PutRecord, Records } from './stream-records.js';

const KEYS_MAX = 2n ** 128n;

const of = (name, what, stat) => metric('AWS/Kinesis', what, { StreamName: name }, stat);

export default function Streams({ path, query }) {
  return path[0] ? html`<${Stream} name=${path[0]} query=${query} />` : html`<${List} />`;
}

function List() {
  const [wanted, setWanted] = useState('');
  const streams = useLive((signal) => all('kinesis', 'ListStreams', {}, 'StreamSummaries', { signal }), { every: 5000 });
  const vitals = useLive((signal) => own('/_millrace/vitals', { signal }), { every: 2000 });
  const names = (streams.data ?? []).map((stream) => stream.StreamName);
  const specs = useMemo(() => Object.fromEntries(names.flatMap((name, index) => [
    [`in_${index}`, of(name, 'IncomingRecords')], [`bytes_${index}`, of(name, 'IncomingBytes')],
    [`over_${index}`, of(name, 'WriteProvisionedThroughputExceeded')],
  ])), [names.join()]);
  const { series, start, end } = useMetrics(specs, { seconds: 300, deps: [names.join()] });
  const age = (name) => {
    const ages = (vitals.data?.readers ?? []).filter((reader) => reader.stream === name).map((reader) => reader.age_ms);
    return ages.length ? Math.max(...ages) : undefined;
  };
  const columns = [
    { key: 'StreamName', title: 'Stream', grow: true, cell: (row) => html`<a href=${href('streams', row.StreamName)}>${row.StreamName}</a>` },
    { key: 'StreamStatus', title: 'Status', cell: (row) => html`<${Status}>${row.StreamStatus}</${Status}>` },
    { key: 'mode', title: 'Mode', cell: (row) => (row.StreamModeDetails?.StreamMode === 'ON_DEMAND' ? 'on demand' : 'provisioned'), sort: (row) => row.StreamModeDetails?.StreamMode },
    { key: 'rate', title: 'Records', num: true, cell: (row) => rate(row.rate ?? 0) },
    { key: 'line', title: '5 minutes', sort: false, cell: (row) => html`<${Spark} series=${row.line} start=${start} end=${end} width=${120} />` },
    { key: 'bytes', title: 'Bytes', num: true, cell: (row) => `${bytes(row.bytes ?? 0)}/s` },
    { key: 'over', title: 'Over quota', num: true, cell: (row) => (row.over > 0 ? html`<span class="warn">${count(row.over)}</span>` : '0') },
    { key: 'age', title: 'Farthest behind', num: true, cell: (row) => html`<span class=${row.age > 60000 ? 'bad' : row.age > 5000 ? 'warn' : ''}>${duration(row.age)}</span>` },
    { key: 'StreamCreationTimestamp', title: 'Created', cell: (row) => html`<span class="faint">${dateTime(row.StreamCreationTimestamp)}</span>` },
  ];
  const rows = (streams.data ?? []).map((stream, index) => ({
    ...stream,
    rate: perSecond(series[`in_${index}`], { end }), bytes: perSecond(series[`bytes_${index}`], { end }),
    over: total(series[`over_${index}`]) ?? 0, line: series[`in_${index}`], age: age(stream.StreamName),
  })).filter((row) => row.StreamName.includes(wanted));
  const empty = html`<${Empty} title=${wanted ? `No stream is called like ${wanted}` : 'No streams yet'}>
    ${!wanted && html`<code>aws kinesis create-stream --stream-name orders --shard-count 1</code>`}</${Empty}>`;
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onValue=${setWanted} />`;
  return html`<${Page} title="Streams" actions=${search}>
    <${Card} flush>
      <${State} live=${streams} what="Streams could not be listed">
        ${() => html`<${Table} label="Streams" columns=${columns} rows=${rows} rowKey=${(row) => row.StreamName}
          onRow=${(row) => go('streams', row.StreamName)} empty=${empty} />`}
      </${State}>
    </${Card}>
  </${Page}>`;
}

function Stream({ name }) {
  const stream = useLive(async (signal) => {
    const [summary, shards, consumers] = await Promise.all([
      aws('kinesis', 'DescribeStreamSummary', { StreamName: name }, { signal }),
      all('kinesis', 'ListShards', { StreamName: name }, 'Shards', { signal }),
      aws('kinesis', 'DescribeStreamSummary', { StreamName: name }, { signal }).then(({ StreamDescriptionSummary }) => all(
        'kinesis', 'ListStreamConsumers', { StreamARN: StreamDescriptionSummary.StreamARN }, 'Consumers', { signal }), () => []),
    ]);
    return { ...summary.StreamDescriptionSummary, shards, consumers };
  }, { every: 5000 });
  const vitals = useLive((signal) => own('/_millrace/vitals', { signal }), { every: 1000 });
  const readers = (vitals.data?.readers ?? []).filter((reader) => reader.stream === name);
  const [putting, setPutting] = useState(false);
  const open = stream.data?.shards.filter((shard) => !shard.SequenceNumberRange.EndingSequenceNumber).length;
  const tabs = [
    { id: 'shards', title: 'Shards', badge: open },
    { id: 'readers', title: 'Consumers', badge: new Set(readers.map((reader) => `${reader.kind}/${reader.name}`)).size },
    { id: 'records', title: 'Records' },
    { id: 'settings', title: 'Settings' },
  ];
  const actions = html`<${Button} onClick=${() => setPutting(true)}>Put a record</${Button}>`;
  return html`<${Page} title=${name} crumbs=${[['Streams', href('streams')]]} actions=${actions}
      note=${stream.data && html`<${Status}>${stream.data.StreamStatus}</${Status}>`}>
    <${State} live=${stream} what=${`Stream ${name} could not be read`}>
      ${(data) => html`
        <${Figures} name=${name} readers=${readers} />
        <${Tabs} tabs=${tabs}>${(tab) => html`
          ${tab === 'shards' && html`<${Shards} name=${name} stream=${data} readers=${readers} />`}
          ${tab === 'readers' && html`<${Readers} readers=${readers} consumers=${data.consumers} error=${vitals.error} />`}
          ${tab === 'records' && html`<${Records} name=${name} shards=${data.shards} />`}
          ${tab === 'settings' && html`<${Settings} stream=${data} />`}`}
        </${Tabs}>`}
    </${State}>
    ${putting && html`<${PutRecord} name=${name} onClose=${() => setPutting(false)} />`}
  </${Page}>`;
}

function Figures({ name, readers }) {
  const specs = useMemo(() => ({
    records: of(name, 'IncomingRecords'), size: of(name, 'IncomingBytes'), over: of(name, 'WriteProvisionedThroughputExceeded'),
    latency: of(name, 'PutRecords.Latency', 'p99'), single: of(name, 'PutRecord.Latency', 'p99'), read: of(name, 'GetRecords.Records'),
  }), [name]);
  const { series, start, end, period } = useMetrics(specs, { seconds: 300, deps: [name] });
  const oldest = readers.length ? Math.max(...readers.map((reader) => reader.age_ms)) : undefined;
  const over = perSecond(series.over, { end }) ?? 0;
  return html`
    <${Stats}>
      <${Stat} label="Records in" value=${rate(perSecond(series.records, { end }) ?? 0)} />
      <${Stat} label="Bytes in" value=${`${bytes(perSecond(series.size, { end }) ?? 0)}/s`} />
      <${Stat} label="Put, p99" value=${duration(latest(series.latency, { end }) ?? latest(series.single, { end }))} />
      <${Stat} label="Over quota" value=${rate(over)} tone=${over > 0 ? 'warn' : ''} />
      <${Stat} label="Farthest behind" value=${duration(oldest)} tone=${oldest > 60000 ? 'bad' : oldest > 5000 ? 'warn' : ''} note=${readers.length ? null : 'nobody in the server reads it'} />
    </${Stats}>
    <${Grid} min=${420}>
      <${Card} title="Records" note="a second">
        <${Chart} height=${132} start=${start} end=${end} period=${period} format=${count} lines=${[{ label: 'in', series: series.records, gaps: 0 }, { label: 'over quota', series: series.over, gaps: 0, color: '--bad' }]} />
      </${Card}>
      <${Card} title="Bytes" note="a second">
        <${Chart} height=${132} start=${start} end=${end} period=${period} format=${bytes} lines=${[{ label: 'in', series: series.size, gaps: 0, color: '--line-3' }]} />
      </${Card}>
    </${Grid}>`;
}

/** From a shard's first to its last hash, as shares of all: where it lies in the bar. */
function rangeOf(shard) {
  const { StartingHashKey, EndingHashKey } = shard.HashKeyRange;
  const share = (value) => Number((value * 1_000_000n) / KEYS_MAX) / 1_000_000;
  return [share(BigInt(StartingHashKey)), share(BigInt(EndingHashKey) + 1n)];
}

const short = (shardId) => shardId.replace(/^shardId-0*(?=\d)/, '');

function Shards({ name, stream, readers }) {
  const hot = useLive((signal) => own(`/_millrace/hot-keys/${encodeURIComponent(name)}`, { signal }), { every: 3000, deps: [name] });
  const measured = stream.EnhancedMonitoring?.some((each) => each.ShardLevelMetrics?.includes('IncomingRecords'));
  const specs = useMemo(() => (measured ? Object.fromEntries(stream.shards.flatMap((shard, index) => [
    [`in_${index}`, metric('AWS/Kinesis', 'IncomingRecords', { StreamName: name, ShardId: shard.ShardId })],
    [`bytes_${index}`, metric('AWS/Kinesis', 'IncomingBytes', { StreamName: name, ShardId: shard.ShardId })],
  ])) : {}), [name, measured, stream.shards.length]);
  const { series, start, end } = useMetrics(specs, { seconds: 180, deps: [specs] });
  const keysOf = (id) => hot.data?.shards.find((each) => each.shard === id)?.keys ?? [];
  const rows = stream.shards.map((shard, index) => {
    const mine = readers.filter((reader) => reader.shard === shard.ShardId);
    return {
      ...shard, line: series[`in_${index}`], rate: perSecond(series[`in_${index}`], { end }), bytes: perSecond(series[`bytes_${index}`], { end }),
      closed: Boolean(shard.SequenceNumberRange.EndingSequenceNumber), range: rangeOf(shard), keys: keysOf(shard.ShardId),
      age: mine.length ? Math.max(...mine.map((reader) => reader.age_ms)) : undefined,
    };
  });
  const columns = [
    { key: 'ShardId', title: 'Shard', cell: (row) => html`<span class=${row.closed ? 'mono faint' : 'mono'} title=${row.ShardId}>${short(row.ShardId)}</span> ${row.closed && html`<${Badge}>closed</${Badge}>`}` },
    { key: 'range', title: 'Hash range', sort: (row) => row.range[0], cell: (row) => html`<${Range} shard=${row} />` },
    { key: 'parents', title: 'Parents', sort: false, cell: (row) => html`<span class="mono faint">${[row.ParentShardId, row.AdjacentParentShardId].filter(Boolean).map(short).join(', ') || '–'}</span>` },
    ...(measured ? [
      { key: 'rate', title: 'Records', num: true, cell: (row) => rate(row.rate ?? 0) },
      { key: 'bytes', title: 'Bytes', num: true, cell: (row) => `${bytes(row.bytes ?? 0)}/s` },
      { key: 'line', title: '3 minutes', sort: false, cell: (row) => html`<${Spark} series=${row.line} start=${start} end=${end} width=${90} />` },
    ] : []),
    { key: 'age', title: 'Farthest behind', num: true, cell: (row) => duration(row.age) },
    { key: 'keys', title: 'Hottest keys, share of bytes', grow: true, sort: (row) => row.keys[0]?.share, cell: (row) => html`<${HotKeys} keys=${row.keys} />` },
  ];
  const enable = () => aws('kinesis', 'EnableEnhancedMonitoring', { StreamName: name, ShardLevelMetrics: ['IncomingBytes', 'IncomingRecords', 'OutgoingRecords', 'WriteProvisionedThroughputExceeded'] });
  const measure = !measured && html`<${Button} small onClick=${enable}>Count by shard</${Button}>`;
  return html`<${Card} flush title="Shards" note=${measured ? 'open ones take records, closed ones are read to their end first' : 'rates by shard come with enhanced monitoring'} actions=${measure}>
    <${Table} label="Shards" columns=${columns} rows=${rows} rowKey=${(row) => row.ShardId} sort=${{ key: 'range' }} />
  </${Card}>`;
}

function Range({ shard }) {
  const [from, to] = shard.range;
  const style = { left: `${from * 100}%`, width: `${Math.max(0.5, (to - from) * 100)}%` };
  const words = `${percent(from, 1)} to ${percent(to, 1)} of all hash keys`;
  return html`<span class="range" title=${`${words}: ${shard.HashKeyRange.StartingHashKey} – ${shard.HashKeyRange.EndingHashKey}`} role="img" aria-label=${words}>
    <span class=${shard.closed ? 'range-part closed' : 'range-part'} style=${style} /></span>`;
}

function HotKeys({ keys }) {
  if (!keys.length) return html`<span class="faint">no records in the last two minutes</span>`;
  return html`<span class="hot-keys">${keys.slice(0, 3).map(({ key, share }) => html`<span key=${key} class="hot-key" title=${`${percent(share)} of the shard's bytes`}>
    <code class="clip">${key}</code> <${Bar} share=${share} tone=${share > 0.5 ? 'bad' : share > 0.3 ? 'warn' : ''} /> ${percent(share, 0)}</span>`)}</span>`;
}

const KINDS = { function: ['function', 'functions'], delivery: ['delivery', 'delivery'], application: ['job', 'jobs'] };

function Readers({ readers, consumers, error }) {
  const groups = new Map();
  readers.forEach((reader) => {
    const key = `${reader.kind}/${reader.name}/${reader.mapping ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), reader]);
  });
  const rows = [...groups].map(([id, list]) => ({
    id, ...list[0], shards: list.length, records: list.reduce((sum, reader) => sum + reader.records, 0),
    age: Math.max(...list.map((reader) => reader.age_ms)), still: Math.max(...list.filter((reader) => reader.records > 0).map((reader) => reader.still_ms), 0),
    damage: list.find((reader) => reader.damage)?.damage,
  }));
  const columns = [
    { key: 'name', title: 'Reader', grow: true, cell: (row) => html`<a href=${href(KINDS[row.kind][1], row.name)}>${row.name}</a> <${Badge}>${KINDS[row.kind][0]}</${Badge}>${row.damage && html`<div class="bad">${row.damage}</div>`}` },
    { key: 'consumer', title: 'Reads as', cell: (row) => (row.consumer ? html`<span class="mono">${nameOf(row.consumer)}</span>` : html`<span class="faint">shared throughput</span>`) },
    { key: 'shards', title: 'Shards', num: true },
    { key: 'records', title: 'Not done', num: true, cell: (row) => count(row.records) },
    { key: 'age', title: 'Oldest', num: true, cell: (row) => html`<span class=${row.age > 60000 ? 'bad' : row.age > 5000 ? 'warn' : ''}>${duration(row.age)}</span>` },
    { key: 'still', title: 'Has not moved for', num: true, cell: (row) => (row.records > 0 ? duration(row.still) : '–') },
  ];
  const registered = [
    { key: 'ConsumerName', title: 'Consumer', grow: true },
    { key: 'ConsumerStatus', title: 'Status', cell: (row) => html`<${Status}>${row.ConsumerStatus}</${Status}>` },
    { key: 'ConsumerCreationTimestamp', title: 'Registered', cell: (row) => dateTime(row.ConsumerCreationTimestamp) },
  ];
  return html`
    ${error && html`<p class="stale">${error.message}</p>`}
    <${Card} flush title="Readers in this server" note="functions, deliveries and jobs, with their own positions">
      <${Table} label="Readers" columns=${columns} rows=${rows} sort=${{ key: 'age', down: true }} empty=${html`<${Empty} title="Nothing in this server reads the stream">
        An event source mapping, a delivery stream or a job would stand here. Consumers outside are known by their GetRecords calls only.</${Empty}>`} />
    </${Card}>
    <${Card} flush title="Registered consumers" note="enhanced fan-out">
      <${Table} label="Consumers" columns=${registered} rows=${consumers} rowKey=${(row) => row.ConsumerARN} empty=${html`<${Empty} title="None is registered">
        <code>aws kinesis register-stream-consumer</code> gives a consumer a throughput of its own.</${Empty}>`} />
    </${Card}>`;
}

function Settings({ stream }) {
  const levels = stream.EnhancedMonitoring?.flatMap((each) => each.ShardLevelMetrics ?? []);
  return html`<${Card} title="Settings">
    <${DefinitionList} items=${[
      ['ARN', html`<code>${stream.StreamARN}</code>`],
      ['Mode', stream.StreamModeDetails?.StreamMode],
      ['Open shards', stream.OpenShardCount],
      ['Retention', `${stream.RetentionPeriodHours} hours`],
      ['Encryption', stream.EncryptionType === 'KMS' ? stream.KeyId : stream.EncryptionType],
      ['Shard-level metrics', levels?.length ? levels.join(', ') : 'none'],
      ['Consumers', stream.ConsumerCount],
      ['Created', dateTime(stream.StreamCreationTimestamp)],
    ]} />
  </${Card}>`;
}
