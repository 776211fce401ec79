// A job's plan: its operators as a graph, what flows between them, and who waits for whom.

import { ago, bytes, count, dateTime, duration, nameOf, percent, plural, rate } from '../lib/format.js';
import { Graph } from '../lib/graph.js';
import { html, useRef } from '../lib/html.js';
import { href } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Card, Table } from '../lib/ui.js';

const SIZE = { width: 184, height: 98, gap: 108 };
/** Below this a share of a thread's time is noise. */
const SEEN = 0.05;
/** An operator that works or waits so much of its time is where to look. */
const MUCH = 0.5;
const TITLES = { AsyncCalc: 'Function', WindowAggregate: 'Window', WindowAssign: 'Windows', GroupAggregate: 'Group', Calc: 'Filter, project' };

/**
 * What operators did from one look to the next: rows a second, and the share of their time that they worked or were held back. Of
 * several threads the one with the most tells, as in Flink's own picture.
 */
function useWork(plan) {
  const before = useRef({ at: 0, plan: [], work: [] });
  const now = Date.now();
  const { at, plan: old } = before.current;
  if (now - at > 900) {
    const seconds = (now - at) / 1000;
    const work = plan.map((node, place) => {
      const then = old[place];
      if (!then || then.threads.length !== node.threads.length) return {};
      const most = (what) => Math.max(0, ...node.threads.map((thread, nth) => (thread[what] - then.threads[nth][what]) / (seconds * 1e6)));
      return {
        rate: Math.max(0, node.rows_out - then.rows_out) / seconds,
        busy: Math.min(1, most('busy_us')), held: Math.min(1, most('back_pressured_us')),
      };
    });
    before.current = { at: now, plan, work };
  }
  return before.current.work;
}

/** What waits stands before what it waits for: the edge between them says so. */
function drawEdge(from, to, nodes) {
  const holds = nodes[from].held > SEEN && !(nodes[to].held > SEEN);
  const flows = nodes[from].rate > 0;
  const parts = [flows && rate(nodes[from].rate), holds && `held back ${percent(nodes[from].held, 0)}`].filter(Boolean);
  return {
    from: String(from), to: String(to), moving: flows, tone: holds && nodes[from].held > MUCH ? 'warn' : '',
    label: parts.length ? parts.map((part) => html`<div>${part}</div>`) : null,
    title: holds ? 'What is before waits until what is behind takes its rows' : '',
  };
}

export function Plan({ job, nth, many }) {
  const work = useWork(job.plan);
  const nodes = job.plan.map((node, id) => ({ ...node, id: String(id), ...work[id] }));
  const edges = job.plan.flatMap((node, to) => node.inputs.map((from) => drawEdge(from, to, nodes)));
  const note = `parallelism ${job.parallelism}, a checkpoint every ${duration(job.checkpoint_interval_ms)} at most`;
  return html`<${Card} flush title=${many ? `Job ${nth + 1}` : 'Plan'} note=${note}>
    <${Graph} nodes=${nodes} edges=${edges} size=${SIZE} label="The job's operators">${(node) => html`<${Operator} node=${node} />`}</${Graph}>
    <details class="explain"><summary>As EXPLAIN tells it</summary>
      <${Table} label="Operators" rows=${nodes} columns=${[
        { key: 'kind', title: 'Operator' },
        { key: 'text', title: 'Plan', grow: true, cell: (row) => html`<code>${row.text}</code>` },
        { key: 'rows_out', title: 'Rows', num: true, cell: (row) => count(row.rows_out) },
        { key: 'threads', title: 'Threads', num: true, sort: (row) => row.threads.length, cell: (row) => row.threads.length || '–' },
        { key: 'busy', title: 'Busy', num: true, cell: (row) => percent(row.busy, 1) },
        { key: 'held', title: 'Held back', num: true, cell: (row) => percent(row.held, 1) },
        { key: 'watermark', title: 'Watermark', num: true, cell: (row) => dateTime(row.watermark) },
        { key: 'state_bytes', title: 'State', num: true, cell: (row) => bytes(row.state_bytes) },
      ]} />
      <p class="hint pad">Busy and held back are shares of the time of one thread: of several, the one that has most of it.</p>
    </details>
  </${Card}>`;
}

function Operator({ node }) {
  const table = node.table ?? /(?:window=\[|where=\[|groupBy=\[|calls=\[|rowtime=\[)([^\]]*)/.exec(node.text)?.[1] ?? '';
  const watermark = node.watermark ? `watermark ${ago(node.watermark, serverNow()).replace(' ago', ' behind')}` : '';
  const holds = /Aggregate/.test(node.kind) ? bytes(node.state_bytes) : '';
  const link = node.connector === 'kinesis' && node.target ? href('streams', nameOf(node.target)) : null;
  const time = node.busy === undefined ? '' : [`busy ${percent(node.busy, 0)}`, node.held > SEEN && `held back ${percent(node.held, 0)}`].filter(Boolean).join(' · ');
  const inside = html`
    <span class="stage-kind">${TITLES[node.kind] ?? node.kind}${node.connector && html`<span>${node.connector}</span>`}</span>
    <span class="stage-name clip">${table || node.kind}</span>
    <span class="stage-note clip">${plural(node.rows_out, 'row')}${holds && ` · holds ${holds}`}</span>
    <span class="stage-note clip">${watermark}</span>
    <span class="stage-note clip">${time}</span>
    <span class="stage-time" aria-hidden="true"><i class="busy" style=${{ width: `${(node.busy ?? 0) * 100}%` }} /><i class="held" style=${{ width: `${(node.held ?? 0) * 100}%` }} /></span>`;
  const kind = node.kind === 'Source' ? 'stream' : node.kind === 'Sink' ? 'delivery' : /Aggregate|Window/.test(node.kind) ? 'application' : '';
  const tone = node.busy > 1 - SEEN ? 'bad' : node.busy > MUCH || node.held > MUCH ? 'warn' : '';
  return link
    ? html`<a class=${`stage operator ${kind} ${tone}`} href=${link} title=${node.text}>${inside}</a>`
    : html`<div class=${`stage operator ${kind} ${tone}`} title=${node.text}>${inside}</div>`;
}
