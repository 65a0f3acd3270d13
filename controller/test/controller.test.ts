import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { createCaClient, createPushTransport, type NodeCredentials } from '@ambit/mesh/grpc';
import { parseSpiffeId } from '@ambit/mesh/model';
import type { PushStream } from '@ambit/mesh/push';
import { checkLeaks, failureOf, until } from '@ambit/mesh/testing';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryRequest,
  type DiscoveryResponse,
  parsePushedResource,
} from '@ambit/mesh/wire';
import type { ControllerApp } from '../src/app.ts';
import { ask, ControllerWorld } from './controller-world.ts';

checkLeaks();

const POD = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {ambit.dev/mode: ambient}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: host-a
  serviceAccountName: web
  containers: [{name: app, ports: [{name: http, containerPort: 8080}]}]
status: {phase: Running, podIPs: [{ip: 10.0.0.1}], conditions: [{type: Ready, status: "True"}]}
`;

/** A delta client that answers every response and keeps what it holds, as an agent does. */
class DeltaClient {
  readonly responses: DiscoveryResponse[] = [];
  readonly held = new Map<string, string>();
  readonly #stream: PushStream;
  failure: unknown = null;
  ended = false;

  constructor(stream: PushStream) {
    this.#stream = stream;
  }

  static async open(
    app: ControllerApp,
    credentials: NodeCredentials,
    held: ReadonlyMap<string, string> = new Map(),
  ): Promise<DeltaClient> {
    const access = { address: `127.0.0.1:${app.ports.grpc}`, credentials: () => credentials.controller };
    const stream = await createPushTransport(access).open(AbortSignal.timeout(10_000));
    const client = new DeltaClient(stream);
    for (const [name, version] of held) client.held.set(name, version);
    void client.#read();
    for (const typeUrl of [ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL]) {
      await stream.send({
        ...EMPTY_REQUEST,
        typeUrl,
        initialResourceVersions: typeUrl === ADDRESS_TYPE_URL ? client.held : new Map(),
      });
    }
    return client;
  }

  async #read(): Promise<void> {
    try {
      for await (const response of this.#stream.responses) {
        for (const resource of response.resources) {
          parsePushedResource(resource);
          if (response.typeUrl === ADDRESS_TYPE_URL) this.held.set(resource.name, resource.version);
        }
        for (const name of response.removedResources) this.held.delete(name);
        this.responses.push(response);
        await this.#stream.send({ ...EMPTY_REQUEST, typeUrl: response.typeUrl, responseNonce: response.nonce });
      }
    } catch (error) {
      this.failure = error;
    }
    this.ended = true;
  }

  /** What arrived for a type since the client began: names per response. */
  named(typeUrl: string): readonly (readonly string[])[] {
    const own = this.responses.filter((response) => response.typeUrl === typeUrl);
    return own.map(({ resources, removedResources }) => [
      ...resources.map((resource) => resource.name),
      ...removedResources.map((name) => `-${name}`),
    ]);
  }

  [Symbol.dispose](): void {
    this.#stream.close();
  }
}

const EMPTY_REQUEST: Omit<DiscoveryRequest, 'typeUrl'> = {
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
};

test('controller serves a directory over TLS and pushes an edit as a delta, while a broken file keeps what it had', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  await using app = await world.start();
  const credentials = await world.joinAs(app, 'host-a');
  using client = await DeltaClient.open(app, credentials);
  await until('both types have arrived', () => client.responses.length >= 2);
  assert.deepEqual(client.named(ADDRESS_TYPE_URL), [['Kubernetes//Pod/shop/web']]);
  assert.deepEqual(client.named(AUTHORIZATION_TYPE_URL), [['ambit-system/ambit_strict']]);

  const service = `---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n`;
  await world.write('pod.yaml', POD + service);
  await until('the edit has arrived', () => client.responses.length >= 3);
  assert.deepEqual(client.named(ADDRESS_TYPE_URL)[1]?.toSorted(), [
    'Kubernetes//Pod/shop/web',
    'shop/web.shop.svc.cluster.local',
  ]);

  await world.write(
    'pod.yaml',
    `${POD.replace('10.0.0.1', '10.0.0.300')}${service.replace('web, namespace', 'web2, namespace')}`,
  );
  await until('the renamed service has arrived', () => client.responses.length >= 4);
  assert.deepEqual(client.named(ADDRESS_TYPE_URL)[2]?.toSorted(), [
    '-shop/web.shop.svc.cluster.local',
    'Kubernetes//Pod/shop/web',
    'shop/web2.shop.svc.cluster.local',
  ]);
  const report = world.lines.find((line) => line.includes('last good version stays'));
  assert.match(
    report ?? '',
    /path=".*pod\.yaml" line=12 reason="status\.podIPs\[0\]\.ip must be an IPv4 or IPv6 address but is \\"10\.0\.0\.300\\"" object="Pod\/shop\/web"/,
  );
  const problems: unknown = JSON.parse(await ask(app.ports.debug, '/problems'));
  assert.equal(Array.isArray(problems) && problems.length, 1);
});

test('controller gives the same versions after a restart, so that a returning agent is sent nothing', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  let port = 0;
  let credentials: NodeCredentials;
  let held: ReadonlyMap<string, string>;
  {
    await using app = await world.start();
    port = app.ports.grpc;
    credentials = await world.joinAs(app, 'host-a');
    using client = await DeltaClient.open(app, credentials);
    await until('both types have arrived', () => client.responses.length >= 2);
    held = new Map(client.held);
    assert.equal(held.size, 1);
  }
  await using again = await world.start(port);
  using client = await DeltaClient.open(again, credentials, new Map([...held, ['Kubernetes//Pod/shop/gone', 'v']]));
  await until('both types were answered', () => client.responses.length >= 2);
  assert.deepEqual(client.named(ADDRESS_TYPE_URL), [['-Kubernetes//Pod/shop/gone']]);
});

test('controller refuses a stream without a node certificate and cuts the stream of a revoked node', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  await using app = await world.start();
  const credentials = await world.joinAs(app, 'host-a');
  const { client: _own, ...anonymous } = credentials.controller;
  using stranger = await DeltaClient.open(app, {
    ...credentials,
    controller: anonymous as NodeCredentials['controller'],
  }).catch((error: unknown) => ({ ended: true, failure: error, [Symbol.dispose]: () => {} }));
  await until('the stranger was refused', () => stranger.ended);
  assert.match(JSON.stringify(stranger.failure), /unauthenticated/);

  using client = await DeltaClient.open(app, credentials);
  await until('both types have arrived', () => client.responses.length >= 2);
  await world.revoke('host-a');
  await until('the stream was cut', () => client.ended);
  assert.match(JSON.stringify(client.failure), /unauthenticated/);
});

test('controller does not let refused calls fill its log, and counts them all', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  await using app = await world.start();
  const { client: _own, ...anonymous } = (await world.joinAs(app, 'host-a')).controller;
  const credentials = (): NodeCredentials['controller'] => anonymous as NodeCredentials['controller'];
  using ca = createCaClient({ address: `127.0.0.1:${app.ports.grpc}`, credentials });
  const request = { identity: parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web'), csrPem: '', validitySeconds: 1 };
  for (let i = 0; i < 100; i++) {
    assert.equal(await failureOf(ca.createCertificate(request, AbortSignal.timeout(10_000))), 'unauthenticated');
  }
  assert.equal(world.lines.filter((line) => line.includes('certificate refused')).length, 5);
  const metrics = await ask(app.ports.metrics, '/metrics');
  assert.match(metrics, /^ambit_log_lines_suppressed_total 95$/m);
  assert.match(metrics, /^ambit_certificates_refused_total\{kind="workload",reason="no-certificate"\} 100$/m);
});

test('controller is ready only with its first state and says what it serves', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  await using app = await world.start();
  assert.equal(await ask(app.ports.health, '/healthz/ready'), 'ready\n');
  const metrics = await ask(app.ports.metrics, '/metrics');
  assert.match(metrics, /ambit_resources\{type="Address"\} 1\n/);
  assert.match(metrics, /ambit_xds_subscribers 0\n/);
  assert.match(await ask(app.ports.debug, '/resources'), /"Kubernetes\/\/Pod\/shop\/web": "[\w-]{16}"/);
  assert.match(await ask(app.ports.debug, '/config'), /"manifestsDirectory"/);
});

test('controller does not start without its directory, and releases what it had opened', async () => {
  await using world = await ControllerWorld.create();
  await rm(world.manifests, { recursive: true });
  const expected = 'a directory that this process may read';
  const data = { directory: world.manifests, reason: 'ENOENT', expected };
  await assert.rejects(world.start(), { code: 'manifests-unreadable', data });
});
