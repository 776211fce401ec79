// A graph from left to right: nodes in layers, edges between them. Nodes are whatever `children` draws; the layout only
// places them.
//
//     html`<${Graph} nodes=${[{ id: 'a' }, { id: 'b' }]} edges=${[{ from: 'a', to: 'b', label: '120/s', tone: 'bad' }]}
//       size=${{ width: 200, height: 84, gap: 92 }}>${(node) => html`<${Card} …/>`}</${Graph}>`

import { html } from './html.js';

const GAP = { x: 92, y: 14 };
/** Columns are centred in so much height, so that what a tall one makes of the graph does not push the others out of sight; a phone
 * shows them from the top. */
const SIGHT = () => (innerWidth > 760 ? 520 : 0);

/** Each node's layer: one behind the farthest of those before it. Edges that lead `back` do not count; other cycles end where they
 * would begin again. */
function layers(nodes, edges) {
  const before = new Map(nodes.map(({ id }) => [id, []]));
  edges.filter((edge) => !edge.back).forEach(({ from, to }) => before.get(to)?.push(from));
  const found = new Map();
  const visit = (id, path) => {
    if (found.has(id)) return found.get(id);
    if (path.has(id) || !before.has(id)) return -1;
    path.add(id);
    const layer = 1 + Math.max(-1, ...before.get(id).map((other) => visit(other, path)));
    path.delete(id);
    found.set(id, layer);
    return layer;
  };
  nodes.forEach(({ id, layer }) => (layer === undefined ? visit(id, new Set()) : found.set(id, layer)));
  return found;
}

/** Places: each layer in order of the mean place of what its nodes hang on, so that few edges cross. */
export function layout(nodes, edges, { width, height, gap = GAP.x }) {
  const layerOf = layers(nodes, edges);
  const columns = [];
  nodes.forEach((node) => (columns[Math.max(0, layerOf.get(node.id))] ??= []).push(node));
  const rows = new Map();
  const place = (column) => column.forEach((node, index) => rows.set(node.id, index - (column.length - 1) / 2));
  const filled = columns.filter(Boolean);
  filled.forEach(place);
  const sortBy = (column, neighbours) => {
    const mean = new Map(column.map((node) => {
      const near = neighbours(node.id).map((id) => rows.get(id)).filter((row) => row !== undefined);
      return [node.id, near.length ? near.reduce((sum, row) => sum + row, 0) / near.length : rows.get(node.id)];
    }));
    column.sort((a, b) => mean.get(a.id) - mean.get(b.id));
    place(column);
  };
  const sources = (id) => edges.filter((edge) => edge.to === id).map((edge) => edge.from);
  const targets = (id) => edges.filter((edge) => edge.from === id).map((edge) => edge.to);
  for (let round = 0; round < 4; round += 1) {
    filled.forEach((column) => sortBy(column, sources));
    [...filled].reverse().forEach((column) => sortBy(column, targets));
  }
  const tallest = Math.max(1, ...filled.map((column) => column.length));
  const whole = { width: filled.length * (width + gap) - gap, height: tallest * (height + GAP.y) - GAP.y };
  const places = new Map();
  filled.forEach((column, layer) => {
    const own = column.length * (height + GAP.y) - GAP.y;
    const middle = Math.min(whole.height, Math.max(own, SIGHT())) / 2;
    column.forEach((node) => places.set(node.id, { x: layer * (width + gap), y: middle + rows.get(node.id) * (height + GAP.y) - height / 2 }));
  });
  return { places, ...whole };
}

function Edge({ edge, places, size }) {
  const [from, to] = [places.get(edge.from), places.get(edge.to)];
  if (!from || !to) return null;
  // What leads back leaves on the left and comes in on the right, below the others.
  const [x1, y1] = edge.back ? [from.x, from.y + size.height * 0.8] : [from.x + size.width, from.y + size.height / 2];
  const [x2, y2] = edge.back ? [to.x + size.width, to.y + size.height * 0.8] : [to.x, to.y + size.height / 2];
  const way = edge.back ? -1 : 1;
  const bend = way * Math.max(30, Math.abs(x2 - x1) / 2);
  const classes = `edge ${edge.tone ?? ''} ${edge.moving ? 'moving' : ''}`;
  return html`<g class=${classes}>
    <path d=${`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - way * 5} ${y2}`} marker-end="url(#arrow)" />
    ${edge.title && html`<title>${edge.title}</title>`}
  </g>`;
}

function Label({ edge, places, size }) {
  const [from, to] = [places.get(edge.from), places.get(edge.to)];
  if (!from || !to || !edge.label || edge.back) return null;
  const x = (from.x + size.width + to.x) / 2;
  const y = (from.y + to.y + size.height) / 2;
  return html`<div class=${`edge-label ${edge.tone ?? ''}`} style=${{ left: `${x}px`, top: `${y}px` }} title=${edge.title ?? ''}>${edge.label}</div>`;
}

/** Draws a graph; it scrolls sideways where there is no room. */
export function Graph({ nodes, edges, size, children, label }) {
  const draw = Array.isArray(children) ? children[0] : children;
  const { places, width, height } = layout(nodes, edges, size);
  return html`<div class="graph-scroll" tabindex="0" role="group" aria-label=${label}>
    <div class="graph" style=${{ width: `${width}px`, height: `${height}px` }}>
      <svg width=${width} height=${height} aria-hidden="true">
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0.5 L7 4 L0 7.5 z" /></marker></defs>
        ${edges.map((edge) => html`<${Edge} key=${`${edge.from}>${edge.to}`} edge=${edge} places=${places} size=${size} />`)}
      </svg>
      ${edges.map((edge) => html`<${Label} key=${`${edge.from}>${edge.to}`} edge=${edge} places=${places} size=${size} />`)}
      ${nodes.map((node) => {
        const { x, y } = places.get(node.id);
        const style = { left: `${x}px`, top: `${y}px`, width: `${size.width}px`, height: `${size.height}px` };
        return html`<div class="graph-node" key=${node.id} style=${style}>${draw(node)}</div>`;
      })}
    </div>
  </div>`;
}
