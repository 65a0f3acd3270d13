import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import { type CarrierKind, type ExchangeRecord, HttpWorld } from './http-world.ts';

checkLeaks();

const SAYS_WHO = 'x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\nx-request-id: id-1\r\n\r\n';

/** Bytes in, and whole bytes out on either side. Lines end with LF here and with CR LF on the wire. */
interface Row {
  readonly name: string;
  readonly request: string;
  readonly toServer: string;
  readonly answer: string;
  readonly toClient: string;
  readonly record: Partial<ExchangeRecord>;
  /** The server ends its direction after the answer. */
  readonly serverEnds?: true;
  /** The connection is closed after the answer. */
  readonly closes?: true;
}

const ROWS: readonly Row[] = [
  {
    name: 'a GET, with the case of its header names',
    request: 'GET /a?b=c HTTP/1.1\nHost: db.shop:80\nX-CamelCase: Yes\n\n',
    toServer: `GET /a?b=c HTTP/1.1\nHost: db.shop:80\nX-CamelCase: Yes\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 Fine\nContent-Length: 5\nX-From: server\n\nhello',
    toClient: 'HTTP/1.1 200 Fine\nX-From: server\ncontent-length: 5\n\nhello',
    record: { request: 'GET db.shop:80 /a?b=c', status: 200, reason: null, responseBytes: 5 },
  },
  {
    name: 'a POST with a length',
    request: 'POST /a HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc',
    toServer: `POST /a HTTP/1.1\nHost: h\ncontent-length: 3\n${SAYS_WHO}abc`,
    answer: 'HTTP/1.1 204 No Content\n\n',
    toClient: 'HTTP/1.1 204 No Content\n\n',
    record: { status: 204, requestBytes: 3, responseBytes: 0 },
  },
  {
    name: 'a POST with an empty body that says so',
    request: 'POST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n',
    toServer: `POST / HTTP/1.1\nHost: h\ncontent-length: 0\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
    record: { status: 200 },
  },
  {
    name: 'what ends at a hop, both ways, and what only we may say',
    request:
      'GET / HTTP/1.1\nHost: h\nConnection: keep-alive, X-Secret\nKeep-Alive: 5\nX-Secret: 1\nTE: gzip\nProxy-Connection: x\nUpgrade: h2c\nX-Forwarded-Client-Cert: URI=spiffe://me\nX-Stays: 1\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\nX-Stays: 1\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nConnection: X-Own\nX-Own: 1\nKeep-Alive: timeout=5\nContent-Length: 0\n\n',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
    record: { status: 200 },
  },
  {
    name: 'what others have said of where it comes from',
    request: 'GET / HTTP/1.1\nHost: h\nX-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Request-Id: mine\n\n',
    toServer:
      'GET / HTTP/1.1\nHost: h\nX-Forwarded-Proto: https\nX-Request-Id: mine\nx-forwarded-for: 1.2.3.4, 10.0.0.1\n\n',
    answer: 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
    record: { status: 200 },
  },
  {
    name: 'a target with its host, and a path that is not in normal form',
    request: 'GET http://h/a/../b//c?q HTTP/1.1\nHost: h\n\n',
    toServer: `GET /b/c?q HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 0\n\n',
    record: { request: 'GET h /a/../b//c?q', status: 200 },
  },
  {
    name: 'chunks with trailers in the answer',
    request: 'GET / HTTP/1.1\nHost: h\nTE: trailers\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\nTE: trailers\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5;x=y\nhello\n0\nX-Sum: 1\n\n',
    toClient: 'HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n5\nhello\n0\nX-Sum: 1\n\n',
    record: { status: 200, responseBytes: 5 },
  },
  {
    name: 'the answer to HEAD',
    request: 'HEAD / HTTP/1.1\nHost: h\n\n',
    toServer: `HEAD / HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nContent-Length: 1234\n\n',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 1234\n\n',
    record: { status: 200, responseBytes: 0 },
  },
  {
    name: 'an answer that was not modified',
    request: 'GET / HTTP/1.1\nHost: h\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 304 Not Modified\nContent-Length: 99\nETag: "x"\n\n',
    toClient: 'HTTP/1.1 304 Not Modified\nETag: "x"\ncontent-length: 99\n\n',
    record: { status: 304 },
  },
  {
    name: 'an answer that ends with its connection',
    request: 'GET / HTTP/1.1\nHost: h\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\n\nall of it',
    serverEnds: true,
    toClient: 'HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n9\nall of it\n0\n\n',
    record: { status: 200, responseBytes: 9 },
  },
  {
    name: 'chunks to a client that does not know them',
    request: 'GET / HTTP/1.0\nHost: h\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n3\ndef\n0\n\n',
    toClient: 'HTTP/1.1 200 OK\nconnection: close\n\nabcdef',
    closes: true,
    record: { status: 200, responseBytes: 6 },
  },
  {
    name: 'an old client without Host that keeps its connection',
    request: 'GET / HTTP/1.0\nConnection: keep-alive\n\n',
    toServer:
      'GET / HTTP/1.1\nhost: db.shop\nx-forwarded-for: 10.0.0.1\nx-forwarded-proto: http\nx-request-id: id-1\n\n',
    answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 2\nconnection: keep-alive\n\nok',
    record: { status: 200 },
  },
  {
    name: 'an old client that names the host in its target only',
    request: 'GET http://h/a HTTP/1.0\nX-Stays: 1\n\n',
    toServer: `GET /a HTTP/1.1\nX-Stays: 1\nhost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 2\nconnection: close\n\nok',
    closes: true,
    record: { request: 'GET h /a', status: 200 },
  },
  {
    name: 'a client that wants its connection closed',
    request: 'GET / HTTP/1.1\nHost: h\nConnection: close\n\n',
    toServer: `GET / HTTP/1.1\nHost: h\n${SAYS_WHO}`,
    answer: 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    toClient: 'HTTP/1.1 200 OK\ncontent-length: 2\nconnection: close\n\nok',
    closes: true,
    record: { status: 200 },
  },
  {
    name: 'interim answers before the final one',
    request: 'POST / HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 2\n\nhi',
    toServer: `POST / HTTP/1.1\nHost: h\nExpect: 100-continue\ncontent-length: 2\n${SAYS_WHO}hi`,
    answer: 'HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n',
    toClient: 'HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\ncontent-length: 0\n\n',
    record: { status: 200, requestBytes: 2 },
  },
];

const wire = (text: string): string => text.replaceAll('\r\n', '\n').replaceAll('\n', '\r\n');

for (const kind of ['plain', 'tunnel'] as const satisfies readonly CarrierKind[]) {
  describe(`exchanges through ${kind === 'plain' ? 'plaintext sockets' : 'tunnels'}`, () => {
    for (const row of ROWS) {
      test(row.name, async () => {
        await using world = await HttpWorld.open({ kind });
        const client = await world.client();
        client.send(wire(row.request));
        const server = await world.server();
        const toServer = wire(row.toServer);
        await until('the request arrives', () => server.bytes >= toServer.length);
        assert.equal(server.text, toServer);
        server.send(wire(row.answer));
        if (row.serverEnds === true) server.carrier.end();
        const toClient = wire(row.toClient);
        await until('the answer arrives', () => client.bytes >= toClient.length);
        assert.equal(client.text, toClient);
        await until('the exchange is recorded', () => world.exchanges.length > 0);
        const [record] = world.exchanges;
        assert.deepEqual({ ...record, ...row.record }, record);
        if (row.closes === true) await until('the connection ends', () => client.ended);
        else assert.equal(client.ended, false);
      });
    }

    for (const row of ROWS.filter(({ name }) => !name.startsWith('interim'))) {
      test(`byte by byte: ${row.name}`, async () => {
        await using world = await HttpWorld.open({ kind });
        const client = await world.client();
        const drip = async (text: string, send: (byte: string) => void): Promise<void> => {
          for (const byte of wire(text)) {
            send(byte);
            await new Promise(setImmediate);
          }
        };
        await drip(row.request, (byte) => client.send(byte));
        const server = await world.server();
        const toServer = wire(row.toServer);
        await until('the request arrives', () => server.bytes >= toServer.length);
        assert.equal(server.text, toServer);
        await drip(row.answer, (byte) => server.send(byte));
        if (row.serverEnds === true) server.carrier.end();
        await until('the exchange is recorded', () => world.exchanges.length > 0);
        const whole = wire(row.toClient);
        const body = (text: string): string => dechunked(text.slice(text.indexOf('\r\n\r\n') + 4));
        await until('the answer arrives', () => client.text.includes('\r\n\r\n') && body(client.text) === body(whole));
        assert.equal(client.text.split('\r\n\r\n')[0], whole.split('\r\n\r\n')[0]);
      });
    }
  });
}

/** The data and trailers of a chunked body, however it was cut. */
function dechunked(body: string): string {
  return body.replaceAll(/(?:^|(?<=\n)|(?<=[a-z ]\r\n))[0-9]+\r\n/g, '').replaceAll('\r\n', '');
}
