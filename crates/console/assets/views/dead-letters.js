// Dead letters: what was given up, why, and the very records; brought back or dropped from here.

import { all, aws } from '../lib/aws.js';
import { discard, failureOf, moveBack, recordsOf, redrive } from '../lib/failures.js';
import { ago, bytes, count, dateTime, duration, fromBase64, nameOf, whole } from '../lib/format.js';
import { html, useMemo, useRef, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { own } from '../lib/millrace.js';
import { go, href } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Badge, Bar, Button, Card, confirm, Copy, DefinitionList, Dialog, Empty, Field, Input, Json, Page, Select, Stat, State, Stats, Table, toast } from '../lib/ui.js';

const PAGE = 500;
/** More than these are brought back by `millrace dlq redrive`, which needs no open tab. */
const LETTERS_MAX = 5000;
const RECORDS_SHOWN = 50;

const queuesOf = (signal) => own('/_millrace/dlq', { signal });

/** What gives up its messages to a queue, in words. */
function feedWords(feed) {
  const [[kind, what]] = Object.entries(feed);
  const [source, target] = [what].flat();
  const former = kind.startsWith('former_') ? 'formerly ' : '';
  switch (kind.replace('former_', '')) {
    case 'mapping': return html`${former}<a href=${href('streams', nameOf(source))}>${nameOf(source)}</a> → <a href=${href('functions', nameOf(target))}>${nameOf(target)}</a>`;
    case 'events': return html`${former}events of <a href=${href('functions', nameOf(source))}>${nameOf(source)}</a>`;
    default: return html`${former}queue ${nameOf(source)}${typeof target === 'number' && ` after ${target} receives`}`;
  }
}

const WHY = {
  RetryAttemptsExhausted: 'failed at every try', RecordAgeExceeded: 'too old', EventAgeExceeded: 'too old',
};
const whyOf = (failure) => (failure.kind === 'message' ? `received ${failure.tries} times` : WHY[failure.condition] ?? failure.condition);

function whatOf(failure) {
  if (failure.kind === 'batch') return `${whole(failure.size)} ${failure.size === 1 ? 'record' : 'records'} of ${nameOf(failure.stream)}`;
  return { event: 'asynchronous event', message: `message of ${nameOf(failure.source)}`, other: 'message' }[failure.kind];
}

export default function DeadLetters({ path }) {
  return path[0] ? html`<${Queue} name=${path[0]} />` : html`<${List} />`;
}

function List() {
  const [wanted, setWanted] = useState('');
  const queues = useLive(queuesOf, { every: 3000 });
  const columns = [
    { key: 'name', title: 'Queue', cell: (row) => html`<a href=${href('dlq', row.name)}>${row.name}</a>` },
    { key: 'messages', title: 'Messages', num: true, cell: (row) => (row.messages ? html`<b class="warn">${whole(row.messages)}</b>` : '0') },
    { key: 'oldest', title: 'Oldest', num: true, sort: (row) => row.oldest ?? Infinity, cell: (row) => (row.oldest ? duration(row.now - row.oldest) : '–') },
    { key: 'feeds', title: 'Takes failures of', grow: true, sort: false, cell: (row) => row.feeds.map((feed, index) => html`${index > 0 && ', '}${feedWords(feed)}`) },
  ];
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onValue=${setWanted} />`;
  return html`<${Page} title="Dead letters" note="queues that take what failed" actions=${search}>
    <${Card} flush><${State} live=${queues} what="The queues could not be listed">${(list) => html`
      <${Table} label="Dead-letter queues" columns=${columns} rows=${list.filter((queue) => queue.name.includes(wanted))} sort=${{ key: 'messages', down: true }}
        rowKey=${(row) => row.name} onRow=${(row) => go('dlq', row.name)}
        empty=${html`<${Empty} title=${list.length ? `No queue is called like ${wanted}` : 'Nothing takes failures'}>
          ${!list.length && 'A mapping\'s OnFailure destination, a function\'s dead-letter target, or a queue\'s RedrivePolicy names the queue; until then, what fails for good is lost or stops its shard.'}</${Empty}>`} />`}
    </${State}></${Card}>
  </${Page}>`;
}

async function lettersOf(name, signal) {
  const letters = [];
  for (;;) {
    const after = letters.length ? { after: letters.at(-1).handle } : {};
    const page = await own(`/_millrace/dlq/${encodeURIComponent(name)}`, { query: { max: PAGE, ...after }, signal });
    letters.push(...page);
    if (page.length < PAGE || letters.length >= LETTERS_MAX) return letters.map((letter) => ({ ...letter, failure: failureOf(letter) }));
  }
}

/** Goes through letters one by one; `progress` tells how far it is and what came of them. */
function useRedrive(queue, refresh) {
  const [progress, setProgress] = useState(null);
  const stopped = useRef(false);
  const run = async (letters, to) => {
    stopped.current = false;
    const state = { total: letters.length, done: 0, failed: 0, outcomes: [], running: true };
    const tell = () => setProgress({ ...state, outcomes: [...state.outcomes] });
    tell();
    for (const letter of letters) {
      if (stopped.current) break;
      try {
        state.outcomes.unshift({ id: letter.id, good: true, text: await redrive(queue, letter, letter.failure, to) });
        state.done += 1;
      } catch (error) {
        state.outcomes.unshift({ id: letter.id, good: false, text: error.message });
        state.failed += 1;
      }
      tell();
    }
    state.running = false;
    tell();
    refresh();
  };
  const back = async (arn, total) => {
    const state = { total, done: 0, failed: 0, outcomes: [], running: true };
    setProgress({ ...state });
    try {
      await moveBack(arn, (done) => setProgress({ ...state, done }));
      setProgress((now) => ({ ...now, running: false }));
    } catch (error) {
      setProgress((now) => ({ ...now, running: false, failed: 1, outcomes: [{ id: 'move', good: false, text: error.message }] }));
    }
    refresh();
  };
  return { progress, run, back, stop: () => { stopped.current = true; }, clear: () => setProgress(null) };
}

function Progress({ progress, onStop, onClear }) {
  const { total, done, failed, running, outcomes } = progress;
  const left = running ? null : `${total - done - failed ? `, ${total - done - failed} not tried` : ''}`;
  const actions = running ? html`<${Button} small onClick=${onStop}>Stop after this one</${Button}>` : html`<${Button} small onClick=${onClear}>Close</${Button}>`;
  return html`<${Card} title=${running ? 'Bringing back' : 'Brought back'} note=${html`<span role="status">${done} of ${total} brought back, <span class=${failed ? 'bad' : ''}>${failed} failed again</span>${left}</span>`} actions=${actions}>
    <${Bar} share=${(done + failed) / Math.max(1, total)} tone=${failed ? 'warn' : ''} />
    ${outcomes.length > 0 && html`<ul class="outcomes">${outcomes.slice(0, 50).map((each) => html`<li key=${each.id}>
      <${Badge} tone=${each.good ? 'good' : 'bad'}>${each.good ? 'done' : 'stays'}</${Badge}> <code class="faint">${each.id.slice(0, 8)}</code> ${each.text}</li>`)}</ul>`}
  </${Card}>`;
}

function Queue({ name }) {
  const [wanted, setWanted] = useState('');
  const [shown, setShown] = useState(null);
  const [choosing, setChoosing] = useState(null);
  const queues = useLive(queuesOf, { every: 3000 });
  const letters = useLive((signal) => lettersOf(name, signal), { every: 3000 });
  const bringing = useRedrive(name, () => letters.refresh());
  const queue = queues.data?.find((each) => each.name === name);
  const list = letters.data ?? [];
  const rows = wanted ? list.filter((letter) => letter.body.includes(wanted) || letter.id.includes(wanted)) : list;
  const repeatable = rows.filter((letter) => ['batch', 'event'].includes(letter.failure.kind));
  const moves = list.length > 0 && list.every((letter) => letter.failure.kind === 'message');
  const busy = bringing.progress?.running;
  const drop = async (some) => {
    const what = some.length === 1 ? 'this message' : `${some.length} messages`;
    const text = `${what[0].toUpperCase()}${what.slice(1)} will be gone for good. The records that failed stay in their stream until its retention ends, but nothing points to them any more.`;
    if (!(await confirm({ title: `Drop ${what}?`, text, action: 'Drop' }))) return;
    toast(`${await discard(name, some)} dropped`);
    setShown(null);
    letters.refresh();
  };
  const moveAll = async () => {
    const { QueueUrl } = await aws('sqs', 'GetQueueUrl', { QueueName: name });
    const { Attributes } = await aws('sqs', 'GetQueueAttributes', { QueueUrl, AttributeNames: ['QueueArn'] });
    await bringing.back(Attributes.QueueArn, list.length);
  };
  const actions = html`
    <${Input} type="search" data-search placeholder="Text of the message" aria-label="Text of the message" value=${wanted} onValue=${setWanted} />
    ${moves
      ? html`<${Button} tone="primary" disabled=${busy} onClick=${moveAll}>Move all back</${Button}>`
      : html`<${Button} tone="primary" disabled=${busy || !repeatable.length} onClick=${() => setChoosing(repeatable)}>Redrive ${wanted ? 'these' : 'all'}</${Button}>`}
    <${Button} tone="bad" disabled=${busy || !rows.length} onClick=${() => drop(rows)}>Drop ${wanted ? 'these' : 'all'}</${Button}>`;
  const columns = [
    { key: 'sent', title: 'Given up', cell: (row) => html`<span title=${dateTime(row.sent)}>${ago(row.sent, serverNow())}</span>` },
    { key: 'what', title: 'What failed', sort: (row) => whatOf(row.failure), cell: (row) => whatOf(row.failure) },
    { key: 'function', title: 'In', sort: (row) => row.failure.function, cell: (row) => (row.failure.function ? html`<a href=${href('functions', nameOf(row.failure.function))}>${nameOf(row.failure.function)}</a>` : '–') },
    { key: 'why', title: 'Why', sort: (row) => whyOf(row.failure), cell: (row) => html`<span title=${row.failure.condition ?? ''}>${whyOf(row.failure) ?? '–'}</span> ${row.failure.error && html`<${Badge} tone="bad">${row.failure.error}</${Badge}>`}` },
    { key: 'tries', title: 'Tries', num: true, sort: (row) => row.failure.tries, cell: (row) => whole(row.failure.tries) },
    { key: 'place', title: 'Where', grow: true, sort: false, cell: (row) => html`<code class="line">${row.failure.kind === 'batch' ? `${row.failure.shard.replace(/^shardId-0*(?=\d)/, 'shard ')} at …${row.failure.start.slice(-14)}` : row.body.slice(0, 200)}</code>` },
    { key: 'act', title: '', cell: (row) => ['batch', 'event'].includes(row.failure.kind) && html`<${Button} small disabled=${busy} onClick=${() => bringing.run([row])}>Redrive</${Button}>` },
  ];
  const records = list.reduce((sum, letter) => sum + (letter.failure.size ?? 1), 0);
  return html`<${Page} title=${name} crumbs=${[['Dead letters', href('dlq')]]} actions=${actions}>
    <${Stats}>
      <${Stat} label="Messages" value=${whole(queue?.messages ?? letters.data?.length)} tone=${queue?.messages ? 'warn' : ''} />
      <${Stat} label="Records" value=${whole(letters.data && records)} note="that they stand for" />
      <${Stat} label="Oldest" value=${queue?.oldest ? duration(queue.now - queue.oldest) : '–'} />
      <${Stat} label="Takes failures of" value=${whole(queue?.feeds.length)} note=${queue?.feeds.map((feed, index) => html`${index > 0 && ', '}${feedWords(feed)}`)} />
    </${Stats}>
    ${bringing.progress && html`<${Progress} progress=${bringing.progress} onStop=${bringing.stop} onClear=${bringing.clear} />`}
    <${Card} flush><${State} live=${letters} what="The messages could not be read">${() => html`
      <${Table} label="Dead letters" columns=${columns} rows=${rows} rowKey=${(row) => row.id} sort=${{ key: 'sent', down: true }} onRow=${setShown}
        empty=${html`<${Empty} title=${wanted && list.length ? 'No message holds that text' : 'Nothing has failed'}>${!list.length && 'What is given up will stand here, with the records that it stands for.'}</${Empty}>`} />
      ${list.length >= LETTERS_MAX && html`<p class="hint pad">The first ${count(LETTERS_MAX)} are shown; <code>millrace dlq redrive ${name}</code> takes them all.</p>`}`}
    </${State}></${Card}>
    ${shown && html`<${Letter} letter=${shown} onClose=${() => setShown(null)} onDrop=${() => drop([shown])}
      onRedrive=${() => { setChoosing([shown]); setShown(null); }} />`}
    ${choosing && html`<${Target} letters=${choosing} onClose=${() => setChoosing(null)} onChosen=${(to) => { setChoosing(null); bringing.run(choosing, to); }} />`}
  </${Page}>`;
}

/** Which function gets it. */
function Target({ letters, onClose, onChosen }) {
  const [to, setTo] = useState('');
  const functions = useLive((signal) => all('lambda', 'ListFunctions', {}, 'Functions', { signal }), { every: 0 });
  const failed = [...new Set(letters.map((letter) => nameOf(letter.failure.function)))];
  const options = [['', `The one that failed (${failed.join(', ')})`], ...(functions.data ?? []).map((each) => each.FunctionName).filter((name) => !(failed.length === 1 && failed[0] === name))];
  const footer = html`<${Button} onClick=${onClose}>Cancel</${Button}><${Button} tone="primary" onClick=${() => onChosen(to)}>Redrive ${letters.length === 1 ? 'it' : letters.length}</${Button}>`;
  return html`<${Dialog} title=${letters.length === 1 ? 'Redrive a dead letter' : `Redrive ${letters.length} dead letters`} onClose=${onClose} footer=${footer}>
    <${Field} label="Give it to" hint="A message is deleted only when the function succeeded with all of its records. Leave the page open meanwhile.">
      <${Select} value=${to} onValue=${setTo} options=${options} /></${Field}>
  </${Dialog}>`;
}

function Letter({ letter, onClose, onDrop, onRedrive }) {
  const { failure } = letter;
  const footer = html`
    <${Button} tone="bad" onClick=${onDrop}>Drop</${Button}>
    ${['batch', 'event'].includes(failure.kind) && html`<${Button} tone="primary" onClick=${onRedrive}>Redrive…</${Button}>`}`;
  const logs = failure.function && href('functions', nameOf(failure.function), { tab: 'logs', filter: `"${failure.request}"`, since: '0' });
  return html`<${Dialog} wide title=${whatOf(failure)} onClose=${onClose} footer=${footer}>
    <${DefinitionList} items=${[
      ['Given up', `${dateTime(failure.at ?? letter.sent)} (${ago(failure.at ?? letter.sent, serverNow())})`],
      ['Why', failure.condition ? `${whyOf(failure)} (${failure.condition})` : whyOf(failure)],
      ['Tries', failure.tries], ['Function', failure.function && html`<a href=${href('functions', nameOf(failure.function))}>${nameOf(failure.function)}</a> ${failure.error && html`<${Badge} tone="bad">${failure.error}</${Badge}>`}`],
      ['Stream', failure.stream && html`<a href=${href('streams', nameOf(failure.stream))}>${nameOf(failure.stream)}</a> <span class="faint">${failure.shard}</span>`],
      ['Arrived', failure.arrived && dateTime(failure.arrived[0])],
      ['Last request', failure.request && html`<a href=${logs} title="Its lines in the function's log"><code>${failure.request}</code></a>`],
      ['Queue that gave it up', failure.source && nameOf(failure.source)],
      ['Message', html`<code>${letter.id}</code> <${Copy} text=${letter.id} />`],
    ]} />
    ${failure.kind === 'batch' && html`<${BatchRecords} batch=${failure} />`}
    ${failure.kind === 'event' && html`<h3 class="above">The event</h3><${Json} text=${failure.payload} /><h3 class="above">What the function answered</h3><${Json} text=${failure.answer ?? null} />`}
    ${['message', 'other'].includes(failure.kind) && html`<h3 class="above">The message</h3><${Json} text=${letter.body} />`}
  </${Dialog}>`;
}

function BatchRecords({ batch }) {
  const records = useLive((signal) => recordsOf(batch, { max: RECORDS_SHOWN, signal }), { every: 0 });
  return html`<${State} live=${records} what="The records could not be read">${(list) => html`
    <h3 class="above">${list.length === 1 ? 'The record' : `The records${batch.size > list.length ? `, ${list.length} of ${batch.size}` : ''}`}</h3>
    ${list.length === 0 && html`<${Empty} title="The stream no longer holds them">They are older than its retention, so they cannot be brought back; drop the message.</${Empty}>`}
    ${list.map((record) => html`<${OneRecord} key=${record.SequenceNumber} record=${record} />`)}`}
  </${State}>`;
}

function OneRecord({ record }) {
  const text = useMemo(() => fromBase64(record.Data), [record]);
  return html`<div class="stack above">
    <div class="row"><span class="faint">key</span> <code>${record.PartitionKey}</code> <span class="faint">arrived</span> ${dateTime(record.ApproximateArrivalTimestamp)}
      <span class="faint">${bytes((record.Data.length * 3) / 4)}, at <code title=${record.SequenceNumber}>…${record.SequenceNumber.slice(-14)}</code></span> <${Copy} text=${text} label="Copy the data" /></div>
    <${Json} text=${text} />
  </div>`;
}
