// Functions: how often they are called, how long they take and what fails; what feeds them; their logs; a call by hand.

import { all, aws } from '../lib/aws.js';
import { Chart, Spark } from '../lib/chart.js';
import { bytes, count, dateTime, duration, nameOf, percent, rate, whole } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { latest, metric, perSecond, total, useMetrics } from '../lib/metrics.js';
import { own } from '../lib/millrace.js';
import { go, href } from '../lib/route.js';
import { Badge, Button, Card, confirm, DefinitionList, Empty, Grid, Input, Page, Stat, State, Stats, Status, Table, Tabs, toast } from '../lib/ui.js';
import { Invoke, Logs } from './function-calls.js';

const of = (name, what, stat) => metric('AWS/Lambda', what, { FunctionName: name }, stat);
const WINDOW = 600;

export default function Functions({ path, query }) {
  return path[0] ? html`<${One} name=${path[0]} query=${query} />` : html`<${List} />`;
}

function List() {
  const [wanted, setWanted] = useState('');
  const functions = useLive((signal) => all('lambda', 'ListFunctions', {}, 'Functions', { signal }), { every: 5000 });
  const mappings = useLive((signal) => all('lambda', 'ListEventSourceMappings', {}, 'EventSourceMappings', { signal }), { every: 5000 });
  const names = (functions.data ?? []).map((each) => each.FunctionName);
  const specs = useMemo(() => Object.fromEntries(names.flatMap((name, index) => [
    [`calls_${index}`, of(name, 'Invocations')], [`errors_${index}`, of(name, 'Errors')], [`throttles_${index}`, of(name, 'Throttles')],
    [`p99_${index}`, { ...of(name, 'Duration', 'p99'), period: 60 }], [`age_${index}`, of(name, 'IteratorAge', 'Maximum')],
  ])), [names.join()]);
  const { series, start, end } = useMetrics(specs, { seconds: WINDOW, deps: [names.join()] });
  const rows = (functions.data ?? []).map((each, index) => ({
    ...each, name: each.FunctionName, calls: perSecond(series[`calls_${index}`], { end, over: 10 }) ?? 0, line: series[`calls_${index}`],
    errors: total(series[`errors_${index}`]) ?? 0, throttles: total(series[`throttles_${index}`]) ?? 0, all: total(series[`calls_${index}`]) ?? 0,
    p99: latest(series[`p99_${index}`], { end, within: 180 }), age: latest(series[`age_${index}`], { end, within: 60 }),
    sources: (mappings.data ?? []).filter((mapping) => nameOf(mapping.FunctionArn) === each.FunctionName),
  })).filter((row) => row.name.includes(wanted));
  const columns = [
    { key: 'name', title: 'Function', grow: true, cell: (row) => html`<a href=${href('functions', row.name)}>${row.name}</a>` },
    { key: 'State', title: 'State', cell: (row) => html`<${Status}>${row.State ?? 'Active'}</${Status}>` },
    { key: 'Runtime', title: 'Runtime', cell: (row) => html`<span class="soft">${row.Runtime}</span>` },
    { key: 'sources', title: 'Fed by', sort: false, cell: (row) => row.sources.map((each, index) => html`${index > 0 && ', '}${nameOf(each.EventSourceArn)}`) },
    { key: 'calls', title: 'Calls', num: true, cell: (row) => rate(row.calls) },
    { key: 'line', title: '10 minutes', sort: false, cell: (row) => html`<${Spark} series=${row.line} start=${start} end=${end} gaps=${0} width=${110} />` },
    { key: 'errors', title: 'Errors', num: true, cell: (row) => (row.errors ? html`<span class="bad" title=${`of ${whole(row.all)} calls`}>${count(row.errors)}</span>` : '0') },
    { key: 'throttles', title: 'Throttled', num: true, cell: (row) => (row.throttles ? html`<span class="warn">${count(row.throttles)}</span>` : '0') },
    { key: 'p99', title: 'p99', num: true, cell: (row) => duration(row.p99) },
    { key: 'age', title: 'Iterator age', num: true, cell: (row) => html`<span class=${row.age > 60_000 ? 'bad' : row.age > 10_000 ? 'warn' : ''}>${duration(row.age)}</span>` },
  ];
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onValue=${setWanted} />`;
  return html`<${Page} title="Functions" note="figures of the last 10 minutes" actions=${search}>
    <${Card} flush><${State} live=${functions} what="Functions could not be listed">${(list) => html`
      <${Table} label="Functions" columns=${columns} rows=${rows} rowKey=${(row) => row.name} onRow=${(row) => go('functions', row.name)}
        empty=${html`<${Empty} title=${list.length ? `No function is called like ${wanted}` : 'No functions yet'}>
          ${!list.length && html`<code>aws lambda create-function --function-name enrich --runtime python3.12 …</code>, or <code>AWS::Lambda::Function</code> in a template.`}</${Empty}>`} />`}
    </${State}></${Card}>
  </${Page}>`;
}

function One({ name, query }) {
  const live = useLive(async (signal) => {
    const [configuration, concurrency, mappings] = await Promise.all([
      aws('lambda', 'GetFunctionConfiguration', { FunctionName: name }, { signal }),
      aws('lambda', 'GetFunctionConcurrency', { FunctionName: name }, { signal }).catch(() => ({})),
      all('lambda', 'ListEventSourceMappings', { FunctionName: name }, 'EventSourceMappings', { signal }),
    ]);
    return { ...configuration, concurrency: concurrency.ReservedConcurrentExecutions, mappings };
  }, { every: 3000 });
  const tabs = [
    { id: 'mappings', title: 'Mappings', badge: live.data?.mappings.length },
    { id: 'logs', title: 'Logs' }, { id: 'invoke', title: 'Invoke' }, { id: 'settings', title: 'Settings' },
  ];
  const note = live.data && html`<${Status}>${live.data.State ?? 'Active'}</${Status}>`;
  return html`<${Page} title=${name} crumbs=${[['Functions', href('functions')]]} note=${note}>
    <${State} live=${live} what=${`Function ${name} could not be read`}>${(data) => html`
      ${data.State === 'Failed' && html`<div class="card failed-note" role="alert"><strong class="bad">It cannot run.</strong> ${data.StateReason}</div>`}
      <${Figures} name=${name} mapped=${data.mappings.length > 0} />
      <${Tabs} tabs=${tabs}>${(tab) => html`
        ${tab === 'mappings' && html`<${Mappings} mappings=${data.mappings} refresh=${live.refresh} />`}
        ${tab === 'logs' && html`<${Logs} group=${data.LoggingConfig?.LogGroup ?? `/aws/lambda/${name}`} query=${query} />`}
        ${tab === 'invoke' && html`<${Invoke} name=${name} mappings=${data.mappings} />`}
        ${tab === 'settings' && html`<${Settings} data=${data} />`}`}
      </${Tabs}>`}
    </${State}>
  </${Page}>`;
}

function Figures({ name, mapped }) {
  const specs = useMemo(() => ({
    calls: of(name, 'Invocations'), errors: of(name, 'Errors'), throttles: of(name, 'Throttles'), p50: of(name, 'Duration', 'p50'), p99: of(name, 'Duration', 'p99'),
    slow: { ...of(name, 'Duration', 'p99'), period: 60 }, age: of(name, 'IteratorAge', 'Maximum'), running: of(name, 'ConcurrentExecutions', 'Maximum'),
  }), [name]);
  const { series, start, end, period } = useMetrics(specs, { seconds: WINDOW, deps: [name] });
  const [calls, errors, throttles] = [total(series.calls) ?? 0, total(series.errors) ?? 0, total(series.throttles) ?? 0];
  const age = latest(series.age, { end, within: 60 });
  const shared = { height: 126, start, end, period };
  return html`
    <${Stats}>
      <${Stat} label="Calls" value=${rate(perSecond(series.calls, { end, over: 10 }) ?? 0)} note=${`${count(calls)} in 10 minutes`} />
      <${Stat} label="Errors" value=${percent(calls ? errors / calls : undefined)} tone=${errors ? 'bad' : ''} note=${`${count(errors)} in 10 minutes`} />
      <${Stat} label="Throttled" value=${count(throttles)} tone=${throttles ? 'warn' : ''} note="in 10 minutes" />
      <${Stat} label="Duration, p99" value=${duration(latest(series.slow, { end, within: 180 }))} note="of a minute" />
      <${Stat} label="At once" value=${whole(latest(series.running, { end, within: 60 }))} />
      ${mapped && html`<${Stat} label="Iterator age" value=${duration(age)} tone=${age > 60_000 ? 'bad' : age > 10_000 ? 'warn' : ''} />`}
    </${Stats}>
    <${Grid} min=${360}>
      <${Card} title="Calls" note="by the second"><${Chart} ...${shared} format=${count} lines=${[
        { label: 'calls', series: series.calls, gaps: 0 }, { label: 'errors', series: series.errors, gaps: 0, color: '--bad' }, { label: 'throttled', series: series.throttles, gaps: 0, color: '--warn' },
      ]} /></${Card}>
      <${Card} title="Duration"><${Chart} ...${shared} format=${duration} fill=${false} lines=${[{ label: 'p50', series: series.p50 }, { label: 'p99', series: series.p99, color: '--line-2' }]} /></${Card}>
      ${mapped && html`<${Card} title="Iterator age" note="how old records are when it is called"><${Chart} ...${shared} format=${duration} lines=${[{ label: 'age', series: series.age, color: '--line-3' }]} /></${Card}>`}
    </${Grid}>`;
}

const isFine = (result) => !result || /^(OK|No records processed)/.test(result);

function Mappings({ mappings, refresh }) {
  const vitals = useLive((signal) => own('/_millrace/vitals', { signal }), { every: 2000 });
  const behind = (uuid) => (vitals.data?.readers ?? []).filter((reader) => reader.mapping === uuid);
  const turn = async (mapping) => {
    const Enabled = mapping.State !== 'Enabled';
    const text = `${nameOf(mapping.EventSourceArn)} will not be read until it is turned on again; it goes on where it stopped, as long as the records are kept.`;
    if (!Enabled && !(await confirm({ title: 'Turn the mapping off?', text, action: 'Turn off' }))) return;
    await aws('lambda', 'UpdateEventSourceMapping', { UUID: mapping.UUID, Enabled });
    toast(Enabled ? 'It reads again' : 'It stops reading');
    refresh();
  };
  if (!mappings.length) {
    return html`<${Empty} title="Nothing feeds it by itself"><code>aws lambda create-event-source-mapping --function-name … --event-source-arn … --starting-position LATEST</code></${Empty}>`;
  }
  return mappings.map((mapping) => {
    const readers = behind(mapping.UUID);
    const oldest = readers.length ? Math.max(...readers.map((reader) => reader.age_ms)) : undefined;
    const stuck = (vitals.data?.stuck ?? []).filter((each) => each.mapping === mapping.UUID);
    const source = nameOf(mapping.EventSourceArn);
    const isStream = mapping.EventSourceArn.split(':')[2] === 'kinesis';
    const target = mapping.DestinationConfig?.OnFailure?.Destination;
    const action = /^(Enabled|Disabled)$/.test(mapping.State) && html`<${Button} small onClick=${() => turn(mapping)}>${mapping.State === 'Enabled' ? 'Turn off' : 'Turn on'}</${Button}>`;
    const consumer = /\/consumer\/([^/:]+)/.exec(mapping.EventSourceArn)?.[1];
    return html`<${Card} key=${mapping.UUID} title=${html`<a href=${href(isStream ? 'streams' : 'dlq', source)}>${source}</a>`} note=${html`<${Status}>${mapping.State}</${Status}>`} actions=${action}>
      <${DefinitionList} items=${[
        ['Last result', html`<span class=${isFine(mapping.LastProcessingResult) ? '' : 'bad'}>${mapping.LastProcessingResult ?? '–'}</span>`],
        ['Behind', readers.length ? `${duration(oldest)}, ${whole(readers.reduce((sum, each) => sum + each.records, 0))} records` : undefined],
        ['Batch', `${whole(mapping.BatchSize)} records${mapping.MaximumBatchingWindowInSeconds ? ` or ${mapping.MaximumBatchingWindowInSeconds} s` : ''}`],
        ['At once, for each shard', isStream ? whole(mapping.ParallelizationFactor ?? 1) : undefined],
        ['Tries', isStream ? (mapping.MaximumRetryAttempts >= 0 ? whole(mapping.MaximumRetryAttempts + 1) : 'until it succeeds') : undefined],
        ['Gives up records older than', isStream ? (mapping.MaximumRecordAgeInSeconds >= 0 ? duration(mapping.MaximumRecordAgeInSeconds * 1000) : 'never') : undefined],
        ['Halves a failing batch', isStream ? (mapping.BisectBatchOnFunctionError ? 'yes' : 'no') : undefined],
        ['Reports single records', mapping.FunctionResponseTypes?.length ? 'yes' : 'no'],
        ['Failures go to', target && html`<a href=${href('dlq', nameOf(target))}>${nameOf(target)}</a>`],
        ['Reads as', consumer && html`enhanced fan-out consumer <code>${consumer}</code>`],
        ['Window', mapping.TumblingWindowInSeconds ? `${mapping.TumblingWindowInSeconds} s` : undefined],
        ['Changed', dateTime(mapping.LastModified)], ['Id', html`<code>${mapping.UUID}</code>`],
      ]} />
      ${stuck.map((each) => html`<p class="form-error" key=${each.shard}>${each.shard}: ${whole(each.records)} records are tried for ${duration(each.for_ms)} (${each.tries} times): ${each.reason}</p>`)}
    </${Card}>`;
  });
}

function Settings({ data }) {
  const variables = Object.entries(data.Environment?.Variables ?? {});
  const columns = [{ key: 'name', title: 'Variable', cell: ([name]) => html`<code>${name}</code>`, sort: ([name]) => name }, { key: 'value', title: 'Value', grow: true, sort: false, cell: ([name, value]) => html`<${Secret} name=${name} value=${value} />` }];
  return html`<${Card} title="Settings">
      <${DefinitionList} items=${[
        ['Runtime', data.Runtime], ['Handler', data.Handler], ['Memory', `${data.MemorySize} MB`], ['Time-out', duration(data.Timeout * 1000)], ['Code', bytes(data.CodeSize)],
        ['Reserved concurrency', data.concurrency], ['Role', data.Role && nameOf(data.Role)], ['Changed', dateTime(data.LastModified)], ['Last update', data.LastUpdateStatus],
        ['Log group', data.LoggingConfig?.LogGroup], ['Layers', data.Layers?.map((layer) => layer.Arn.split(':').slice(-2).join(':')).join(', ')],
        ['Dead letters', data.DeadLetterConfig?.TargetArn && nameOf(data.DeadLetterConfig.TargetArn)], ['ARN', html`<code>${data.FunctionArn}</code>`],
      ]} />
    </${Card}>
    ${variables.length > 0 && html`<${Card} flush title="Environment"><${Table} label="Environment" columns=${columns} rows=${variables} rowKey=${([name]) => name} sort=${{ key: 'name' }} /></${Card}>`}`;
}

/** What looks like a secret is not shown to whoever looks over a shoulder. */
function Secret({ name, value }) {
  const [shown, setShown] = useState(!/KEY|SECRET|TOKEN|PASSW/i.test(name));
  return shown ? html`<code>${value}</code>` : html`<button class="text-button" onClick=${() => setShown(true)}>show</button>`;
}
