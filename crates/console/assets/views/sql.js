// SQL: statements as they would stand in an application, run here and now, with rows as they come.

import { all } from '../lib/aws.js';
import { count } from '../lib/format.js';
import { html, useEffect, useRef, useState } from '../lib/html.js';
import { useKeys } from '../lib/keys.js';
import { lines, own } from '../lib/millrace.js';
import { tableOf } from '../lib/tables.js';
import { Button, Card, Code, Empty, Page, Select, TextArea, toast } from '../lib/ui.js';

const PLACE = 'millrace.sql';
const ROWS_MAX = 1000;
/** Rows arrive faster than people read: the page is drawn so often. */
const DRAW_MS = 120;
const EXAMPLE = `-- Flink SQL. Choose a stream above: its table is written here, with columns as its last records have them.
-- Ctrl+Enter runs everything; rows stand below as they come.
`;

/** What a run has shown so far. */
class Shown {
  constructor() {
    Object.assign(this, { texts: [], columns: null, changelog: false, rows: [], count: 0, error: null, started: null, finished: null });
  }

  take(event) {
    const [[kind, value]] = Object.entries(event);
    switch (kind) {
      case 'text': this.texts.push(value); break;
      case 'columns': Object.assign(this, { columns: value[0], changelog: value[1], rows: [], count: 0 }); break;
      case 'row': this.row(...value); break;
      case 'end': this.finished = `${count(value)} rows`; break;
      case 'started': this.started = value; break;
      case 'finished': this.finished = `${value[0]}: ${count(value[1])} rows written`; break;
      case 'error': this.error = value; break;
      default: break;
    }
  }

  /** A changelog is shown as the table that it makes; else the newest rows stand first. */
  row(kind, values) {
    this.count += 1;
    if (!this.changelog) {
      this.rows.unshift(values);
      this.rows.length = Math.min(this.rows.length, ROWS_MAX);
      return;
    }
    if (kind === '+I' || kind === '+U') {
      this.rows.push(values);
      if (this.rows.length > ROWS_MAX) this.rows.shift();
      return;
    }
    const gone = values.join('\u0000');
    const at = this.rows.findLastIndex((row) => row.join('\u0000') === gone);
    if (at >= 0) this.rows.splice(at, 1);
  }
}

export default function Sql() {
  const [text, setText] = useState(() => sessionStorage.getItem(PLACE) ?? EXAMPLE);
  const [, draw] = useState();
  const [running, setRunning] = useState(false);
  const [applications, setApplications] = useState([]);
  const [streams, setStreams] = useState([]);
  const [prelude, setPrelude] = useState('');
  const editor = useRef();
  const run = useRef({ abort: null, shown: null });
  useEffect(() => {
    all('kinesis', 'ListStreams', {}, 'StreamSummaries').then(setStreams, () => setStreams([]));
    own('/_millrace/jobs').then((answer) => setApplications(answer.applications), () => setApplications([]));
    return () => run.current.abort?.abort();
  }, []);
  useKeys({ e: () => editor.current.focus() });
  const stop = () => run.current.abort?.abort();
  const start = async () => {
    stop();
    const abort = new AbortController();
    const shown = new Shown();
    run.current = { abort, shown };
    sessionStorage.setItem(PLACE, text);
    setRunning(true);
    const drawing = setInterval(() => draw({}), DRAW_MS);
    try {
      const tables = applications.find((each) => each.name === prelude)?.sql ?? '';
      const body = { name: 'console', prelude: definitions(tables), script: text };
      for await (const event of lines('/_millrace/sql', body, abort.signal)) shown.take(event);
    } catch (error) {
      if (!abort.signal.aborted) shown.error = error.message;
    } finally {
      clearInterval(drawing);
      if (run.current.shown === shown) setRunning(false);
      draw({});
    }
  };
  const key = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      start();
    }
  };
  const insert = async (name) => {
    if (!name) return;
    try {
      const table = await tableOf(streams.find((stream) => stream.StreamName === name));
      setText(text === EXAMPLE || !text.trim() ? table : `${text.trimEnd()}\n\n${table}`);
      editor.current.focus();
    } catch (error) {
      toast(error);
    }
  };
  const insertable = streams.length > 0 && html`<${Select} aria-label="Write the table of a stream" value="" onValue=${insert}
    options=${[['', 'Table of a stream…'], ...streams.map((stream) => stream.StreamName)]} />`;
  const tables = applications.length > 0 && html`<${Select} aria-label="Tables of" value=${prelude} onValue=${setPrelude}
    options=${[['', 'No tables beforehand'], ...applications.map((each) => [each.name, `Tables of ${each.name}`])]} />`;
  const actions = html`${insertable}${tables}
    ${running ? html`<${Button} onClick=${() => { stop(); }}>Stop</${Button}>` : null}
    <${Button} tone="primary" onClick=${() => { start(); }}>Run</${Button}>`;
  return html`<${Page} title="SQL" note="Flink SQL over streams, files and what you make up" actions=${actions}>
    <${TextArea} class="editor" inputRef=${editor} data-search aria-label="SQL" rows="12" value=${text} onValue=${setText} onKeyDown=${key} />
    <${Result} shown=${run.current.shown} running=${running} />
  </${Page}>`;
}

/** The tables and views of an application's script: what a query can begin with. */
export function definitions(script) {
  const statements = script.split(/;[ \t]*(?:--[^\n]*)?(?:\n|$)/).map((each) => each.trim());
  const words = (each) => each.replace(/^(\s*--[^\n]*\n)+/, '').trimStart();
  return statements.filter((each) => /^(CREATE|SET)\b/i.test(words(each)) && !/late-events/.test(each)).map((each) => `${each};\n`).join('\n');
}

function Result({ shown, running }) {
  if (!shown) return html`<${Card}><${Empty} title="Nothing has run yet"><p><kbd>Ctrl</kbd> <kbd>Enter</kbd> runs all statements; a SELECT shows its rows as they come until you stop it.</p></${Empty}></${Card}>`;
  const note = running ? `${count(shown.count)} ${shown.changelog ? 'changes' : 'rows'} so far` : shown.finished ?? `${count(shown.count)} ${shown.changelog ? 'changes' : 'rows'}, stopped`;
  return html`
    ${shown.error && html`<div role="alert"><${Code}>${shown.error}</${Code}></div>`}
    ${shown.texts.map((text, nth) => html`<${Code} key=${nth}>${text}</${Code}>`)}
    ${shown.started && !shown.columns && html`<${Card}><div class="row">${running && html`<span class="spinner" aria-hidden="true" />`}<span>${shown.finished ?? `Job ${shown.started} runs until you stop it`}</span></div></${Card}>`}
    ${shown.columns && html`<${Card} flush title="Result" note=${html`<span role="status">${note}</span>`}>
      <div class="table-scroll"><table aria-label="Result">
        <thead><tr>${shown.columns.map((column) => html`<th key=${column} scope="col">${column}</th>`)}</tr></thead>
        <tbody>${shown.rows.slice(0, 300).map((row, nth) => html`<tr key=${nth}>${row.map((value, at) => html`<td key=${at} class=${/^-?[\d.]+$/.test(value) ? 'num mono' : 'mono'}>${value}</td>`)}</tr>`)}</tbody>
      </table></div>
      ${shown.rows.length > 300 && html`<p class="hint pad">The ${shown.changelog ? 'first' : 'newest'} 300 are shown.</p>`}
      ${shown.rows.length === 0 && html`<${Empty} title=${running ? 'No rows yet' : 'No rows'}>${running && 'Windows show themselves when the watermark passes their end.'}</${Empty}>`}
    </${Card}>`}`;
}
