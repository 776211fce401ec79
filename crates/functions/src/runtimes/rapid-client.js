// Stands in for the native addon of aws-lambda-ric, which needs a C++ toolchain and autotools to install. It has the addon's
// four functions and speaks the same Runtime API over one kept-alive connection.
'use strict';

const http = require('node:http');

const [host, port] = (process.env.AWS_LAMBDA_RUNTIME_API || '').split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const root = '/2018-06-01/runtime/invocation/';
let userAgent = 'aws-lambda-nodejs';
// The addon posts before it returns; here the next `next` waits for the post, so that the order is the same.
let posted = Promise.resolve();

function call(method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: root + path, headers: { 'User-Agent': userAgent, ...headers } };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

function post(id, what, body) {
  const bytes = Buffer.from(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': bytes.length };
  posted = call('POST', `${id}/${what}`, bytes, headers).then(({ status }) => {
    if (status >= 300) throw new Error(`Failed to post invocation ${what}. Http response code: ${status}.`);
  });
  // Told by the `next` that waits for it.
  posted.catch(() => {});
}

exports.initializeClient = (agentName) => {
  if (agentName) userAgent = agentName;
};

exports.next = async () => {
  await posted;
  const { status, headers, body } = await call('GET', 'next');
  if (status !== 200) throw new Error(`Failed to get next invocation. Http response code: ${status}.`);
  return { bodyJson: body.toString('utf8'), headers };
};

exports.done = (id, body) => post(id, 'response', body);

// The third argument, the cause for X-Ray, has no reader here.
exports.error = (id, body) => post(id, 'error', body);
