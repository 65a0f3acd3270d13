import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHbonePool } from '@ambit/mesh/hbone';
import {
  createMeshViewStore,
  createTrustDomains,
  DEFAULT_TRUST_DOMAIN,
  type MeshViewUpdate,
  type Service,
  type Workload,
} from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { buildService, buildWorkload, checkLeaks, until, type WorkloadOptions } from '@ambit/mesh/testing';
import { type TunnelPeer, TunnelPeers } from '@ambit/mesh/tls';
import { Deadlines } from '../src/http/deadlines.ts';
import type { Delivery } from '../src/http/pipeline.ts';
import { ClusterTable } from '../src/upstream/cluster-table.ts';
import { DEFAULT_UPSTREAM_LIMITS } from '../src/upstream/limits.ts';
import { HttpWorld, type Party } from './http-world.ts';
import { type Protocol, type Response, serve } from './peers.ts';

checkLeaks();

const SERVICE = buildService({ ports: ['80:0'] });
const NONE = '503 no healthy endpoint\n';

function workloadAt(port: number, more: WorkloadOptions = {}): Workload {
  const services = { [SERVICE.key]: [`80:${port}`] };
  return buildWorkload({ name: 'one', addresses: ['127.0.0.1'], tunnelProtocol: 'none', services, ...more });
}

const UID = workloadAt(1).uid;

/** Status and body. */
function answerOf({ text }: Party): string {
  return `${/ (\d+) /.exec(text)?.[1]} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`;
}

function answer(response: Response, text: string): void {
  response.setHeader('content-length', text.length);
  response.end(Buffer.from(text));
}

/** A server that answers with its name and the body, but for the one request that it holds, and those that it is too busy for. */
class Server implements AsyncDisposable {
  readonly name: string;
  onBusy: (() => void) | undefined;
  held: Response | undefined;
  port = 0;
  readonly #stack = new AsyncDisposableStack();

  constructor(name: string) {
    this.name = name;
  }

  async open(protocol: Protocol): Promise<void> {
    const settings = { maxConcurrentStreams: 1 };
    const onRequest: Parameters<typeof serve>[1] = (request, response) => {
      if (request.url === '/held') {
        this.held = response;
        return;
      }
      if (request.url === '/busy' && this.onBusy !== undefined) {
        response.statusCode = 503;
        response.end();
        this.onBusy();
        return;
      }
      let body = '';
      request.on('data', (piece: Buffer) => (body += piece.toString()));
      request.on('end', () => answer(response, `${this.name} ${body}`));
    };
    this.port = this.#stack.use(await serve(protocol, onRequest, () => {}, settings)).port;
  }

  release(): void {
    if (this.held !== undefined) answer(this.held, 'held');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

interface Servers {
  readonly first: Server;
  readonly second: Server;
}

/** Two servers of a service; the first has one connection, on which a request is held, so that the next one waits. */
async function openWaiting(protocol: Protocol, delivery: Delivery | null) {
  await using half = new AsyncDisposableStack();
  const [first, second] = [half.use(new Server('first')), half.use(new Server('second'))];
  for (const server of [first, second]) await server.open(protocol);
  const store = createMeshViewStore();
  const { view } = store;
  const service: Service = { ...SERVICE, ports: [{ servicePort: 80, targetPort: 0, appProtocol: protocol }] };
  store.apply({ services: [service], workloads: [workloadAt(first.port)] });
  const clusters = new ClusterTable({
    clock: systemClock,
    logger: silentLogger,
    deadlines: half.use(new Deadlines(systemClock)),
    limits: { ...DEFAULT_UPSTREAM_LIMITS, connectionsMax: 1 },
    hbone: half.use(createHbonePool<TunnelPeer>({ clock: systemClock, logger: silentLogger })),
    svid: () => undefined,
    peers: new TunnelPeers({ domains: createTrustDomains(DEFAULT_TRUST_DOMAIN), watchesRevocation: false }),
    network: '',
    random: () => 0,
    place: () => undefined,
    securityOf: () => null,
  });
  half.defer(() => clusters.close());
  const world = half.use(
    await HttpWorld.open({
      kind: 'plain',
      servers: [],
      decide: (_request, forward) => ({ ...forward, delivery, cluster: clusters.ofService(view, service, 80) }),
    }),
  );
  const holding = await world.client();
  holding.send('GET /held HTTP/1.1\r\nHost: web\r\n\r\n');
  await until('a request is held', () => first.held !== undefined);
  const waiting = await world.client();
  waiting.send('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbody');
  await until('a request waits', () => [...clusters.endpoints][0]?.load === 2);
  const owned = half.move();
  return {
    ...{ servers: { first, second }, world, holding, waiting },
    change(update: MeshViewUpdate): void {
      store.apply(update);
      clusters.forgetClusters();
      clusters.prune(view);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const retries: Delivery = {
  retry: { codes: [], attempts: 1, backoffMs: 1 },
  attemptTimeoutMs: null,
  mirrors: [],
  session: null,
};
const gone = { removedWorkloads: [UID] };

for (const protocol of ['http1', 'http2'] as const) {
  for (const [delivery, rule] of [
    [null, 'without a rule'],
    [retries, 'with a rule of retries'],
  ] as const) {
    for (const [name, update, expected] of [
      [
        'by another endpoint',
        ({ second }: Servers) => ({ ...gone, workloads: [workloadAt(second.port, { name: 'two' })] }),
        { answer: '200 second body', reason: null },
      ],
      [
        'where it was, by a workload that has changed',
        ({ first }: Servers) => ({ workloads: [workloadAt(first.port, { capacity: 2 })] }),
        { answer: '200 first body', reason: null },
      ],
      ['503 when there is none', () => gone, { answer: NONE, reason: 'no-endpoint' }],
      [
        '503 when there is no service any more',
        () => ({ ...gone, removedServices: [SERVICE.key] }),
        { answer: NONE, reason: 'no-endpoint' },
      ],
    ] as const) {
      test(`${protocol}, ${rule}: a request that waits for an endpoint that goes is answered ${name}`, async () => {
        await using opened = await openWaiting(protocol, delivery);
        const { servers, world, holding, waiting } = opened;
        opened.change(update(servers));
        await until('an answer', () => world.exchanges.length > 0);
        const { reason, attempts } = world.exchanges[0] ?? assert.fail();
        await until('all of it', () => waiting.text.endsWith(expected.answer.slice(4)));
        assert.deepEqual({ answer: answerOf(waiting), reason, attempts }, { ...expected, attempts: 1 });
        servers.first.release();
        await until('the other one goes on', () => holding.text.endsWith('held'));
      });
    }
  }
}

test('a request that waits to be sent once more is sent where one of then would be', async () => {
  const delivery = { ...retries, retry: { codes: [503], attempts: 1, backoffMs: 1 } };
  await using opened = await openWaiting('http1', delivery);
  const { servers, world } = opened;
  const client = await world.client();
  servers.first.release();
  servers.first.onBusy = () =>
    opened.change({ ...gone, workloads: [workloadAt(servers.second.port, { name: 'two' })] });
  client.send('POST /busy HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbody');
  await until('an answer', () => client.text.endsWith('body'));
  assert.equal(answerOf(client), '200 second body');
});
