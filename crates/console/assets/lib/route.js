// Views by what is behind the hash: `#/streams/orders?tab=records` is `{ path: ['streams', 'orders'], query: { tab: 'records' } }`.

import { useEffect, useState } from './html.js';

export function route() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return {
    path: path.split('/').filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a view: `href('streams', name, { tab: 'records' })`. */
export function href(...parts) {
  const query = typeof parts.at(-1) === 'object' ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== null);
  const search = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${search ? `?${search}` : ''}`;
}

export function go(...parts) {
  location.hash = href(...parts);
}

/** Changes the query of this view, without a step of the browser's history. */
export function setQuery(changes) {
  const { path, query } = route();
  history.replaceState(null, '', href(...path, { ...query, ...changes }));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

export function useRoute() {
  const [now, setNow] = useState(route);
  useEffect(() => {
    const changed = () => setNow(route());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return now;
}
