// What is there and what reads what: the pipeline as nodes and edges.
//
// Nodes are streams, functions, applications, delivery streams, queues, buckets and indices; `id` is `KIND:NAME`. Edges say how
// they are known: `reads` (a reader of a stream or queue), `writes` (what it is configured to write), `fails` (where goes what
// it gives up), `may` (its role lets it write there; functions do not say where they write).

import { all, aws } from './aws.js';
import { nameOf } from './format.js';
import { own } from './millrace.js';
import { indices } from './search.js';

/** Where each kind's view is. */
export const PLACES = {
  stream: 'streams', function: 'functions', application: 'jobs', delivery: 'delivery', queue: 'dlq', bucket: 'delivery', index: 'search',
};

export const idOf = (kind, name) => `${kind}:${name}`;

/** The kind and name behind an ARN, as far as it is a stage's. */
export function ofArn(arn) {
  const [, , service, , , ...rest] = arn.split(':');
  const resource = rest.join(':');
  if (service === 'kinesis') return idOf('stream', resource.replace(/^stream\//, '').split('/')[0]);
  if (service === 'lambda') return idOf('function', rest[1]);
  if (service === 'firehose') return idOf('delivery', nameOf(resource));
  if (service === 'sqs') return idOf('queue', resource);
  if (service === 's3') return idOf('bucket', resource.split('/')[0]);
  if (service === 'es') return idOf('index', resource.split('/').slice(2).join('/') || '*');
  return null;
}

/** What may be refused to somebody leaves its part of the picture out; the refusals are told beside it. */
async function allowed(promise, fallback, refusals) {
  try {
    return await promise;
  } catch (error) {
    if (!error.isDenied && !/Unsupported|UnknownOperation|HTTP 404/.test(error.code)) throw error;
    refusals.push(error);
    return fallback;
  }
}

/** Asks for everything. `known` holds what does not change while it is there, by name. */
export async function topology(signal, known) {
  const options = { signal };
  const refusals = [];
  const ask = (promise, fallback = []) => allowed(promise, fallback, refusals);
  const [streams, mappings, deliveries, jobs, queues, functions, documents] = await Promise.all([
    ask(all('kinesis', 'ListStreams', {}, 'StreamSummaries', options)),
    ask(all('lambda', 'ListEventSourceMappings', {}, 'EventSourceMappings', options)),
    ask(all('firehose', 'ListDeliveryStreams', {}, 'DeliveryStreamNames', options)),
    ask(own('/_millrace/jobs', options), { applications: [] }),
    ask(all('sqs', 'ListQueues', {}, 'QueueUrls', options)),
    ask(all('lambda', 'ListFunctions', {}, 'Functions', options)),
    ask(indices(options), null),
  ]);
  const described = await Promise.all(deliveries.map((name) => ask(
    aws('firehose', 'DescribeDeliveryStream', { DeliveryStreamName: name }, options), null)));
  const found = new Found();
  streams.forEach((stream) => found.node('stream', stream.StreamName, { state: stream.StreamStatus }));
  described.filter(Boolean).forEach(({ DeliveryStreamDescription }) => addDelivery(found, DeliveryStreamDescription));
  jobs.applications.forEach((application) => addApplication(found, application, rates(known, application)));
  mappings.forEach((mapping) => addMapping(found, mapping));
  const roles = new Map(functions.map((each) => [each.FunctionName, each.Role]));
  await Promise.all([...found.nodes.values()].filter((node) => node.kind === 'function').map(async (node) => {
    const role = roles.get(node.name);
    if (!role) return;
    known.grants ??= new Map();
    if (!known.grants.has(role)) known.grants.set(role, await ask(grants(role, options)));
    known.grants.get(role).forEach((target) => found.may(node.id, target));
  }));
  const picture = found.finish(queues);
  picture.nodes.filter((node) => node.kind === 'index').forEach((node) => { node.documents = documentsOf(node.name, documents); });
  return { ...picture, mappings, refusals };
}

/** How many documents the indices of a name or pattern hold. */
function documentsOf(name, documents) {
  if (!documents) return undefined;
  const mine = documents.filter((each) => isLike(name, each.index));
  return mine.reduce((sum, each) => sum + Number(each['docs.count']), 0);
}

const isLike = (pattern, name) =>
  new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.?+^$(){}|[\]\\]/g, '\\$&')).join('.*')}$`).test(name);

/** Rows a second of an application's operators since the last look, by job and place in the plan. */
function rates(known, { name, jobs }) {
  known.rows ??= new Map();
  const now = Date.now();
  const found = new Map();
  jobs.forEach((job, nth) => job.plan.forEach(({ rows_out: rows }, place) => {
    const key = `${name}/${nth}/${place}`;
    const before = known.rows.get(key);
    if (before && now > before.at) found.set(`${nth}/${place}`, Math.max(0, rows - before.rows) / ((now - before.at) / 1000));
    known.rows.set(key, { rows, at: now });
  }));
  return found;
}

class Found {
  constructor() {
    this.nodes = new Map();
    this.edges = new Map();
    this.maybe = [];
  }

  node(kind, name, more = {}) {
    const id = idOf(kind, name);
    this.nodes.set(id, { id, kind, name, ...this.nodes.get(id), ...more });
    return id;
  }

  edge(from, to, kind, more = {}) {
    const key = `${from}>${to}`;
    if (from && to && from !== to && !this.edges.has(key)) this.edges.set(key, { from, to, kind, ...more });
  }

  may(from, pattern) {
    this.maybe.push([from, pattern]);
  }

  /** A target by its id, which is there from then on. */
  target(id) {
    if (!id) return null;
    const at = id.indexOf(':');
    return this.node(id.slice(0, at), id.slice(at + 1));
  }

  finish(queueUrls) {
    const queues = queueUrls.map(nameOf);
    for (const [from, pattern] of this.maybe) {
      const [kind, name] = [pattern.slice(0, pattern.indexOf(':')), pattern.slice(pattern.indexOf(':') + 1)];
      // An index comes with its first document: what a role names is all that is known of it.
      if (kind === 'index') this.edge(from, this.node('index', name), 'may');
      const named = kind === 'queue' ? queues : [...this.nodes.values()].filter((node) => node.kind === kind).map((node) => node.name);
      if (kind !== 'index') named.filter((each) => isLike(name, each)).forEach((each) => this.edge(from, this.node(kind, each), 'may'));
    }
    // A stage's own source is no target of it, even if its role may write there.
    const reads = new Set([...this.edges.values()].filter((edge) => edge.kind === 'reads').map((edge) => `${edge.to}>${edge.from}`));
    const edges = [...this.edges.values()].filter((edge) => edge.kind !== 'may' || !reads.has(`${edge.from}>${edge.to}`));
    // An application may read what it writes: that way leads back, and pushes nothing to the right.
    const writes = new Set(edges.filter((edge) => edge.kind === 'writes').map((edge) => `${edge.to}>${edge.from}`));
    edges.forEach((edge) => { edge.back = edge.kind === 'reads' && writes.has(`${edge.from}>${edge.to}`); });
    return { nodes: [...this.nodes.values()], edges };
  }
}

function addDelivery(found, description) {
  const id = found.node('delivery', description.DeliveryStreamName, { state: description.DeliveryStreamStatus });
  const source = description.Source?.KinesisStreamSourceDescription?.KinesisStreamARN;
  if (source) found.edge(found.target(ofArn(source)), id, 'reads');
  for (const destination of description.Destinations ?? []) {
    const s3 = destination.ExtendedS3DestinationDescription ?? destination.S3DestinationDescription;
    const index = destination.AmazonopensearchserviceDestinationDescription ?? destination.AmazonOpenSearchServerlessDestinationDescription;
    const lambda = [s3, index].flatMap((each) => each?.ProcessingConfiguration?.Processors ?? [])
      .filter((processor) => processor.Type === 'Lambda')
      .flatMap((processor) => processor.Parameters.filter((parameter) => parameter.ParameterName === 'LambdaArn'));
    lambda.forEach((parameter) => found.edge(id, found.target(ofArn(parameter.ParameterValue)), 'asks'));
    if (index) found.edge(id, found.node('index', index.IndexName), 'writes');
    else if (s3?.BucketARN) found.edge(id, found.node('bucket', nameOf(s3.BucketARN)), 'writes');
    if (destination.HttpEndpointDestinationDescription) {
      found.edge(id, found.node('endpoint', destination.HttpEndpointDestinationDescription.EndpointConfiguration.Url), 'writes');
    }
  }
}

function addApplication(found, { name, status, jobs }, rows) {
  const id = found.node('application', name, { state: status });
  for (const [nth, job] of jobs.entries()) {
    for (const [place, node] of job.plan.entries()) {
      if (node.kind !== 'Source' && node.kind !== 'Sink') continue;
      const target = ofTable(found, node);
      if (!target) continue;
      if (node.kind === 'Source') found.edge(target, id, 'reads', { rate: rows.get(`${nth}/${place}`) });
      else found.edge(id, target, 'writes', { rate: rows.get(`${nth}/${place}`) });
    }
  }
}

function ofTable(found, { connector, target }) {
  if (!target) return null;
  if (connector === 'kinesis') return found.node('stream', nameOf(target));
  if (connector === 'opensearch') return found.node('index', target);
  if (connector === 'filesystem') return found.node('bucket', target.replace(/^s3a?:\/\//, '').split('/')[0]);
  return null;
}

function addMapping(found, mapping) {
  const id = found.node('function', mapping.FunctionArn.split(':')[6]);
  const source = mapping.EventSourceArn && ofArn(mapping.EventSourceArn);
  const consumer = /\/consumer\/([^:]+)/.exec(mapping.EventSourceArn ?? '')?.[1];
  if (source) found.edge(found.target(source), id, 'reads', { mapping: mapping.UUID, consumer });
  const failures = mapping.DestinationConfig?.OnFailure?.Destination;
  if (failures && ofArn(failures)) found.edge(id, found.target(ofArn(failures)), 'fails');
}

/** What the statements of a role's own policies let it write: `stream:NAME`, `index:PATTERN`, … */
async function grants(roleArn, options) {
  const RoleName = nameOf(roleArn);
  const names = await all('iam', 'ListRolePolicies', { RoleName }, 'PolicyNames', options);
  const policies = await Promise.all(names.map((PolicyName) => aws('iam', 'GetRolePolicy', { RoleName, PolicyName }, options)));
  const found = new Set();
  for (const { PolicyDocument } of policies) {
    for (const statement of [JSON.parse(decodeURIComponent(PolicyDocument)).Statement].flat()) {
      const actions = [statement.Action ?? []].flat();
      const writes = actions.some((action) => /^(kinesis:Put|es:ESHttp(Post|Put|\*)|sqs:SendMessage|s3:PutObject|firehose:Put)/.test(action));
      if (statement.Effect !== 'Allow' || !writes) continue;
      for (const resource of [statement.Resource ?? []].flat().filter((each) => each !== '*')) {
        const target = ofArn(resource);
        if (target) found.add(target.startsWith('index:') ? `index:${indexOf(target)}` : target);
      }
    }
  }
  return [...found];
}

/** The index of `index:orders-2026.11.21/_bulk`: what a path begins with. */
function indexOf(target) {
  const first = target.slice('index:'.length).split('/')[0];
  return first === '' || first.startsWith('_') ? '*' : first;
}
