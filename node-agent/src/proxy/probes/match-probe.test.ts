import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type HttpProbe, parsePort, type Probe } from '@ambit/mesh/model';
import { matchGrpcProbe, matchHttpProbe, parseProbeRequest, type ProbeRequest } from './match-probe.ts';

const KUBELET =
  'GET /healthz?x=1 HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n';

describe('parseProbeRequest()', () => {
  test('reads what a kubelet sends', () => {
    assert.deepEqual(parseProbeRequest(Buffer.from(KUBELET)), {
      kind: 'request',
      request: {
        target: '/healthz?x=1',
        headers: [
          { name: 'host', value: '10.0.0.1:8080' },
          { name: 'user-agent', value: 'kube-probe/1.36' },
          { name: 'accept', value: '*/*' },
          { name: 'connection', value: 'close' },
        ],
      },
    });
  });

  test('asks for more until the request is whole', () => {
    for (let length = 0; length < KUBELET.length; length++) {
      assert.deepEqual(
        parseProbeRequest(Buffer.from(KUBELET.slice(0, length))),
        { kind: 'incomplete' },
        String(length),
      );
    }
  });

  test('reads what is beyond ASCII as UTF-8', () => {
    const parsed = parseProbeRequest(Buffer.from('GET / HTTP/1.1\r\nX: größe ≥ 1\r\n\r\n'));
    assert.deepEqual(parsed, {
      kind: 'request',
      request: { target: '/', headers: [{ name: 'x', value: 'größe ≥ 1' }] },
    });
  });

  const get = (headers: string, line = 'GET / HTTP/1.1'): string => `${line}\r\n${headers}\r\n`;
  const rows: readonly [what: string, text: string, reason: string][] = [
    ['another method', 'POST / HTTP/1.1\r\n\r\n', 'not a GET'],
    ['a method that begins alike', 'GETX / HTTP/1.1\r\n\r\n', 'not a GET'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\n', 'not a GET'],
    ['TLS', '\u0016\u0003\u0001', 'not a GET'],
    ['a second request', KUBELET + KUBELET, 'something behind the request'],
    ['a body', `${KUBELET}x`, 'something behind the request'],
    ['a body that is announced', get('Content-Length: 1\r\n'), 'more than a probe'],
    ['a length that is no number', get('Content-Length: 0, 1\r\n'), 'more than a probe'],
    ['a chunked body', get('Transfer-Encoding: chunked\r\n'), 'more than a probe'],
    ['an upgrade', get('Connection: Upgrade\r\nUpgrade: websocket\r\n'), 'more than a probe'],
    ['an upgrade to HTTP/2', get('Upgrade: h2c\r\nHTTP2-Settings: AA\r\n'), 'more than a probe'],
    ['a line folded', get('A: b\r\n c\r\n'), 'malformed'],
    ['a blank before the colon', get('Content-Length : 1\r\n'), 'malformed'],
    ['a bare line feed', get('A: b\nTransfer-Encoding: chunked\r\n'), 'malformed'],
    ['a bare carriage return', get('A: b\rB: c\r\n'), 'malformed'],
    ['a zero byte', get('A: b\u0000\r\n'), 'malformed'],
    ['an absolute target', get('', 'GET http://other/ HTTP/1.1'), 'malformed'],
    ['two blanks', get('', 'GET  / HTTP/1.1'), 'malformed'],
    ['another version', get('', 'GET / HTTP/2.0'), 'malformed'],
    ['too many headers', get('A: b\r\n'.repeat(101)), 'malformed'],
    ['a head without end', `GET / HTTP/1.1\r\nA: ${'x'.repeat(20_000)}`, 'too large'],
    ['a head that is too large', get(`A: ${'x'.repeat(20_000)}\r\n`), 'too large'],
  ];
  for (const [what, text, reason] of rows) {
    test(`refuses ${what}`, () =>
      assert.deepEqual(parseProbeRequest(Buffer.from(text, 'latin1')), { kind: 'refused', reason }));
  }
});

describe('matchHttpProbe()', () => {
  const probe = (more: Partial<HttpProbe> = {}): HttpProbe => ({
    kind: 'http',
    port: parsePort(8080),
    timeoutMs: 1000,
    target: '/healthz',
    secure: false,
    headers: [],
    ...more,
  });
  const request = (target: string, headers: Readonly<Record<string, string>> = {}): ProbeRequest => ({
    target,
    headers: Object.entries({ host: '10.0.0.1:8080', ...headers }).map(([name, value]) => ({ name, value })),
  });
  const token = probe({ headers: [{ name: 'x-token', value: 't' }] });
  const named = probe({
    headers: [
      { name: 'host', value: 'web' },
      { name: 'host', value: 'never sent' },
    ],
  });
  const bare = probe({
    headers: [
      { name: 'user-agent', value: '' },
      { name: 'accept', value: '' },
      { name: 'host', value: '' },
    ],
  });
  const tcp: Probe = { kind: 'tcp', port: parsePort(8080), timeoutMs: 1000 };
  const rows: readonly [what: string, probes: readonly Probe[], request: ProbeRequest, expected: Probe | undefined][] =
    [
      ['the declared path', [tcp, probe()], request('/healthz'), probe()],
      ['the path escaped otherwise', [probe()], request('/%68ealthz'), probe()],
      ['another path', [probe()], request('/admin'), undefined],
      ['the path in another directory', [probe()], request('/x/../healthz'), undefined],
      ['the path with a query that is not declared', [probe()], request('/healthz?x'), undefined],
      ['the declared header', [token], request('/healthz', { 'x-token': 't' }), token],
      ['the header with another value', [token], request('/healthz', { 'x-token': 'T' }), undefined],
      ['no header', [token], request('/healthz'), undefined],
      ['the probe without a header beside one with it', [token, probe()], request('/healthz'), probe()],
      ['the declared host', [named], request('/healthz', { host: 'web' }), named],
      ['another host', [named], request('/healthz'), undefined],
      ['headers of the kubelet taken away', [bare], request('/healthz'), bare],
      ['no probe over HTTP', [tcp], request('/healthz'), undefined],
      ['HTTPS in plaintext', [probe({ secure: true })], request('/healthz'), undefined],
    ];
  for (const [what, probes, asked, expected] of rows) {
    test(what, () => assert.deepEqual(matchHttpProbe(probes, false, asked), expected));
  }

  test('HTTPS', () => {
    const secure = probe({ secure: true });
    assert.deepEqual(matchHttpProbe([probe(), secure], true, request('/healthz')), secure);
  });
});

test('matchGrpcProbe() goes by the service', () => {
  const probe = (service: string): Probe => ({ kind: 'grpc', port: parsePort(9000), timeoutMs: 1000, service });
  assert.deepEqual(matchGrpcProbe([probe('a'), probe('')], ''), probe(''));
  assert.equal(matchGrpcProbe([probe('a')], ''), undefined);
});
