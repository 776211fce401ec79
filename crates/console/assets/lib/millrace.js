// The server's own routes: what no API of AWS's tells.
//
//     await own('/_millrace/vitals')
//     for await (const event of lines('/_millrace/sql', { name, prelude, script }, signal)) …

import { refused, send } from './aws.js';

/** Asks a route. A body makes it a POST, unless `method` says otherwise. */
export async function own(path, { body, query = {}, method, signal } = {}) {
  const response = await request(path, { body, query, method, signal });
  const text = await response.text();
  if (!response.ok) throw refused(response, text, path);
  return text ? JSON.parse(text) : {};
}

/** The events of a route that answers lines of JSON, as they come. Ends early when `signal` is aborted. */
export async function* lines(path, body, signal) {
  const response = await request(path, { body, signal });
  if (!response.ok) throw refused(response, await response.text(), path);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    for (const line of parts) if (line) yield JSON.parse(line);
  }
  if (rest) yield JSON.parse(rest);
}

function request(path, { body, query = {}, method = body ? 'POST' : 'GET', signal }) {
  return send({
    service: 'millrace',
    method,
    path,
    query: new URLSearchParams(query).toString(),
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
    signal,
  });
}
