/**
 * Generated requests, most of them broken, through the whole proxy to the parsers of Node: llhttp and nghttp2. Whatever a client says, a
 * server reads the requests that were decided about, and no other; and the next client gets the answer to what it asked.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalisePath } from '@ambit/mesh/model';
import {
  anyHttp2Request,
  anyRequests,
  blockOf,
  checkLeaks,
  dial,
  frameOf,
  Http2Peer,
  mutated,
  randomOf,
  spoiled,
  until,
} from '@ambit/mesh/testing';
import { HttpWorld } from './http-world.ts';
import { ask, type Protocol, serve } from './peers.ts';

checkLeaks();

const SEED = 20_261_126;
const RUNS = 750;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const END_STREAM = 1;
const END_HEADERS = 4;

/** Says something as a client, on a connection of its own, until the proxy has nothing more to say to it. */
type Client = (world: HttpWorld) => Promise<void>;

function http1Client(bytes: Buffer): Client {
  return async (world) => {
    const client = await world.client();
    client.send(bytes);
    client.carrier.end();
    await until('the proxy is through with it', () => client.isOver);
  };
}

function http2Client({ fields, body, trailers }: ReturnType<typeof anyHttp2Request>): Client {
  return async (world) => {
    await using peer = new Http2Peer(dial(world.port), 'client');
    peer.greet();
    const isLast = (isEnd: boolean): number => END_HEADERS | (isEnd ? END_STREAM : 0);
    const pieces = body ?? [];
    peer.send(
      frameOf(HEADERS, isLast(body === undefined && trailers === undefined), 1, blockOf(fields)),
      ...pieces.map((piece, index) =>
        frameOf(DATA, trailers === undefined && index === pieces.length - 1 ? END_STREAM : 0, 1, Buffer.from(piece)),
      ),
      // A body of no pieces ends all the same.
      ...(body?.length === 0 && trailers === undefined ? [frameOf(DATA, END_STREAM, 1)] : []),
      ...(trailers === undefined ? [] : [frameOf(HEADERS, isLast(true), 1, blockOf(trailers))]),
    );
    const isAnswered = (): boolean =>
      peer.frames.some(({ type, flags, streamId }) => {
        const isEnd = type === RST_STREAM || ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0);
        return streamId === 1 && isEnd;
      });
    await until('the proxy is through with it', () => peer.ended || isAnswered());
  };
}

const CLIENTS: Readonly<Record<Protocol, (random: () => number) => Client>> = {
  http1: (random) => http1Client(mutated(random, anyRequests(random), Math.floor(random() * 4))),
  http2: (random) => http2Client(spoiled(random, anyHttp2Request(random), Math.floor(random() * 4))),
};

/** What is sent on of a record's `METHOD authority target`. */
function sentAs(request: string): string {
  const [method = '', , target = ''] = request.split(' ');
  const [raw = '', query] = target.split(/\?(.*)/s);
  const normal = normalisePath(raw === '' ? '/' : raw);
  const path = normal.kind === 'path' ? normal.path : 'refused';
  return `${method} ${path}${query === undefined || query === '' ? '' : `?${query}`}`;
}

for (const client of ['http1', 'http2'] as const) {
  for (const server of ['http1', 'http2'] as const) {
    test(`${RUNS} generated clients of ${client} make a server of ${server} read what was decided about`, async () => {
      const random = randomOf(SEED);
      const seen: string[] = [];
      await using backend = await serve(server, (request, response) => {
        // A query of nothing is none, and may be said.
        seen.push(`${request.method} ${request.url}`.replace(/^([^?]*)\?$/, '$1'));
        request.on('error', () => {}).resume();
        response.on('error', () => {});
        request.on('end', () => response.end(Buffer.from(`${request.url}`)));
      });
      await using world = await HttpWorld.open({
        kind: 'plain',
        serverPorts: [backend.port],
        protocol: server,
        ...(client === 'http2' ? { clientProtocol: client } : {}),
      });
      let forwardedCount = 0;
      for (let run = 0; run < RUNS; run += 1) {
        seen.length = 0;
        world.exchanges.length = 0;
        await CLIENTS[client](random)(world);
        const next = await ask(client, world.port, { path: `/next/${run}` });
        assert.deepEqual([next.status, next.body.toString()], [200, `/next/${run}`], `run ${run}`);
        const decided = world.exchanges.flatMap(({ request, attempts }) =>
          Array.from({ length: attempts }, () => sentAs(request)),
        );
        // Some of what was decided about may not have been read before its client was gone.
        let at = 0;
        for (const request of seen) {
          const found = decided.indexOf(request, at);
          assert.ok(found >= 0, `run ${run}: ${JSON.stringify({ seen, decided })}`);
          at = found + 1;
        }
        forwardedCount += seen.length - 1;
      }
      assert.ok(forwardedCount > RUNS / 10, `${forwardedCount} came through`);
    });
  }
}
