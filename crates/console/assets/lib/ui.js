// What views are made of.
//
// | component | for |
// | --- | --- |
// | Page | a view: title, what stands beside it, actions |
// | Card, Grid | a box with a heading; boxes side by side |
// | Stat, Stats | one figure, a row of them |
// | Table | rows: columns `{ key, title, cell(row), sort(row), num, mono, grow }`, `rowKey`, `onRow`, `empty` |
// | Badge, Status | a word with a tone; a state in AWS's words |
// | Tabs | `tabs=[{ id, title, badge }]`, the one shown stands in the address as `?tab=` |
// | Dialog, confirm | a modal form; a yes or no before what cannot be undone |
// | Field, Input, Select, TextArea | forms |
// | Button, IconButton, LinkButton | things to press |
// | toast | a passing word: `toast('Record put')`, `toast(error)` |
// | Loading, Empty, Failed, State | what stands where data is not there; each says what to do |
// | Code, Json, Copy | texts of machines |
// | Bar | a share of a whole |
// | DefinitionList | names and values |

import { ago, pretty } from './format.js';
import { html, render, useEffect, useMemo, useRef, useState } from './html.js';
import { href, setQuery, useRoute } from './route.js';

const classes = (...names) => names.filter(Boolean).join(' ');

/** A view's frame. `crumbs`: `[[title, href], …]` of what is above it. */
export function Page({ title, crumbs = [], note, actions, children }) {
  useEffect(() => {
    document.title = `${title} · Millrace`;
  }, [title]);
  return html`<section class="page" aria-label=${title}>
    <header class="page-head">
      <div class="page-title">
        ${crumbs.map(([name, to]) => html`<a class="crumb" href=${to}>${name}</a><span class="crumb-slash" aria-hidden="true">/</span>`)}
        <h1>${title}</h1>
        ${note && html`<span class="page-note">${note}</span>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}
  </section>`;
}

export function Card({ title, note, actions, children, flush, class: more }) {
  return html`<section class=${classes('card', flush && 'flush', more)}>
    ${(title || actions) && html`<header class="card-head">
      <h2>${title}</h2>
      ${note && html`<span class="card-note">${note}</span>`}
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>`}
    <div class="card-body">${children}</div>
  </section>`;
}

/** Cards side by side, each at least `min` pixels wide. */
export const Grid = ({ min = 320, children }) => html`<div class="grid" style=${{ '--min': `${min}px` }}>${children}</div>`;

export const Stats = ({ children }) => html`<div class="stats">${children}</div>`;

export function Stat({ label, value, note, tone, title, children }) {
  return html`<div class=${classes('stat', tone)} title=${title ?? ''}>
    <div class="stat-label">${label}</div>
    <div class="stat-value">${value}</div>
    ${note && html`<div class="stat-note">${note}</div>`}
    ${children}
  </div>`;
}

/** `tone`: good, warn, bad, info, or none. */
export const Badge = ({ tone, title, children }) => html`<span class=${classes('badge', tone)} title=${title ?? ''}>${children}</span>`;

const TONES = [
  [/^(ACTIVE|Enabled|RUNNING|OK|COMPLETED|AVAILABLE|Available|green|Active|SUCCEEDED)$/, 'good'],
  [/^(CREATING|UPDATING|DELETING|Creating|Enabling|Disabling|Updating|STARTING|STOPPING|Pending|yellow|RESTARTING|INSUFFICIENT_DATA)$/, 'warn'],
  [/^(FAILED|ALARM|red|Failed|CREATING_FAILED|FAILURE)$/, 'bad'],
];

/** A state in AWS's words, in its tone. */
export function Status({ children }) {
  const word = [children].flat().join('');
  const tone = TONES.find(([pattern]) => pattern.test(word))?.[1];
  return html`<span class=${classes('status', tone)}><i class="dot" aria-hidden="true" />${word}</span>`;
}

export function Table({ columns, rows, rowKey = (row) => row.id ?? row.name, onRow, empty, sort: first, label, selected, max = 500 }) {
  const [sort, setSort] = useState(first ?? null);
  const sorted = useMemo(() => {
    const column = sort && columns.find((each) => each.key === sort.key);
    if (!column) return rows ?? [];
    const value = column.sort ?? ((row) => row[column.key]);
    const order = (a, b) => (a === b ? 0 : a === undefined || a === null ? 1 : b === undefined || b === null ? -1 : a < b ? -1 : 1);
    return [...rows].sort((a, b) => order(value(a), value(b)) * (sort.down ? -1 : 1));
  }, [rows, sort, columns]);
  if (!rows?.length && empty) return empty;
  const turn = (column) => setSort((now) => (now?.key === column.key ? { key: column.key, down: !now.down } : { key: column.key, down: Boolean(column.num) }));
  const head = (column) => {
    const order = sort?.key === column.key ? (sort.down ? 'descending' : 'ascending') : undefined;
    const sortable = column.sort !== false && column.title;
    return html`<th key=${column.key} scope="col" aria-sort=${order} class=${classes(column.num && 'num', column.grow && 'grow')}>
      ${sortable ? html`<button class="sort" onClick=${() => turn(column)}>${column.title}</button>` : column.title}
    </th>`;
  };
  const open = (row) => (event) => {
    // A click on a link or button within the row is that one's; a selected text is no click.
    if (event.target.closest('a, button, input, select') || getSelection().toString()) return;
    onRow(row);
  };
  return html`<div class="table-scroll"><table aria-label=${label}>
    <thead><tr>${columns.map(head)}</tr></thead>
    <tbody>${sorted.slice(0, max).map((row) => html`<tr key=${rowKey(row)}
        class=${classes(onRow && 'opens', selected?.(row) && 'selected')}
        onClick=${onRow && open(row)} tabindex=${onRow ? 0 : undefined}
        onKeyDown=${onRow && ((event) => event.key === 'Enter' && event.target === event.currentTarget && onRow(row))}>
      ${columns.map((column) => html`<td key=${column.key} class=${classes(column.num && 'num', column.mono && 'mono', column.grow && 'grow')}>
        ${column.cell ? column.cell(row) : row[column.key]}</td>`)}
    </tr>`)}</tbody>
  </table>
  ${sorted.length > max && html`<p class="hint">The first ${max} of ${sorted.length} are shown.</p>`}</div>`;
}

/** Tabs; the one that is shown stands in the address, so that a link leads to it. */
export function Tabs({ tabs, name = 'tab', children }) {
  const { query } = useRoute();
  const shown = tabs.find((tab) => tab.id === query[name]) ?? tabs[0];
  const list = useRef();
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = (tabs.indexOf(shown) + by + tabs.length) % tabs.length;
    setQuery({ [name]: tabs[next].id });
    list.current.children[next].focus();
  };
  const draw = Array.isArray(children) ? children[0] : children;
  return html`<div class="tabs" role="tablist" ref=${list} onKeyDown=${step}>
    ${tabs.map((tab) => html`<button key=${tab.id} role="tab" id=${`tab-${tab.id}`} aria-selected=${tab === shown} tabindex=${tab === shown ? 0 : -1}
      onClick=${() => setQuery({ [name]: tab.id })}>${tab.title}${tab.badge !== undefined && html`<span class="tab-badge">${tab.badge}</span>`}</button>`)}
  </div>
  <div role="tabpanel" aria-labelledby=${`tab-${shown.id}`}>${draw(shown.id)}</div>`;
}

/** A modal window; Escape and the cross close it. */
export function Dialog({ title, onClose, children, wide, footer }) {
  const dialog = useRef();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${dialog} class=${classes(wide && 'wide')} aria-label=${title}
      onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onClick=${(event) => event.target === dialog.current && onClose()}>
    <div class="dialog">
      <header><h2>${title}</h2><${IconButton} icon="close" label="Close" onClick=${onClose} /></header>
      <div class="dialog-body">${children}</div>
      ${footer && html`<footer class="actions">${footer}</footer>`}
    </div>
  </dialog>`;
}

/** Asks before something that cannot be undone. */
export function confirm({ title, text, action = 'Go on', tone = 'bad' }) {
  return new Promise((resolve) => {
    const place = document.createElement('div');
    document.body.append(place);
    const close = (answer) => {
      render(null, place);
      place.remove();
      resolve(answer);
    };
    render(html`<${Dialog} title=${title} onClose=${() => close(false)} footer=${html`
      <${Button} onClick=${() => close(false)}>Cancel</${Button}>
      <${Button} tone=${tone} onClick=${() => close(true)}>${action}</${Button}>`}>
      <p>${text}</p>
    </${Dialog}>`, place);
  });
}

export function Field({ label, hint, error, children, inline }) {
  return html`<label class=${classes('field', inline && 'inline')}>
    <span class="field-label">${label}</span>
    ${children}
    ${error ? html`<span class="field-error" role="alert">${error}</span>` : hint && html`<span class="field-hint">${hint}</span>`}
  </label>`;
}

export const Input = ({ onValue, inputRef, ...rest }) =>
  html`<input ref=${inputRef} spellcheck="false" autocomplete="off" ...${rest} onInput=${(event) => onValue?.(event.target.value, event)} />`;

export const TextArea = ({ onValue, inputRef, ...rest }) =>
  html`<textarea ref=${inputRef} spellcheck="false" ...${rest} onInput=${(event) => onValue?.(event.target.value, event)} />`;

/** `options`: texts, or `[value, title]` pairs. */
export function Select({ options, value, onValue, ...rest }) {
  return html`<select ...${rest} value=${value} onChange=${(event) => onValue(event.target.value)}>
    ${options.map((option) => {
      const [name, title] = Array.isArray(option) ? option : [option, option];
      return html`<option key=${name} value=${name} selected=${name === value}>${title}</option>`;
    })}
  </select>`;
}

/** A form that says what went wrong, and cannot be sent twice at once. `onSubmit` is asynchronous. */
export function Form({ onSubmit, children, ...rest }) {
  const [{ busy, error }, setState] = useState({ busy: false, error: null });
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setState({ busy: true, error: null });
    try {
      await onSubmit(event);
      setState({ busy: false, error: null });
    } catch (problem) {
      setState({ busy: false, error: problem });
    }
  };
  return html`<form ...${rest} onSubmit=${submit} aria-busy=${busy}>
    <fieldset disabled=${busy}>${children}</fieldset>
    ${error && html`<p class="form-error" role="alert">${error.message}</p>`}
  </form>`;
}

/** `tone`: primary, bad, or none. An asynchronous `onClick` keeps it busy; what it throws becomes a toast. */
export function Button({ onClick, tone, small, children, disabled, ...rest }) {
  const [busy, setBusy] = useState(false);
  const press = async (event) => {
    const result = onClick?.(event);
    if (!result?.then) return;
    setBusy(true);
    try {
      await result;
    } catch (error) {
      toast(error);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" ...${rest} class=${classes('button', tone, small && 'small')} disabled=${disabled || busy} aria-busy=${busy} onClick=${press}>${children}</button>`;
}

export const LinkButton = ({ to, children, tone }) => html`<a class=${classes('button', tone)} href=${to}>${children}</a>`;

const ICONS = {
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5v9l7.5-4.5z',
  out: 'M9.5 8H2.5M5 5.5L2.5 8 5 10.5M7.5 3h6v10h-6',
  help: 'M5.8 6.2a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M8 12.2v.1',
  plus: 'M8 3v10M3 8h10',
  search: 'M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4M10.2 10.2l3.3 3.3',
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

export const IconButton = ({ icon, label, onClick, pressed }) =>
  html`<button type="button" class="icon-button" aria-label=${label} title=${label} aria-pressed=${pressed} onClick=${onClick}><${Icon} name=${icon} /></button>`;

export const Loading = ({ what = 'Loading' }) => html`<div class="state" role="status"><span class="spinner" aria-hidden="true" />${what}…</div>`;

/** Nothing is there: what it would be, and how it comes there. */
export const Empty = ({ title, children }) => html`<div class="state empty"><strong>${title}</strong>${children && html`<div>${children}</div>`}</div>`;

/** Something failed: what, why, and what to do. */
export function Failed({ error, what = 'This could not be loaded', retry }) {
  const denied = error.isDenied;
  return html`<div class="state failed" role="alert">
    <strong>${denied ? 'Not allowed' : what}</strong>
    <div>${error.message}</div>
    <div class="hint">${denied
      ? 'Somebody who manages policies can allow it: the message names the action and the resource.'
      : error.asked ? `${error.asked} answered ${error.code}.` : 'The browser\'s console tells more.'}</div>
    ${retry && html`<${Button} onClick=${retry}>Try again</${Button}>`}
  </div>`;
}

/** Draws live data: loading, failed, or what `children(data)` draws. Old data stays when an asking fails. */
export function State({ live, what, children }) {
  const draw = Array.isArray(children) ? children[0] : children;
  if (live.data === undefined) {
    return live.error ? html`<${Failed} error=${live.error} what=${what} retry=${live.refresh} />` : html`<${Loading} />`;
  }
  return html`${live.error && html`<p class="stale" role="status">${live.error.message} What you see is from ${ago(live.at)}.</p>`}${draw(live.data)}`;
}

const toasts = { list: [], next: 1, draw: () => {} };

/** Says something that passes; errors stay longer. */
export function toast(message, tone) {
  const isError = message instanceof Error;
  const entry = { id: toasts.next++, text: isError ? message.message : message, tone: tone ?? (isError ? 'bad' : 'good') };
  toasts.list = [...toasts.list.slice(-3), entry];
  toasts.draw({});
  setTimeout(() => {
    toasts.list = toasts.list.filter((other) => other !== entry);
    toasts.draw({});
  }, isError ? 9000 : 3500);
}

export function Toaster() {
  const [, draw] = useState();
  toasts.draw = draw;
  return html`<div class="toasts" aria-live="polite">
    ${toasts.list.map((each) => html`<div key=${each.id} class=${classes('toast', each.tone)}>${each.text}</div>`)}
  </div>`;
}

export function Copy({ text, label = 'Copy' }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1200);
  };
  return html`<button type="button" class="copy" aria-label=${label} title=${label} onClick=${copy}>${done ? 'copied' : html`<${Icon} name="copy" />`}</button>`;
}

export const Code = ({ children, wrap }) => html`<pre class=${classes('code', wrap && 'wrap')} tabindex="0">${children}</pre>`;

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON with its parts told apart; anything else as it is. */
export function Json({ text }) {
  const shown = typeof text === 'string' ? pretty(text) : JSON.stringify(text, null, 2);
  const parts = [];
  let at = 0;
  for (const found of shown.matchAll(TOKEN)) {
    const [whole, string, colon, word] = found;
    parts.push(shown.slice(at, found.index));
    const kind = string ? (colon ? 'key' : 'string') : word ? 'word' : 'number';
    parts.push(html`<span class=${`json-${kind}`}>${string ?? whole}</span>${colon ?? ''}`);
    at = found.index + whole.length;
  }
  parts.push(shown.slice(at));
  return html`<pre class="code json" tabindex="0">${parts}</pre>`;
}

/** A share of a whole, from 0 to 1. */
export function Bar({ share, tone, label }) {
  const width = `${Math.min(100, Math.max(0, (share || 0) * 100)).toFixed(1)}%`;
  return html`<span class="bar" role="img" aria-label=${label ?? width}><span class=${classes('bar-fill', tone)} style=${{ width }} /></span>`;
}

/** `items`: `[[name, value], …]`; those without a value are left out. */
export function DefinitionList({ items }) {
  const known = items.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return html`<dl class="definitions">${known.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A link to another view. */
export const To = ({ parts, children, title }) => html`<a href=${href(...parts)} title=${title ?? ''}>${children}</a>`;
