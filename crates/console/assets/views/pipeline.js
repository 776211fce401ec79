// The pipeline as a live picture: what is there, what flows between, and where it hurts.

import { aws, all } from '../lib/aws.js';
import { Spark } from '../lib/chart.js';
import { bytes, count, duration, rate } from '../lib/format.js';
import { Graph } from '../lib/graph.js';
import { html, useMemo, useRef } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { calm, latest, metric, perSecond, total, useMetrics } from '../lib/metrics.js';
import { own } from '../lib/millrace.js';
import { href } from '../lib/route.js';
import { PLACES, topology } from '../lib/topology.js';
import { VIEWS } from '../views.js';
import { BURSTS, drawEdge, HELD_MUCH_MS, LATE_MS, VERY_LATE_MS } from './pipeline-edges.js';
import { Card, Empty, Page, Stat, State, Stats } from '../lib/ui.js';

const SIZE = { width: 208, height: 82 };
/** A node's line has a point for so many seconds. */
const STEP = 4;
const WORDS = {
  stream: 'Stream', function: 'Function', application: 'Job', delivery: 'Delivery', queue: 'Queue', bucket: 'Lake', index: 'Index', endpoint: 'Endpoint',
};

/** What is asked for of each node, by what it is called in the picture. */
function measuresOf({ kind, name }, domain) {
  switch (kind) {
    case 'stream': return {
      flow: metric('AWS/Kinesis', 'IncomingRecords', { StreamName: name }),
      refused: metric('AWS/Kinesis', 'WriteProvisionedThroughputExceeded', { StreamName: name }),
    };
    case 'function': return {
      calls: metric('AWS/Lambda', 'Invocations', { FunctionName: name }),
      errors: metric('AWS/Lambda', 'Errors', { FunctionName: name }),
      throttles: metric('AWS/Lambda', 'Throttles', { FunctionName: name }),
      took: metric('AWS/Lambda', 'Duration', { FunctionName: name }, 'p50'),
      age: metric('AWS/Lambda', 'IteratorAge', { FunctionName: name }, 'Maximum'),
    };
    case 'application': return {
      flow: metric('AWS/KinesisAnalytics', 'numRecordsIn', { Application: name }),
      out: metric('AWS/KinesisAnalytics', 'numRecordsOut', { Application: name }),
      pressed: metric('AWS/KinesisAnalytics', 'backPressuredTimeMsPerSecond', { Application: name }, 'Maximum'),
      busy: metric('AWS/KinesisAnalytics', 'busyTimeMsPerSecond', { Application: name }, 'Maximum'),
    };
    case 'delivery': return {
      flow: metric('AWS/Firehose', 'DataReadFromKinesisStream.Records', { DeliveryStreamName: name }),
      direct: metric('AWS/Firehose', 'IncomingRecords', { DeliveryStreamName: name }),
      objects: metric('AWS/Firehose', 'DeliveryToS3.Records', { DeliveryStreamName: name }),
      stored: metric('AWS/Firehose', 'DeliveryToS3.Bytes', { DeliveryStreamName: name }),
      documents: metric('AWS/Firehose', 'DeliveryToAmazonOpenSearchService.Records', { DeliveryStreamName: name }),
      errors: metric('AWS/Firehose', 'FailedConversion.Records', { DeliveryStreamName: name }),
    };
    case 'queue': return {
      held: metric('AWS/SQS', 'ApproximateNumberOfMessagesVisible', { QueueName: name }, 'Maximum'),
      flow: metric('AWS/SQS', 'NumberOfMessagesSent', { QueueName: name }),
      oldest: metric('AWS/SQS', 'ApproximateAgeOfOldestMessage', { QueueName: name }, 'Maximum'),
    };
    case 'index': return domain ? {
      documents: metric('AWS/ES', 'SearchableDocuments', domain, 'Maximum'),
      flow: metric('AWS/ES', 'IndexingRate', domain, 'Average'),
    } : {};
    default: return {};
  }
}

/** The figures of a node: what stands large, what below it, its line, how bad it is. */
function figures(node, of, end, behind) {
  const per = (id) => perSecond(of(id), { end });
  const lately = (id) => latest(of(id), { end });
  switch (node.kind) {
    case 'stream': {
      const refused = per('refused');
      return { main: rate(per('flow') ?? 0), note: refused > 0 ? `${rate(refused)} over quota` : 'in', line: of('flow'), tone: refused > 0 ? 'warn' : '' };
    }
    case 'function': {
      const [calls, errors, took] = [per('calls') ?? 0, per('errors') ?? 0, lately('took')];
      return {
        main: `${rate(calls).replace('/s', '')} calls/s`,
        note: errors > 0 ? `${rate(errors)} fail` : took === undefined ? 'idle' : `${duration(took)} a call`,
        line: of('calls'), tone: errors > 0 ? 'bad' : '',
      };
    }
    case 'application': {
      const [pressed, busy] = [lately('pressed') ?? 0, lately('busy')];
      const note = pressed > HELD_MUCH_MS ? `held back ${Math.round(pressed / 10)} %` : busy === undefined ? `${rate(per('out') ?? 0)} out` : `${rate(per('out') ?? 0)} out · busy ${Math.round(busy / 10)} %`;
      return { main: rate(per('flow') ?? 0), note, line: of('flow'), tone: pressed > HELD_MUCH_MS ? 'warn' : '' };
    }
    case 'delivery': {
      const [flow, errors] = [per('flow') ?? per('direct') ?? 0, per('errors') ?? 0];
      const fresh = behind.freshness;
      return {
        main: rate(flow), note: behind.error ?? (errors > 0 ? `${rate(errors)} not converted` : fresh === undefined ? 'in' : `oldest waits ${duration(fresh)}`),
        line: of('flow')?.times.length ? of('flow') : of('direct'), tone: behind.error ? 'bad' : errors > 0 ? 'warn' : '',
      };
    }
    case 'queue': {
      const held = lately('held') ?? 0;
      return { main: `${count(held)} wait`, note: held > 0 ? `oldest ${duration((lately('oldest') ?? 0) * 1000)}` : 'empty', line: of('held'), still: true, tone: held > 0 ? 'warn' : '' };
    }
    case 'index': return { main: `${count(node.documents ?? lately('documents'))} docs`, note: node.documents === undefined ? 'all indices' : 'documents' };
    case 'bucket': return { main: behind.stored === undefined ? '' : `${bytes(behind.stored)}/s`, note: behind.stored === undefined ? 'S3' : 'mean of the last minute' };
    default: return { main: '', note: '' };
  }
}

function Node({ node, shown, alarms, start, end }) {
  const place = PLACES[node.kind];
  const ringing = alarms.filter((alarm) => alarm.StateValue === 'ALARM');
  const view = VIEWS.some((each) => each.name === place);
  const tone = ringing.length || /FAILED/.test(node.state ?? '') ? 'bad' : shown.tone;
  const target = node.kind === 'index' ? href(place, { index: node.name === '*' ? undefined : node.name }) : href(place ?? 'pipeline', node.name);
  const words = `${WORDS[node.kind]} ${node.name}: ${shown.main}, ${shown.note}${ringing.length ? `, in alarm: ${ringing.map((alarm) => alarm.AlarmName).join(', ')}` : ''}`;
  const inside = html`
    <span class="stage-kind">${WORDS[node.kind]}${ringing.length > 0 && html`<span class="stage-alarm" title=${ringing.map((alarm) => alarm.AlarmName).join(', ')}>in alarm</span>`}</span>
    <span class="stage-name clip">${node.kind === 'index' && node.name === '*' ? 'any index' : node.name}</span>
    <span class="stage-figures"><span class="stage-main">${shown.main}</span>${shown.line && html`<${Spark} series=${shown.still ? shown.line : calm(shown.line, STEP)} start=${start} end=${Math.floor(end / STEP - 1) * STEP} period=${shown.still ? 1 : STEP} width=${72} height=${20} />`}</span>
    <span class="stage-note clip">${shown.note}</span>`;
  return view
    ? html`<a class=${`stage ${node.kind} ${tone ?? ''}`} href=${target} aria-label=${words} title=${words}>${inside}</a>`
    : html`<div class=${`stage ${node.kind} ${tone ?? ''}`} role="group" aria-label=${words} title=${words}>${inside}</div>`;
}

/** Alarms by the stage that their metrics are of. */
function byStage(alarms) {
  const kinds = { StreamName: 'stream', FunctionName: 'function', Application: 'application', DeliveryStreamName: 'delivery', QueueName: 'queue' };
  const found = new Map();
  for (const alarm of alarms) {
    const metrics = [alarm, ...(alarm.Metrics ?? []).map((each) => each.MetricStat?.Metric ?? {})];
    for (const { Name, Value } of metrics.flatMap((each) => each.Dimensions ?? [])) {
      if (kinds[Name]) found.set(`${kinds[Name]}:${Value}`, [...(found.get(`${kinds[Name]}:${Value}`) ?? []), alarm]);
    }
  }
  return found;
}

function Findings({ findings }) {
  if (!findings.length) return null;
  return html`<${Card} title="What is wrong" note=${`${findings.length} found, as millrace doctor finds them`}>
    <ul class="findings">${findings.map((finding) => html`<li key=${`${finding.symptom}${finding.subject}`}>
      <div><strong class="bad">${finding.symptom}</strong> ${finding.subject}</div>
      <div>${finding.seen}</div>
      <div class="soft">${finding.cause}</div>
      <div><span class="faint">Do: </span>${finding.remedy}</div>
      ${finding.command && html`<code>${finding.command}</code>`}
    </li>`)}</ul>
  </${Card}>`;
}

function Picture({ found, vitals, alarms, findings }) {
  const domain = useMemo(() => found.domain, [found.domain?.DomainName]);
  const specs = useMemo(() => {
    const list = {};
    found.nodes.forEach((node, index) => Object.entries(measuresOf(node, domain)).forEach(([name, spec]) => { list[`${name}_${index}`] = spec; }));
    return list;
  }, [found.nodes.map((node) => node.id).join('|'), domain]);
  const { series, start, end } = useMetrics(specs, { seconds: 180, deps: [specs] });
  const places = new Map(found.nodes.map((node, index) => [node.id, index]));
  const nodes = new Map(found.nodes.map((node) => [node.id, node]));
  const of = (node, name) => series[`${name}_${places.get(node.id)}`];
  const readers = vitals?.readers ?? [];
  const edges = found.edges.map((edge) => drawEdge(edge, nodes, of, vitals, end));
  const stages = byStage(alarms);
  const deliveries = new Map((vitals?.deliveries ?? []).map((each) => [each.name, each]));
  /** What a node's own metrics do not tell. */
  const behind = (node) => {
    if (node.kind === 'bucket') {
      const writers = found.edges.filter((edge) => edge.to === node.id).map((edge) => nodes.get(edge.from)).filter((each) => each.kind === 'delivery');
      const rates = writers.map((writer) => perSecond(of(writer, 'stored'), { end, over: BURSTS }) ?? 0);
      return { stored: writers.length ? rates.reduce((a, b) => a + b, 0) : undefined };
    }
    const told = node.kind === 'delivery' && deliveries.get(node.name);
    return told ? { freshness: told.freshness_ms, error: told.error } : {};
  };
  const sources = found.nodes.filter((node) => node.kind === 'stream' && !found.edges.some((edge) => edge.to === node.id && edge.kind !== 'may'));
  const sum = (list, name, by) => list.map((node) => by(of(node, name)) ?? 0).reduce((a, b) => a + b, 0);
  const per = (one) => perSecond(one, { end });
  const burst = (one) => perSecond(one, { end, over: BURSTS });
  const oldest = readers.length ? Math.max(...readers.map((reader) => reader.age_ms)) : undefined;
  const failed = sum(found.nodes.filter((node) => node.kind === 'function'), 'errors', total)
    + sum(found.nodes.filter((node) => node.kind === 'delivery'), 'errors', total);
  const failures = found.edges.filter((edge) => edge.kind === 'fails').map((edge) => nodes.get(edge.to)).filter((node) => node.kind === 'queue');
  const held = [...new Set(failures)].map((node) => latest(of(node, 'held'), { end }) ?? 0).reduce((a, b) => a + b, 0);
  const ringing = alarms.filter((alarm) => alarm.StateValue === 'ALARM');
  return html`
    <${Stats}>
      <${Stat} label="Coming in" value=${rate(sum(sources, 'flow', per))} note="records" />
      <${Stat} label="Called" value=${rate(sum(found.nodes.filter((node) => node.kind === 'function'), 'calls', per))} note="functions" />
      <${Stat} label="Delivered" value=${rate(sum(found.nodes.filter((node) => node.kind === 'delivery'), 'objects', burst) + sum(found.nodes.filter((node) => node.kind === 'delivery'), 'documents', burst))} note="records, last minute" />
      <${Stat} label="Farthest behind" value=${duration(oldest)} tone=${oldest > VERY_LATE_MS ? 'bad' : oldest > LATE_MS ? 'warn' : ''} note="oldest record not done" />
      <${Stat} label="Failed" value=${count(failed)} tone=${failed > 0 ? 'bad' : ''} note="last 3 minutes" />
      <${Stat} label="Dead letters" value=${count(held)} tone=${held > 0 ? 'warn' : ''} note="wait" />
      <${Stat} label="Alarms" value=${`${ringing.length} of ${alarms.length}`} tone=${ringing.length ? 'bad' : ''} note=${ringing.length ? ringing.map((alarm) => alarm.AlarmName).slice(0, 2).join(', ') : 'none rings'} />
    </${Stats}>
    <${Card} flush>
      <${Graph} nodes=${found.nodes} edges=${edges} size=${SIZE} label="The pipeline: streams, what reads them, and where results go">
        ${(node) => html`<${Node} node=${node} start=${start} end=${end} alarms=${stages.get(node.id) ?? []}
          shown=${figures(node, (name) => of(node, name), end, behind(node))} />`}
      </${Graph}>
    </${Card}>
    <${Findings} findings=${findings} />`;
}

export default function Pipeline() {
  const known = useRef({});
  const live = useLive(async (signal) => {
    const [found, alarms, domains] = await Promise.all([
      topology(signal, known.current),
      all('cloudwatch', 'DescribeAlarms', { AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] }, 'MetricAlarms', { signal }).catch(() => []),
      aws('cloudwatch', 'ListMetrics', { Namespace: 'AWS/ES', MetricName: 'SearchableDocuments' }, { signal }).catch(() => ({ Metrics: [] })),
    ]);
    const domain = domains.Metrics[0] && Object.fromEntries(domains.Metrics[0].Dimensions.map(({ Name, Value }) => [Name, Value]));
    return { ...found, alarms, domain };
  }, { every: 5000 });
  const vitals = useLive((signal) => own('/_millrace/vitals', { signal }), { every: 1000 });
  const doctor = useLive((signal) => own('/_millrace/doctor', { signal }), { every: 5000 });
  const empty = html`<${Empty} title="Nothing flows here yet">
    <p>Deploy a template: <code>millrace deploy template.yaml</code>, or watch a whole pipeline: <code>millrace demo payments</code>.</p>
    <p class="hint">Streams of another account or region are behind the place at the top.</p></${Empty}>`;
  return html`<${Page} title="Pipeline" note=${vitals.data && !vitals.data.counted ? 'figures are missing: the server runs with --telemetry off' : null}>
    <${State} live=${live} what="The pipeline could not be read">
      ${(found) => (found.nodes.length
        ? html`<${Picture} found=${found} vitals=${vitals.data} alarms=${found.alarms} findings=${doctor.data?.findings ?? []} />
          ${found.refusals.length > 0 && html`<p class="hint">Parts are left out that this key may not see: ${[...new Set(found.refusals.map((error) => error.asked))].join(', ')}.</p>`}`
        : html`<${Card}>${empty}</${Card}>`)}
    </${State}>
  </${Page}>`;
}
