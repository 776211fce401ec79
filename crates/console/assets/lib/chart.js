// Lines over time, by uPlot.
//
//     html`<${Chart} height=${160} format=${rate} lines=${[
//       { label: 'in', series: series.in, color: '--line-1', gaps: 0 },
//     ]} start=${start} end=${end} limits=${[{ value: 5, label: 'threshold' }]} />`
//
// `gaps`: what a second without a value counts; leave it out and the line breaks off there. The legend has the figures under the
// pointer, else the last ones.

import uPlot from '../vendor/uplot/uPlot.esm.js';
import { bytes, count } from './format.js';
import { html, useEffect, useRef, useState } from './html.js';
import { color, useDark } from './theme.js';

export const LINES = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];
const AXIS_FONT = '11px system-ui, sans-serif';
/** Steps of an axis of bytes. */
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** All lines over one list of times. */
function aligned(lines, start, end, period) {
  const times = new Set();
  lines.forEach(({ series }) => series?.times.forEach((time) => times.add(time)));
  if (lines.some((line) => line.gaps !== undefined)) {
    for (let time = Math.ceil(start / period) * period; time < end; time += period) times.add(time);
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

function options({ width, height, lines, format, limits, fill, min, onPointer }) {
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
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true }, y: { range: bounds } },
    axes: [
      { ...axis, size: 24, space: 70, values: (_, splits) => splits.map((time) => clockOf(time, splits)) },
      { ...axis, size: 58, space: 28, values: (_, splits) => splits.map(format), ...(format === bytes ? { incrs: POWERS } : {}) },
    ],
    series: [
      {},
      ...lines.map((line, index) => {
        const stroke = color(line.color ?? LINES[index % LINES.length]);
        return {
          label: line.label,
          stroke,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          fill: fill && index === 0 ? stroke.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.12)') : undefined,
        };
      }),
    ],
    hooks: { draw: [drawLimits(limits)], setCursor: [(plot) => onPointer(plot.cursor.idx ?? null)] },
  };
}

function clockOf(time, splits) {
  const text = new Date(time * 1000).toLocaleTimeString('en-GB');
  return splits.length > 1 && splits[1] - splits[0] < 60 ? text : text.slice(0, 5);
}

/** What each line says under the pointer, or at its end. */
function Legend({ lines, data, at, format, limits }) {
  const time = at === null ? null : data[0]?.[at];
  const shown = (index) => {
    const column = data[index + 1] ?? [];
    const value = at === null ? column.findLast((each) => each !== null) : column[at];
    return value === null || value === undefined ? '–' : format(value);
  };
  return html`<div class="legend">
    ${lines.map((line, index) => html`<span key=${line.label} class="legend-line">
      <i style=${{ background: `var(${line.color ?? LINES[index % LINES.length]})` }} />${line.label} <b>${shown(index)}</b></span>`)}
    ${limits.filter((limit) => limit.label).map((limit) => html`<span key=${limit.label} class="legend-line"><i class="dashed" />${limit.label} <b>${format(limit.value)}</b></span>`)}
    ${time && html`<span class="faint">${new Date(time * 1000).toLocaleTimeString('en-GB')}</span>`}
  </div>`;
}

/** Lines over time. Its width is its place's. */
export function Chart({ lines, start, end, period = 1, height = 140, format = count, limits = [], fill = true, min, label }) {
  const [place, plot, shownLimits] = [useRef(), useRef(), useRef()];
  const [at, setAt] = useState(null);
  const dark = useDark();
  shownLimits.current = limits;
  const shape = lines.map((line) => `${line.label}${line.color ?? ''}`).join('|');
  const data = end ? aligned(lines, start, end, period) : [[]];
  useEffect(() => {
    const width = () => Math.max(160, place.current?.clientWidth ?? 160);
    plot.current = new uPlot(
      options({ width: width(), height, lines, format, limits: shownLimits, fill, min, onPointer: setAt }), [[], ...lines.map(() => [])], place.current,
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
    plot.current.setData(data, false);
    plot.current.setScale('x', { min: start, max: end });
  }, [end, start, shape, height, dark, data[0].length, lines.map((line) => line.series?.values.length).join()]);
  return html`<div class="chart" role="group" aria-label=${label ?? `Chart: ${lines.map((line) => line.label).join(', ')}`}>
    <div ref=${place} />
    <${Legend} lines=${lines} data=${data} at=${at} format=${format} limits=${limits} />
  </div>`;
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
