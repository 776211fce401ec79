// Starts the client without the line that its own command writes into the function's log at every start.
import { existsSync } from 'node:fs';

const client = new URL('./node_modules/aws-lambda-ric/', import.meta.url);
const bundled = new URL('dist/index.mjs', client);
if (existsSync(bundled)) {
  const { run } = await import(bundled);
  await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
} else {
  await import(new URL('index.mjs', client));
}
