// Search: documents of the index by query and time, their fields, and how they are spread.

import { bytes, count, dateTime, duration, percent, whole } from '../lib/format.js';
import { fieldsOf, histogram, queryOf, SPANS, timeOf, topValues, valueAt } from '../lib/documents.js';
import { csv, saveAs } from '../lib/file.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { setQuery } from '../lib/route.js';
import { indices, search } from '../lib/search.js';
import { serverNow } from '../lib/session.js';
import { Bar, Button, Card, Copy, DefinitionList, Dialog, Empty, Failed, Field, Form, IconButton, Input, Json, Loading, Page, Select, State, toast } from '../lib/ui.js';
import { QueryBar } from './search-bar.js';

const ROWS = 100;
const ROWS_MAX = 2000;
const SAVED = 'millrace.searches';
const COLUMNS = 5;

const saved = () => {
  try {
    return JSON.parse(localStorage.getItem(SAVED)) ?? [];
  } catch {
    return [];
  }
};

const filtersOf = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return [];
  }
};

/** The indices, and a pattern for those that have a day in their names. */
function choices(list) {
  const names = list.map((each) => each.index).filter((name) => !name.startsWith('.'));
  const patterns = [...new Set(names.map((name) => name.replace(/\d{4}[.-]\d\d([.-]\d\d)?$/, '*')).filter((name) => name.endsWith('*')))];
  return [...patterns, ...names];
}

export default function Search({ query }) {
  const list = useLive(async (signal) => {
    const [all, aliases] = await Promise.all([indices({ signal }), search('GET', '/_alias', { signal }).catch(() => ({}))]);
    const named = [...new Set(Object.values(aliases).flatMap((each) => Object.keys(each.aliases ?? {})))];
    return { names: [...named, ...choices(all)], all };
  }, { every: 15_000 });
  return html`<${State} live=${list} what="The indices could not be listed">${({ names, all }) => {
    if (!names.length) {
      return html`<${Page} title="Search"><${Card}><${Empty} title="No indices yet">A delivery stream, a function or a program writes documents: <code>PUT /orders/_doc/1</code> on the search port makes one.</${Empty}></${Card}></${Page}>`;
    }
    const index = query.index || names[0];
    return html`<${Explorer} key=${index} index=${index} names=${names} all=${all} query=${query} />`;
  }}</${State}>`;
}

function Explorer({ index, names, all, query }) {
  const fields = useLive((signal) => fieldsOf(index, signal), { every: 30_000 });
  const known = fields.data ?? [];
  const time = query.time ?? timeOf(known);
  const span = query.span ?? 'all';
  const every = Number(query.every ?? 0) * 1000;
  const [size, setSize] = useState(ROWS);
  const [saving, setSaving] = useState(false);
  const filters = filtersOf(query.filters ?? '[]');
  const asked = { text: query.q, span, from: query.from, to: query.to, time, filters };
  const body = queryOf(asked);
  const sortBy = query.sort ?? (time ? `${time}:desc` : '');
  const [sortField, order = 'desc'] = sortBy.split(/:(?=asc$|desc$)/);
  const deps = [JSON.stringify(body), sortBy, size, time, fields.data === undefined];
  const live = useLive(async (signal) => {
    if (!fields.data) return undefined;
    const sort = sortField ? [{ [sortField]: { order, unmapped_type: 'keyword' } }] : undefined;
    const seconds = SPANS.find(([id]) => id === span)?.[2];
    const now = serverNow();
    const bounds = query.from && query.to ? { from: Number(query.from), to: Number(query.to) } : seconds ? { from: now - seconds * 1000, to: now } : {};
    const [answer, spread] = await Promise.all([
      search('POST', `/${index}/_search`, { body: { size, track_total_hits: true, query: body, sort }, signal }),
      time ? histogram(index, body, time, { ...bounds, signal }) : null,
    ]);
    return { hits: answer.hits.hits, total: answer.hits.total.value, took: answer.took, spread, sort };
  }, { every, deps });
  const change = (changes) => { setSize(ROWS); setQuery(changes); };
  const setFilters = (list) => change({ filters: list.length ? JSON.stringify(list) : undefined });
  const add = (filter) => setFilters([...filters.filter((each) => each.field !== filter.field || each.value !== filter.value), filter]);
  const name = html`<span class="mono">${index}</span>`;
  const about = all.find((each) => each.index === index);
  const actions = html`
    <${Saved} onChosen=${(each) => { location.hash = each.hash; }} />
    <${Button} onClick=${() => setSaving(true)}>Save</${Button}>
    <${Button} disabled=${!live.data?.hits.length} title="The documents that are listed, with their columns" onClick=${() => download(index, time, columnsOf(query, known, live.data.hits), live.data.hits)}>CSV</${Button}>
    <${Button} onClick=${async () => { await navigator.clipboard.writeText(location.href); toast('The address is copied: it leads to this search'); }}>Share</${Button}>`;
  return html`<${Page} title="Search" note=${about ? html`${name} ${whole(Number(about['docs.count']))} documents, ${bytes(Number(about['store.size']) || undefined)}` : name} actions=${actions}>
    <${QueryBar} index=${index} names=${names} query=${query} time=${time} fields=${known} span=${span} onChange=${change} />
    ${filters.length > 0 && html`<div class="row">${filters.map((each, at) => html`<span class="chip" key=${`${each.field}${each.value}`}>${each.not && 'not '}<b>${each.field}</b>: ${String(each.value)}
      <button class="copy" aria-label=${`Remove the filter ${each.field}`} onClick=${() => setFilters(filters.filter((_, place) => place !== at))}>✕</button></span>`)}</div>`}
    ${fields.error && !fields.data && html`<${Failed} error=${fields.error} what="The index could not be read" retry=${fields.refresh} />`}
    ${live.error && html`<p class="form-error" role="alert">${live.error.message}</p>`}
    ${live.data && time && html`<${Histogram} spread=${live.data.spread} total=${live.data.total} took=${live.data.took} onChosen=${(from, to) => change({ from, to })} />`}
    <div class="explorer">
      <${Fields} index=${index} fields=${known} body=${body} shown=${columnsOf(query, known, live.data?.hits)} onFilter=${add}
        onColumns=${(list) => change({ columns: list.join(',') })} />
      <div class="stack">
        ${live.data ? html`<${Documents} data=${live.data} time=${time} columns=${columnsOf(query, known, live.data.hits)} fields=${known} sortField=${sortField} order=${order}
          onSort=${(field) => change({ sort: `${field}:${sortField === field && order === 'desc' ? 'asc' : 'desc'}` })} onFilter=${add} text=${query.q} span=${span} />` : !live.error && html`<${Loading} what="Searching" />`}
        ${live.data && live.data.hits.length === size && size < ROWS_MAX && html`<div class="row center"><${Button} onClick=${() => setSize(size * 2)}>More</${Button}></div>`}
      </div>
    </div>
    ${saving && html`<${Save} onClose=${() => setSaving(false)} />`}
  </${Page}>`;
}

/** The documents that are listed as a file; without columns each is there whole. */
function download(index, time, columns, hits) {
  const names = [...(time ? [time] : []), ...columns.filter((name) => name !== time)];
  const rows = hits.map(({ _id: id, _source: source }) => [id, ...(columns.length ? names.map((name) => valueAt(source, name)) : [source])]);
  saveAs(csv([['_id', ...(columns.length ? names : ['document'])], ...rows]), `${index.replaceAll('*', '')}.csv`);
}

/** The columns: those chosen, else the first fields that documents have. */
function columnsOf(query, fields, hits = []) {
  if (query.columns !== undefined) return query.columns.split(',').filter(Boolean);
  const time = timeOf(fields);
  const isShort = (value) => value !== undefined && value !== null && String(value).length < 28;
  const short = fields.filter((field) => field.name !== time && hits.slice(0, 5).some((hit) => isShort(valueAt(hit._source, field.name))));
  return short.slice(0, COLUMNS).map((field) => field.name);
}

function Histogram({ spread, total, took, onChosen }) {
  const [from, setFrom] = useState(null);
  const [over, setOver] = useState(null);
  if (!spread) return null;
  const { bars, step } = spread;
  const top = Math.max(1, ...bars.map((bar) => bar.count));
  const end = (at) => {
    if (from === null) return;
    const [first, last] = [Math.min(from, at), Math.max(from, at)];
    setFrom(null);
    onChosen(bars[first].at, bars[last].at + step * 1000);
  };
  const shown = over === null ? null : bars[over];
  return html`<${Card} title=${`${whole(total)} ${total === 1 ? 'document' : 'documents'}`} note=${shown ? `${count(shown.count)} at ${dateTime(shown.at)}` : `in ${took} ms; a bar is ${duration(step * 1000)}, drag over some to look closer`}>
    <div class="histogram" role="img" aria-label=${`${total} documents over time`} onMouseLeave=${() => { setOver(null); setFrom(null); }}>
      ${bars.map((bar, at) => html`<span key=${bar.at} class=${from !== null && over !== null && at >= Math.min(from, over) && at <= Math.max(from, over) ? 'histogram-place chosen' : 'histogram-place'}
        onMouseDown=${(event) => { event.preventDefault(); setFrom(at); setOver(at); }} onMouseEnter=${() => setOver(at)} onMouseUp=${() => end(at)}>
        <i style=${{ height: `${bar.count ? Math.max(2, (bar.count / top) * 100) : 0}%` }} /></span>`)}
    </div>
    ${bars.length > 0 && html`<div class="row spread hint"><span>${dateTime(bars[0].at)}</span><span>at most ${count(top)}</span><span>${dateTime(bars.at(-1).at)}</span></div>`}
  </${Card}>`;
}

function Fields({ index, fields, body, shown, onFilter, onColumns }) {
  const [wanted, setWanted] = useState('');
  const [open, setOpen] = useState(null);
  const rows = fields.filter((field) => field.name.includes(wanted));
  const turn = (name) => onColumns(shown.includes(name) ? shown.filter((each) => each !== name) : [...shown, name]);
  return html`<details class="card fields" open=${innerWidth > 760}>
    <summary>Fields <span class="faint">${fields.length}</span></summary>
    <div class="pad"><${Input} type="search" placeholder="Filter fields" aria-label="Filter fields" value=${wanted} onValue=${setWanted} /></div>
    <ul>${rows.map((field) => html`<li key=${field.name}>
      <div class="field-row"><input type="checkbox" aria-label=${`Column ${field.name}`} checked=${shown.includes(field.name)} onChange=${() => turn(field.name)} />
        <button class="clip" title=${field.name} aria-expanded=${open === field.name} onClick=${() => setOpen(open === field.name ? null : field.name)}>${field.name}</button><span class="faint">${field.type}</span></div>
      ${open === field.name && html`<${Values} index=${index} field=${field} body=${body} onFilter=${onFilter} />`}
    </li>`)}</ul>
  </details>`;
}

function Values({ index, field, body, onFilter }) {
  const values = useLive((signal) => (field.sorts ? topValues(index, body, field.sorts, signal) : []), { every: 0, deps: [JSON.stringify(body)] });
  if (!field.sorts) return html`<p class="hint pad">Words of a text are not counted; it has no <code>keyword</code>.</p>`;
  return html`<div class="pad"><${State} live=${values}>${(list) => (list.length ? list.map((each) => html`<div class="value-row" key=${each.key}>
    <button class="text-button clip" title=${`Only ${each.value}`} onClick=${() => onFilter({ field: field.sorts, value: each.key })}>${String(each.value)}</button>
    <span class="faint">${percent(each.share, 0)}</span>
    <button class="copy" aria-label=${`Without ${each.value}`} title=${`Without ${each.value}`} onClick=${() => onFilter({ field: field.sorts, value: each.key, not: true })}>−</button>
    <${Bar} share=${each.share} /></div>`) : html`<span class="faint">no document has it</span>`)}</${State}></div>`;
}

const cellOf = (value) => (value === undefined || value === null ? html`<span class="faint">–</span>` : typeof value === 'object' ? JSON.stringify(value) : String(value));

function Documents({ data, time, columns, fields, sortField, order, onSort, onFilter, text, span }) {
  const [open, setOpen] = useState(() => new Set());
  const turn = (id) => setOpen((now) => {
    const next = new Set(now);
    if (!next.delete(id)) next.add(id);
    return next;
  });
  if (!data.hits.length) {
    return html`<div class="card"><${Empty} title="Nothing was found">${text ? 'Fewer words find more; field:value asks one field, * stands for any letters.' : span !== 'all' ? 'Nothing in this span of time: choose a longer one.' : 'The index has no documents yet.'}</${Empty}></div>`;
  }
  const sortsBy = (name) => (name === time ? time : fields.find((field) => field.name === name)?.sorts);
  const head = (name) => {
    const by = sortsBy(name);
    return html`<th key=${name} scope="col" aria-sort=${by && by === sortField ? (order === 'asc' ? 'ascending' : 'descending') : undefined}>${by ? html`<button class="sort" onClick=${() => onSort(by)}>${name}</button>` : name}</th>`;
  };
  const shown = columns.filter((name) => name !== time);
  const isDate = (name) => fields.some((field) => field.name === name && field.type === 'date');
  return html`<div class="card"><div class="table-scroll"><table aria-label="Documents">
    <thead><tr><th />${time && head(time)}${shown.map(head)}${!shown.length && html`<th>Document</th>`}</tr></thead>
    <tbody>${data.hits.map((hit) => {
      const id = `${hit._index}/${hit._id}`;
      const isOpen = open.has(id);
      return html`<tr key=${id} class="opens" tabindex="0" aria-expanded=${isOpen} onClick=${(event) => !event.target.closest('button') && !getSelection().toString() && turn(id)} onKeyDown=${(event) => event.key === 'Enter' && event.target === event.currentTarget && turn(id)}>
        <td class="faint">${isOpen ? '▾' : '▸'}</td>${time && html`<td class="mono">${dateTime(valueAt(hit._source, time))}</td>`}
        ${shown.map((name) => html`<td key=${name}><span class="cell-text" title=${String(valueAt(hit._source, name) ?? '')}>${isDate(name) ? dateTime(valueAt(hit._source, name)) : cellOf(valueAt(hit._source, name))}</span></td>`)}
        ${!shown.length && html`<td class="grow"><code class="line">${JSON.stringify(hit._source)}</code></td>`}</tr>
        ${isOpen && html`<tr key=${`${id}/open`}><td colspan=${shown.length + 3} class="opened"><${Document} hit=${hit} fields=${fields} onFilter=${onFilter} /></td></tr>`}`;
    })}</tbody></table></div></div>`;
}

function Document({ hit, fields, onFilter }) {
  const [json, setJson] = useState(false);
  const flat = useMemo(() => {
    const rows = [];
    const walk = (value, name) => {
      if (value && typeof value === 'object' && !Array.isArray(value)) Object.entries(value).forEach(([part, inner]) => walk(inner, name ? `${name}.${part}` : part));
      else rows.push([name, value]);
    };
    walk(hit._source, '');
    return rows;
  }, [hit]);
  const sorts = (name) => fields.find((field) => field.name === name)?.sorts;
  return html`<div class="stack">
    <div class="row"><span class="faint">${hit._index} / </span><code>${hit._id}</code> <${Copy} text=${JSON.stringify(hit._source)} label="Copy the document" />
      <button class="text-button" onClick=${() => setJson(!json)}>${json ? 'as fields' : 'as JSON'}</button></div>
    ${json ? html`<${Json} text=${JSON.stringify(hit._source)} />` : html`<dl class="document">${flat.map(([name, value]) => html`<div key=${name}><dt title=${name}>${name}</dt><dd>${cellOf(value)}
      ${sorts(name) && typeof value !== 'object' && html` <button class="copy" title="Only these" aria-label=${`Only ${name} ${value}`} onClick=${() => onFilter({ field: sorts(name), value })}>+</button> <button class="copy" title="Without these" aria-label=${`Without ${name} ${value}`} onClick=${() => onFilter({ field: sorts(name), value, not: true })}>−</button>`}</dd></div>`)}</dl>`}
  </div>`;
}

function Saved({ onChosen }) {
  const list = saved();
  if (!list.length) return null;
  return html`<${Select} aria-label="Saved searches" value="" onValue=${(name) => onChosen(list.find((each) => each.name === name))} options=${[['', 'Saved searches'], ...list.map((each) => each.name)]} />`;
}

function Save({ onClose }) {
  const [name, setName] = useState('');
  const [list, setList] = useState(saved);
  const keep = (next) => {
    localStorage.setItem(SAVED, JSON.stringify(next));
    setList(next);
  };
  const save = async () => {
    keep([...list.filter((each) => each.name !== name), { name, hash: location.hash }]);
    toast(`${name} is saved in this browser`);
    onClose();
  };
  return html`<${Dialog} title="Save this search" onClose=${onClose}>
    <${Form} onSubmit=${save}>
      <${Field} label="Name" hint="Kept in this browser. Share gives an address that works everywhere."><${Input} required value=${name} onValue=${setName} maxlength="80" /></${Field}>
      <div class="actions"><${Button} type="submit" tone="primary">Save it</${Button}></div>
    </${Form}>
    ${list.length > 0 && html`<h3 class="above">Saved already</h3><${DefinitionList} items=${list.map((each) => [each.name, html`<a href=${each.hash} onClick=${onClose}>open</a> <${IconButton} icon="close" label=${`Forget ${each.name}`} onClick=${() => keep(list.filter((other) => other !== each))} />`])} />`}
  </${Dialog}>`;
}
