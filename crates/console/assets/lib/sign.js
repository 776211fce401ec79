// Signature Version 4, as AWS describes it, in the browser. WebCrypto would do, but only where the page is secure or on
// localhost; a console on a machine of the house network is neither.

import { hmac } from '../vendor/noble-hashes/hmac.js';
import { sha256 } from '../vendor/noble-hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '../vendor/noble-hashes/utils.js';

const ALGORITHM = 'AWS4-HMAC-SHA256';

const hash = (text) => bytesToHex(sha256(typeof text === 'string' ? utf8ToBytes(text) : text));
const mac = (key, text) => hmac(sha256, key, utf8ToBytes(text));

/** Percent-encodes all but RFC 3986's unreserved characters. */
export const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

// One derived key a day, region, service and secret; deriving takes four hashes.
let derived = { scope: '', secret: '', key: null };

function signingKey(secret, [day, region, service]) {
  const scope = `${day}/${region}/${service}`;
  if (derived.scope !== scope || derived.secret !== secret) {
    const parts = [day, region, service, 'aws4_request'];
    derived = { scope, secret, key: parts.reduce(mac, utf8ToBytes(`AWS4${secret}`)) };
  }
  return derived.key;
}

function canonicalQuery(query) {
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => [encode(name), encode(value)]);
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  pairs.sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

/**
 * The headers that a request needs beside its own.
 *
 *     sign({ method, path, query, headers, body, service }, { accessKeyId, secretAccessKey, sessionToken, region }, date)
 *
 * `path` is as it is sent, `host` the one that the browser sends.
 */
export function sign({ method, host, path, query = '', headers = {}, body = '', service }, credentials, date) {
  const stamp = date.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const place = [stamp.slice(0, 8), credentials.region, service];
  const signed = { ...headers, host, 'x-amz-date': stamp };
  if (credentials.sessionToken) signed['x-amz-security-token'] = credentials.sessionToken;
  const names = Object.keys(signed).map((name) => name.toLowerCase()).sort();
  const values = Object.fromEntries(Object.entries(signed).map(([name, value]) => [name.toLowerCase(), value]));
  const canonical = [
    method,
    // S3 alone takes the path as it is sent.
    service === 's3' ? path : path.split('/').map(encode).join('/'),
    canonicalQuery(query),
    ...names.map((name) => `${name}:${String(values[name]).trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    hash(body),
  ].join('\n');
  const scope = [...place, 'aws4_request'].join('/');
  const toSign = [ALGORITHM, stamp, scope, hash(canonical)].join('\n');
  const signature = bytesToHex(mac(signingKey(credentials.secretAccessKey, place), toSign));
  // Browsers set the host themselves.
  const { host: _, ...sent } = signed;
  const credential = `${credentials.accessKeyId}/${scope}`;
  const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...sent, authorization };
}
