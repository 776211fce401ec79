// A dashboard's panels, one component for each type of widget.

import { aws } from '../lib/aws.js';
import { Chart } from '../lib/chart.js';
import { metricsOf, SEARCH } from '../lib/dashboards.js';
import { fieldsOf, histogram, queryOf, timeOf } from '../lib/documents.js';
import { count, dateTime, nameOf, whole } from '../lib/format.js';
import { html, useMemo } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { latest, periodOf, useMetrics } from '../lib/metrics.js';
import { href } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Empty, State, Status } from '../lib/ui.js';

export function Panel({ widget, seconds, height }) {
  const { type, properties } = widget;
  if (type === 'metric' && properties.metrics) return html`<${Metrics} properties=${properties} seconds=${seconds} height=${height} />`;
  if (type === 'metric') return html`<${Alarms} arns=${properties.annotations?.alarms ?? []} />`;
  if (type === 'alarm') return html`<${Alarms} arns=${properties.alarms} />`;
  if (type === 'text') return html`<${Markdown} text=${properties.markdown} />`;
  if (type === 'custom' && properties.endpoint === SEARCH) return html`<${Documents} params=${properties.params ?? {}} seconds=${seconds} height=${height} />`;
  return html`<${Empty} title=${`A ${type} widget`}>CloudWatch draws it; this page does not. It stays in the dashboard as it is.</${Empty}>`;
}

function Metrics({ properties, seconds, height }) {
  const { specs, lines } = useMemo(() => metricsOf(properties), [properties]);
  const period = Math.max(periodOf(seconds), properties.period ?? 0);
  const live = useMetrics(specs, { seconds, period, every: 2000, deps: [properties] });
  const { series, start, end } = live;
  if (live.error && !live.data) return html`<${State} live=${live} />`;
  if (properties.view === 'singleValue') {
    return html`<div class="figures">${lines.map((line) => html`<div key=${line.id}><div class="figure">${count(latest(series[line.id], { end, within: Math.max(60, period * 3) }))}</div><div class="faint">${line.label}</div></div>`)}</div>`;
  }
  const limits = (properties.annotations?.horizontal ?? []).filter((each) => typeof each.value === 'number').map(({ value, label }) => ({ value, label }));
  const isSum = (id) => specs[id].stat === 'Sum' || specs[id].stat === 'SampleCount';
  return html`<${Chart} height=${Math.max(70, height)} start=${start} end=${end} period=${period} format=${count} limits=${limits} min=${properties.yAxis?.left?.min}
    lines=${lines.map((line) => ({ label: line.label, series: series[line.id], gaps: isSum(line.id) ? 0 : undefined }))} fill=${lines.length === 1} />`;
}

function Alarms({ arns }) {
  const names = arns.map((arn) => arn.split(':alarm:').pop());
  const live = useLive(async (signal) => {
    const answer = await aws('cloudwatch', 'DescribeAlarms', { AlarmNames: names, AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] }, { signal });
    return [...(answer.MetricAlarms ?? []), ...(answer.CompositeAlarms ?? [])];
  }, { every: 2000, deps: [names.join()] });
  if (!names.length) return html`<${Empty} title="No alarms are chosen" />`;
  return html`<${State} live=${live}>${(alarms) => html`<ul class="alarm-list">${names.map((name) => {
    const alarm = alarms.find((each) => each.AlarmName === name);
    return html`<li key=${name}><a href=${href('alarms', name)}>${nameOf(name)}</a> <${Status}>${alarm?.StateValue ?? 'gone'}</${Status}></li>`;
  })}</ul>`}</${State}>`;
}

/** Bold words, code and links within a line. */
function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(/\*\*([^*]+)\*\*|`([^`]+)`|\[([^\]]+)\]\(((?:https?:\/\/|#)[^)\s]+)\)/g)) {
    parts.push(text.slice(at, found.index), found[1] ? html`<b>${found[1]}</b>` : found[2] ? html`<code>${found[2]}</code>` : html`<a href=${found[4]} rel="noreferrer">${found[3]}</a>`);
    at = found.index + found[0].length;
  }
  return [...parts, text.slice(at)];
}

/** The Markdown that people write into dashboards: headings, lists, paragraphs. */
function Markdown({ text }) {
  return html`<div class="markdown">${text.split(/\n/).map((line, index) => {
    const heading = /^(#{1,4})\s+(.*)/.exec(line);
    if (heading) return html`<h3 key=${index} class=${`markdown-${heading[1].length}`}>${inline(heading[2])}</h3>`;
    const item = /^\s*[-*]\s+(.*)/.exec(line);
    if (item) return html`<div key=${index} class="markdown-item">• ${inline(item[1])}</div>`;
    return html`<p key=${index}>${inline(line)}</p>`;
  })}</div>`;
}

function Documents({ params, seconds, height }) {
  const fields = useLive((signal) => fieldsOf(params.index, signal), { every: 0, deps: [params.index] });
  const time = params.time ?? timeOf(fields.data ?? []);
  const live = useLive(async (signal) => {
    if (!fields.data) return undefined;
    const to = serverNow();
    const from = to - seconds * 1000;
    if (!time) throw new Error(`${params.index} has no field of type date`);
    return histogram(params.index, queryOf({ text: params.query, time, from, to }), time, { from, to, signal });
  }, { every: 3000, deps: [params.index, params.query, seconds, time, fields.data === undefined] });
  if (fields.error && !fields.data) return html`<${State} live=${fields} what="The index could not be read" />`;
  return html`<${State} live=${live} what="The index could not be asked">${({ total, bars, step }) => {
    const top = Math.max(1, ...bars.map((bar) => bar.count));
    const link = href('search', { index: params.index, q: params.query, from: bars[0]?.at, to: bars.length ? bars.at(-1).at + step * 1000 : undefined });
    return html`<div><a class="figure" href=${link} title="Look at them">${whole(total)}</a> <span class="faint">documents</span></div>
      ${params.view !== 'count' && html`<div class="histogram still" style=${{ height: `${Math.max(40, height - 22)}px` }} role="img" aria-label=${`${total} documents over time`}>
        ${bars.map((bar) => html`<span key=${bar.at} class="histogram-place" title=${`${count(bar.count)} at ${dateTime(bar.at)}`}><i style=${{ height: `${bar.count ? Math.max(2, (bar.count / top) * 100) : 0}%` }} /></span>`)}</div>`}`;
  }}</${State}>`;
}
