// The bar above a search: index, query with the names of fields as one types, and the span of time.

import { SPANS } from '../lib/documents.js';
import { clock, dateTime } from '../lib/format.js';
import { html, useEffect, useState } from '../lib/html.js';
import { Button, Dialog, Field, Form, Input, Select } from '../lib/ui.js';

const SUGGESTED = 12;
/** What a browser's field for a moment takes: local time without a zone. */
const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);

/** The whole text with its last word made a field's name: browsers offer what begins with what was typed. */
function suggestions(text, fields) {
  const [, before, word] = /^(.*?[\s(]|)(-?[\w.@]*)$/s.exec(text) ?? [];
  if (!word) return [];
  const wanted = word.replace(/^-/, '');
  return fields.filter((field) => field.name.startsWith(wanted) && field.name !== wanted).slice(0, SUGGESTED)
    .map((field) => `${before}${word.startsWith('-') ? '-' : ''}${field.name}:`);
}

export function QueryBar({ index, names, query, time, fields, span, onChange }) {
  const [text, setText] = useState(query.q ?? '');
  const [choosing, setChoosing] = useState(false);
  useEffect(() => setText(query.q ?? ''), [query.q]);
  const dates = fields.filter((field) => field.type === 'date').map((field) => field.name);
  const options = names.includes(index) ? names : [index, ...names];
  const chosen = query.from && query.to;
  const spans = [
    ...(chosen ? [['chosen', `${dateTime(Number(query.from))} – ${clock(Number(query.to))}`]] : []),
    ...SPANS.map(([id, title]) => [id, title]), ['choose', 'From … to …'],
  ];
  const run = (event) => {
    event.preventDefault();
    onChange({ q: text || undefined });
  };
  const setSpan = (value) => {
    if (value === 'choose') setChoosing(true);
    else if (value !== 'chosen') onChange({ span: value === 'all' ? undefined : value, from: undefined, to: undefined });
  };
  return html`<form class="toolbar" onSubmit=${run} role="search">
    <${Select} aria-label="Index" value=${index} onValue=${(value) => onChange({ index: value, columns: undefined, time: undefined, sort: undefined, filters: undefined })} options=${options} />
    <${Input} class="wide mono" type="search" data-search list="fields-of-the-query" placeholder='response_code:51 AND amount:>100' aria-label="Query" title="Lucene's syntax: words, field:value, field:[1 TO 9], AND, OR, NOT, wildcards" value=${text} onValue=${setText} />
    <datalist id="fields-of-the-query">${suggestions(text, fields).map((each) => html`<option key=${each} value=${each} />`)}</datalist>
    ${dates.length > 1 && html`<${Select} aria-label="Time field" value=${time} onValue=${(value) => onChange({ time: value })} options=${dates} />`}
    ${time && html`<${Select} aria-label="Time" value=${chosen ? 'chosen' : span} onValue=${setSpan} options=${spans} />`}
    <${Select} aria-label="Again" value=${query.every ?? '0'} onValue=${(value) => onChange({ every: value === '0' ? undefined : value })} options=${[['0', 'Once'], ['2', 'Every 2 s'], ['10', 'Every 10 s'], ['60', 'Every minute']]} />
    <${Button} type="submit" tone="primary">Search</${Button}>
  </form>
  ${choosing && html`<${Span} query=${query} onChosen=${(from, to) => { setChoosing(false); onChange({ span: undefined, from, to }); }} onClose=${() => setChoosing(false)} />`}`;
}

/** From one moment to another, in this browser's time zone. */
function Span({ query, onChosen, onClose }) {
  const [from, setFrom] = useState(local(Number(query.from) || Date.now() - 3_600_000));
  const [to, setTo] = useState(local(Number(query.to) || Date.now()));
  const choose = async () => {
    const [first, last] = [new Date(from).getTime(), new Date(to).getTime()];
    if (!(first < last)) throw new Error('The span ends before it begins: choose a later end.');
    onChosen(first, last);
  };
  return html`<${Dialog} title="Span of time" onClose=${onClose}>
    <${Form} onSubmit=${choose}>
      <${Field} label="From"><${Input} type="datetime-local" step="1" required value=${from} onValue=${setFrom} /></${Field}>
      <${Field} label="To"><${Input} type="datetime-local" step="1" required value=${to} onValue=${setTo} /></${Field}>
      <div class="actions"><${Button} type="submit" tone="primary">Look there</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}
