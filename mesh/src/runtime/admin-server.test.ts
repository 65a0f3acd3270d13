import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { checkLeaks } from '../testing/leak-check.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { loggingSections, metricsSections, readinessSection } from './admin-sections.ts';
import { type AdminSection, type AdminServer, get, jsonResponse, openAdminServer } from './admin-server.ts';
import { silentLogger } from './logger.ts';
import { counter, Metrics } from './metrics.ts';
import { Readiness } from './readiness.ts';
import { createRootLogger } from './root-logger.ts';

checkLeaks();

async function serve(sections: readonly AdminSection[]): Promise<AdminServer> {
  return openAdminServer({ host: '127.0.0.1', port: 0, sections, logger: silentLogger });
}

async function ask(
  server: AdminServer,
  path: string,
  init: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<{ status: number; body: string; type: string }> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    ...init,
    headers: { connection: 'close', ...init.headers },
  });
  return { status: response.status, body: await response.text(), type: response.headers.get('content-type') ?? '' };
}

test('AdminServer at :: answers callers of both families, as far as the machine has them', async () => {
  const sections = [get('/x', 'x', () => jsonResponse('here'))];
  await using server = await openAdminServer({ host: '::', port: 0, sections, logger: silentLogger });
  const hosts = server.host === '::' ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'];
  for (const host of hosts) {
    const response = await fetch(`http://${host}:${server.port}/x`, { headers: { connection: 'close' } });
    assert.equal(await response.json(), 'here', host);
  }
});

test('AdminServer tells readiness and names what is pending', async () => {
  const readiness = new Readiness();
  const task = readiness.task('first state');
  readiness.task('xds').done();
  await using server = await serve([readinessSection(readiness)]);
  const plain = 'text/plain; charset=utf-8';
  assert.deepEqual(await ask(server, '/healthz/ready'), {
    status: 500,
    body: 'not ready, pending: first state\n',
    type: plain,
  });
  task.done();
  assert.deepEqual(await ask(server, '/healthz/ready'), { status: 200, body: 'ready\n', type: plain });
});

test('AdminServer serves metrics in the format that is asked for', async () => {
  const metrics = new Metrics();
  metrics.register({ a: counter({ name: 'ambit_a_total', help: 'A.' }) }).a.add([]);
  await using server = await serve(metricsSections(metrics));
  assert.match((await ask(server, '/metrics')).body, /ambit_a_total 1/);
  const open = await ask(server, '/stats/prometheus', { headers: { accept: 'application/openmetrics-text' } });
  assert.match(open.type, /^application\/openmetrics-text/);
  assert.match(open.body, /# EOF/);
});

test('AdminServer changes the log filter by POST only', async () => {
  const sink = { write: () => {}, dropped: 0, flush: async () => {}, flushSync: () => {} };
  const logger = await createRootLogger({ format: 'text', filter: 'info', sink, clock: new ManualClock(), scope: 't' });
  const told: string[] = [];
  await using server = await serve(loggingSections(logger, async (filter) => void told.push(filter)));
  assert.equal((await ask(server, '/logging')).body, 'current log filter: info\n');
  assert.equal(
    (await ask(server, '/logging?level=debug,xds=off', { method: 'POST' })).body,
    'current log filter: debug,xds=off\n',
  );
  assert.equal((await ask(server, '/logging?level=loud', { method: 'POST' })).status, 400);
  assert.equal(logger.filter, 'debug,xds=off');
  assert.equal((await ask(server, '/logging?reset', { method: 'POST' })).body, 'current log filter: info\n');
  assert.deepEqual(told, ['debug,xds=off', 'info']);
});

test('AdminServer answers index, unknown paths, wrong methods, HEAD and failing sections', async () => {
  const failing = get('/fails', 'fails', () => {
    throw new Error('secret detail');
  });
  await using server = await serve([failing, get('/json', 'some JSON', () => jsonResponse({ a: 1 }))]);
  assert.deepEqual((await ask(server, '/')).body, 'GET /fails  fails\nGET /json  some JSON\n');
  assert.equal((await ask(server, '/nothing')).status, 404);
  assert.equal((await ask(server, '/json', { method: 'DELETE' })).status, 405);
  assert.deepEqual(await ask(server, '/json?x=1'), { status: 200, body: '{\n  "a": 1\n}\n', type: 'application/json' });
  assert.equal((await ask(server, '/json', { method: 'HEAD' })).body, '');
  const broken = await ask(server, '/fails');
  assert.deepEqual([broken.status, broken.body], [500, 'internal error, see the log\n']);
});

test('AdminServer cuts open connections when disposed and survives garbage', async () => {
  const server = await serve([]);
  const idle = connect(server.port, '127.0.0.1').on('error', () => {});
  const garbage = connect(server.port, '127.0.0.1').on('error', () => {});
  const closed = Promise.all([idle, garbage].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  garbage.write('\u0000\u0001 nonsense\r\n\r\n');
  garbage.resume();
  idle.resume();
  assert.equal((await ask(server, '/')).status, 200);
  await server[Symbol.asyncDispose]();
  await closed;
});

test('openAdminServer rejects when the port is taken', async () => {
  await using server = await serve([]);
  await assert.rejects(openAdminServer({ host: '127.0.0.1', port: server.port, sections: [], logger: silentLogger }), {
    code: 'EADDRINUSE',
  });
});
