import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS, RequestReader } from '@ambit/mesh/http1';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { CurrentRequest } from '../src/http/current-request.ts';
import { Deadlines } from '../src/http/deadlines.ts';
import { straightTo } from '../src/http/decisions.ts';
import { compileEdits } from '../src/http/header-edits.ts';
import { DEFAULT_EXCHANGE_LIMITS } from '../src/http/limits.ts';
import type { WriteRequestId } from '../src/http/request-ids.ts';
import { RequestSender } from '../src/http/request-sender.ts';
import { WorkerContext } from '../src/http/worker-context.ts';
import { Cluster } from '../src/upstream/cluster.ts';
import { HttpWorld } from './http-world.ts';

checkLeaks();

const HEAD = 'PUT / HTTP/1.1\r\nHost: h\r\nX-Request-Id: i\r\nTransfer-Encoding: chunked\r\n\r\n';
const HEAD_OUT =
  'PUT / HTTP/1.1\r\nHost: h\r\nX-Request-Id: i\r\ntransfer-encoding: chunked\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\n\r\n';

for (const [name, body, trailer] of [
  ['behind what is kept', 'hello', 'X-Sum: 1'],
  ['that no longer fit behind what is kept', 'a'.repeat(9), `X-Sum: ${'s'.repeat(60)}`],
  ['that are longer than what is kept', 'hello', `X-Sum: ${'s'.repeat(DEFAULT_LIMITS.trailersMaxBytes - 16)}`],
] as const) {
  test(`trailers of a request are passed on as they are: ${name}`, async () => {
    await using world = await HttpWorld.open({ kind: 'plain', limits: { replayMaxBytes: HEAD_OUT.length + 64 } });
    const client = await world.client();
    const rest = `${body.length}\r\n${body}\r\n0\r\n${trailer}\r\n\r\n`;
    client.send(`${HEAD}${rest}`);
    const server = await world.server();
    await until('the request arrives', () => server.bytes >= HEAD_OUT.length + rest.length);
    assert.equal(server.text, `${HEAD_OUT}${rest}`);
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await until('it is answered', () => world.exchanges[0]?.status === 200);
  });
}

test('trailers that cannot be written fail their request, and nothing of them is sent', () => {
  const reader = new RequestReader({ ...DEFAULT_LIMITS, trailersMaxBytes: 64 * 1024 });
  const bytes = Buffer.from(`${HEAD}0\r\nX-Sum: ${'s'.repeat(32 * 1024)}\r\n\r\n`);
  assert.equal(reader.read(bytes, 0, bytes.length), 'head');
  using deadlines = new Deadlines(systemClock);
  const writeRequestId: WriteRequestId = (memory, at) => at + memory.write('i', at);
  const context = new WorkerContext({
    clock: systemClock,
    logger: silentLogger,
    deadlines,
    limits: DEFAULT_EXCHANGE_LIMITS,
    observer: { onExchange: () => {} },
    writeRequestId,
    fieldCountMax: DEFAULT_LIMITS.fieldCountMax,
  });
  const request = new CurrentRequest(reader.head, { identity: null, address: '10.0.0.1' }, writeRequestId);
  request.read();
  const failures: string[] = [];
  const nothing = (): void => {};
  const sender = new RequestSender(
    context,
    {
      onConnected: nothing,
      onSendFailed: (reason) => void failures.push(reason),
      onSender: () => assert.fail('another sender'),
      onUpstreamBusy: nothing,
      onInterim: nothing,
      onResponse: nothing,
      onResponseData: nothing,
      onResponseTrailers: nothing,
      onResponseRead: nothing,
      onResponseEnd: nothing,
      onUpstreamDrain: nothing,
      onUpstreamGone: nothing,
    },
    request,
  );
  sender.begin(straightTo(new Cluster('shop/db:80', { namespace: 'shop', name: 'db', hostname: 'db.shop' }, [])));
  assert.equal(reader.read(bytes, reader.at, bytes.length), 'trailers');
  assert.ok(reader.trailers !== undefined);
  sender.trailers(reader.trailers);
  assert.deepEqual(failures, ['no-endpoint', 'bad-request']);
});

test('a rule that sets the host sets it for requests without one too, and there is one Host', async () => {
  await using world = await HttpWorld.open({
    kind: 'plain',
    decide: (_request, forward) => ({
      ...forward,
      requestEdits: compileEdits({ dropped: new Set(['host']), appended: [{ name: 'host', value: 'inner' }] }),
    }),
  });
  const client = await world.client();
  client.send('GET / HTTP/1.0\r\nX-Request-Id: i\r\n\r\n');
  const server = await world.server();
  await until('the request arrives', () => server.text.endsWith('\r\n\r\n'));
  assert.deepEqual(server.text.match(/^host:.*$/gim), ['host: inner']);
});
