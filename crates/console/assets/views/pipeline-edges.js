// The edges of the pipeline's picture: what flows over them, how late, and what is wrong where.
//
// What holds a stage back or fails in it is told at the edge that it happens on: a function that fails, at the edge to the
// function; a delivery that cannot write, at the edge to where it writes; a job that is held back, at the edge that it reads less of.

import { count, duration, percent, rate } from '../lib/format.js';
import { html } from '../lib/html.js';
import { perSecond, latest } from '../lib/metrics.js';

/** A delay that people should see, and one that they should do something about. */
export const LATE_MS = 5_000;
export const VERY_LATE_MS = 60_000;
/** Deliveries write what they gathered: their rates are means of a minute. */
export const BURSTS = 60;
/** Held back for so many milliseconds of a second, people should see it, and do something. */
const HELD_MS = 100;
export const HELD_MUCH_MS = 500;

/** The worst of the readers that an edge stands for: how far behind they are. */
function behindOf(edge, nodes, readers) {
  const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
  if (edge.kind !== 'reads' || from?.kind !== 'stream') return null;
  const mine = readers.filter((reader) => reader.stream === from.name && reader.kind === to?.kind && reader.name === to?.name);
  if (!mine.length) return null;
  return {
    age: Math.max(...mine.map((reader) => reader.age_ms)),
    records: mine.reduce((sum, reader) => sum + reader.records, 0),
    damage: mine.find((reader) => reader.damage)?.damage,
  };
}

/** Which figure of which node tells an edge's flow. */
function flowOf(edge, nodes) {
  const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
  if (edge.kind === 'reads' && to.kind !== 'function') return [to, 'flow'];
  if (edge.kind === 'reads') return [from, 'flow'];
  if (edge.kind === 'fails') return [to, 'flow'];
  if (from.kind === 'delivery') return [from, to.kind === 'index' ? 'documents' : 'objects'];
  return null;
}

/** What goes wrong at an edge: words, how bad it is, and why. None when nothing does. */
function troubleOf(edge, nodes, of, vitals, end) {
  const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
  const per = (node, id) => perSecond(of(node, id), { end }) ?? 0;
  if (edge.kind === 'reads' && to.kind === 'function') {
    const stuck = (vitals?.stuck ?? []).filter((each) => each.function === to.name && vitals.mappings.some((mapping) => mapping.uuid === each.mapping && mapping.source.endsWith(`/${from.name}`)));
    if (stuck.length) return { text: `stuck, ${count(Math.max(...stuck.map((each) => each.tries)))} tries`, tone: 'bad', why: stuck[0].reason };
    if (per(to, 'errors') > 0) return { text: `${rate(per(to, 'errors'))} fail`, tone: 'bad', why: 'Calls of the function that failed' };
    if (per(to, 'throttles') > 0) return { text: `${rate(per(to, 'throttles'))} throttled`, tone: 'warn', why: 'The function runs as often at once as it may' };
  }
  if (edge.kind === 'reads' && to.kind === 'application') {
    const held = latest(of(to, 'pressed'), { end }) ?? 0;
    if (held > HELD_MS) return { text: `held back ${percent(held / 1000, 0)}`, tone: held > HELD_MUCH_MS ? 'warn' : '', why: 'The job reads less than it could: what follows takes longer' };
  }
  if (edge.kind === 'writes' && from.kind === 'delivery') {
    const told = (vitals?.deliveries ?? []).find((each) => each.name === from.name);
    if (told?.error) return { text: 'fails', tone: 'bad', why: told.error };
    if (per(from, 'errors') > 0) return { text: `${rate(per(from, 'errors'))} not converted`, tone: 'warn', why: told?.unconverted_reason ?? '' };
  }
  return null;
}

/** An edge as the graph draws it. */
export function drawEdge(edge, nodes, of, vitals, end) {
  if (edge.kind === 'may') return { ...edge, tone: 'may', title: 'Its role may write there' };
  const behind = behindOf(edge, nodes, vitals?.readers ?? []);
  const from = flowOf(edge, nodes);
  const flow = edge.rate ?? (from && perSecond(of(...from), { end, over: edge.kind === 'writes' ? BURSTS : 5 }));
  const trouble = troubleOf(edge, nodes, of, vitals, end);
  const parts = [flow > 0 && rate(flow), behind?.age >= 1000 && `${duration(behind.age)} behind`, trouble?.text].filter(Boolean);
  const failing = edge.kind === 'fails' && flow > 0;
  const isBad = behind?.damage || behind?.age > VERY_LATE_MS || failing || trouble?.tone === 'bad';
  const tone = isBad ? 'bad' : behind?.age > LATE_MS || trouble?.tone === 'warn' ? 'warn' : edge.kind === 'fails' ? 'fails' : '';
  const reads = behind && (behind.damage ?? `${count(behind.records)} records are not done, the oldest for ${duration(behind.age)}`);
  const title = [reads, edge.kind === 'fails' && 'Where goes what it gives up', trouble?.why].filter(Boolean).join('. ');
  return { ...edge, tone, moving: flow > 0, label: parts.length ? parts.map((part) => html`<div>${part}</div>`) : null, title };
}
