// Dashboards: CloudWatch's own, drawn and edited; panels of metrics, alarms, text, and of the index.

import { all, aws } from '../lib/aws.js';
import { bottomOf, SPANS, secondsOf, titleOf } from '../lib/dashboards.js';
import { bytes, dateTime } from '../lib/format.js';
import { html, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { go, href, setQuery } from '../lib/route.js';
import { Button, Card, confirm, Dialog, Empty, Field, Form, IconButton, Input, Page, Select, State, Table, toast } from '../lib/ui.js';
import { Edit } from './dashboard-edit.js';
import { Panel } from './dashboard-panels.js';

const UNIT = 46;

export default function Dashboards({ path, query }) {
  return path[0] ? html`<${One} name=${path[0]} query=${query} />` : html`<${List} />`;
}

const put = (DashboardName, body) => aws('cloudwatch', 'PutDashboard', { DashboardName, DashboardBody: JSON.stringify(body) });

function List() {
  const [making, setMaking] = useState(false);
  const live = useLive((signal) => all('cloudwatch', 'ListDashboards', {}, 'DashboardEntries', { signal }), { every: 5000 });
  const columns = [
    { key: 'DashboardName', title: 'Dashboard', grow: true, cell: (row) => html`<a href=${href('dashboards', row.DashboardName)}>${row.DashboardName}</a>` },
    { key: 'Size', title: 'Size', num: true, cell: (row) => bytes(row.Size) },
    { key: 'LastModified', title: 'Changed', cell: (row) => dateTime(row.LastModified) },
  ];
  return html`<${Page} title="Dashboards" actions=${html`<${Button} tone="primary" onClick=${() => setMaking(true)}>New dashboard</${Button}>`}>
    <${Card} flush><${State} live=${live} what="Dashboards could not be listed">${(list) => html`
      <${Table} label="Dashboards" columns=${columns} rows=${list} rowKey=${(row) => row.DashboardName} sort=${{ key: 'DashboardName' }} onRow=${(row) => go('dashboards', row.DashboardName)}
        empty=${html`<${Empty} title="No dashboards yet">Make one here, or by <code>AWS::CloudWatch::Dashboard</code> in a template: both are the same.</${Empty}>`} />`}
    </${State}></${Card}>
    ${making && html`<${Make} onClose=${() => setMaking(false)} />`}
  </${Page}>`;
}

function Make({ onClose }) {
  const [name, setName] = useState('');
  const make = async () => {
    await put(name, { start: '-PT15M', widgets: [] });
    go('dashboards', name);
  };
  return html`<${Dialog} title="New dashboard" onClose=${onClose}>
    <${Form} onSubmit=${make}>
      <${Field} label="Name" hint="Letters, digits, - and _."><${Input} required pattern="[A-Za-z0-9_\\-]+" maxlength="255" value=${name} onValue=${setName} /></${Field}>
      <div class="actions"><${Button} type="submit" tone="primary">Make it</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}

function One({ name, query }) {
  const [editing, setEditing] = useState(null);
  const live = useLive(async (signal) => JSON.parse((await aws('cloudwatch', 'GetDashboard', { DashboardName: name }, { signal })).DashboardBody), { every: 15_000 });
  const body = live.data;
  const widgets = body?.widgets ?? [];
  const seconds = Number(query.span ?? secondsOf(body?.start) ?? 900);
  const spans = SPANS.some(([value]) => value === String(seconds)) ? SPANS : [[String(seconds), body?.start], ...SPANS];
  const isEditing = query.edit === '1';
  const save = async (next) => {
    const answer = await put(name, { ...body, widgets: next });
    const [noticed] = answer.DashboardValidationMessages ?? [];
    toast(noticed ? `Saved; ${noticed.DataPath}: ${noticed.Message}` : 'Saved', noticed ? 'warn' : 'good');
    await live.refresh();
  };
  const remove = async (index) => {
    if (await confirm({ title: `Remove ${titleOf(widgets[index])}?`, text: 'The panel goes from the dashboard; what it shows stays.', action: 'Remove' })) await save(widgets.filter((_, at) => at !== index));
  };
  const drop = async () => {
    if (!(await confirm({ title: `Delete ${name}?`, text: 'The dashboard and its panels will be gone for good.', action: 'Delete' }))) return;
    await aws('cloudwatch', 'DeleteDashboards', { DashboardNames: [name] });
    go('dashboards');
  };
  const actions = html`
    <${Select} aria-label="Span" value=${String(seconds)} onValue=${(span) => setQuery({ span })} options=${spans} />
    ${isEditing && html`<${Button} tone="bad" onClick=${drop}>Delete</${Button}>`}
    ${isEditing && html`<${Button} onClick=${() => setEditing({ index: widgets.length, widget: null })}>Add a panel</${Button}>`}
    <${Button} tone=${isEditing ? 'primary' : ''} onClick=${() => setQuery({ edit: isEditing ? undefined : '1' })}>${isEditing ? 'Done' : 'Edit'}</${Button}>`;
  const place = (widget) => ({
    gridColumn: `${widget.x === undefined ? 'auto' : widget.x + 1} / span ${Math.min(24, widget.width ?? 6)}`,
    gridRow: `${widget.y === undefined ? 'auto' : widget.y + 1} / span ${widget.height ?? 6}`,
  });
  const keep = async (widget) => {
    const next = [...widgets];
    next[editing.index] = widget;
    await save(next);
    setEditing(null);
  };
  return html`<${Page} title=${name} crumbs=${[['Dashboards', href('dashboards')]]} actions=${actions}>
    <${State} live=${live} what=${`Dashboard ${name} could not be read`}>${() => (widgets.length
      ? html`<div class="dashboard" style=${{ '--unit': `${UNIT}px` }}>${widgets.map((widget, index) => html`<section key=${`${index}${JSON.stringify(widget)}`} class="card panel" style=${place(widget)} aria-label=${titleOf(widget)}>
          <header class="card-head"><h2 class="clip">${titleOf(widget)}</h2>
            ${isEditing && html`<div class="actions"><${Button} small onClick=${() => setEditing({ index, widget })}>Edit</${Button}><${IconButton} icon="close" label=${`Remove ${titleOf(widget)}`} onClick=${() => remove(index).catch(toast)} /></div>`}</header>
          <div class="panel-body"><${Panel} widget=${widget} seconds=${seconds} height=${(widget.height ?? 6) * UNIT - 92} /></div></section>`)}</div>`
      : html`<${Card}><${Empty} title="No panels yet"><p><${Button} tone="primary" onClick=${() => { setQuery({ edit: '1' }); setEditing({ index: 0, widget: null }); }}>Add a panel</${Button}></p></${Empty}></${Card}>`)}
    </${State}>
    ${editing && html`<${Edit} widget=${editing.widget} y=${bottomOf(widgets)} onSave=${keep} onClose=${() => setEditing(null)} />`}
  </${Page}>`;
}
