// Metrics by the second, of `GetMetricData`.
//
//     const { series } = useMetrics({
//       in: metric('AWS/Kinesis', 'IncomingRecords', { StreamName: 'orders' }, 'Sum'),
//       age: metric('AWS/Lambda', 'IteratorAge', { FunctionName: 'enrich' }, 'Maximum'),
//       share: { expression: 'errors / calls' },
//     }, { seconds: 300 });
//     series.in → { times: [1700000000, …], values: [12, …] }, in order; perSecond(series.in) → 11.6
//
// Names are letters, digits and underscores: expressions use them. A spec with a `period` of its own is asked for by that. Only
// what is new is asked for.

import { aws } from './aws.js';
import { useLive } from './live.js';
import { serverNow } from './session.js';

/** GetMetricData takes so many queries at once. */
const QUERIES_MAX = 500;
/** Figures of the last seconds may still grow: they are asked for again. */
const UNSETTLED_SECONDS = 8;

/** A metric with its statistic. */
export function metric(namespace, name, dimensions = {}, stat = 'Sum') {
  const list = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  return { metric: { Namespace: namespace, MetricName: name, Dimensions: list }, stat };
}

function queryOf(id, spec, all) {
  const period = spec.period ?? all;
  const Id = `m_${id}`;
  if (spec.expression) {
    return { Id, Expression: spec.expression.replace(/\b[a-z]\w*\b(?!\()/g, (name) => `m_${name}`), Period: period };
  }
  return { Id, MetricStat: { Metric: spec.metric, Period: period, Stat: spec.stat } };
}

/** The period of a window that gives a line some hundred points: seconds are kept for three hours. */
export function periodOf(seconds) {
  if (seconds <= 600) return 1;
  if (seconds <= 3600) return 5;
  if (seconds <= 3 * 3600) return 10;
  return Math.ceil(seconds / 300 / 60) * 60;
}

/** Asks once: the series of `specs` from `start` to `end`, in seconds since 1970. */
export async function getMetrics(specs, start, end, period, signal) {
  const queries = Object.entries(specs).map(([id, spec]) => queryOf(id, spec, period));
  const series = Object.fromEntries(Object.keys(specs).map((id) => [id, { times: [], values: [] }]));
  for (let at = 0; at < queries.length; at += QUERIES_MAX) {
    const input = {
      MetricDataQueries: queries.slice(at, at + QUERIES_MAX),
      StartTime: start,
      EndTime: end,
      ScanBy: 'TimestampAscending',
    };
    let token;
    do {
      const answer = await aws('cloudwatch', 'GetMetricData', token ? { ...input, NextToken: token } : input, { signal });
      for (const { Id, Timestamps, Values } of answer.MetricDataResults) {
        const found = (series[Id.slice(2)] ??= { times: [], values: [] });
        found.times.push(...Timestamps);
        found.values.push(...Values);
      }
      token = answer.NextToken;
    } while (token);
  }
  return series;
}

function joined(before, after, start, asked) {
  // The period that the start lies in belongs to the answer.
  const since = Math.min(asked, after.times[0] ?? asked);
  const kept = { times: [], values: [] };
  (before?.times ?? []).forEach((time, index) => {
    if (time < start || time >= since) return;
    kept.times.push(time);
    kept.values.push(before.values[index]);
  });
  return { times: kept.times.concat(after.times), values: kept.values.concat(after.values) };
}

/** The series of `specs` over the last `seconds`, live. They begin anew when their names, or one of `deps`, change. */
export function useMetrics(specs, { seconds = 300, every = 1000, period = periodOf(seconds), deps = [] } = {}) {
  const key = Object.keys(specs).join();
  const live = useLive(async (signal, before) => {
    const end = Math.floor(serverNow() / 1000 / period) * period;
    const start = end - seconds;
    if (!key) return { series: {}, start, end, period };
    const longest = Math.max(period, ...Object.values(specs).map((spec) => spec.period ?? 0));
    const since = before ? Math.max(start, before.end - Math.max(UNSETTLED_SECONDS, longest)) : start;
    const fresh = await getMetrics(specs, since, end, period, signal);
    const series = Object.entries(fresh).map(([id, after]) => [id, joined(before?.series[id], after, start, since)]);
    return { series: Object.fromEntries(series), start, end, period };
  }, { every: Math.max(every, period >= 60 ? 10_000 : 0), deps: [key, seconds, period, ...deps] });
  return { ...live, ...(live.data ?? { series: {}, start: 0, end: 0, period }) };
}

/** The mean of the last few seconds, where a second without a value counts 0: the rate of what is summed. */
export function perSecond(series, { end, over = 5, period = 1 } = {}) {
  if (!series?.times.length) return undefined;
  const until = end ?? series.times.at(-1) + period;
  const span = Math.max(over, period);
  let sum = 0;
  series.times.forEach((time, index) => {
    if (time >= until - span && time < until) sum += series.values[index];
  });
  return sum / span;
}

/** The last value, if it is not older than `within` seconds. */
export function latest(series, { end, within = 15 } = {}) {
  if (!series?.times.length) return undefined;
  return end !== undefined && series.times.at(-1) < end - within ? undefined : series.values.at(-1);
}

/** The same in steps of so many seconds, each a second's mean: a small line that is not all edges. */
export function calm(series, seconds) {
  if (!series?.times.length) return series;
  const steps = new Map();
  series.times.forEach((time, index) => {
    const step = Math.floor(time / seconds) * seconds;
    steps.set(step, (steps.get(step) ?? 0) + series.values[index] / seconds);
  });
  // The last step is not over yet.
  const whole = [...steps].slice(0, -1);
  return { times: whole.map(([time]) => time), values: whole.map(([, value]) => value) };
}

/** All that was counted in the window. */
export const total = (series) => (series?.times.length ? series.values.reduce((sum, value) => sum + value, 0) : undefined);
