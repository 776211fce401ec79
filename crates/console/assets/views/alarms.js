// Alarms: their state, the metric against its threshold, what happened, and silence for a while.

import { aws, all } from '../lib/aws.js';
import { Chart, Spark } from '../lib/chart.js';
import { ago, count, dateTime, duration, nameOf } from '../lib/format.js';
import { html, useMemo, useState } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { useMetrics } from '../lib/metrics.js';
import { go, href } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Badge, Button, Card, Code, DefinitionList, Dialog, Empty, Field, Form, Input, Page, Select, State, Stat, Stats, Status, Table, Tabs, toast } from '../lib/ui.js';

const ORDER = { ALARM: 0, INSUFFICIENT_DATA: 1, OK: 2 };
const SIGNS = {
  GreaterThanThreshold: '>', GreaterThanOrEqualToThreshold: '≥', LessThanThreshold: '<', LessThanOrEqualToThreshold: '≤',
};

/** What GetMetricData is asked for an alarm's line; none for one that watches other alarms. */
function specsOf(alarm, index) {
  const period = periodOf(alarm);
  if (alarm.MetricName) {
    return { [`a_${index}`]: { metric: { Namespace: alarm.Namespace, MetricName: alarm.MetricName, Dimensions: alarm.Dimensions ?? [] }, stat: alarm.Statistic ?? alarm.ExtendedStatistic, period } };
  }
  const parts = alarm.Metrics ?? [];
  // Each alarm's own ids must not meet another's.
  const ids = new Map(parts.map((part) => [part.Id, part.ReturnData === false ? `a_${index}_${part.Id.toLowerCase()}` : `a_${index}`]));
  return Object.fromEntries(parts.map((part) => {
    const id = ids.get(part.Id);
    if (part.MetricStat) return [id, { metric: part.MetricStat.Metric, stat: part.MetricStat.Stat, period: part.MetricStat.Period }];
    return [id, { expression: part.Expression.replace(/\b[a-z]\w*\b(?!\()/g, (word) => ids.get(word) ?? word), period }];
  }));
}

const periodOf = (alarm) => alarm.Period ?? alarm.Metrics?.map((part) => part.Period ?? part.MetricStat?.Period).find(Boolean) ?? 60;

function conditionOf(alarm) {
  if (alarm.AlarmRule) return alarm.AlarmRule;
  const what = alarm.MetricName ? `${alarm.Statistic ?? alarm.ExtendedStatistic} of ${alarm.MetricName}` : alarm.Metrics?.find((part) => part.ReturnData !== false)?.Label ?? 'expression';
  const points = alarm.DatapointsToAlarm && alarm.DatapointsToAlarm !== alarm.EvaluationPeriods ? `${alarm.DatapointsToAlarm} of ${alarm.EvaluationPeriods}` : alarm.EvaluationPeriods;
  return `${what} ${SIGNS[alarm.ComparisonOperator] ?? alarm.ComparisonOperator} ${count(alarm.Threshold)} for ${points} × ${duration(periodOf(alarm) * 1000)}`;
}

async function describe(signal) {
  const found = { MetricAlarms: [], CompositeAlarms: [] };
  let NextToken;
  do {
    const page = await aws('cloudwatch', 'DescribeAlarms', { AlarmTypes: ['MetricAlarm', 'CompositeAlarm'], NextToken }, { signal });
    found.MetricAlarms.push(...(page.MetricAlarms ?? []));
    found.CompositeAlarms.push(...(page.CompositeAlarms ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  const mutes = await all('cloudwatch', 'ListAlarmMuteRules', {}, 'AlarmMuteRuleSummaries', { signal }).catch(() => []);
  return { alarms: [...found.MetricAlarms, ...found.CompositeAlarms], mutes };
}

export default function Alarms({ path }) {
  const live = useLive(describe, { every: 2000 });
  if (!live.data) return html`<${Page} title="Alarms"><${Card}><${State} live=${live} what="Alarms could not be listed" /></${Card}></${Page}>`;
  return html`<${State} live=${live} what="Alarms could not be listed">${({ alarms, mutes }) => (path[0]
    ? html`<${Alarm} name=${path[0]} alarm=${alarms.find((each) => each.AlarmName === path[0])} refresh=${live.refresh} />`
    : html`<${List} alarms=${alarms} mutes=${mutes} refresh=${live.refresh} />`)}</${State}>`;
}

function List({ alarms, mutes, refresh }) {
  const names = alarms.map((alarm) => alarm.AlarmName).join();
  const specs = useMemo(() => Object.assign({}, ...alarms.map(specsOf)), [names]);
  const { series, start, end, period } = useMetrics(specs, { seconds: 900, every: 2000, deps: [specs] });
  const rows = alarms.map((alarm, index) => ({ ...alarm, line: series[`a_${index}`] }));
  const ringing = alarms.filter((alarm) => alarm.StateValue === 'ALARM').length;
  const silent = alarms.filter((alarm) => alarm.ActionsEnabled === false).length;
  const columns = [
    { key: 'StateValue', title: 'State', sort: (row) => ORDER[row.StateValue], cell: (row) => html`<${Status}>${row.StateValue}</${Status}>` },
    { key: 'AlarmName', title: 'Alarm', cell: (row) => html`<a href=${href('alarms', row.AlarmName)}>${row.AlarmName}</a> ${row.ActionsEnabled === false && html`<${Badge} tone="warn">actions off</${Badge}>`}` },
    { key: 'condition', title: 'Rings when', grow: true, sort: false, cell: (row) => html`<span class="soft">${conditionOf(row)}</span>` },
    { key: 'line', title: '15 minutes', sort: false, cell: (row) => html`<${Spark} series=${row.line} start=${start} end=${end} period=${period} gaps=${null} width=${140} limit=${row.Threshold} tone=${row.StateValue === 'ALARM' ? '--bad' : '--line-1'} />` },
    { key: 'StateUpdatedTimestamp', title: 'Since', num: true, cell: (row) => html`<span title=${dateTime(row.StateUpdatedTimestamp)}>${ago(row.StateUpdatedTimestamp, serverNow())}</span>` },
  ];
  const empty = html`<${Empty} title="No alarms yet"><p><code>AWS::CloudWatch::Alarm</code> in a template, or <code>aws cloudwatch put-metric-alarm</code>, watches any metric of the pipeline.</p></${Empty}>`;
  return html`<${Page} title="Alarms">
    ${alarms.length > 0 && html`<${Stats}>
      <${Stat} label="In alarm" value=${ringing} tone=${ringing ? 'bad' : ''} />
      <${Stat} label="OK" value=${alarms.filter((alarm) => alarm.StateValue === 'OK').length} />
      <${Stat} label="Not enough data" value=${alarms.filter((alarm) => alarm.StateValue === 'INSUFFICIENT_DATA').length} />
      <${Stat} label="Actions off" value=${silent} tone=${silent ? 'warn' : ''} />
    </${Stats}>`}
    <${Card} flush><${Table} label="Alarms" columns=${columns} rows=${rows} rowKey=${(row) => row.AlarmName} onRow=${(row) => go('alarms', row.AlarmName)} sort=${{ key: 'StateValue' }} empty=${empty} /></${Card}>
    ${mutes.length > 0 && html`<${Mutes} mutes=${mutes} refresh=${refresh} />`}
    ${alarms.length > 0 && html`<${History} title="What happened" />`}
  </${Page}>`;
}

function Mutes({ mutes, refresh }) {
  const end = async (mute) => {
    await aws('cloudwatch', 'DeleteAlarmMuteRule', { AlarmMuteRuleName: nameOf(mute.AlarmMuteRuleArn) });
    toast('The mute rule is gone');
    refresh();
  };
  const columns = [
    { key: 'AlarmMuteRuleArn', title: 'Mute rule', grow: true, cell: (row) => nameOf(row.AlarmMuteRuleArn) },
    { key: 'Status', title: 'Status', cell: (row) => html`<${Status}>${row.Status}</${Status}>` },
    { key: 'ExpireDate', title: 'Until', cell: (row) => dateTime(row.ExpireDate) },
    { key: 'end', title: '', sort: false, cell: (row) => html`<${Button} small onClick=${() => end(row)}>Delete</${Button}>` },
  ];
  return html`<${Card} flush title="Muted"><${Table} label="Mute rules" columns=${columns} rows=${mutes} rowKey=${(row) => row.AlarmMuteRuleArn} /></${Card}>`;
}

function Alarm({ name, alarm, refresh }) {
  const [muting, setMuting] = useState(false);
  const crumbs = [['Alarms', href('alarms')]];
  if (!alarm) return html`<${Page} title=${name} crumbs=${crumbs}><${Card}><${Empty} title="There is no such alarm"><a href=${href('alarms')}>All alarms</a></${Empty}></${Card}></${Page}>`;
  const enabled = alarm.ActionsEnabled !== false;
  const turn = async () => {
    await aws('cloudwatch', enabled ? 'DisableAlarmActions' : 'EnableAlarmActions', { AlarmNames: [name] });
    toast(enabled ? 'Its actions are off' : 'Its actions are on');
    refresh();
  };
  const actions = html`<${Button} onClick=${() => setMuting(true)}>Mute</${Button}><${Button} onClick=${turn}>${enabled ? 'Turn actions off' : 'Turn actions on'}</${Button}>`;
  const tabs = [{ id: 'history', title: 'History' }, { id: 'definition', title: 'Definition' }];
  return html`<${Page} title=${name} crumbs=${crumbs} actions=${actions} note=${html`<${Status}>${alarm.StateValue}</${Status}>${!enabled && html` <${Badge} tone="warn">actions off</${Badge}>`}`}>
    ${alarm.AlarmDescription && html`<p class="soft">${alarm.AlarmDescription}</p>`}
    <${Line} alarm=${alarm} />
    <${Tabs} tabs=${tabs}>${(tab) => (tab === 'history' ? html`<${History} name=${name} title="What happened" />` : html`<${Definition} alarm=${alarm} />`)}</${Tabs}>
    ${muting && html`<${Mute} name=${name} onClose=${() => setMuting(false)} onDone=${refresh} />`}
  </${Page}>`;
}

function Line({ alarm }) {
  const specs = useMemo(() => specsOf(alarm, 0), [JSON.stringify(alarm.Metrics ?? alarm.MetricName)]);
  const wanted = periodOf(alarm);
  const seconds = Math.max(900, wanted * 30);
  const { series, start, end, period } = useMetrics(specs, { seconds, period: wanted, every: 2000, deps: [specs] });
  if (alarm.AlarmRule) return html`<${Card} title="Rings when"><${Code} wrap>${alarm.AlarmRule}</${Code}><p class="hint above">${alarm.StateReason}</p></${Card}>`;
  return html`<${Card} title=${conditionOf(alarm)}>
    <${Chart} height=${180} start=${start} end=${end} period=${period} format=${count} limits=${[{ value: alarm.Threshold, label: 'threshold' }]}
      lines=${[{ label: alarm.MetricName ?? 'expression', series: series.a_0, color: alarm.StateValue === 'ALARM' ? '--bad' : '--line-1' }]} />
    <p class="hint above">${alarm.StateReason}</p>
  </${Card}>`;
}

function History({ name, title }) {
  const live = useLive(async (signal) => (
    await aws('cloudwatch', 'DescribeAlarmHistory', { AlarmName: name, MaxRecords: 50, ScanBy: 'TimestampDescending', AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] }, { signal })).AlarmHistoryItems,
  { every: 3000, deps: [name] });
  const columns = [
    { key: 'Timestamp', title: 'When', cell: (row) => html`<span title=${ago(row.Timestamp, serverNow())}>${dateTime(row.Timestamp)}</span>` },
    ...(name ? [] : [{ key: 'AlarmName', title: 'Alarm', cell: (row) => html`<a href=${href('alarms', row.AlarmName)}>${row.AlarmName}</a>` }]),
    { key: 'HistoryItemType', title: 'What', cell: (row) => html`<span class="faint">${row.HistoryItemType}</span>` },
    { key: 'HistorySummary', title: 'Summary', grow: true, cell: (row) => html`<span class=${/^Failed/.test(row.HistorySummary) ? 'bad' : /to ALARM/.test(row.HistorySummary) ? 'bad' : ''}>${row.HistorySummary}</span>` },
  ];
  return html`<${Card} flush title=${title}><${State} live=${live} what="The history could not be read">${(rows) => html`
    <${Table} label="History" columns=${columns} rows=${rows} rowKey=${(row) => `${row.Timestamp}${row.AlarmName}${row.HistorySummary}`} empty=${html`<${Empty} title="Nothing has happened yet" />`} />`}
  </${State}></${Card}>`;
}

function Definition({ alarm }) {
  const targets = (list) => (list?.length ? list.map((target) => html`<div class="mono">${target}</div>`) : 'none');
  return html`<${Card} title="Definition">
    <${DefinitionList} items=${[
      ['Metric', alarm.MetricName && `${alarm.Namespace} ${alarm.MetricName}`],
      ['Dimensions', alarm.Dimensions?.map(({ Name, Value }) => `${Name}=${Value}`).join(', ')],
      ['Missing data', alarm.TreatMissingData],
      ['When it rings', targets(alarm.AlarmActions)],
      ['When it is over', targets(alarm.OKActions)],
      ['When data are missing', targets(alarm.InsufficientDataActions)],
    ]} />
    ${alarm.Metrics?.length > 0 && html`<${Code}>${JSON.stringify(alarm.Metrics, null, 2)}</${Code}>`}
  </${Card}>`;
}

/** Silence for a while: a mute rule that begins now and expires when it ends. */
function Mute({ name, onClose, onDone }) {
  const [minutes, setMinutes] = useState('60');
  const [why, setWhy] = useState('');
  const mute = async () => {
    const begins = new Date(serverNow());
    const ends = new Date(begins.getTime() + Number(minutes) * 60_000);
    // A schedule of one moment: AWS's mute rules know at(…) to the minute.
    const at = begins.toISOString().slice(0, 16);
    await aws('cloudwatch', 'PutAlarmMuteRule', {
      Name: `console-${name}-${at.replace(/[-:]/g, '')}`.slice(0, 255),
      Description: why || undefined,
      Rule: { Schedule: { Expression: `at(${at})`, Duration: `PT${minutes}M`, Timezone: 'UTC' } },
      MuteTargets: { AlarmNames: [name] },
      ExpireDate: ends.getTime() / 1000,
    });
    toast(`${name} is muted until ${ends.toLocaleTimeString('en-GB')}`);
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${`Mute ${name}`} onClose=${onClose}>
    <${Form} onSubmit=${mute}>
      <${Field} label="For"><${Select} value=${minutes} onValue=${setMinutes} options=${[['15', '15 minutes'], ['60', '1 hour'], ['240', '4 hours'], ['1440', '1 day']]} /></${Field}>
      <${Field} label="Why" hint="For whoever finds it."><${Input} value=${why} onValue=${setWhy} maxlength="200" /></${Field}>
      <p class="hint">The alarm goes on watching; its actions wait. If it still rings when the time is over, they are carried out then.</p>
      <div class="actions above"><${Button} type="submit" tone="primary">Mute</${Button}></div>
    </${Form}>
  </${Dialog}>`;
}
