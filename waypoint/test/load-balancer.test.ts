import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, createTestCa, listen, until } from '@ambit/mesh/testing';
import { parseLocalConfig } from '../src/local/local-config.ts';
import { ask, type Response, serve } from './peers.ts';
import { createPlane } from './plane.ts';

type Json = Readonly<Record<string, unknown>>;

checkLeaks();

const ca = createTestCa();
const own = ca.issueCertificate({ altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/shop/sa/waypoint' }] });
const FILES: Readonly<Record<string, string>> = { key: own.privateKeyPem, chain: own.chainPem, roots: ca.rootPem };
const SERVERS = [0, 1, 2] as const;

function configuration(ports: readonly number[], extensions: readonly Json[]): string {
  const base = { namespace: 'shop', trustDomain: 'cluster.local', serviceAccount: 'web' };
  return JSON.stringify({
    workloads: ports.map((targetPort, index) => ({
      ...{ ...base, uid: `Kubernetes//Pod/shop/web-${index}`, name: `web-${index}`, addresses: ['fwAAAQ=='] },
      services: { 'shop/web.shop': { ports: [{ servicePort: 80, targetPort }] } },
    })),
    services: [
      {
        ...{ name: 'web', namespace: 'shop', hostname: 'web.shop', extensions },
        ports: [{ servicePort: 80, appProtocol: 'HTTP11' }],
      },
    ],
    certificate: { privateKey: 'key', chain: 'chain', roots: 'roots' },
  });
}

/** Which of three servers gets each of seven requests while the first is under way. Draws are always of the first two. */
async function served(algorithm: string | null): Promise<readonly number[]> {
  await using stack = new AsyncDisposableStack();
  const asked: number[] = [];
  let held: Response | undefined;
  const ports: number[] = [];
  for (const index of SERVERS) {
    const peer = await serve('http1', (request, response) => {
      asked.push(index);
      if (request.url === '/held') held = response;
      else response.end();
    });
    ports.push(stack.use(peer).port);
  }
  const plane = createPlane();
  stack.defer(() => plane.drain(0));
  const type = 'type.googleapis.com/ambit.workload.v1.LoadBalancer';
  const extension = { name: 'ambit.dev/load-balancer', config: { '@type': type, algorithm } };
  const text = configuration(ports, algorithm === null ? [] : [extension]);
  const { workloads, services, policySets, svid } = parseLocalConfig(text, (path) => FILES[path] ?? assert.fail(path));
  plane['set-svid']({ svid });
  const policies = { put: policySets, removed: [] };
  plane.configure({ update: { workloads, services }, routes: { put: [], removed: [] }, policySets: policies });
  await using free = await listen(() => {});
  const { port } = free;
  await free[Symbol.asyncDispose]();
  const plain = [{ host: '127.0.0.1', port, service: 'shop/web.shop', servicePort: 80 }];
  await plane.listen({ hbone: { host: '127.0.0.1', port: 0 }, plain });
  const first = ask('http1', port, { path: '/held' });
  await until('the first request is under way', () => held !== undefined);
  for (let i = 0; i < 6; i += 1) await ask('http1', port, {});
  held?.end();
  await first;
  return asked;
}

for (const [algorithm, expected] of [
  [null, [0, 1, 1, 1, 1, 1, 1]],
  ['LEAST_REQUEST', [0, 1, 1, 1, 1, 1, 1]],
  ['ROUND_ROBIN', [0, 1, 2, 0, 1, 2, 0]],
  ['RANDOM', [0, 0, 0, 0, 0, 0, 0]],
] as const) {
  test(`a waypoint acts upon load balancer ${algorithm ?? 'none'}`, async () => {
    assert.deepEqual(await served(algorithm), expected);
  });
}
