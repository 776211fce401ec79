// The lake's objects, by S3's own API.
//
//     await listObjects('lake', { prefix: 'orders/', delimiter: '/' })  → { folders: ['orders/2026/'], objects: [{ key, size, at }], more }
//     await getObject('lake', key, { bytes: 65536 })                    → a Response; `bytes` asks for the beginning alone

import { refused, send } from './aws.js';
import { encode } from './sign.js';

/** SHA-256 of nothing: S3 wants a body's hash in a header, and these have none. */
const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const PAGE = 1000;

async function get(path, query, headers, signal) {
  const response = await send({
    service: 's3', method: 'GET', path, query: new URLSearchParams(query).toString(), headers: { ...headers, 'x-amz-content-sha256': NOTHING }, signal,
  });
  if (!response.ok) throw refused(response, await response.text(), `s3:GET ${path}`);
  return response;
}

const text = (element, name) => element.getElementsByTagName(name)[0]?.textContent;

/** What lies below a prefix, at most `limit` objects and folders; with a delimiter, one level of it. */
export async function listObjects(bucket, { prefix = '', delimiter = '', limit = PAGE, signal } = {}) {
  const found = { folders: [], objects: [], more: false };
  let token;
  do {
    const query = { 'list-type': '2', prefix, 'max-keys': String(PAGE), ...(delimiter && { delimiter }), ...(token && { 'continuation-token': token }) };
    const response = await get(`/${bucket}`, query, {}, signal);
    const answer = new DOMParser().parseFromString(await response.text(), 'text/xml').documentElement;
    found.objects.push(...[...answer.getElementsByTagName('Contents')].map((object) => ({
      key: text(object, 'Key'), size: Number(text(object, 'Size')), at: Date.parse(text(object, 'LastModified')), etag: text(object, 'ETag'),
    })));
    found.folders.push(...[...answer.getElementsByTagName('CommonPrefixes')].map((folder) => text(folder, 'Prefix')));
    token = text(answer, 'NextContinuationToken');
    found.more = Boolean(token);
  } while (token && found.objects.length + found.folders.length < limit);
  return found;
}

/** An object, or its first bytes. */
export function getObject(bucket, key, { bytes, signal } = {}) {
  return get(`/${bucket}/${key.split('/').map(encode).join('/')}`, {}, bytes ? { range: `bytes=0-${bytes - 1}` } : {}, signal);
}

/** An object's text; unpacked when it is gzip. */
export async function getText(bucket, key, options) {
  const response = await getObject(bucket, key, options);
  if (!key.endsWith('.gz')) return response.text();
  return new Response(response.body.pipeThrough(new DecompressionStream('gzip'))).text();
}
