import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import type { AppResult } from '../world/apps/app-protocol.ts';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { httpRoute, type Manifest, ManifestDirectory, namespace, NODES, pod, service, waypoint } from './manifests.ts';
import { CALL_MS, logsOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const GUEST = { name: 'guest', host: 'host-a', number: 11, namespace: 'other' } as const;
const V1 = { name: 'v1', host: 'host-b', number: 21 } as const;
const V2 = { name: 'v2', host: 'host-b', number: 22 } as const;
/** Of a Service that no waypoint stands before. */
const OPEN = '10.20.0.4';
/** The waypoint through which callers of the namespace go where they have routes of their own. */
const OTHERS_WAYPOINT = { 'ambit.dev/waypoint': 'wp', 'ambit.dev/waypoint-namespace': 'shop' };
/** Of the Service that has a canary waypoint. */
const TRIED = '10.20.0.5';
/** Of ServiceImport `web`. */
const OF_SET = '10.20.0.9';
const WEB = { v4: '10.20.0.1', v6: 'fd10:20::1' } as const;

/** Rules of a canary: requests that ask for it go to v2, of the rest so many of a hundred. */
function canary(percent: number): readonly Manifest[] {
  const to = (name: string, weight: number): Manifest => ({ name, port: 80, weight });
  return [
    { matches: [{ headers: [{ name: 'x-canary', value: 'yes' }] }], backendRefs: [to('web-v2', 1)] },
    { backendRefs: [to('web-v1', 100 - percent), to('web-v2', percent)] },
  ];
}

/** So many connections of a hundred go through waypoint `next`. */
function tried(percent: number): Manifest {
  const metadata = {
    name: 'tried',
    namespace: 'shop',
    labels: { 'ambit.dev/waypoint': 'wp', 'ambit.dev/waypoint-canary': 'next' },
    annotations: { 'ambit.dev/waypoint-canary-weight': `${percent}` },
  };
  return { ...service('tried', 5, 'v1'), metadata };
}

describe('a waypoint', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;

  before(async () => {
    manifests = new ManifestDirectory('/run/scenario-waypoint');
    manifests.write(
      'world.yaml',
      ...NODES,
      namespace('shop', 'ambient'),
      namespace('other', 'ambient', OTHERS_WAYPOINT),
    );
    manifests.write(
      'pods.yaml',
      ...[CLIENT, GUEST, V1, V2].map(pod),
      ...waypoint('wp', { host: 'host-a', number: 30 }),
      ...waypoint('next', { host: 'host-b', number: 31 }),
    );
    manifests.write(
      'services.yaml',
      service('web', 1, 'v1', 'wp'),
      service('web-v1', 2, 'v1'),
      service('open', 4, 'v1'),
      service('web-v2', 3, 'v2'),
    );
    manifests.write('route.yaml', httpRoute('canary', 'web', canary(0)));
    manifests.write('tried.yaml', tried(0));
    world = await startMesh(manifests, ['other/guest', 'shop/client', 'shop/v1', 'shop/v2']);
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    manifests[Symbol.dispose]();
  });

  const call = (
    caller: string,
    headers: Readonly<Record<string, string>> = {},
    ip: string = WEB.v4,
  ): Promise<AppResult> => world.app(caller).run({ op: 'http', ip, port: 80, path: '/', headers, timeoutMs: CALL_MS });
  const asks = { 'x-canary': 'yes' };

  test('routes by header, for both address families', async () => {
    for (const ip of [WEB.v4, WEB.v6]) {
      assert.deepEqual(await servers([call('client', {}, ip)]), ['v1'], ip);
      assert.deepEqual(await servers([call('client', asks, ip)]), ['v2'], ip);
    }
  });

  test('follows a canary from none to all and back while requests run, and loses none', async () => {
    let isOver = false;
    const answers: AppResult[] = [];
    const traffic = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) answers.push(await call('client'));
      }),
    );
    const recent = (): readonly (string | undefined)[] => answers.slice(-20).map(({ servedBy }) => servedBy);
    for (const [percent, isReached] of [
      [50, (last) => last.includes('v1') && last.includes('v2')],
      [100, (last) => last.every((name) => name === 'v2')],
      [0, (last) => last.every((name) => name === 'v1')],
    ] as readonly (readonly [number, (last: readonly (string | undefined)[]) => boolean])[]) {
      const before = answers.length;
      manifests.write('route.yaml', httpRoute('canary', 'web', canary(percent)));
      await until(`${percent} % are in force`, () => answers.length >= before + 40 && isReached(recent()));
    }
    isOver = true;
    await traffic;
    assert.deepEqual(
      answers.filter(({ ok }) => !ok),
      [],
    );
    assert.ok(answers.length >= 120, `${answers.length} requests`);
  });

  test('keeps a client with the version that it began with, by the cookie that it brings', async () => {
    const [, rule = {}] = canary(50);
    manifests.write(
      'route.yaml',
      httpRoute('canary', 'web', [{ ...rule, sessionPersistence: { sessionName: 'cart' } }]),
    );
    const began = await until('a session begins', async () => {
      const answer = await call('client');
      return answer.servedBy === 'v2' && answer.cookie !== undefined ? answer : undefined;
    });
    const cookie = began.cookie ?? '';
    assert.match(cookie, /^cart=./);
    const stayed = Array.from({ length: 16 }, () => call('client', { cookie }));
    assert.deepEqual(new Set(await servers(stayed)), new Set(['v2']));
    const others = Array.from({ length: 32 }, () => call('client'));
    assert.deepEqual(new Set(await servers(others)), new Set(['v1', 'v2']));
    manifests.write('route.yaml', httpRoute('canary', 'web', canary(0)));
    await until('sessions end with the rule', async () => (await call('client', { cookie })).servedBy === 'v1');
  });

  test("counts a consumer's route for callers of its namespace alone", async () => {
    assert.deepEqual(await servers([call('guest'), call('client')]), ['v1', 'v1']);
    const rule = { backendRefs: [{ name: 'web-v2', namespace: 'shop', port: 80 }] };
    manifests.write('consumer.yaml', httpRoute('mine', 'web', [rule], 'other'));
    await until('the route counts', async () => (await call('guest')).servedBy === 'v2');
    assert.deepEqual(await servers([call('client'), call('guest')]), ['v1', 'v2']);
    manifests.remove('consumer.yaml');
    await until('the route is gone', async () => (await call('guest')).servedBy === 'v1');
  });

  test("counts a consumer's route at the waypoint of the caller's namespace, where the service has none", async () => {
    assert.deepEqual(await servers([call('guest', {}, OPEN), call('client', {}, OPEN)]), ['v1', 'v1']);
    const rule = { backendRefs: [{ name: 'web-v2', namespace: 'shop', port: 80 }] };
    manifests.write('open-consumer.yaml', httpRoute('open', 'open', [rule], 'other'));
    await until('the route counts', async () => (await call('guest', {}, OPEN)).servedBy === 'v2');
    assert.deepEqual(await servers([call('client', {}, OPEN), call('guest', {}, OPEN)]), ['v1', 'v2']);
    manifests.remove('open-consumer.yaml');
    await until('the route is gone', async () => (await call('guest', {}, OPEN)).servedBy === 'v1');
  });

  test('leaves a share of the connections to its canary, which has the same routes and policies of its own', async () => {
    const ask = (headers: Readonly<Record<string, string>> = {}): Promise<AppResult> => call('client', headers, TRIED);
    const give = (percent: number): void => {
      manifests.write('tried.yaml', tried(percent));
    };
    manifests.write('tried-route.yaml', httpRoute('tried', 'tried', canary(0)));
    manifests.write('next-policy.yaml', {
      apiVersion: 'ambit.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { name: 'next-lets-nobody-in', namespace: 'shop' },
      spec: {
        targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'next' }],
        action: 'Deny',
        rules: [{}],
      },
    });
    await until('the route counts', async () => (await ask(asks)).servedBy === 'v2');
    give(100);
    await until('the canary refuses', async () => (await ask()).status === 403);
    give(50);
    const seen = new Set<number | undefined>();
    await until('both are reached', async () => seen.add((await ask()).status).size === 2);
    assert.deepEqual(seen, new Set([200, 403]));
    give(0);
    await until('the canary has no share', async () => {
      const last = await Promise.all(Array.from({ length: 16 }, () => ask()));
      return last.every(({ status }) => status === 200);
    });
    manifests.remove('next-policy.yaml');
    give(100);
    await until('the canary lets them in', async () => (await ask(asks)).servedBy === 'v2');
    assert.deepEqual(await servers([ask(), ask(asks)]), ['v1', 'v2']);
  });

  test('routes what is asked of a ServiceImport by its own routes, at its own address', async () => {
    const parent = { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'web' };
    const spec = { type: 'ClusterSetIP', ips: [OF_SET], ports: [{ port: 80 }] };
    const metadata = { name: 'web', namespace: 'shop' };
    const route = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'of-set', namespace: 'shop' },
      spec: { parentRefs: [parent], rules: [{ backendRefs: [{ name: 'web-v2', port: 80 }] }] },
    };
    manifests.write('import.yaml', {
      apiVersion: 'multicluster.x-k8s.io/v1alpha1',
      kind: 'ServiceImport',
      metadata,
      spec,
    });
    await until('the import is reached', async () => (await call('client', {}, OF_SET)).servedBy === 'v1');
    manifests.write('of-set.yaml', route);
    await until('its route counts', async () => (await call('client', {}, OF_SET)).servedBy === 'v2');
    assert.deepEqual(await servers([call('client'), call('guest', {}, OF_SET)]), ['v1', 'v2']);
  });
});

async function servers(calls: readonly Promise<AppResult>[]): Promise<readonly (string | undefined)[]> {
  return (await Promise.all(calls)).map(({ servedBy, error, status }) => servedBy ?? error ?? `${status}`);
}
