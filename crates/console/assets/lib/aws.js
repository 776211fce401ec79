// AWS's APIs, as the server answers them: signed here, in whichever protocol the service takes.
//
//     await aws('kinesis', 'ListStreams', { Limit: 10 })          → the output, as the SDKs have it
//     await all('kinesis', 'ListShards', { StreamName }, 'Shards') → every page's items
//
// Blobs are base64 and times seconds since 1970, as they are on the wire. A refusal is thrown as an `AwsError`.

import { encode, sign } from './sign.js';
import { serverNow, session } from './session.js';

// JSON: the target's prefix, the protocol's version, and what the signature is for when it is not the service's name.
const JSON_SERVICES = {
  kinesis: ['Kinesis_20131202', '1.1'],
  firehose: ['Firehose_20150804', '1.1'],
  glue: ['AWSGlue', '1.1'],
  kms: ['TrentService', '1.1'],
  logs: ['Logs_20140328', '1.1'],
  sqs: ['AmazonSQS', '1.0'],
  kinesisanalyticsv2: ['KinesisAnalytics_20180523', '1.1', 'kinesisanalytics'],
  cloudwatch: ['GraniteServiceVersion20100801', '1.0', 'monitoring'],
};

// Forms, answered in XML.
const QUERY_SERVICES = { iam: '2010-05-08', sts: '2011-06-15', sns: '2010-03-31' };

// Lambda's paths. A name in braces is taken from the input; what is left of it is the query of a GET or DELETE, else the body.
const LAMBDA = {
  ListFunctions: 'GET /2015-03-31/functions',
  GetFunction: 'GET /2015-03-31/functions/{FunctionName}',
  GetFunctionConfiguration: 'GET /2015-03-31/functions/{FunctionName}/configuration',
  GetFunctionConcurrency: 'GET /2019-09-30/functions/{FunctionName}/concurrency',
  UpdateFunctionConfiguration: 'PUT /2015-03-31/functions/{FunctionName}/configuration',
  Invoke: 'POST /2015-03-31/functions/{FunctionName}/invocations',
  ListVersionsByFunction: 'GET /2015-03-31/functions/{FunctionName}/versions',
  ListAliases: 'GET /2015-03-31/functions/{FunctionName}/aliases',
  ListEventSourceMappings: 'GET /2015-03-31/event-source-mappings',
  GetEventSourceMapping: 'GET /2015-03-31/event-source-mappings/{UUID}',
  UpdateEventSourceMapping: 'PUT /2015-03-31/event-source-mappings/{UUID}',
};

/** A refusal: AWS's code, its message, the HTTP status, and what was asked for. */
export class AwsError extends Error {
  constructor(code, message, status, asked) {
    super(message || code);
    this.name = code;
    this.code = code;
    this.status = status;
    this.asked = asked;
  }

  /** Whether the key may not do what it asked for. */
  get isDenied() {
    return /AccessDenied|NotAuthorized|UnauthorizedOperation/.test(this.code) || this.message.includes('not authorized');
  }
}

/** Sends a signed request and gives the response, whatever its status is. `service` is the one that it is signed for. */
export async function send({ service, method = 'POST', path = '/', query = '', headers = {}, body, signal }) {
  const { credentials } = session();
  if (!credentials) throw new AwsError('SignedOut', 'Nobody is signed in: sign in with an access key.', 0, path);
  const signed = sign(
    { method, host: location.host, path, query, headers, body, service }, credentials, new Date(serverNow()),
  );
  try {
    return await fetch(query ? `${path}?${query}` : path, { method, headers: signed, body, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new AwsError('Unreachable', 'The server does not answer: is it running?', 0, path);
  }
}

/** Calls an operation of a service. */
export async function aws(service, operation, input = {}, { signal } = {}) {
  const asked = `${service}:${operation}`;
  const [request, read] = protocolOf(service)(service, operation, input);
  const response = await send({ ...request, signal });
  const text = await response.text();
  if (!response.ok) throw refused(response, text, asked);
  return read(text, response);
}

function protocolOf(service) {
  if (JSON_SERVICES[service]) return jsonRequest;
  if (QUERY_SERVICES[service]) return queryRequest;
  if (service === 'lambda') return lambdaRequest;
  throw new Error(`lib/aws.js knows no service ${service}: add it to one of its tables`);
}

function jsonRequest(service, operation, input) {
  const [prefix, version, signedFor = service] = JSON_SERVICES[service];
  const headers = { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': `${prefix}.${operation}` };
  return [{ service: signedFor, headers, body: JSON.stringify(input) }, parsed];
}

function lambdaRequest(_, operation, input) {
  const route = LAMBDA[operation];
  if (!route) throw new Error(`lib/aws.js knows no path of lambda's ${operation}: add it to LAMBDA`);
  const [method, pattern] = route.split(' ');
  const rest = { ...input };
  const path = pattern.replace(/\{(\w+)\}/g, (_, name) => {
    const value = rest[name];
    delete rest[name];
    return encode(String(value));
  });
  if (method === 'GET' || method === 'DELETE') {
    return [{ service: 'lambda', method, path, query: new URLSearchParams(rest).toString() }, parsed];
  }
  if (operation !== 'Invoke') {
    return [{ service: 'lambda', method, path, headers: { 'content-type': 'application/json' }, body: JSON.stringify(rest) }, parsed];
  }
  const { Payload = '', InvocationType, LogType } = rest;
  const headers = {};
  if (InvocationType) headers['x-amz-invocation-type'] = InvocationType;
  if (LogType) headers['x-amz-log-type'] = LogType;
  const read = (text, response) => ({
    StatusCode: response.status,
    FunctionError: response.headers.get('x-amz-function-error') ?? undefined,
    LogResult: response.headers.get('x-amz-log-result') ?? undefined,
    Payload: text,
  });
  return [{ service: 'lambda', method, path, headers, body: Payload }, read];
}

function queryRequest(service, operation, input) {
  const form = new URLSearchParams({ Action: operation, Version: QUERY_SERVICES[service] });
  flatten(input, '', form);
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  const read = (text) => {
    const answer = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    const result = [...answer.children].find((child) => child.tagName === `${operation}Result`);
    return result ? fromXml(result) : {};
  };
  return [{ service, headers, body: form.toString() }, read];
}

function flatten(value, prefix, form) {
  if (value === undefined || value === null) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => flatten(item, `${prefix}.member.${index + 1}`, form));
  } else if (typeof value === 'object') {
    Object.entries(value).forEach(([name, item]) => flatten(item, prefix ? `${prefix}.${name}` : name, form));
  } else {
    form.set(prefix, String(value));
  }
}

/** An element as an object: lists are arrays of their `member`s, maps objects, everything else a text. */
function fromXml(element) {
  const children = [...element.children];
  if (children.length === 0) return element.textContent;
  if (children.every((child) => child.tagName === 'member')) return children.map(fromXml);
  if (children.every((child) => child.tagName === 'entry')) {
    return Object.fromEntries(children.map((entry) => [entry.children[0].textContent, fromXml(entry.children[1])]));
  }
  return Object.fromEntries(children.map((child) => [child.tagName, fromXml(child)]));
}

function parsed(text) {
  return text ? JSON.parse(text) : {};
}

/** The error in a response's body, whichever protocol it is in. */
export function refused(response, text, asked) {
  let code = response.headers.get('x-amzn-errortype') ?? '';
  let message = text;
  try {
    const body = JSON.parse(text);
    const error = body.error;
    code = code || body.__type || error?.type || '';
    message = body.message ?? body.Message ?? error?.reason ?? text;
  } catch {
    const xml = /<Code>([^<]*)<\/Code>[\s\S]*?<Message>([^<]*)<\/Message>/.exec(text);
    if (xml) [, code, message] = xml;
  }
  code = code.split('#').pop().split(':')[0] || `HTTP ${response.status}`;
  return new AwsError(code, message, response.status, asked);
}

/** The items of all pages of a listing; `limit` ends it earlier. Tokens go by the names that AWS gives them. */
export async function all(service, operation, input, items, { signal, limit = 1000 } = {}) {
  const found = [];
  let page = input;
  for (;;) {
    const answer = await aws(service, operation, page, { signal });
    found.push(...(answer[items] ?? []));
    const next = nextPage(service, operation, input, answer, items);
    if (!next || found.length >= limit) return found.slice(0, limit);
    page = next;
  }
}

function nextPage(service, operation, input, answer, items) {
  if (service === 'lambda') return answer.NextMarker && { ...input, Marker: answer.NextMarker };
  if (service === 'firehose') {
    const last = answer[items]?.at(-1);
    return answer.HasMoreDeliveryStreams && last && { ...input, ExclusiveStartDeliveryStreamName: last };
  }
  // ListShards refuses the stream's name beside a token.
  if (operation === 'ListShards') return answer.NextToken && { NextToken: answer.NextToken };
  if (service === 'logs') return answer.nextToken && { ...input, nextToken: answer.nextToken };
  if (service === 'iam') return answer.IsTruncated === 'true' && { ...input, Marker: answer.Marker };
  return answer.NextToken && { ...input, NextToken: answer.NextToken };
}
