// OpenSearch's API, on this port below `/_millrace/search`: signed for `es`, as Amazon's domains want it.
//
//     await search('GET', '/_cat/indices', { query: { format: 'json' } })
//     await search('POST', '/orders-*/_search', { body: { size: 20, query: { match_all: {} } } })

import { refused, send } from './aws.js';
import { encode } from './sign.js';

const MOUNT = '/_millrace/search';

/** Sends a request; gives the answer's JSON. */
export async function search(method, path, { query = {}, body, signal } = {}) {
  const response = await send({
    service: 'es',
    method,
    path: MOUNT + path.split('/').map((part) => encode(decodeURIComponent(part))).join('/'),
    query: new URLSearchParams(query).toString(),
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
    signal,
  });
  const text = await response.text();
  if (!response.ok) throw refused(response, text, `${method} ${path}`);
  return text ? JSON.parse(text) : {};
}

/** The indices, by name: `[{ index, health, 'docs.count', 'store.size' }]`. */
export const indices = (options) => search('GET', '/_cat/indices', { query: { format: 'json', bytes: 'b' }, ...options });
