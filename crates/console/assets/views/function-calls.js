// A function's logs, followed, and a call by hand.

import { aws } from '../lib/aws.js';
import { clock, dateTime, duration, nameOf, toBase64 } from '../lib/format.js';
import { html, useEffect, useRef, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { setQuery } from '../lib/route.js';
import { serverNow, session } from '../lib/session.js';
import { Badge, Button, Card, Code, Empty, Field, Form, Input, Json, Select, State, TextArea } from '../lib/ui.js';

const LINES_MAX = 500;
const MINUTE = 60_000;

/** Follows a log group: keeps the last lines, asks only for what is new. */
function follower(logGroupName, filterPattern, since) {
  let from = since ? serverNow() - since : 0;
  let lines = [];
  const seen = new Set();
  return async (signal) => {
    let nextToken;
    let pages = 0;
    do {
      const answer = await aws('logs', 'FilterLogEvents', { logGroupName, startTime: Math.max(0, from), filterPattern: filterPattern || undefined, nextToken, limit: 2000 }, { signal });
      for (const event of answer.events ?? []) {
        if (seen.has(event.eventId)) continue;
        seen.add(event.eventId);
        lines.push(event);
        from = Math.max(from, event.timestamp);
      }
      if (lines.length > LINES_MAX) lines.splice(0, lines.length - LINES_MAX).forEach((event) => event.timestamp < from && seen.delete(event.eventId));
      nextToken = answer.nextToken;
      pages += 1;
    } while (nextToken && pages < 20);
    lines = [...lines].sort((a, b) => a.timestamp - b.timestamp);
    return lines;
  };
}

const toneOf = (message) => (/^\[?ERROR|Traceback|Task timed out|"level": ?"(ERROR|FATAL)"/.test(message) ? 'bad' : /^\[?WARN|"level": ?"WARN/.test(message) ? 'warn' : /^(START|END|REPORT|INIT_START) /.test(message) ? 'faint' : '');

function Follow({ group, filter, since, quiet }) {
  const [read] = useState(() => follower(group, filter, since));
  const place = useRef();
  const atEnd = useRef(true);
  const live = useLive(async (signal) => {
    try {
      return await read(signal);
    } catch (error) {
      if (error.code === 'ResourceNotFoundException') return [];
      throw error;
    }
  }, { every: 1500 });
  useEffect(() => {
    if (atEnd.current && place.current) place.current.scrollTop = place.current.scrollHeight;
  }, [live.data]);
  const scrolled = () => { atEnd.current = place.current.scrollHeight - place.current.scrollTop - place.current.clientHeight < 40; };
  return html`<${State} live=${live} what="The log could not be read">${(all) => {
    const lines = quiet ? all.filter((line) => toneOf(line.message) !== 'faint') : all;
    if (!lines.length) return html`<${Empty} title="No lines">${filter ? 'None fits the filter: words have to stand in a line, in double quotes with what is between them; JSON as { $.level = "ERROR" }.' : 'What it writes will stand here as it comes.'}</${Empty}>`;
    return html`<div class="log" ref=${place} onScroll=${scrolled} tabindex="0" aria-label="Log">${lines.map((line) => html`<div key=${line.eventId} class=${`log-line ${toneOf(line.message)}`}>
      <time title=${dateTime(line.timestamp)}>${clock(line.timestamp, { millis: true })}</time><span>${line.message.trimEnd()}</span></div>`)}</div>`;
  }}</${State}>`;
}

/** A log group, live. Filter and beginning stand in the address. */
export function Logs({ group, query }) {
  const [filter, setFilter] = useState(query.filter ?? '');
  const [quiet, setQuiet] = useState(!query.filter);
  const since = query.since ?? '900000';
  const apply = () => setQuery({ filter });
  const actions = html`
    <form class="row" onSubmit=${(event) => { event.preventDefault(); apply(); }}>
      <${Input} type="search" data-search placeholder='Filter, as ERROR -timeout' aria-label="Filter pattern" value=${filter} onValue=${setFilter} onBlur=${apply} />
    </form>
    <${Select} aria-label="Since" value=${since} onValue=${(value) => setQuery({ since: value })} options=${[[`${5 * MINUTE}`, 'Last 5 minutes'], [`${15 * MINUTE}`, 'Last 15 minutes'], [`${60 * MINUTE}`, 'Last hour'], ['0', 'Everything']]} />
    <label class="field inline"><input type="checkbox" checked=${quiet} onChange=${(event) => setQuiet(event.target.checked)} /><span>Only its own lines</span></label>`;
  return html`<${Card} flush title="Log" note=${html`<code>${group}</code>, followed`} actions=${actions}>
    <${Follow} key=${`${query.filter ?? ''}/${since}`} group=${group} filter=${query.filter ?? ''} since=${Number(since)} quiet=${quiet} />
  </${Card}>`;
}

/** Events to begin with. */
function sample(kind, mappings) {
  if (kind !== 'kinesis') return '{\n  "hello": "world"\n}';
  const arn = mappings.find((mapping) => mapping.EventSourceArn.includes(':kinesis:'))?.EventSourceArn.split('/consumer/')[0] ?? 'arn:aws:kinesis:us-east-1:000000000000:stream/orders';
  const record = {
    kinesis: { kinesisSchemaVersion: '1.0', partitionKey: 'test', sequenceNumber: '49590338271490256608559692538361571095921575989136588898', data: toBase64('{"hello": "world"}'), approximateArrivalTimestamp: Math.floor(serverNow()) / 1000 },
    eventSource: 'aws:kinesis', eventVersion: '1.0', eventID: 'shardId-000000000000:49590338271490256608559692538361571095921575989136588898',
    eventName: 'aws:kinesis:record', awsRegion: session().credentials.region, eventSourceARN: arn,
  };
  return JSON.stringify({ Records: [record] }, null, 2);
}

const kept = (name) => `millrace.event.${name}`;

/** Calls a function with an event; the event is kept in this browser. */
export function Invoke({ name, mappings }) {
  const [event, setEvent] = useState(() => localStorage.getItem(kept(name)) ?? sample(mappings.length ? 'kinesis' : 'plain', mappings));
  const [kind, setKind] = useState('RequestResponse');
  const [result, setResult] = useState(null);
  const run = async () => {
    JSON.parse(event);
    localStorage.setItem(kept(name), event);
    const began = performance.now();
    const answer = await aws('lambda', 'Invoke', { FunctionName: name, InvocationType: kind, LogType: kind === 'RequestResponse' ? 'Tail' : undefined, Payload: event });
    setResult({ ...answer, took: performance.now() - began });
  };
  const log = result?.LogResult && new TextDecoder().decode(Uint8Array.from(atob(result.LogResult), (letter) => letter.charCodeAt(0)));
  return html`<div class="columns even">
    <${Card} title="Event">
      <${Form} onSubmit=${run}>
        <${Field} label="JSON"><${TextArea} rows="16" value=${event} onValue=${setEvent} aria-label="Event" /></${Field}>
        <div class="row">
          <${Button} type="submit" tone="primary">Invoke</${Button}>
          <${Select} aria-label="How" value=${kind} onValue=${setKind} options=${[['RequestResponse', 'and wait'], ['Event', 'without waiting'], ['DryRun', 'only whether it may']]} />
          <${Button} onClick=${() => setEvent(sample('kinesis', mappings))}>Stream records</${Button}>
          <${Button} onClick=${() => setEvent(sample('plain', mappings))}>Plain</${Button}>
        </div>
      </${Form}>
    </${Card}>
    <${Card} title="Answer" note=${result && html`<${Badge} tone=${result.FunctionError ? 'bad' : 'good'}>${result.FunctionError ?? result.StatusCode}</${Badge}> after ${duration(result.took)}`}>
      ${result
        ? html`<${Json} text=${result.Payload || 'nothing'} />${log && html`<h3 class="above">The end of its log</h3><${Code} wrap>${log}</${Code}>`}`
        : html`<${Empty} title=${`${nameOf(name)} was not called from here yet`}>Its answer and the end of its log will stand here.</${Empty}>`}
    </${Card}>
  </div>`;
}
