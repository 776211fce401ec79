// Lines over time, by uPlot.
//
//     html`<${Chart} height=${160} format=${rate} lines=${[
//       { label: 'in', series: series.in, color: '--line-1', gaps: 0 },
//     ]} start=${start} end=${end} limits=${[{ value: 5, label: 'threshold' }]} />`
//
// `gaps`: what a second without a value counts; leave it out and the line breaks off there. Figures appear under the pointer,
// the last ones in the legend otherwise.

import uPlot from '../vendor/uplot/uPlot.esm.js';
import { count } from './format.js';
import { html, useEffect, useRef } from './html.js';
import { color, useDark } from './theme.js';

export const LINES = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];
const AXIS_FONT = '11px system-ui, sans-serif';

/** All lines over one list of times. */
function aligned(lines, start, end, period) {
  const times = new Set();
  lines.forEach(({ series }) => series?.times.forEach((time) => times.add(time)));
  if (lines.some((line) => line.gaps !== undefined)) {
    for (let time = start; time < end; time += period) times.add(time);
  }
  const axis = [...times].filter((time) => time >= start && time < end).sort((a, b) => a - b);
  const places = new Map(axis.map((time, index) => [time, index]));
  const columns = lines.map(({ series, gaps }) => {
    const column = new Array(axis.length).fill(gaps ?? null);
    series?.times.forEach((time, index) => {
      const place = places.get(time);
      if (place !== undefined) column[place] = series.values[index];
    });
    return column;
  });
  return [axis, ...columns];
}

function drawLimits(limits) {
  return (plot) => {
    const { ctx, bbox } = plot;
    for (const { value, tone = '--bad' } of limits.current ?? []) {
      const y = plot.valToPos(value, 'y', true);
      if (!(y >= bbox.top && y <= bbox.top + bbox.height)) continue;
      ctx.save();
      ctx.strokeStyle = color(tone);
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  };
}

function options({ width, height, lines, format, limits, fill, min }) {
  const [grid, text] = [color('--rule'), color('--faint')];
  const axis = { stroke: text, font: AXIS_FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  const bounds = (_, low, high) => {
    const all = (limits.current ?? []).map((limit) => limit.value).concat(high ?? 0);
    const top = Math.max(...all, 0);
    const bottom = min ?? Math.min(0, low ?? 0);
    return [bottom, top <= bottom ? bottom + 1 : bottom + (top - bottom) * 1.08];
  };
  return {
    width,
    height,
    cursor: { points: { size: 6 }, drag: { x: false, y: false }, sync: { key: 'millrace' } },
    legend: { live: true, markers: { width: 2 } },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true }, y: { range: bounds } },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, splits) => splits.map((time) => clockOf(time, splits)) },
      { ...axis, size: 58, space: 28, values: (_, splits) => splits.map(format) },
    ],
    series: [
      { value: (_, time) => (time ? new Date(time * 1000).toLocaleTimeString('en-GB') : 'now') },
      ...lines.map((line, index) => {
        const stroke = color(line.color ?? LINES[index % LINES.length]);
        return {
          label: line.label,
          stroke,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          fill: fill && index === 0 ? stroke.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.12)') : undefined,
          value: (plot, value) => {
            // Without a pointer the last figures stand there.
            const shown = value ?? (plot.cursor.idx == null ? plot.data[index + 1]?.findLast((each) => each !== null) : null);
            return shown == null ? '–' : format(shown);
          },
        };
      }),
    ],
    hooks: { draw: [drawLimits(limits)] },
  };
}

function clockOf(time, splits) {
  const text = new Date(time * 1000).toLocaleTimeString('en-GB');
  return splits.length > 1 && splits[1] - splits[0] < 60 ? text : text.slice(0, 5);
}

/** Lines over time. Its width is its place's. */
export function Chart({ lines, start, end, period = 1, height = 140, format = count, limits = [], fill = true, min, label }) {
  const [place, plot, shownLimits] = [useRef(), useRef(), useRef()];
  const dark = useDark();
  shownLimits.current = limits;
  const shape = lines.map((line) => `${line.label}${line.color ?? ''}`).join('|');
  useEffect(() => {
    const width = () => Math.max(160, place.current?.clientWidth ?? 160);
    plot.current = new uPlot(
      options({ width: width(), height, lines, format, limits: shownLimits, fill, min }), [[], ...lines.map(() => [])], place.current,
    );
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: width(), height }));
    sizes.observe(place.current);
    return () => {
      sizes.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape, height, dark, min]);
  useEffect(() => {
    if (!plot.current || !end) return;
    plot.current.setData(aligned(lines, start, end, period), false);
    plot.current.setScale('x', { min: start, max: end });
  });
  return html`<div class="chart" ref=${place} role="img" aria-label=${label ?? `Chart: ${lines.map((line) => line.label).join(', ')}`} />`;
}

/** A small line without axes, for tables and tiles. */
export function Spark({ series, start, end, gaps = 0, width = 96, height = 22, tone = '--line-1', limit, period = 1 }) {
  const [times, values] = aligned([{ series, gaps }], start ?? 0, end ?? 0, period);
  const known = values?.filter((value) => value !== null) ?? [];
  if (known.length === 0) return html`<svg class="spark" width=${width} height=${height} aria-hidden="true" />`;
  const top = Math.max(...known, limit ?? 0) || 1;
  const x = (time) => ((time - start) / Math.max(1, end - start)) * width;
  const y = (value) => height - 1.5 - (Math.max(0, value) / top) * (height - 3);
  let path = '';
  let pen = 'M';
  times.forEach((time, index) => {
    if (values[index] === null) pen = 'M';
    else [path, pen] = [`${path}${pen}${x(time).toFixed(1)} ${y(values[index]).toFixed(1)}`, 'L'];
  });
  return html`<svg class="spark" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
    ${limit !== undefined && html`<line class="spark-limit" x1="0" x2=${width} y1=${y(limit)} y2=${y(limit)} />`}
    <path d=${path} class="spark-line" style=${{ stroke: `var(${tone})` }} />
  </svg>`;
}
