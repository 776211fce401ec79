// Editing a panel of a dashboard.

import { all } from '../lib/aws.js';
import { COLUMNS, SEARCH } from '../lib/dashboards.js';
import { html, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { indices } from '../lib/search.js';
import { session } from '../lib/session.js';
import { Button, Dialog, Field, Form, IconButton, Input, Select, State, TextArea } from '../lib/ui.js';

const STATS = ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount', 'p50', 'p90', 'p99', 'p99.9'];
const KINDS = [['metric', 'Metrics'], ['search', 'Documents of the index'], ['alarm', 'Alarms'], ['text', 'Text']];

const kindOf = (widget) => (widget?.type === 'custom' ? 'search' : widget?.type ?? 'metric');

/** A new panel's properties. */
function fresh(kind) {
  const { region } = session().credentials;
  switch (kind) {
    case 'metric': return { view: 'timeSeries', region, stat: 'Average', metrics: [] };
    case 'alarm': return { alarms: [] };
    case 'text': return { markdown: '' };
    default: return { endpoint: SEARCH, params: { index: '', query: '', view: 'bars' } };
  }
}

export function Edit({ widget, y, onSave, onClose }) {
  const [kind, setKind] = useState(kindOf(widget));
  const [place, setPlace] = useState({ x: widget?.x ?? 0, y: widget?.y ?? y, width: widget?.width ?? 12, height: widget?.height ?? 6 });
  const [properties, setProperties] = useState(widget?.properties ?? fresh('metric'));
  const change = (changes) => setProperties({ ...properties, ...changes });
  const choose = (next) => {
    setKind(next);
    setProperties({ ...fresh(next), ...(properties.title && { title: properties.title }) });
  };
  const save = async () => {
    if (kind === 'metric' && !properties.metrics?.length && !properties.annotations?.alarms) throw new Error('Add a metric first: choose one and press Add.');
    if (kind === 'alarm' && !properties.alarms.length) throw new Error('Choose an alarm.');
    await onSave({ ...widget, type: kind === 'search' ? 'custom' : kind, ...place, properties });
  };
  const number = (name, min, max) => html`<${Field} label=${name}><${Input} type="number" required min=${min} max=${max} value=${place[name]} onValue=${(value) => setPlace({ ...place, [name]: Number(value) })} /></${Field}>`;
  return html`<${Dialog} wide title=${widget ? 'Edit the panel' : 'Add a panel'} onClose=${onClose}>
    <${Form} onSubmit=${save}>
      <div class="form-row">
        <${Field} label="Shows"><${Select} value=${kind} onValue=${choose} disabled=${Boolean(widget)} options=${KINDS.some(([id]) => id === kind) ? KINDS : [...KINDS, kind]} /></${Field}>
        <${Field} label="Title"><${Input} value=${properties.title ?? ''} onValue=${(title) => change({ title: title || undefined })} maxlength="120" /></${Field}>
        ${number('x', 0, COLUMNS - 1)}${number('y', 0, 9999)}${number('width', 1, COLUMNS)}${number('height', 1, 1000)}
      </div>
      ${kind === 'metric' && html`<${Metrics} properties=${properties} change=${change} />`}
      ${kind === 'search' && html`<${Documents} params=${properties.params ?? {}} change=${(params) => change({ params: { ...properties.params, ...params } })} />`}
      ${kind === 'alarm' && html`<${Alarms} chosen=${properties.alarms} change=${(alarms) => change({ alarms })} />`}
      ${kind === 'text' && html`<${Field} label="Text" hint="Headings with #, **bold**, lists with -, links as [name](address)."><${TextArea} rows="8" required value=${properties.markdown} onValue=${(markdown) => change({ markdown })} /></${Field}>`}
      <div class="actions above"><${Button} type="submit" tone="primary">Save</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}

const wordsOf = (metric) => [metric.MetricName, ...(metric.Dimensions ?? []).map(({ Name, Value }) => `${Name}=${Value}`)].join(' ');

function Metrics({ properties, change }) {
  const [namespace, setNamespace] = useState('');
  const [wanted, setWanted] = useState('');
  const [stat, setStat] = useState('Sum');
  const live = useLive((signal) => all('cloudwatch', 'ListMetrics', {}, 'Metrics', { signal, limit: 5000 }), { every: 0 });
  const rows = properties.metrics ?? [];
  const add = (metric) => change({ metrics: [...rows, [metric.Namespace, metric.MetricName, ...(metric.Dimensions ?? []).flatMap(({ Name, Value }) => [Name, Value]), { stat }]] });
  return html`
    <${Field} label="Drawn as"><${Select} value=${properties.view ?? 'timeSeries'} onValue=${(view) => change({ view })} options=${[['timeSeries', 'Lines over time'], ['singleValue', 'The last value']]} /></${Field}>
    ${rows.map((row, index) => html`<div class="row" key=${index}><code class="clip">${row.map((part) => (typeof part === 'string' ? part : part.expression ?? part.stat ?? '')).join(' ')}</code>
      <${IconButton} icon="close" label="Take it out" onClick=${() => change({ metrics: rows.filter((_, at) => at !== index) })} /></div>`)}
    <${State} live=${live} what="Metrics could not be listed">${(metrics) => {
      const namespaces = [...new Set(metrics.map((metric) => metric.Namespace))].sort();
      const chosen = namespace || namespaces[0];
      const found = metrics.filter((metric) => metric.Namespace === chosen && wordsOf(metric).toLowerCase().includes(wanted.toLowerCase()));
      return html`<div class="form-row above">
          <${Field} label="Namespace"><${Select} value=${chosen} onValue=${setNamespace} options=${namespaces} /></${Field}>
          <${Field} label="Statistic"><${Select} value=${stat} onValue=${setStat} options=${STATS} /></${Field}>
          <${Field} label="Filter"><${Input} type="search" value=${wanted} onValue=${setWanted} placeholder="name or dimension" /></${Field}>
        </div>
        <ul class="choices" aria-label="Metrics">${found.slice(0, 100).map((metric) => html`<li key=${wordsOf(metric)}><button type="button" class="text-button" onClick=${() => add(metric)}>Add</button> <code>${wordsOf(metric)}</code></li>`)}
          ${!found.length && html`<li class="faint">No metric is called like that.</li>`}${found.length > 100 && html`<li class="faint">${found.length - 100} more: filter them.</li>`}</ul>`;
    }}</${State}>`;
}

function Documents({ params, change }) {
  const live = useLive((signal) => indices({ signal }), { every: 0 });
  const names = (live.data ?? []).map((each) => each.index);
  return html`<div class="form-row">
    <${Field} label="Index" hint="A name, an alias, or a pattern with *."><${Input} required list="index-names" value=${params.index ?? ''} onValue=${(index) => change({ index })} /></${Field}>
    <datalist id="index-names">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>
    <${Field} label="Query" hint="Lucene's syntax; nothing means every document."><${Input} value=${params.query ?? ''} onValue=${(query) => change({ query })} /></${Field}>
    <${Field} label="Drawn as"><${Select} value=${params.view ?? 'bars'} onValue=${(view) => change({ view })} options=${[['bars', 'Bars over time'], ['count', 'A count']]} /></${Field}>
  </div>`;
}

function Alarms({ chosen, change }) {
  const live = useLive((signal) => all('cloudwatch', 'DescribeAlarms', {}, 'MetricAlarms', { signal }), { every: 0 });
  const turn = (arn) => change(chosen.includes(arn) ? chosen.filter((each) => each !== arn) : [...chosen, arn]);
  return html`<${State} live=${live} what="Alarms could not be listed">${(alarms) => html`<ul class="choices">${alarms.map((alarm) => html`<li key=${alarm.AlarmArn}><label>
    <input type="checkbox" checked=${chosen.includes(alarm.AlarmArn)} onChange=${() => turn(alarm.AlarmArn)} /> ${alarm.AlarmName}</label></li>`)}</ul>`}</${State}>`;
}
