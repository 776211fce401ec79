// CloudWatch's dashboard bodies: widgets on a grid of 24 columns, metrics as rows in which "." and "..." repeat the row before.
//
// A panel of the index is a `custom` widget of AWS's shape whose endpoint is `millrace:search`.

export const COLUMNS = 24;
export const SEARCH = 'millrace:search';

export const SPANS = [['300', '5 minutes'], ['900', '15 minutes'], ['3600', '1 hour'], ['10800', '3 hours'], ['86400', '1 day']];

/** "-PT3H" → 10800. */
export function secondsOf(start) {
  const found = /^-P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(start ?? '');
  if (!found) return undefined;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds || undefined;
}

/** A row with what it repeats written out: `{ names, options }`. */
function expanded(row, before) {
  const options = typeof row.at(-1) === 'object' ? row.at(-1) : {};
  const names = [];
  row.filter((part) => typeof part === 'string').forEach((part, index, parts) => {
    if (part === '...') names.push(...before.slice(0, before.length - (parts.length - index - 1)));
    else names.push(part === '.' ? before[names.length] : part);
  });
  return { names, options };
}

/** What GetMetricData is asked for a metric widget, and the lines that are drawn: `{ specs, lines }`. */
export function metricsOf(properties) {
  const [specs, lines] = [{}, []];
  let before = [];
  (properties.metrics ?? []).forEach((row, index) => {
    const { names, options } = expanded(row, before);
    if (names.length) before = names;
    const id = options.id ?? `r${index}`;
    const period = options.period ?? properties.period;
    if (options.expression) specs[id] = { expression: options.expression, period };
    else {
      const [Namespace, MetricName, ...dimensions] = names;
      const Dimensions = [];
      for (let at = 0; at < dimensions.length; at += 2) Dimensions.push({ Name: dimensions[at], Value: dimensions[at + 1] });
      specs[id] = { metric: { Namespace, MetricName, Dimensions }, stat: options.stat ?? properties.stat ?? 'Average', period };
    }
    const label = options.label ?? options.expression ?? [names[1], ...names.slice(2).filter((_, at) => at % 2)].join(' ');
    if (options.visible !== false) lines.push({ id, label });
  });
  return { specs, lines };
}

/** Where the next panel goes: below all others. */
export const bottomOf = (widgets) => Math.max(0, ...widgets.map((widget) => (widget.y ?? 0) + (widget.height ?? 6)));

export function titleOf(widget) {
  const { properties, type } = widget;
  if (properties.title) return properties.title;
  if (type === 'custom') return properties.params?.query || properties.params?.index;
  return { metric: 'Metrics', alarm: 'Alarms', text: 'Text' }[type] ?? type;
}
