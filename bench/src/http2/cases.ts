import type { ResponseReceiver } from '@ambit/mesh/http2';
import { BenchError } from '../errors.ts';
import {
  type Answer,
  connectNode,
  connectOurs,
  type Listening,
  proxyNode,
  proxyOurs,
  serveNode,
  serveOurs,
} from './endpoints.ts';
import { blocksOf } from './frames.ts';
import { RawClient } from './raw-client.ts';
import { RawServer } from './raw-server.ts';

/** Makes requests over one connection, `count` at a time. */
export interface Load extends AsyncDisposable {
  ask(count: number): Promise<void>;
}

/** One piece of work, done by both. */
export interface Http2Case {
  readonly name: string;
  /** Requests at a time. */
  readonly streams: number;
  readonly ours: () => Promise<Load>;
  readonly node: () => Promise<Load>;
}

const AUTHORITY = 'productpage.shop.svc.cluster.local:9080';
const PATH = '/api/v1/products?page=2';
const REQUEST_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36'],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['accept-language', 'en-US,en;q=0.5'],
  ['cookie', 'session=0123456789abcdef0123456789abcdef'],
];
const BODY: Buffer = Buffer.alloc(1024, 'x');
const NOTHING: Buffer = Buffer.alloc(0);
const ANSWER: Answer = {
  fields: [
    ['server', 'nginx/1.25'],
    ['date', 'Thu, 26 Nov 2026 00:00:00 GMT'],
    ['content-type', 'application/json'],
    ['cache-control', 'no-cache'],
  ],
  body: BODY,
};

export function http2Cases(): readonly Http2Case[] {
  return [
    served('server: GET, 1 KiB back', 1, NOTHING),
    served('server: GET, 1 KiB back', 32, NOTHING),
    served('server: POST of 1 KiB, 1 KiB back', 32, BODY),
    asked('client: GET, 1 KiB back', 1),
    asked('client: GET, 1 KiB back', 32),
    passedOn('proxy: GET, 1 KiB back', 32, NOTHING),
    passedOn('proxy: POST of 1 KiB, 1 KiB back', 32, BODY),
  ];
}

const requestBlocks = (method: 'GET' | 'POST'): readonly Buffer[] =>
  blocksOf((head) => head.request({ method, scheme: 'http', authority: AUTHORITY, path: PATH }), REQUEST_FIELDS);

const responseBlocks = (): readonly Buffer[] =>
  blocksOf((head) => {
    head.status(200);
    head.contentLength(BODY.length);
  }, ANSWER.fields);

async function loadOn(listening: Listening, body: Buffer, rest?: AsyncDisposable): Promise<Load> {
  const client = await RawClient.connect(listening.port, requestBlocks(body.length === 0 ? 'GET' : 'POST'), body);
  return {
    ask: (count) => client.ask(count),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await listening[Symbol.asyncDispose]();
      await rest?.[Symbol.asyncDispose]();
    },
  };
}

function served(name: string, streams: number, body: Buffer): Http2Case {
  return {
    name,
    streams,
    ours: async () => loadOn(await serveOurs(ANSWER), body),
    node: async () => loadOn(await serveNode(ANSWER), body),
  };
}

function passedOn(name: string, streams: number, body: Buffer): Http2Case {
  const load = async (proxy: (port: number) => Promise<Listening>): Promise<Load> => {
    const server = await RawServer.listen(responseBlocks(), BODY);
    return loadOn(await proxy(server.port), body, server);
  };
  return { name, streams, ours: () => load(proxyOurs), node: () => load(proxyNode) };
}

function asked(name: string, streams: number): Http2Case {
  return {
    name,
    streams,
    ours: async () => {
      const server = await RawServer.listen(responseBlocks(), BODY);
      const client = await connectOurs(server.port);
      const one = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const { head } = client;
          head.begin();
          head.request({ method: 'GET', scheme: 'http', authority: AUTHORITY, path: PATH });
          for (const [field, value] of REQUEST_FIELDS) head.field(field, value);
          head.end();
          const exchange = client.request(
            receiverOf(() => exchange, resolve, reject),
            true,
          );
          if (exchange === undefined) reject(new BenchError('command-failed', 'no room for a request'));
        });
      return {
        ask: (count) => all(count, one),
        async [Symbol.asyncDispose]() {
          client.destroy();
          await server[Symbol.asyncDispose]();
        },
      };
    },
    node: async () => {
      const server = await RawServer.listen(responseBlocks(), BODY);
      const session = connectNode(server.port);
      const headers = {
        ':method': 'GET',
        ':path': PATH,
        ':authority': AUTHORITY,
        ...Object.fromEntries(REQUEST_FIELDS),
      };
      const one = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const stream = session.request(headers, { endStream: true });
          stream.on('error', reject);
          stream.resume();
          stream.on('end', resolve);
        });
      return {
        ask: (count) => all(count, one),
        async [Symbol.asyncDispose]() {
          session.destroy();
          await server[Symbol.asyncDispose]();
        },
      };
    },
  };
}

async function all(count: number, one: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, one));
}

function receiverOf(
  exchange: () => { release(bytes: number): void } | undefined,
  resolve: () => void,
  reject: (error: unknown) => void,
): ResponseReceiver {
  return {
    onInterim() {},
    onResponse() {},
    onData: (_memory, start, end) => exchange()?.release(end - start),
    onTrailers() {},
    onEnd: resolve,
    onDrain() {},
    onClose: (error) => {
      if (error !== undefined) reject(error);
    },
  };
}
