import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { accessRecords } from '../demo/access-log.ts';
import { requireSandbox } from '../world/sandbox.ts';
import {
  AgentWithPeer,
  APPLICATION_PORT,
  CLIENT_ID,
  FAR_SERVICES,
  farHostname,
  PEER_ID,
  PEER_IP,
  SERVER_ID,
  SERVER_IP,
} from './agent-with-peer.ts';
import {
  ENVOY_ADMIN_PORT,
  type EnvoyClientOptions,
  envoyClientConfig,
  envoyGatewayConfig,
  type EnvoyServerOptions,
  envoyServerConfig,
} from './envoy-config.ts';
import { PeerProgram, SAYS_MS } from './peer-program.ts';
import { type Exchanged, exchangeBytes, startRole } from './peers.ts';
import { envoyProgram } from './programs.ts';

const PORT = APPLICATION_PORT;
const PLAIN_PORT = 10_001;

describe('Envoy, CONNECT over mutual TLS', { skip: requireSandbox() }, () => {
  let world: AgentWithPeer;
  const running = new AsyncDisposableStack();

  before(async () => {
    world = running.use(await AgentWithPeer.start({ name: 'interop-envoy' }));
    for (const spawn of [world.inPod('server'), world.onPeer]) {
      running.use(await startRole(spawn, 'tcp-server', ['-listen', `:${PORT}`]));
    }
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(world.log, world.accessLog);
  });
  after(() => running.disposeAsync());

  async function start(config: object): Promise<PeerProgram> {
    const file = join(world.directory, 'envoy.json');
    writeFileSync(file, JSON.stringify(config));
    const args = ['--config-path', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'info'];
    const envoy = new PeerProgram(world.onPeer, envoyProgram(), args);
    try {
      await until('Envoy serves', () => envoy.complaint.includes('starting main dispatch loop'), SAYS_MS);
      return envoy;
    } catch (error) {
      await envoy[Symbol.asyncDispose]();
      throw new Error(envoy.complaint, { cause: error });
    }
  }
  const client = (more: Partial<EnvoyClientOptions> = {}): Promise<PeerProgram> =>
    start(
      envoyClientConfig({
        ...{ files: world.peer, port: PLAIN_PORT, proxy: { address: SERVER_IP, port: 15008 }, principal: SERVER_ID },
        authority: `${SERVER_IP}:${PORT}`,
        ...more,
      }),
    );
  const server = (more: Partial<EnvoyServerOptions> = {}): Promise<PeerProgram> =>
    start(envoyServerConfig({ files: world.peer, port: 15008, principalPrefix: 'spiffe://cluster.local/', ...more }));
  const throughEnvoy = (bytes = 1000, count = 1): Promise<readonly Exchanged[]> =>
    exchangeBytes(world.onPeer, `127.0.0.1:${PLAIN_PORT}`, { bytes, count });
  const throughAgent = (bytes = 1000, count = 1): Promise<readonly Exchanged[]> =>
    exchangeBytes(world.inPod('client'), `${PEER_IP}:${PORT}`, { bytes, count });
  const good = (results: readonly Exchanged[]): void =>
    assert.deepEqual(
      results.filter(({ ok }) => !ok),
      [],
    );

  test('Envoy reaches an enrolled pod: half-close, many streams, megabytes', async () => {
    await using _ = await client();
    good(await throughEnvoy());
    good(await throughEnvoy(100_000, 150));
    good(await throughEnvoy(20_000_000, 2));
    const [record] = accessRecords(world.accessLog, 'inbound');
    assert.equal(record?.fields.get('src.identity'), PEER_ID);
    assert.equal(record?.fields.get('dst.hbone_addr'), `${SERVER_IP}:${PORT}`);
  });

  test("an enrolled pod is carried by Envoy's listener: half-close, many streams, megabytes", async () => {
    await using _ = await server();
    good(await throughAgent());
    good(await throughAgent(100_000, 150));
    good(await throughAgent(20_000_000, 2));
  });

  test("headers of Istio's gateways and of Envoy change nothing about who the caller is", async () => {
    const headers = {
      'x-istio-source': 'waypoint',
      'x-forwarded-network': 'network-9',
      'x-forwarded-client-cert':
        'By=spiffe://cluster.local/ns/shop/sa/admin;URI=spiffe://cluster.local/ns/shop/sa/admin',
      'x-envoy-peer-metadata': 'ChIKBE5BTUUSCho'.repeat(200),
      baggage: 'k8s.cluster.name=far,k8s.namespace.name=far-away,k8s.pod.name=somebody',
      forwarded: 'for="192.0.2.7:1234";host=server.shop.svc.cluster.local',
    };
    const from = world.accessLog.length;
    await using _ = await client({ headers });
    good(await throughEnvoy());
    const record = await until('the record is written', () =>
      accessRecords(world.accessLog.slice(from), 'inbound').at(-1),
    );
    assert.equal(record.fields.get('src.identity'), PEER_ID);
    assert.match(record.fields.get('src.addr') ?? '', /^10\.9\.0\.2:\d+$/);
    // Addresses of another network may be anybody's here, so the workload is not looked up by them: what the peer says counts.
    assert.equal(record.fields.get('src.workload'), 'somebody');
  });

  test('an Envoy that allows one stream a connection, or one request, is given as many connections', async () => {
    {
      await using _ = await server({ streamsPerConnection: 1 });
      good(await throughAgent(100_000, 20));
    }
    await using _ = await client({ requestsPerConnection: 1 });
    good(await throughEnvoy(100_000, 20));
  });

  test('when Envoy drains its connections, streams end whole and new ones go over a new connection', async () => {
    await using _ = await server({ connectionSeconds: 1 });
    const connections = async (): Promise<number> => {
      const stats = await world.askOnPeer(ENVOY_ADMIN_PORT, '/stats?filter=^http.tunnel.downstream_cx_total');
      return Number(/downstream_cx_total: (\d+)/.exec(stats ?? '')?.[1]);
    };
    await until(
      'Envoy has drained two connections under load',
      async () => {
        good(await throughAgent(300_000, 10));
        return (await connections()) > 2;
      },
      SAYS_MS,
    );
  });

  test('a refusal ends the connection on the other side, whichever side refuses', async () => {
    {
      await using _ = await client({ authority: '10.10.1.77:9200' });
      const [refused] = await throughEnvoy();
      assert.equal(refused?.ok, false, 'the authority is not the destination');
      assert.equal(refused?.received, 0);
    }
    {
      await using _ = await server({ principalPrefix: 'spiffe://other.example/' });
      const [refused] = await throughAgent();
      assert.deepEqual([refused?.ok, refused?.received], [false, 0], 'the trust domain is not the one wanted');
    }
    await using _ = await server();
    const [refused] = await exchangeBytes(world.inPod('client'), `${PEER_IP}:1`);
    assert.deepEqual([refused?.ok, refused?.received], [false, 0], 'no application there');
  });

  describe('as the gateway of another network', () => {
    const WAYPOINT_PORT = 15_009;
    const to = {
      [`${farHostname('far-pod')}:80`]: { address: SERVER_IP, port: 15_008 },
      [`${farHostname('far-waypoint')}:80`]: { address: '127.0.0.1', port: WAYPOINT_PORT },
    };
    const ends = { files: () => world.peer, port: 15_008, principalPrefix: 'spiffe://cluster.local/' };
    const gateway = (more: object = {}): Promise<PeerProgram> =>
      start(
        envoyGatewayConfig({
          ...ends,
          files: ends.files(),
          to,
          waypoint: { port: WAYPOINT_PORT, application: PORT },
          ...more,
        }),
      );
    const call = (name: keyof typeof FAR_SERVICES, bytes = 1000, count = 1): Promise<readonly Exchanged[]> =>
      exchangeBytes(world.inPod('client'), `${FAR_SERVICES[name].vip}:80`, { bytes, count });

    test('an enrolled pod reaches another one through it: half-close, many connections, megabytes', async () => {
      await using _ = await gateway();
      const from = world.accessLog.length;
      good(await call('far-pod'));
      const records = await until('both ends have written', () => {
        const text = world.accessLog.slice(from);
        const [outbound, inbound] = [accessRecords(text, 'outbound').at(-1), accessRecords(text, 'inbound').at(-1)];
        return outbound === undefined || inbound === undefined ? undefined : { outbound, inbound };
      });
      for (const { fields } of Object.values(records)) {
        assert.equal(fields.get('src.identity'), CLIENT_ID);
        assert.equal(fields.get('dst.identity'), SERVER_ID);
        assert.equal(fields.get('dst.hbone_addr'), `${farHostname('far-pod')}:80`);
      }
      assert.equal(records.outbound.fields.get('dst.addr'), `${PEER_IP}:15008`);
      good(await call('far-pod', 100_000, 60));
      good(await call('far-pod', 20_000_000, 2));
    });

    test("an enrolled pod reaches Envoy's own listener through it, as a waypoint there", async () => {
      await using _ = await gateway();
      good(await call('far-waypoint'));
      good(await call('far-waypoint', 100_000, 60));
      good(await call('far-waypoint', 20_000_000, 2));
    });

    test('Envoy reaches an enrolled pod through it, with one request a connection as Istio has it', async () => {
      const client = {
        port: PLAIN_PORT,
        authority: `${farHostname('far-pod')}:80`,
        principal: SERVER_ID,
        network: 'far',
      };
      await using _ = await gateway({ client });
      const from = world.accessLog.length;
      good(await throughEnvoy());
      good(await throughEnvoy(100_000, 60));
      good(await throughEnvoy(20_000_000, 2));
      const record = await until('the agent has written', () =>
        accessRecords(world.accessLog.slice(from), 'inbound').at(0),
      );
      assert.equal(record.fields.get('src.identity'), PEER_ID);
      assert.equal(record.fields.get('dst.hbone_addr'), client.authority);
      // In its own network the address is the peer's; from another one it is nobody's.
      assert.equal(record.fields.get('src.workload'), undefined);
    });

    test('nobody else is believed behind it, and what it knows no way to is refused', async () => {
      {
        await using _ = await gateway({
          to: { ...to, [`${farHostname('far-pod')}:80`]: { address: '127.0.0.1', port: WAYPOINT_PORT } },
        });
        const [refused] = await call('far-pod');
        assert.deepEqual([refused?.ok, refused?.received], [false, 0], 'the far end is another one');
      }
      await using _ = await gateway({ to: {} });
      const [refused] = await call('far-pod');
      assert.deepEqual([refused?.ok, refused?.received], [false, 0], 'the gateway knows no such service');
    });
  });
});
