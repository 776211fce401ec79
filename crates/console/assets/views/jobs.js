// Jobs: applications, what their operators do, how far event time is, and whether checkpoints come.

import { aws } from '../lib/aws.js';
import { Chart } from '../lib/chart.js';
import { ago, bytes, count, dateTime, duration, percent, rate } from '../lib/format.js';
import { html, useMemo } from '../lib/html.js';
import { useLive } from '../lib/live.js';
import { latest, metric, perSecond, useMetrics } from '../lib/metrics.js';
import { own } from '../lib/millrace.js';
import { go, href } from '../lib/route.js';
import { serverNow } from '../lib/session.js';
import { Button, Card, Code, confirm, Copy, Empty, Grid, LinkButton, Page, Stat, State, Stats, Status, Table, Tabs, toast } from '../lib/ui.js';
import { Checkpoints } from './job-checkpoints.js';
import { Plan } from './job-plan.js';

const of = (name, what, stat = 'Sum') => metric('AWS/KinesisAnalytics', what, { Application: name }, stat);

const useJobs = (every) => useLive(async (signal) => (await own('/_millrace/jobs', { signal })).applications, { every });

export default function Jobs({ path }) {
  return path[0] ? html`<${Application} name=${path[0]} />` : html`<${List} />`;
}

function List() {
  const live = useJobs(2000);
  const names = (live.data ?? []).map((each) => each.name);
  const specs = useMemo(() => Object.fromEntries(names.flatMap((name, index) => [
    [`in_${index}`, of(name, 'numRecordsIn')], [`out_${index}`, of(name, 'numRecordsOut')],
    [`busy_${index}`, of(name, 'busyTimeMsPerSecond', 'Maximum')], [`behind_${index}`, of(name, 'millisBehindLatest', 'Maximum')],
  ])), [names.join()]);
  const { series, end } = useMetrics(specs, { seconds: 60, deps: [names.join()] });
  const rows = (live.data ?? []).map((each, index) => ({
    ...each, in: perSecond(series[`in_${index}`], { end }), out: perSecond(series[`out_${index}`], { end }),
    busy: latest(series[`busy_${index}`], { end }), behind: latest(series[`behind_${index}`], { end }),
    state: each.jobs.reduce((sum, job) => sum + job.checkpoint_bytes, 0), watermark: lowest(each.jobs),
  }));
  const columns = [
    { key: 'name', title: 'Application', grow: true, cell: (row) => html`<a href=${href('jobs', row.name)}>${row.name}</a>${row.jobs.find((job) => job.failure) && html`<div class="bad">${row.jobs.find((job) => job.failure).failure}</div>`}` },
    { key: 'status', title: 'Status', cell: (row) => html`<${JobStatus} status=${row.status} />` },
    { key: 'in', title: 'In', num: true, cell: (row) => rate(row.in ?? 0) },
    { key: 'out', title: 'Out', num: true, cell: (row) => rate(row.out ?? 0) },
    { key: 'behind', title: 'Behind', num: true, cell: (row) => duration(row.behind) },
    { key: 'watermark', title: 'Watermark', num: true, cell: (row) => (row.watermark ? html`<span title=${dateTime(row.watermark)}>${ago(row.watermark, serverNow())}</span>` : '–') },
    { key: 'busy', title: 'Busy', num: true, cell: (row) => percent(row.busy === undefined ? undefined : row.busy / 1000, 0) },
    { key: 'state', title: 'State', num: true, cell: (row) => bytes(row.state) },
    { key: 'version', title: 'Version', num: true },
  ];
  const empty = html`<${Empty} title="No applications yet">
    <p>An <code>AWS::KinesisAnalyticsV2::Application</code> in a template runs Flink SQL for as long as the server does.</p>
    <${LinkButton} to=${href('sql')}>Try a query first</${LinkButton}></${Empty}>`;
  return html`<${Page} title="Jobs" actions=${html`<${LinkButton} to=${href('sql')}>SQL</${LinkButton}>`}>
    <${Card} flush><${State} live=${live} what="Applications could not be listed">
      ${() => html`<${Table} label="Applications" columns=${columns} rows=${rows} rowKey=${(row) => row.name} onRow=${(row) => go('jobs', row.name)} empty=${empty} />`}
    </${State}></${Card}>
  </${Page}>`;
}

/** The least watermark that is known; sinks without event time have none, and say nothing of the others. */
const lowest = (jobs) => {
  const known = jobs.flatMap((job) => job.plan.map((node) => node.watermark)).filter((watermark) => watermark !== null);
  return known.length ? Math.min(...known) : null;
};

function JobStatus({ status }) {
  if (status === 'FAILING') return html`<span class="status bad" title="A job fails and begins again"><i class="dot" />FAILING</span>`;
  return html`<${Status}>${status}</${Status}>`;
}

function Application({ name }) {
  const live = useJobs(1000);
  if (!live.data) return html`<${Page} title=${name} crumbs=${[['Jobs', href('jobs')]]}><${Card}><${State} live=${live} what=${`Application ${name} could not be read`} /></${Card}></${Page}>`;
  return html`<${State} live=${live} what=${`Application ${name} could not be read`}>${(all) => {
    const application = all.find((each) => each.name === name);
    if (!application) return html`<${Page} title=${name} crumbs=${[['Jobs', href('jobs')]]}><${Card}><${Empty} title="There is no such application"><a href=${href('jobs')}>All applications</a></${Empty}></${Card}></${Page}>`;
    return html`<${Shown} application=${application} refresh=${live.refresh} />`;
  }}</${State}>`;
}

function Shown({ application, refresh }) {
  const { name, status, jobs, sql, version, updated } = application;
  const start = async () => {
    await aws('kinesisanalyticsv2', 'StartApplication', { ApplicationName: name, RunConfiguration: {} });
    toast(`${name} starts from where it stopped`);
    refresh();
  };
  const stop = async () => {
    const sure = await confirm({ title: `Stop ${name}?`, text: 'It takes a last checkpoint and goes on from there when it is started again. Until then its results stand still.', action: 'Stop it' });
    if (!sure) return;
    await aws('kinesisanalyticsv2', 'StopApplication', { ApplicationName: name });
    toast(`${name} stopped`);
    refresh();
  };
  const actions = status === 'READY'
    ? html`<${Button} tone="primary" onClick=${start}>Start</${Button}>`
    : html`<${Button} onClick=${stop}>Stop</${Button}>`;
  const failures = jobs.filter((job) => job.failure);
  const tabs = [{ id: 'plan', title: 'Plan' }, { id: 'checkpoints', title: 'Checkpoints' }, { id: 'figures', title: 'Figures' }, { id: 'snapshots', title: 'Snapshots' }, { id: 'sql', title: 'SQL' }];
  return html`<${Page} title=${name} crumbs=${[['Jobs', href('jobs')]]} actions=${actions} note=${html`<${JobStatus} status=${status} />`}>
    ${failures.map((job) => html`<div class="card failed-note" role="alert"><strong class="bad">It fails and begins again.</strong> ${job.failure}</div>`)}
    <${Totals} name=${name} jobs=${jobs} />
    <${Tabs} tabs=${tabs}>${(tab) => html`
      ${tab === 'plan' && jobs.map((job, nth) => html`<${Plan} key=${nth} job=${job} nth=${nth} many=${jobs.length > 1} />`)}
      ${tab === 'checkpoints' && jobs.map((job, nth) => html`<${Checkpoints} key=${nth} job=${job} nth=${nth} many=${jobs.length > 1} />`)}
      ${tab === 'figures' && html`<${Charts} name=${name} />`}
      ${tab === 'snapshots' && html`<${Snapshots} name=${name} running=${status !== 'READY'} />`}
      ${tab === 'sql' && html`<${Card} title="SQL" note=${`version ${version}, changed ${dateTime(updated)}`} actions=${html`<${Copy} text=${sql} />`}><${Code}>${sql}</${Code}</${Card}>`}`}
    </${Tabs}>
  </${Page}>`;
}

function Totals({ name, jobs }) {
  const specs = useMemo(() => ({
    in: of(name, 'numRecordsIn'), out: of(name, 'numRecordsOut'), behind: of(name, 'millisBehindLatest', 'Maximum'),
    busy: of(name, 'busyTimeMsPerSecond', 'Maximum'), pressed: of(name, 'backPressuredTimeMsPerSecond', 'Maximum'),
  }), [name]);
  const { series, end } = useMetrics(specs, { seconds: 60, deps: [name] });
  const sum = (what) => jobs.reduce((total, job) => total + job[what], 0);
  const pressed = latest(series.pressed, { end }) ?? 0;
  const watermark = lowest(jobs);
  const late = sum('late');
  return html`<${Stats}>
    <${Stat} label="In" value=${rate(perSecond(series.in, { end }) ?? 0)} />
    <${Stat} label="Out" value=${rate(perSecond(series.out, { end }) ?? 0)} />
    <${Stat} label="Behind its streams" value=${duration(latest(series.behind, { end }))} />
    <${Stat} label="Watermark" value=${watermark ? ago(watermark, serverNow()).replace(' ago', '') : '–'} note=${watermark ? 'behind now' : 'none yet'} title=${watermark ? dateTime(watermark) : ''} />
    <${Stat} label="Dropped as late" value=${count(late)} tone=${late > 0 ? 'warn' : ''} />
    <${Stat} label="Busy" value=${percent((latest(series.busy, { end }) ?? 0) / 1000, 0)} />
    <${Stat} label="Held back" value=${percent(pressed / 1000, 0)} tone=${pressed > 500 ? 'warn' : ''} />
    <${Stat} label="State" value=${bytes(sum('checkpoint_bytes'))} note=${`${count(sum('checkpoints'))} checkpoints, last in ${duration(Math.max(0, ...jobs.map((job) => job.checkpoint_ms)))}`} />
  </${Stats}>`;
}

function Charts({ name }) {
  const specs = useMemo(() => ({
    in: of(name, 'numRecordsIn'), out: of(name, 'numRecordsOut'), behind: of(name, 'millisBehindLatest', 'Maximum'),
    busy: of(name, 'busyTimeMsPerSecond', 'Maximum'), pressed: of(name, 'backPressuredTimeMsPerSecond', 'Maximum'),
    took: of(name, 'lastCheckpointDuration', 'Maximum'), size: of(name, 'lastCheckpointSize', 'Maximum'),
  }), [name]);
  const { series, start, end, period } = useMetrics(specs, { seconds: 900, deps: [name] });
  const shared = { start, end, period, height: 120 };
  const share = (value) => percent(value / 1000, 0);
  return html`<${Grid} min=${380}>
    <${Card} title="Rows" note="a second"><${Chart} ...${shared} format=${count} lines=${[{ label: 'in', series: perPeriod(series.in, period), gaps: 0 }, { label: 'out', series: perPeriod(series.out, period), gaps: 0 }]} /></${Card}>
    <${Card} title="Behind its streams"><${Chart} ...${shared} format=${duration} lines=${[{ label: 'behind', series: series.behind }]} /></${Card}>
    <${Card} title="Time of its threads"><${Chart} ...${shared} format=${share} lines=${[{ label: 'busy', series: series.busy }, { label: 'held back', series: series.pressed }]} /></${Card}>
    <${Card} title="Checkpoints" note="how long they take"><${Chart} ...${shared} format=${duration} lines=${[{ label: 'duration', series: series.took, color: '--line-3' }]} /></${Card}>
    <${Card} title="State" note="bytes of a checkpoint"><${Chart} ...${shared} format=${bytes} lines=${[{ label: 'size', series: series.size, color: '--line-4' }]} /></${Card}>
  </${Grid}>`;
}

const perPeriod = (series, period) => series && { times: series.times, values: series.values.map((value) => value / period) };

function Snapshots({ name, running }) {
  const live = useLive(async (signal) => (
    await aws('kinesisanalyticsv2', 'ListApplicationSnapshots', { ApplicationName: name }, { signal })).SnapshotSummaries, { every: 5000, deps: [name] });
  const take = async () => {
    const SnapshotName = `console-${new Date(serverNow()).toISOString().replace(/[-:]|\..*/g, '')}`;
    await aws('kinesisanalyticsv2', 'CreateApplicationSnapshot', { ApplicationName: name, SnapshotName });
    toast(`Snapshot ${SnapshotName} taken`);
    live.refresh();
  };
  const columns = [
    { key: 'SnapshotName', title: 'Snapshot', grow: true },
    { key: 'SnapshotStatus', title: 'Status', cell: (row) => html`<${Status}>${row.SnapshotStatus}</${Status}>` },
    { key: 'ApplicationVersionId', title: 'Version', num: true },
    { key: 'SnapshotCreationTimestamp', title: 'Taken', cell: (row) => dateTime(row.SnapshotCreationTimestamp) },
  ];
  const empty = html`<${Empty} title="No snapshots yet">A snapshot keeps positions and state: a job can be started from it again.</${Empty}>`;
  return html`<${Card} flush title="Snapshots" actions=${html`<${Button} small disabled=${!running} onClick=${take}>Take one</${Button}>`}>
    <${State} live=${live} what="Snapshots could not be listed">${(rows) => html`<${Table} label="Snapshots" columns=${columns} rows=${rows} rowKey=${(row) => row.SnapshotName} empty=${empty} />`}</${State}>
  </${Card}>`;
}
