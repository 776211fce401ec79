// A job's checkpoints: what was taken, how long it took, what failed, and what the job began from.

import { ago, bytes, clock, dateTime, duration, whole } from '../lib/format.js';
import { html } from '../lib/html.js';
import { serverNow } from '../lib/session.js';
import { Card, Empty, Status, Table } from '../lib/ui.js';

const COLUMNS = [
  { key: 'epoch', title: 'Checkpoint', num: true, cell: (row) => whole(row.epoch) },
  { key: 'outcome', title: 'Status', cell: (row) => html`<${Status}>${row.outcome}</${Status}>` },
  { key: 'at', title: 'When', cell: (row) => html`<span title=${dateTime(row.at)}>${clock(row.at, { millis: true })} <span class="faint">${ago(row.at, serverNow())}</span></span>` },
  { key: 'took_ms', title: 'Took', num: true, cell: (row) => duration(row.took_ms) },
  { key: 'bytes', title: 'Size', num: true, cell: (row) => bytes(row.bytes) },
  { key: 'reason', title: '', grow: true, cell: (row) => (row.outcome === 'RESTORED' ? html`<span class="faint">the job began from it</span>` : html`<span class="bad">${row.reason}</span>`) },
];

export function Checkpoints({ job, nth, many }) {
  const rows = job.last_checkpoints;
  const note = `every ${duration(job.checkpoint_interval_ms)} at most, while something comes in; ${whole(job.checkpoints)} since it was opened`;
  const empty = html`<${Empty} title="None since the server started">A job that is stopped takes none; one without input takes none either.</${Empty}>`;
  return html`<${Card} flush title=${many ? `Job ${nth + 1}` : 'Checkpoints'} note=${note}>
    <${Table} label=${`Checkpoints of job ${nth + 1}`} rows=${rows} columns=${COLUMNS} rowKey=${(row) => `${row.epoch}/${row.at}/${row.outcome}`} empty=${empty} />
  </${Card}>`;
}
