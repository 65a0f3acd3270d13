import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';
import { createTestCa, until } from '@ambit/mesh/testing';
import type { MeshWorld } from '../world/mesh-world.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { httpRoute, type Manifest, ManifestDirectory, namespace, NODES, pod, service, waypoint } from './manifests.ts';
import { CALL_MS, logsOf, startMesh } from './scenario.ts';

const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
const SERVER = { name: 'server', host: 'host-b', number: 21 } as const;
const TLS_PORT = 8443;

const [ca, otherCa] = [createTestCa(), createTestCa()];
const CERTIFICATE = ca.issueCertificate({ altNames: [{ kind: 'dns', value: 'secure.example' }] });

/** HTTPS in the pod, beside what it serves anyway. */
const PROGRAM = `
const { key, cert, port } = JSON.parse(process.argv[1]);
const answer = (request, response) => response.end(JSON.stringify({ servedBy: 'tls', seenSource: '', bodyBytes: 0 }));
require('node:https').createServer({ key, cert }, answer).listen({ port, host: '::' }, () => console.log('listening'));
process.stdin.on('end', () => process.exit()).resume();
`;

function secure(roots: string | null): readonly Manifest[] {
  const metadata = { name: 'secure', namespace: 'shop' };
  const validation = {
    hostname: 'secure.example',
    caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'secure' }],
  };
  const targetRefs = [{ group: '', kind: 'Service', name: 'secure', sectionName: 'https' }];
  const policy = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata,
    spec: { targetRefs, validation },
  };
  return roots === null
    ? [policy]
    : [policy, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.crt': roots } }];
}

describe('a waypoint and a backend that wants TLS', { skip: requireSandbox() }, () => {
  let manifests: ManifestDirectory;
  let world: MeshWorld;
  const stack = new AsyncDisposableStack();

  before(async () => {
    manifests = stack.use(new ManifestDirectory('/run/scenario-backend-tls'));
    manifests.write('world.yaml', ...NODES, namespace('shop', 'ambient'));
    manifests.write('pods.yaml', ...[CLIENT, SERVER].map(pod), ...waypoint('wp', { host: 'host-a', number: 30 }));
    const ports = [{ name: 'https', port: 443, targetPort: TLS_PORT, appProtocol: 'https' }];
    const behind = service('secure', 2, 'server');
    manifests.write('services.yaml', service('web', 1, 'server', 'wp'), {
      ...behind,
      spec: { ...Object(behind['spec']), ports },
    });
    manifests.write('route.yaml', httpRoute('secure', 'web', [{ backendRefs: [{ name: 'secure', port: 443 }] }]));
    world = stack.use(await startMesh(manifests, ['shop/client', 'shop/server']));
    const options = JSON.stringify({ key: CERTIFICATE.privateKeyPem, cert: CERTIFICATE.chainPem, port: TLS_PORT });
    const place = { namespace: 'shop', name: 'server' };
    const server = world.network.spawnInPod(place, process.execPath, ['-e', PROGRAM, options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    stack.defer(async () => {
      server.stdin?.end();
      await once(server, 'exit');
    });
    assert.ok(server.stdout !== null);
    await once(server.stdout, 'data');
  });
  afterEach((t) => {
    if ('passed' in t && !t.passed) console.error(logsOf(world));
  });
  after(() => stack.disposeAsync());

  /** Who answered, or the status. */
  const call = async (): Promise<string> => {
    const { servedBy, error, status } = await world
      .app('client')
      .run({ op: 'http', ip: '10.20.0.1', port: 80, path: '/', timeoutMs: CALL_MS });
    return servedBy ?? error ?? `${status}`;
  };
  const becomes = (what: string, expected: string): Promise<unknown> =>
    until(what, async () => (await call()).includes(expected));

  test('is no backend without a policy, and is reached in TLS with one', async () => {
    await becomes('the route counts', '500');
    manifests.write('tls.yaml', ...secure(ca.rootPem));
    await becomes('the policy counts', 'tls');
  });

  test('is sent nothing while its authorities are others or none', async () => {
    manifests.write('tls.yaml', ...secure(otherCa.rootPem));
    await becomes('nobody is believed', '503');
    manifests.write('tls.yaml', ...secure(otherCa.rootPem + ca.rootPem));
    await becomes('the server is believed', 'tls');
    manifests.write('tls.yaml', ...secure(null));
    await becomes('there are no authorities', '503');
    manifests.write('tls.yaml', ...secure(ca.rootPem));
    await becomes('there are', 'tls');
  });
});
