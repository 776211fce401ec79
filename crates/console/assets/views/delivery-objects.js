// Objects in the lake, and those among them that hold what could not be delivered.

import { saveAs } from '../lib/file.js';
import { ago, bytes, dateTime, fromBase64, plural, whole } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { getObject, getText, listObjects } from '../lib/s3.js';
import { serverNow } from '../lib/session.js';
import { Badge, Button, Card, Code, Copy, Dialog, Empty, Input, Json, State, Table } from '../lib/ui.js';

const OBJECTS_MAX = 2000;
const BEGINNING_BYTES = 64 * 1024;
const REASONS_READ = 12;
const LINES_SHOWN = 100;

/** Hands an object to the browser as a file. */
async function download(bucket, key) {
  const response = await getObject(bucket, key);
  saveAs(await response.blob(), key.split('/').pop());
}

/** One level of a bucket's keys; folders lead down. */
export function Objects({ bucket, root }) {
  const [folder, setFolder] = useState(root);
  const [shown, setShown] = useState(null);
  const [wanted, setWanted] = useState('');
  const listing = useLive((signal) => listObjects(bucket, { prefix: folder, delimiter: '/', limit: OBJECTS_MAX, signal }), { every: 5000, deps: [bucket, folder] });
  const parts = folder.split('/').slice(0, -1);
  const places = [html`<button class="text-button" onClick=${() => setFolder('')}>${bucket}</button>`, ...parts.map((part, index) => html`
    <span class="faint"> / </span><button class="text-button" onClick=${() => setFolder(`${parts.slice(0, index + 1).join('/')}/`)}>${part}</button>`)];
  const open = (row) => (row.folder ? setFolder(row.key) : setShown(row));
  const columns = [
    { key: 'key', title: 'Name', grow: true, cell: (row) => html`<button class="text-button mono" onClick=${() => open(row)}>${row.name}</button>` },
    { key: 'size', title: 'Size', num: true, cell: (row) => (row.folder ? '' : bytes(row.size)) },
    { key: 'at', title: 'Written', cell: (row) => !row.folder && html`<span title=${ago(row.at, serverNow())}>${dateTime(row.at)}</span>` },
  ];
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter objects" value=${wanted} onValue=${setWanted} />`;
  return html`<${Card} flush title=${html`<span class="mono">${places}</span>`} actions=${search}>
    <${State} live=${listing} what=${`Objects of ${bucket} could not be listed`}>${({ folders, objects, more }) => {
      const rows = [
        ...folders.map((key) => ({ key, name: key.slice(folder.length), folder: true })).sort((a, b) => (a.key < b.key ? 1 : -1)),
        ...objects.map((object) => ({ ...object, name: object.key.slice(folder.length) })).sort((a, b) => b.at - a.at),
      ].filter((row) => row.name.includes(wanted));
      const size = objects.reduce((sum, object) => sum + object.size, 0);
      return html`<${Table} label="Objects" columns=${columns} rows=${rows} rowKey=${(row) => row.key} onRow=${open}
          empty=${html`<${Empty} title=${wanted ? 'Nothing here is called like that' : 'Nothing lies here yet'}>${!wanted && 'An object is written when the buffer is full or its interval is over.'}</${Empty}>`} />
        <p class="hint pad">${plural(folders.length, 'folder')}, ${plural(objects.length, 'object')}, ${bytes(size)}${more ? '; there is more, which is not shown' : ''}</p>`;
    }}</${State}>
    ${shown && html`<${Opened} bucket=${bucket} object=${shown} onClose=${() => setShown(null)} />`}
  </${Card}>`;
}

const isColumnar = (key) => /\.(parquet|orc)$/.test(key);

function Opened({ bucket, object, onClose }) {
  const columnar = isColumnar(object.key);
  const text = useLive((signal) => (columnar ? '' : getText(bucket, object.key, { bytes: object.key.endsWith('.gz') ? undefined : BEGINNING_BYTES, signal })), { every: 0 });
  const address = `s3://${bucket}/${object.key}`;
  return html`<${Dialog} wide title=${object.key.split('/').pop()} onClose=${onClose}
      footer=${html`<${Button} onClick=${() => download(bucket, object.key)}>Download</${Button}>`}>
    <p><code>${address}</code> <${Copy} text=${address} label="Copy the address" /></p>
    <p class="hint">${bytes(object.size)}, written ${dateTime(object.at)}</p>
    ${columnar
      ? html`<p class="above">Its columns are Parquet: DuckDB reads them, <code>SELECT * FROM read_parquet('${address}')</code>.</p>`
      : html`<${State} live=${text} what="The object could not be read">${(all) => html`
          ${object.size > BEGINNING_BYTES && html`<p class="hint above">Its beginning:</p>`}<${Code}>${all.slice(0, BEGINNING_BYTES)}</${Code}>`}</${State}>`}
  </${Dialog}>`;
}

const parsed = (line) => {
  try {
    return JSON.parse(line);
  } catch {
    return { errorMessage: line.slice(0, 200) };
  }
};

/** The lines of an error object, in AWS's shape. */
async function failuresOf(bucket, key, signal) {
  const text = await getText(bucket, key, { signal });
  return text.split('\n').filter(Boolean).map(parsed);
}

// Records that were refused before any format have these without `last`.
const reasonOf = (failure) => [failure.lastErrorCode ?? failure.errorCode, failure.lastErrorMessage ?? failure.errorMessage].filter(Boolean).join(': ') || 'no reason given';

/** Objects below the error prefix, the newest first, with the reasons in them. */
export function Failures({ bucket, prefix, vitals }) {
  const [shown, setShown] = useState(null);
  const known = useMemo(() => new Map(), [bucket, prefix]);
  const listing = useLive(async (signal) => {
    const { objects, more } = await listObjects(bucket, { prefix, limit: OBJECTS_MAX, signal });
    const newest = objects.sort((a, b) => b.at - a.at);
    for (const object of newest.slice(0, REASONS_READ)) {
      if (!known.has(object.etag + object.key)) known.set(object.etag + object.key, await failuresOf(bucket, object.key, signal));
    }
    return { objects: newest.map((object) => ({ ...object, failures: known.get(object.etag + object.key) })), more };
  }, { every: 5000, deps: [bucket, prefix] });
  if (!prefix) {
    return html`<${Empty} title="There is no prefix for what fails">Set <code>ErrorOutputPrefix</code>, so that what cannot be delivered lies apart from what was.</${Empty}>`;
  }
  const columns = [
    { key: 'at', title: 'Written', cell: (row) => html`<span title=${ago(row.at, serverNow())}>${dateTime(row.at)}</span>` },
    { key: 'kind', title: 'Kind', sort: (row) => row.key, cell: (row) => html`<${Badge} tone="warn">${/([A-Za-z-]+-failed)/.exec(row.key)?.[1] ?? 'failed'}</${Badge}>` },
    { key: 'records', title: 'Records', num: true, sort: (row) => row.failures?.length, cell: (row) => whole(row.failures?.length) },
    { key: 'reason', title: 'Reason', grow: true, sort: false, cell: (row) => html`<span class="line">${row.failures?.[0] ? reasonOf(row.failures[0]) : row.key.slice(prefix.length)}</span>` },
    { key: 'size', title: 'Size', num: true, cell: (row) => bytes(row.size) },
  ];
  return html`<${Card} flush title="Not delivered" note=${html`<code>s3://${bucket}/${prefix}</code>`}>
    ${vitals?.unconverted_reason && html`<p class="stale">${vitals.unconverted_reason}</p>`}
    <${State} live=${listing} what="The objects could not be listed">${({ objects }) => html`
      <${Table} label="Objects with failures" columns=${columns} rows=${objects} rowKey=${(row) => row.key} onRow=${setShown} sort=${{ key: 'at', down: true }}
        empty=${html`<${Empty} title="Everything was delivered">Records that cannot be converted, partitioned or indexed are written here, each with its reason.</${Empty}>`} />`}
    </${State}>
    ${shown && html`<${FailedRecords} bucket=${bucket} object=${shown} onClose=${() => setShown(null)} />`}
  </${Card}>`;
}

function FailedRecords({ bucket, object, onClose }) {
  const lines = useLive((signal) => failuresOf(bucket, object.key, signal), { every: 0 });
  const raw = (failure) => {
    try {
      return fromBase64(failure.rawData);
    } catch {
      return failure.rawData ?? '';
    }
  };
  return html`<${Dialog} wide title=${object.key.split('/').pop()} onClose=${onClose} footer=${html`<${Button} onClick=${() => download(bucket, object.key)}>Download</${Button}>`}>
    <${State} live=${lines} what="The object could not be read">${(list) => list.slice(0, LINES_SHOWN).map((failure, index) => html`<div key=${index} class="stack above">
      <div><strong class="bad">${reasonOf(failure)}</strong> <span class="faint">${failure.attemptsMade ? `${failure.attemptsMade} tries, ` : ''}${failure.arrivalTimestamp ? `arrived ${dateTime(failure.arrivalTimestamp)}` : ''}</span></div>
      <${Json} text=${failure.rawData ? raw(failure) : JSON.stringify(failure)} /></div>`)}</${State}>
  </${Dialog}>`;
}
