// Asking the index as people explore it: fields of a mapping, ranges of time, histograms over it.

import { search } from './search.js';

/** Spans that people look at: how long, and how wide a bar of the histogram is then. */
export const SPANS = [
  ['1m', 'Last minute', 60, '1s'], ['5m', 'Last 5 minutes', 300, '5s'], ['15m', 'Last 15 minutes', 900, '15s'], ['1h', 'Last hour', 3600, '1m'],
  ['6h', 'Last 6 hours', 21_600, '5m'], ['24h', 'Last day', 86_400, '15m'], ['7d', 'Last 7 days', 604_800, '2h'], ['30d', 'Last 30 days', 2_592_000, '12h'], ['all', 'All time', null, null],
];
const BARS = 100;
/** Widths of bars, in seconds. */
const STEPS = [1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000];

/** A mapping's fields, flat: `[{ name, type, sorts }]`, where `sorts` is the field to sort and count by. */
export async function fieldsOf(index, signal) {
  const answer = await search('GET', `/${index}/_mapping`, { signal });
  const fields = new Map();
  const walk = (properties, prefix) => Object.entries(properties ?? {}).forEach(([part, field]) => {
    const name = prefix + part;
    if (field.properties) return walk(field.properties, `${name}.`);
    const keyword = Object.entries(field.fields ?? {}).find(([, each]) => each.type === 'keyword')?.[0];
    return fields.set(name, { name, type: field.type, sorts: field.type === 'text' ? keyword && `${name}.${keyword}` : name });
  });
  Object.values(answer).forEach(({ mappings }) => walk(mappings?.properties, ''));
  return [...fields.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The field that a histogram is over, unless somebody chooses another. */
export function timeOf(fields) {
  const dates = fields.filter((field) => field.type === 'date').map((field) => field.name);
  return ['@timestamp', 'timestamp', 'event_time', 'time', 'arrived_at'].find((name) => dates.includes(name)) ?? dates[0];
}

/** The query of a text in Lucene's syntax, a span of time, and exact values. */
export function queryOf({ text, span, from, to, time, filters = [] }) {
  const all = [];
  if (text?.trim()) all.push({ query_string: { query: text, default_operator: 'AND' } });
  const seconds = SPANS.find(([id]) => id === span)?.[2];
  if (time && from && to) all.push({ range: { [time]: { gte: Math.floor(from), lt: Math.floor(to), format: 'epoch_millis' } } });
  else if (time && seconds) all.push({ range: { [time]: { gte: `now-${seconds}s` } } });
  const must = filters.filter((each) => !each.not).map(({ field, value }) => ({ term: { [field]: value } }));
  const not = filters.filter((each) => each.not).map(({ field, value }) => ({ term: { [field]: value } }));
  if (!all.length && !must.length && !not.length) return { match_all: {} };
  return { bool: { filter: [...all, ...must], ...(not.length && { must_not: not }) } };
}

/** How many documents there are by time: `{ total, step, bars: [{ at, count }] }`. */
export async function histogram(index, query, time, { from, to, signal }) {
  let [first, last] = [from, to];
  if (first === undefined) {
    const edges = await search('POST', `/${index}/_search`, { body: { size: 0, query, aggs: { first: { min: { field: time } }, last: { max: { field: time } } } }, signal });
    [first, last] = [edges.aggregations.first.value, edges.aggregations.last.value];
    if (first === null) return { bars: [], step: 1, total: 0 };
  }
  const wanted = (last - first) / 1000 / BARS;
  const step = STEPS.find((each) => each >= wanted) ?? STEPS.at(-1);
  const body = {
    size: 0, track_total_hits: true, query,
    aggs: { bars: { date_histogram: { field: time, fixed_interval: `${step}s`, min_doc_count: 0, extended_bounds: { min: Math.floor(first), max: Math.floor(last) } } } },
  };
  const answer = await search('POST', `/${index}/_search`, { body, signal });
  return { total: answer.hits.total.value, step, bars: answer.aggregations.bars.buckets.map((bucket) => ({ at: bucket.key, count: bucket.doc_count })) };
}

/** A field's most frequent values among the documents of a query. */
export async function topValues(index, query, field, signal) {
  const answer = await search('POST', `/${index}/_search`, { body: { size: 0, query, aggs: { top: { terms: { field, size: 8 } } } }, signal });
  const { buckets, sum_other_doc_count: other = 0 } = answer.aggregations.top;
  const all = buckets.reduce((sum, bucket) => sum + bucket.doc_count, 0) + other;
  return buckets.map((bucket) => ({ value: bucket.key_as_string ?? bucket.key, key: bucket.key, count: bucket.doc_count, share: bucket.doc_count / all }));
}

/** What a document has at a field with dots in it. */
export const valueAt = (source, name) => source[name] ?? name.split('.').reduce((value, part) => value?.[part], source);
