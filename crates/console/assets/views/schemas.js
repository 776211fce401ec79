// Schemas: registries, their schemas, versions and how they may change; what changed between two, and whether a draft may be next.

import { all, aws } from '../lib/aws.js';
import { ago, dateTime, plural, pretty, whole } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { difference } from '../lib/lines.js';
import { useLive } from '../lib/live.js';
import { steps } from '../lib/patch.js';
import { go, href, setQuery } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Badge, Button, Card, confirm, Copy, DefinitionList, Empty, Field, Form, Input, Json, Code, Page, Select, State, Status, Table, Tabs, TextArea, toast } from '../lib/ui.js';

const MODES = ['NONE', 'DISABLED', 'BACKWARD', 'BACKWARD_ALL', 'FORWARD', 'FORWARD_ALL', 'FULL', 'FULL_ALL'];
const MEANING = {
  NONE: 'every definition may be next', DISABLED: 'no version may follow', BACKWARD: 'new readers read what was written with the version before',
  BACKWARD_ALL: 'new readers read what was written with any version', FORWARD: 'readers of the version before read what is written now',
  FORWARD_ALL: 'readers of any version read what is written now', FULL: 'backward and forward', FULL_ALL: 'backward and forward, with any version',
};

export default function Schemas({ path, query }) {
  return path.length > 1 ? html`<${One} registry=${path[0]} name=${path[1]} query=${query} />` : html`<${List} />`;
}

function List() {
  const [wanted, setWanted] = useState('');
  const live = useLive(async (signal) => {
    const [registries, schemas] = await Promise.all([
      all('glue', 'ListRegistries', {}, 'Registries', { signal }), all('glue', 'ListSchemas', {}, 'Schemas', { signal }),
    ]);
    const details = await Promise.all(schemas.slice(0, 200).map((each) => aws('glue', 'GetSchema', { SchemaId: { SchemaArn: each.SchemaArn } }, { signal })));
    return { registries, schemas: schemas.map((each, index) => ({ ...each, ...details[index] })) };
  }, { every: 10_000 });
  const columns = [
    { key: 'SchemaName', title: 'Schema', grow: true, cell: (row) => html`<a href=${href('schemas', row.RegistryName, row.SchemaName)}>${row.SchemaName}</a> <span class="faint">${row.Description}</span>` },
    { key: 'RegistryName', title: 'Registry' },
    { key: 'DataFormat', title: 'Format', cell: (row) => html`<${Badge}>${row.DataFormat}</${Badge}>` },
    { key: 'Compatibility', title: 'Compatibility', cell: (row) => html`<span title=${MEANING[row.Compatibility]}>${row.Compatibility}</span>` },
    { key: 'LatestSchemaVersion', title: 'Versions', num: true, cell: (row) => whole(row.LatestSchemaVersion) },
    { key: 'SchemaStatus', title: 'Status', cell: (row) => html`<${Status}>${row.SchemaStatus}</${Status}>` },
    { key: 'UpdatedTime', title: 'Changed', cell: (row) => html`<span class="faint" title=${row.UpdatedTime}>${dateTime(row.UpdatedTime)}</span>` },
  ];
  const search = html`<${Input} type="search" data-search placeholder="Filter by name" aria-label="Filter by name" value=${wanted} onValue=${setWanted} />`;
  const note = live.data && `${whole(live.data.registries.length)} ${live.data.registries.length === 1 ? 'registry' : 'registries'}: ${live.data.registries.map((each) => each.RegistryName).join(', ') || 'none'}`;
  return html`<${Page} title="Schemas" note=${note} actions=${search}>
    <${Card} flush><${State} live=${live} what="Schemas could not be listed">${({ schemas }) => html`
      <${Table} label="Schemas" columns=${columns} rows=${schemas.filter((each) => `${each.RegistryName}/${each.SchemaName}`.includes(wanted))} sort=${{ key: 'SchemaName' }}
        rowKey=${(row) => row.SchemaArn} onRow=${(row) => go('schemas', row.RegistryName, row.SchemaName)}
        empty=${html`<${Empty} title=${schemas.length ? `No schema is called like ${wanted}` : 'No schemas yet'}>
          ${!schemas.length && html`<code>aws glue create-schema --registry-id RegistryName=shop --schema-name order --data-format JSON --compatibility BACKWARD --schema-definition …</code>`}</${Empty}>`} />`}
    </${State}></${Card}>
  </${Page}>`;
}

/** A definition as people read it: JSON and Avro with line breaks. */
const shownOf = (text) => pretty(text);

async function readSchema(id, known, signal) {
  const [schema, versions] = await Promise.all([
    aws('glue', 'GetSchema', { SchemaId: id }, { signal }), all('glue', 'ListSchemaVersions', { SchemaId: id }, 'Schemas', { signal }),
  ]);
  // A version never changes: each is read once.
  const definitions = await Promise.all(versions.slice(-100).map(async (version) => {
    if (!known.has(version.SchemaVersionId)) known.set(version.SchemaVersionId, await aws('glue', 'GetSchemaVersion', { SchemaVersionId: version.SchemaVersionId }, { signal }));
    return { ...version, text: shownOf(known.get(version.SchemaVersionId).SchemaDefinition) };
  }));
  return { schema, versions: definitions.sort((a, b) => b.VersionNumber - a.VersionNumber) };
}

function One({ registry, name, query }) {
  const id = { RegistryName: registry, SchemaName: name };
  const known = useMemo(() => new Map(), [registry, name]);
  const live = useLive((signal) => readSchema(id, known, signal), { every: 5000 });
  const tabs = [{ id: 'versions', title: 'Versions', badge: live.data?.versions.length }, { id: 'changes', title: 'Changes' }, { id: 'draft', title: 'Check a draft' }];
  const change = async (Compatibility) => {
    const text = `From now on a new version is taken only where: ${MEANING[Compatibility]}. Versions that are there stay.`;
    if (await confirm({ title: `Change to ${Compatibility}?`, text, action: 'Change', tone: 'primary' })) {
      await aws('glue', 'UpdateSchema', { SchemaId: id, Compatibility, SchemaVersionNumber: { LatestVersion: true } });
      toast(`${name} is ${Compatibility} now`);
    }
    live.refresh();
  };
  const note = live.data && html`<${Status}>${live.data.schema.SchemaStatus}</${Status}>`;
  return html`<${Page} title=${name} crumbs=${[['Schemas', href('schemas')]]} note=${note}>
    <${State} live=${live} what=${`Schema ${registry}/${name} could not be read`}>${({ schema, versions }) => html`
      <${Card}><${DefinitionList} items=${[
        ['Registry', schema.RegistryName], ['Format', html`<${Badge}>${schema.DataFormat}</${Badge}>`],
        ['Compatibility', html`<${Select} aria-label="Compatibility" value=${schema.Compatibility} options=${MODES} onValue=${(mode) => change(mode).catch(toast)} />`],
        ['It means', MEANING[schema.Compatibility]], ['Checkpoint', `version ${schema.SchemaCheckpoint}`], ['Changed', dateTime(schema.UpdatedTime)],
        ['A stream keeps to it by its tag', html`<code>millrace:schema = ${registry}/${name}</code> <${Copy} text=${`${registry}/${name}`} />`],
      ]} /></${Card}>
      <${Tabs} tabs=${tabs}>${(tab) => html`
        ${tab === 'versions' && html`<${Versions} versions=${versions} query=${query} />`}
        ${tab === 'changes' && html`<${Changes} id=${id} versions=${versions} query=${query} />`}
        ${tab === 'draft' && html`<${Draft} key=${versions.length} id=${id} schema=${schema} versions=${versions} onRegistered=${live.refresh} />`}`}
      </${Tabs}>`}
    </${State}>
  </${Page}>`;
}

function Versions({ versions, query }) {
  const shown = versions.find((each) => String(each.VersionNumber) === query.version) ?? versions[0];
  const columns = [
    { key: 'VersionNumber', title: 'Version', num: true },
    { key: 'Status', title: 'Status', cell: (row) => html`<${Status}>${row.Status}</${Status}>` },
    { key: 'CreatedTime', title: 'Registered', grow: true, cell: (row) => html`<span title=${row.CreatedTime}>${dateTime(row.CreatedTime)}</span> <span class="faint">${ago(row.CreatedTime, serverNow())}</span>` },
  ];
  return html`<div class="columns even">
    <${Card} flush title="Versions"><${Table} label="Versions" columns=${columns} rows=${versions} rowKey=${(row) => row.SchemaVersionId}
      onRow=${(row) => setQuery({ version: row.VersionNumber })} selected=${(row) => row === shown} empty=${html`<${Empty} title="No version is registered yet">Check a draft, and register it.</${Empty}>`} /></${Card}>
    ${shown && html`<${Card} title=${`Version ${shown.VersionNumber}`} note=${html`<code>${shown.SchemaVersionId}</code>`} actions=${html`<${Copy} text=${shown.text} label="Copy the definition" />`}>
      ${shown.Status === 'FAILURE' && html`<p class="form-error">It broke the compatibility that was wanted when it was registered, so no record may use it. Register it again to hear which fields.</p>`}
      <${Json} text=${shown.text} /></${Card}>`}
  </div>`;
}

/** So many lines stand around each change; longer stretches without one are told by their length. */
const CONTEXT = 4;

function folded(lines) {
  const near = (at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line.kind !== 'same');
  const shown = [];
  lines.forEach((line, at) => {
    if (near(at)) shown.push(line);
    else if (shown.at(-1)?.kind === 'fold') shown.at(-1).count += 1;
    else shown.push({ kind: 'fold', count: 1 });
  });
  return shown.map((line) => (line.kind === 'fold' ? { ...line, text: `⋯ ${plural(line.count, 'line')} the same` } : line));
}

function Lines({ before, after }) {
  const lines = useMemo(() => folded(difference(before, after)), [before, after]);
  if (lines.every((line) => line.kind === 'fold')) return html`<${Empty} title="They are the same" />`;
  const mark = { same: ' ', gone: '−', new: '+', fold: ' ' };
  return html`<pre class="code diff" tabindex="0" aria-label="Differences">${lines.map((line, index) => html`<span key=${index} class=${`diff-${line.kind}`}>${`${mark[line.kind]} ${line.text}\n`}</span>`)}</pre>`;
}

/** From one version to another as the registry tells it, step by step. */
async function whatChanged(SchemaId, [from, to], before, signal) {
  if (from === to) return [];
  const version = (number) => ({ VersionNumber: Number(number) });
  const input = { SchemaId, FirstSchemaVersionNumber: version(from), SecondSchemaVersionNumber: version(to), SchemaDiffType: 'SYNTAX_DIFF' };
  const { Diff } = await aws('glue', 'GetSchemaVersionsDiff', input, { signal });
  return steps(documentOf(before), JSON.parse(Diff));
}

/** What the registry compares: JSON as it is, Protobuf as its lines. */
function documentOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.split('\n').map((line) => line.trimEnd());
  }
}

const OPERATIONS = { add: ['new', 'good'], remove: ['gone', 'bad'], replace: ['changed', 'warn'] };

function Steps({ rows }) {
  const shown = (value) => (value === undefined ? html`<span class="faint">–</span>` : html`<code class="value">${typeof value === 'string' ? value : JSON.stringify(value)}</code>`);
  const columns = [
    { key: 'op', title: 'What', cell: (row) => html`<${Badge} tone=${OPERATIONS[row.op]?.[1]}>${OPERATIONS[row.op]?.[0] ?? row.op}</${Badge}>` },
    { key: 'place', title: 'Where', cell: (row) => html`<span class="mono">${row.place || 'everything'}</span>` },
    { key: 'before', title: 'Before', cell: (row) => shown(row.before) },
    { key: 'after', title: 'After', grow: true, cell: (row) => shown(row.after) },
  ];
  return html`<${Table} label="What changed" columns=${columns} rows=${rows.map((row, at) => ({ ...row, at }))} rowKey=${(row) => row.at} empty=${html`<${Empty} title="They say the same" />`} />`;
}

function Changes({ id, versions, query }) {
  const numbers = versions.map((each) => String(each.VersionNumber));
  const to = numbers.includes(query.to) ? query.to : numbers[0];
  const from = numbers.includes(query.from) ? query.from : numbers[1] ?? numbers[0];
  const text = (number) => versions.find((each) => String(each.VersionNumber) === number)?.text ?? '';
  const live = useLive((signal) => whatChanged(id, [from, to], text(from), signal), { every: 0, deps: [from, to] });
  if (numbers.length < 2) return html`<${Card}><${Empty} title="There is one version">What changes with the next will stand here.</${Empty}></${Card}>`;
  const choose = (name, value) => html`<${Select} aria-label=${name === 'from' ? 'From version' : 'To version'} value=${value} onValue=${(number) => setQuery({ [name]: number })} options=${numbers.map((number) => [number, `Version ${number}`])} />`;
  return html`
    <${Card} flush title="Changes" actions=${html`${choose('from', from)}<span class="faint">→</span>${choose('to', to)}`}>
      <${State} live=${live} what="The versions could not be compared">${(rows) => html`<${Steps} rows=${rows} />`}</${State}></${Card}>
    <${Card} title="Line by line"><${Lines} before=${text(from)} after=${text(to)} /></${Card}>`;
}

/** Whether a definition is one, what it would change, and the registry's word on it. */
function Draft({ id, schema, versions, onRegistered }) {
  const latest = versions.find((each) => each.Status === 'AVAILABLE') ?? versions[0];
  const [text, setText] = useState(latest?.text ?? '');
  const [verdict, setVerdict] = useState(null);
  const check = async () => {
    const answer = await aws('glue', 'CheckSchemaVersionValidity', { DataFormat: schema.DataFormat, SchemaDefinition: text });
    setVerdict(answer.Valid ? { tone: 'good', word: 'It is a definition', text: 'Whether it may follow the versions that are there is judged when it is registered.' } : { tone: 'bad', word: 'It is no definition', text: answer.Error });
  };
  const register = async () => {
    const words = `It becomes version ${schema.NextSchemaVersion} if ${schema.Compatibility} allows it. A version cannot be changed any more; one that is refused stays in the list as FAILURE.`;
    if (!(await confirm({ title: 'Register this definition?', text: words, action: 'Register', tone: 'primary' }))) return;
    try {
      const answer = await aws('glue', 'RegisterSchemaVersion', { SchemaId: id, SchemaDefinition: text });
      toast(`It is version ${answer.VersionNumber}`);
      onRegistered();
    } catch (error) {
      setVerdict({ tone: 'bad', word: 'It may not follow', text: error.message });
    }
  };
  return html`<div class="columns even">
    <${Card} title="Draft">
      <${Form} onSubmit=${check}>
        <${Field} label=${`${schema.DataFormat} definition`}><${TextArea} rows="20" value=${text} onValue=${setText} aria-label="Definition" /></${Field}>
        <div class="row"><${Button} type="submit" tone="primary">Check</${Button}><${Button} onClick=${register}>Register…</${Button}></div>
      </${Form}>
      ${verdict && html`<div class="above" role="status"><p><${Badge} tone=${verdict.tone}>${verdict.word}</${Badge}></p><${Code} wrap>${verdict.text}</${Code}></div>`}
    </${Card}>
    <${Card} title="What it would change" note=${latest && `against version ${latest.VersionNumber}`}>
      <${Lines} before=${latest?.text ?? ''} after=${shownOf(text)} />
    </${Card}>
  </div>`;
}
