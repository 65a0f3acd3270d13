import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { test } from 'node:test';
import { answering, ask, connectHttp2, listenHttp2, respondText } from '../testing/http2-world.ts';
import { until } from '../testing/until.ts';

test('node:http2 asks us', async () => {
  await using server = await listenHttp2(
    answering(({ exchange, head, message }) => {
      respondText(exchange, 200, `${head.method} ${head.authority} ${head.path} ${message.body.length}`, [
        ['x-a', 'b'],
      ]);
    }),
  );
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  for (let i = 0; i < 5; i += 1) {
    const stream = session.request({ ':method': 'POST', ':path': '/x?y', 'x-b': 'c' });
    stream.end('hello');
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    assert.equal(headers['x-a'], 'b');
    stream.setEncoding('utf8');
    let text = '';
    for await (const chunk of stream) text += chunk;
    assert.equal(text, `POST 127.0.0.1:${server.port} /x?y 5`);
  }
  session.close();
  await once(session, 'close');
});

test('we ask node:http2', async () => {
  const server = http2.createServer((request, response) => {
    response.writeHead(201, { 'x-method': request.method });
    request.pipe(response);
  });
  server.listen(0);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = await connectHttp2(address.port);
  for (let i = 0; i < 5; i += 1) {
    const asked = ask(client, { method: 'PUT', body: 'echo' });
    assert.ok(asked !== undefined);
    await until('the response', () => asked.response.closed);
    assert.equal(asked.response.error, undefined);
    assert.equal(asked.response.status, 201);
    assert.equal(asked.response.body.toString(), 'echo');
  }
  client.drain();
  server.close();
  await once(server, 'close');
});
