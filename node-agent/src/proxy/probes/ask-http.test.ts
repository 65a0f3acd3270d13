import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { type HttpProbe, parsePort, parseSocketAddress } from '@ambit/mesh/model';
import { askHttp, localTarget, parseAnswer } from './ask-http.ts';

const ADDRESS = parseSocketAddress('10.0.0.1:8080');
const PROBE: HttpProbe = {
  kind: 'http',
  port: parsePort(8080),
  timeoutMs: 1000,
  target: '/healthz',
  secure: false,
  headers: [],
};

describe('parseAnswer()', () => {
  const rows: readonly [text: string, expected: ReturnType<typeof parseAnswer>][] = [
    ['HTTP/1.1 200 OK\r\n\r\nbody', { status: 200 }],
    ['HTTP/1.0 503\n\n', { status: 503 }],
    ['HTTP/1.1 200 OK\r\n', null],
    ['HT', null],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', { status: 204 }],
    ['HTTP/1.1 302 Found\r\nLOCATION:  /login \r\n\r\n', { status: 302, location: '/login' }],
  ];
  for (const [text, expected] of rows) test(JSON.stringify(text), () => assert.deepEqual(parseAnswer(text), expected));
  for (const text of [
    '220 mail ready\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
  ]) {
    test(`${JSON.stringify(text)} is no HTTP`, () => assert.throws(() => parseAnswer(text), /does not speak HTTP/));
  }
});

describe('localTarget()', () => {
  const rows: readonly [location: string, expected: string | null, host?: string][] = [
    ['/login?x', '/login?x'],
    ['ready', '/a/ready'],
    ['http://10.0.0.1:8080/x', '/x'],
    ['//10.0.0.1:8080/x', '/x'],
    ['https://10.0.0.1:8080/x', null],
    ['http://10.0.0.1:9090/x', null],
    ['http://10.0.0.2:8080/x', null],
    ['http://web/x', '/x', 'web'],
    ['http://[', null],
    ['/x\r\nevil: y', '/xevil:%20y'],
  ];
  for (const [location, expected, host] of rows) {
    test(location, () => {
      const headers = host === undefined ? [] : [{ name: 'host', value: host }];
      assert.equal(localTarget({ secure: false, headers }, '/a/b', location, ADDRESS), expected);
    });
  }
});

/** An application that answers each request line with the next text; what it was asked. */
async function application(
  answers: readonly string[],
): Promise<{ readonly dial: () => Promise<Socket>; readonly asked: string[] } & AsyncDisposable> {
  const asked: string[] = [];
  const server = net.createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', (chunk) => {
        asked.push(chunk.toString());
        socket.end(answers[asked.length - 1] ?? '');
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    asked,
    dial: async () => {
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      const socket = net.connect(address.port, '127.0.0.1');
      await once(socket, 'connect');
      socket.pause();
      return socket;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('askHttp()', () => {
  const signal = (): AbortSignal => AbortSignal.timeout(5000);

  test('sends what is declared and what a kubelet adds, once each', async () => {
    await using app = await application(['HTTP/1.1 200 OK\r\n\r\n']);
    const headers = [
      { name: 'x-token', value: 't' },
      { name: 'accept', value: '' },
      { name: 'connection', value: 'keep-alive' },
    ];
    assert.equal(await askHttp({ ...PROBE, headers }, ADDRESS, app.dial, signal()), 200);
    assert.deepEqual(app.asked, [
      'GET /healthz HTTP/1.1\r\nhost: 10.0.0.1:8080\r\nuser-agent: kube-probe/ambit\r\nx-token: t\r\nconnection: close\r\n\r\n',
    ]);
  });

  test('follows redirects within the port and stops at one that leads elsewhere', async () => {
    const redirect = (location: string): string => `HTTP/1.1 302 Found\r\nlocation: ${location}\r\n\r\n`;
    await using app = await application([redirect('/a'), redirect('b'), redirect('http://other/')]);
    assert.equal(await askHttp(PROBE, ADDRESS, app.dial, signal()), 302);
    assert.deepEqual(
      app.asked.map((text) => text.split(' ')[1]),
      ['/healthz', '/a', '/b'],
    );
  });

  test('fails on redirects without end, on no answer, on no HTTP and on an answer without end', async () => {
    await using round = await application(Array.from({ length: 20 }, () => 'HTTP/1.1 301 x\r\nlocation: /\r\n\r\n'));
    await assert.rejects(askHttp(PROBE, ADDRESS, round.dial, signal()), /too many redirects/);
    assert.equal(round.asked.length, 11);
    for (const [answer, reason] of [
      ['', /without an answer/],
      ['SSH-2.0-x\r\n', /does not speak HTTP/],
      [`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}`, /too long|without an answer/],
    ] as const) {
      await using app = await application([answer]);
      await assert.rejects(askHttp(PROBE, ADDRESS, app.dial, signal()), reason);
    }
  });

  test('ends when told to', async () => {
    await using app = await application([]);
    const stop = new AbortController();
    const asking = askHttp(
      PROBE,
      ADDRESS,
      async () => {
        const socket = await app.dial();
        stop.abort(new Error('enough'));
        return socket;
      },
      stop.signal,
    );
    await assert.rejects(asking, /enough/);
  });
});
