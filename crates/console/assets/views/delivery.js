// Delivery streams: how fresh and how complete what they deliver is, the objects in the lake, and what could not be delivered.

import { all, aws } from '../lib/aws.js';
import { Chart, Spark } from '../lib/chart.js';
import { bytes, count, dateTime, duration, nameOf, percent, rate, whole } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { calm, latest, metric, perSecond, total, useMetrics } from '../lib/metrics.js';
import { own } from '../lib/millrace.js';
import { go, href } from '../lib/route.js';
import { Badge, Card, DefinitionList, Empty, Grid, Input, Json, Page, Stat, State, Stats, Status, Table, Tabs } from '../lib/ui.js';
import { Failures, Objects } from './delivery-objects.js';

const of = (name, what, stat) => metric('AWS/Firehose', what, { DeliveryStreamName: name }, stat);

/** The folder that every key of a prefix lies in: up to its first expression. */
const fixed = (prefix = '') => prefix.split('!{')[0].replace(/[^/]*$/, '');

/** Where a delivery stream delivers to: S3, or the index with S3 for what fails. */
export function destinationOf(description) {
  const [destination] = description.Destinations;
  const search = destination.AmazonopensearchserviceDestinationDescription;
  const s3 = destination.ExtendedS3DestinationDescription ?? search?.S3DestinationDescription ?? destination.S3DestinationDescription ?? {};
  const errors = search ? `${s3.Prefix ?? ''}AmazonOpenSearchService-failed/` : fixed(s3.ErrorOutputPrefix);
  return {
    search, s3, bucket: nameOf(s3.BucketARN), prefix: fixed(s3.Prefix), errors,
    family: search ? 'DeliveryToAmazonOpenSearchService' : 'DeliveryToS3',
    buffer: (search ?? s3).BufferingHints, words: search ? `index ${search.IndexName}` : `s3://${nameOf(s3.BucketARN)}/${fixed(s3.Prefix)}`,
  };
}

const describe = async (name, signal) => (await aws('firehose', 'DescribeDeliveryStream', { DeliveryStreamName: name }, { signal })).DeliveryStreamDescription;

const sourceOf = (description) => description.Source?.KinesisStreamSourceDescription?.KinesisStreamARN;

/** How late is late: what the buffer waits for is not. */
function toneOfAge(age, vitals) {
  const waits = (vitals?.interval_secs ?? 60) * 1000;
  return age > waits * 4 + 60_000 ? 'bad' : age > waits * 2 + 5000 ? 'warn' : '';
}

const vitalsOf = (signal) => own('/_millrace/vitals', { signal });

export default function Delivery({ path }) {
  return path[0] ? html`<${One} name=${path[0]} />` : html`<${List} />`;
}

function List() {
  const [wanted, setWanted] = useState('');
  const streams = useLive(async (signal) => {
    const names = await all('firehose', 'ListDeliveryStreams', {}, 'DeliveryStreamNames', { signal });
    return Promise.all(names.map((name) => describe(name, signal)));
  }, { every: 10_000 });
  const vitals = useLive(vitalsOf, { every: 2000 });
  const names = (streams.data ?? []).map((stream) => stream.DeliveryStreamName);
  const specs = useMemo(() => Object.fromEntries((streams.data ?? []).flatMap((stream, index) => {
    const { family } = destinationOf(stream);
    return [[`records_${index}`, of(stream.DeliveryStreamName, `${family}.Records`)], [`bytes_${index}`, of(stream.DeliveryStreamName, `${family}.Bytes`)]];
  })), [names.join()]);
  const { series, start, end } = useMetrics(specs, { seconds: 300, deps: [names.join()] });
  const rows = (streams.data ?? []).map((stream, index) => {
    const known = vitals.data?.deliveries.find((each) => each.name === stream.DeliveryStreamName);
    return {
      ...stream, name: stream.DeliveryStreamName, to: destinationOf(stream), source: sourceOf(stream), vitals: known, age: known?.freshness_ms,
      line: series[`records_${index}`], rate: perSecond(series[`records_${index}`], { end, over: 60 }), bytes: perSecond(series[`bytes_${index}`], { end, over: 60 }),
    };
  }).filter((row) => row.name.includes(wanted));
  const columns = [
    { key: 'name', title: 'Delivery stream', cell: (row) => html`<a href=${href('delivery', row.name)}>${row.name}</a>` },
    { key: 'DeliveryStreamStatus', title: 'Status', cell: (row) => (row.vitals?.error ? html`<${Badge} tone="bad" title=${row.vitals.error}>fails</${Badge}>` : html`<${Status}>${row.DeliveryStreamStatus}</${Status}>`) },
    { key: 'source', title: 'From', sort: (row) => row.source ?? '', cell: (row) => (row.source ? html`<a href=${href('streams', nameOf(row.source))}>${nameOf(row.source)}</a>` : html`<span class="faint">direct puts</span>`) },
    { key: 'to', title: 'To', grow: true, sort: (row) => row.to.words, cell: (row) => html`<span class="mono">${row.to.words}</span>` },
    { key: 'rate', title: 'Delivered', num: true, cell: (row) => rate(row.rate ?? 0) },
    { key: 'line', title: '5 minutes', sort: false, cell: (row) => html`<${Spark} series=${calm(row.line, 10)} start=${start} end=${end} width=${100} />` },
    { key: 'bytes', title: 'Bytes', num: true, cell: (row) => `${bytes(row.bytes ?? 0)}/s` },
    { key: 'age', title: 'Oldest waiting', num: true, cell: (row) => html`<span class=${toneOfAge(row.age, row.vitals)}>${duration(row.age)}</span>` },
    { key: 'failed', title: 'Not deliverable', num: true, sort: (row) => row.vitals?.failed, cell: (row) => (row.vitals?.failed ? html`<span class="warn">${whole(row.vitals.failed)}</span>` : '0') },
  ];
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onValue=${setWanted} />`;
  return html`<${Page} title="Delivery" note="streams into the lake and the index" actions=${search}>
    <${Card} flush><${State} live=${streams} what="Delivery streams could not be listed">${(list) => html`
      <${Table} label="Delivery streams" columns=${columns} rows=${rows} rowKey=${(row) => row.name} onRow=${(row) => go('delivery', row.name)}
        empty=${html`<${Empty} title=${list.length ? `No delivery stream is called like ${wanted}` : 'No delivery streams yet'}>
          ${!list.length && html`<code>aws firehose create-delivery-stream --delivery-stream-type KinesisStreamAsSource …</code>, or <code>AWS::KinesisFirehose::DeliveryStream</code> in a template.`}</${Empty}>`} />`}
    </${State}></${Card}>
  </${Page}>`;
}

function One({ name }) {
  const stream = useLive(async (signal) => {
    // The pipeline's picture leads here for a bucket, too.
    const names = await all('firehose', 'ListDeliveryStreams', {}, 'DeliveryStreamNames', { signal });
    return names.includes(name) ? describe(name, signal) : null;
  }, { every: 5000 });
  const note = stream.data && html`<${Status}>${stream.data.DeliveryStreamStatus}</${Status}>`;
  return html`<${Page} title=${name} crumbs=${[['Delivery', href('delivery')]]} note=${stream.data === null ? 'bucket' : note}>
    <${State} live=${stream} what=${`Delivery stream ${name} could not be read`}>
      ${(data) => (data ? html`<${Detail} stream=${data} />` : html`<${Objects} bucket=${name} root="" />`)}
    </${State}>
  </${Page}>`;
}

function Detail({ stream }) {
  const to = destinationOf(stream);
  const vitals = useLive(vitalsOf, { every: 1000 });
  const mine = vitals.data?.deliveries.find((each) => each.name === stream.DeliveryStreamName);
  const tabs = [
    ...(to.search ? [] : [{ id: 'objects', title: 'Objects' }]),
    { id: 'failures', title: 'Not delivered', badge: mine?.failed || undefined },
    { id: 'source', title: 'Source' },
    { id: 'settings', title: 'Settings' },
  ];
  return html`
    ${mine?.error && html`<div class="card failed-note" role="alert"><strong class="bad">It fails, and tries again.</strong> ${mine.error}</div>`}
    <${Figures} name=${stream.DeliveryStreamName} to=${to} vitals=${mine} />
    <${Tabs} tabs=${tabs}>${(tab) => html`
      ${tab === 'objects' && html`<${Objects} bucket=${to.bucket} root=${to.prefix} />`}
      ${tab === 'failures' && html`<${Failures} bucket=${to.bucket} prefix=${to.errors} vitals=${mine} />`}
      ${tab === 'source' && html`<${Source} stream=${stream} readers=${vitals.data?.readers ?? []} />`}
      ${tab === 'settings' && html`<${Settings} stream=${stream} to=${to} />`}`}
    </${Tabs}>`;
}

function Figures({ name, to, vitals }) {
  const specs = useMemo(() => ({
    records: of(name, `${to.family}.Records`), size: of(name, `${to.family}.Bytes`), success: of(name, `${to.family}.Success`, 'Average'),
    age: of(name, `${to.family}.DataFreshness`, 'Maximum'),
  }), [name]);
  const { series, start, end, period } = useMetrics(specs, { seconds: 600, deps: [name] });
  const age = vitals?.freshness_ms ?? (latest(series.age, { end }) ?? NaN) * 1000;
  const success = series.success?.values.length ? total(series.success) / series.success.values.length : undefined;
  return html`
    <${Stats}>
      <${Stat} label="Delivered" value=${rate(perSecond(series.records, { end, over: 60 }) ?? 0)} note="mean of a minute" />
      <${Stat} label="Bytes" value=${`${bytes(perSecond(series.size, { end, over: 60 }) ?? 0)}/s`} />
      <${Stat} label="Oldest waiting" value=${duration(age)} tone=${toneOfAge(age, vitals)} note=${to.buffer && `buffer ${to.buffer.IntervalInSeconds} s or ${to.buffer.SizeInMBs} MB`} />
      <${Stat} label="Success" value=${percent(success)} tone=${success < 1 ? 'warn' : ''} note="of the tries of 10 minutes" />
      <${Stat} label="Not deliverable" value=${whole(vitals?.failed)} tone=${vitals?.failed ? 'warn' : ''} note="since the server started" />
      <${Stat} label="Tries again" value=${whole(vitals?.retries)} tone=${vitals?.error ? 'bad' : ''} note="since the server started" />
    </${Stats}>
    <${Grid} min=${420}>
      <${Card} title="Records" note="delivered a second, means of 10 s"><${Chart} height=${126} start=${start} end=${end} period=${period} format=${count} lines=${[{ label: 'records', series: calm(series.records, 10) }]} /></${Card}>
      <${Card} title="Freshness" note="age of the oldest record that waits"><${Chart} height=${126} start=${start} end=${end} period=${period} format=${(seconds) => duration(seconds * 1000)} lines=${[{ label: 'oldest', series: series.age, color: '--line-2' }]} /></${Card}>
    </${Grid}>`;
}

function Source({ stream, readers }) {
  const source = sourceOf(stream);
  const mine = readers.filter((reader) => reader.kind === 'delivery' && reader.name === stream.DeliveryStreamName);
  const columns = [
    { key: 'shard', title: 'Shard', mono: true },
    { key: 'records', title: 'Records behind', num: true, cell: (row) => whole(row.records) },
    { key: 'age_ms', title: 'Behind by', num: true, cell: (row) => html`<span class=${row.age_ms > 60000 ? 'bad' : row.age_ms > 5000 ? 'warn' : ''}>${duration(row.age_ms)}</span>` },
    { key: 'damage', title: '', grow: true, cell: (row) => row.damage && html`<span class="bad">${row.damage}</span>` },
  ];
  const title = source ? html`<a href=${href('streams', nameOf(source))}>${nameOf(source)}</a>` : 'Direct puts';
  return html`<${Card} flush title=${title} note=${source ? 'how far it reads behind' : 'kept for 24 hours'}>
    <${Table} label="Shards" columns=${columns} rows=${mine} rowKey=${(row) => row.shard} sort=${{ key: 'shard' }}
      empty=${html`<${Empty} title=${source ? 'It reads no shard now' : 'It has no stream as its source'}>${!source && html`Programs put into it: <code>aws firehose put-record --delivery-stream-name ${stream.DeliveryStreamName} …</code>`}</${Empty}>`} />
  </${Card}>`;
}

function Settings({ stream, to }) {
  const conversion = to.s3.DataFormatConversionConfiguration;
  const table = conversion?.Enabled !== false && conversion?.SchemaConfiguration;
  return html`<${Card} title="Settings">
    <${DefinitionList} items=${[
      ['Created', dateTime(stream.CreateTimestamp)], ['Version', stream.VersionId], ['To', html`<code>${to.words}</code>`],
      ['Bucket', html`<code>${to.bucket}</code>`], ['Prefix', to.s3.Prefix && html`<code>${to.s3.Prefix}</code>`],
      ['Prefix of errors', to.s3.ErrorOutputPrefix && html`<code>${to.s3.ErrorOutputPrefix}</code>`],
      ['Format', table ? `Parquet, by the table ${table.DatabaseName}.${table.TableName}` : to.s3.CompressionFormat],
      ['Role', html`<code>${nameOf(to.s3.RoleARN)}</code>`],
    ]} />
    <h3 class="above">All of it</h3>
    <${Json} text=${JSON.stringify(stream.Destinations)} />
  </${Card}>`;
}
