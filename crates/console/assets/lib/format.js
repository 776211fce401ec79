// Figures, times and names as people read them. A figure that is not known is an en dash.

const UNKNOWN = '–';
const known = (value) => value !== undefined && value !== null && Number.isFinite(value);

/** 1234567 → "1.23 M"; small ones with as many digits as they deserve. */
export function count(value) {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (size >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** "1 row", "12.3 k rows". */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** A figure in full: "1,234,567". */
export const whole = (value) => (known(value) ? Math.round(value).toLocaleString('en-US') : UNKNOWN);

export const rate = (value) => (known(value) ? `${count(Math.abs(value) >= 10 ? Math.round(value) : value)}/s` : UNKNOWN);

export const percent = (share, digits = 1) => (known(share) ? `${(share * 100).toFixed(digits)} %` : UNKNOWN);

/** 1536 → "1.5 KB". */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Two units, of which the smaller is left out when there is none of it. */
const parts = (great, unit, small, lesser) => (small ? `${great} ${unit} ${small} ${lesser}` : `${great} ${unit}`);

/** How long something takes: 0.4 → "0.4 ms", 90000 → "1 m 30 s". */
export function duration(ms) {
  if (!known(ms)) return UNKNOWN;
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return parts(Math.floor(ms / 60_000), 'm', Math.floor(ms / 1000) % 60, 's');
  if (ms < 86_400_000) return parts(Math.floor(ms / 3_600_000), 'h', Math.floor(ms / 60_000) % 60, 'm');
  return parts(Math.floor(ms / 86_400_000), 'd', Math.floor(ms / 3_600_000) % 24, 'h');
}

const moment = (value) => (typeof value === 'number' && value < 1e11 ? new Date(value * 1000) : new Date(value));

/** "14:03:59.120", of milliseconds, of AWS's seconds, or of a text. */
export function clock(value, { millis = false } = {}) {
  const date = moment(value);
  if (value === undefined || value === null || Number.isNaN(date.getTime())) return UNKNOWN;
  const time = date.toLocaleTimeString('en-GB', { hour12: false });
  return millis ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** "2026-11-21 14:03:59", in this browser's time zone. */
export function dateTime(value) {
  const date = moment(value);
  if (value === undefined || value === null || Number.isNaN(date.getTime())) return UNKNOWN;
  return `${date.toLocaleDateString('sv-SE')} ${clock(value)}`;
}

/** "12 s ago". */
export function ago(value, now = Date.now()) {
  const date = moment(value);
  if (value === undefined || value === null || Number.isNaN(date.getTime())) return UNKNOWN;
  const passed = now - date.getTime();
  return passed < 1000 ? 'now' : `${duration(passed)} ago`;
}

/** What people call the thing behind an ARN or path: its last part, or the stream or function of which it names a consumer or a version. */
export const nameOf = (arn) => /:(?:stream\/|function:)([^/:]+)/.exec(arn ?? '')?.[1] ?? (arn ?? '').split(/[:/]/).pop();

/** Text of base64. */
export function fromBase64(text) {
  const binary = atob(text);
  return new TextDecoder().decode(Uint8Array.from(binary, (letter) => letter.charCodeAt(0)));
}

export function toBase64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
}

/** JSON with line breaks, if the text is JSON; else the text. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
