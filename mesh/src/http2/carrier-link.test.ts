import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool } from '../hbone/pool.ts';
import { answering, ask, beginResponse, http2Environment } from '../testing/http2-world.ts';
import { environment, listenHbone, targetOf } from '../testing/tunnel-world.ts';
import { until } from '../testing/until.ts';
import { TunnelLink } from './carrier-link.ts';
import { Http2Client } from './client.ts';
import { Http2Server } from './server.ts';

test('HTTP/2 runs over tunnels, with 40 bodies at once', async () => {
  const body = Buffer.alloc(300_000, 'b');
  await using hbone = await listenHbone((request) => {
    new Http2Server(
      new TunnelLink(request.accept()).start(),
      answering(({ exchange, message }) => {
        beginResponse(exchange, 200);
        exchange.write(message.body, 0, message.body.length, true);
      }),
    ).start();
  });
  await using pool = createHbonePool<string>(environment);
  const tunnel = await pool.openTunnel(targetOf(hbone.port), { authority: '10.0.0.1:80', headers: [] });
  const client = new Http2Client(new TunnelLink(tunnel.stream).start(), http2Environment).start();
  const asked = Array.from({ length: 40 }, () => ask(client, { method: 'POST', body }));
  await until('all', () => asked.every((each) => each?.response.closed), 20_000);
  for (const each of asked) assert.ok(each?.response.body.equals(body));
  client.drain();
  await until('the end of the tunnel', () => tunnel.stream.closed && client.state === 'closed');
  assert.equal(pool.streamCount, 0);
});

for (const late of ['server', 'client'] as const) {
  test(`what came through a tunnel before its ${late} was there is read first`, async () => {
    const body = Buffer.alloc(20_000, 'e');
    const options = answering(({ exchange, message }) => {
      beginResponse(exchange, 200);
      exchange.write(message.body, 0, message.body.length, true);
    });
    await using hbone = await listenHbone((request) => {
      const stream = request.accept();
      const serve = (): Http2Server => new Http2Server(new TunnelLink(stream).start(), options).start();
      if (late === 'client') serve();
      else void until('all of the request', () => stream.bytesReceived > body.length).then(serve);
    });
    await using pool = createHbonePool<string>(environment);
    const tunnel = await pool.openTunnel(targetOf(hbone.port), { authority: '10.0.0.1:80', headers: [] });
    if (late === 'client') await until('settings', () => tunnel.stream.bytesReceived > 0);
    const client = new Http2Client(new TunnelLink(tunnel.stream).start(), http2Environment).start();
    const asked = ask(client, { method: 'POST', body });
    await until('the answer', () => asked?.response.closed);
    assert.ok(asked?.response.body.equals(body));
    client.drain();
    await until('the end of the tunnel', () => tunnel.stream.closed);
  });
}

test('a tunnel that breaks ends the exchanges above it', async () => {
  const tunnels: { reset(): void }[] = [];
  await using hbone = await listenHbone((request) => {
    const stream = request.accept();
    tunnels.push(stream);
    new Http2Server(
      new TunnelLink(stream).start(),
      answering(() => {}),
    ).start();
  });
  await using pool = createHbonePool<string>(environment);
  const tunnel = await pool.openTunnel(targetOf(hbone.port), { authority: '10.0.0.1:80', headers: [] });
  const client = new Http2Client(new TunnelLink(tunnel.stream).start(), http2Environment).start();
  const asked = ask(client, {});
  await until('settings', () => client.takesExtendedConnect);
  tunnels[0]?.reset();
  await until('the end', () => asked?.response.closed);
  assert.equal(asked?.response.error?.code, 'closed');
  assert.equal(client.state, 'closed');
});
