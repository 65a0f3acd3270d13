import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, after, describe, test } from 'node:test';
import { DatagramExchange } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';
import { buildService, rootTestOptions } from '@ambit/mesh/testing';
import { question } from './dns-world.ts';
import { PodWorld, readAll, type TestPod, until } from './pod-world.ts';

// Who is captured, where they run, and how the server is called: every combination that there is. Of a pod outside the mesh the
// addresses of services and names are the node's affair (kube-proxy, the cluster's DNS), so it calls by pod address alone.

const options = { ...rootTestOptions(), timeout: 60_000 };
const ADDRESSES = { client: '10.77.0.1', outsider: '10.77.0.2', server: '10.77.0.3', plain: '10.77.0.4' } as const;
const VIPS = { server: '10.77.96.1', plain: '10.77.96.2' } as const;
const IDENTITY = 'spiffe://cluster.local/ns/shop/sa/client';
type Server = keyof typeof VIPS;

const byAddress = (server: Server): string => `${ADDRESSES[server]}:8080`;
const byVip = (server: Server): string => `${VIPS[server]}:80`;

/** What the access logs say of a connection: whose it was, and what they know of its way. */
const IN_MESH = { outbound: IDENTITY, inbound: IDENTITY } as const;
const LEAVES_MESH = { outbound: IDENTITY, inbound: null } as const;
const ENTERS_MESH = { outbound: null, inbound: '' } as const;
const NOT_SEEN = { outbound: null, inbound: null } as const;

const calls = [
  { from: 'client', to: 'server', how: 'pod address', told: IN_MESH },
  { from: 'client', to: 'server', how: 'VIP', told: IN_MESH },
  { from: 'client', to: 'server', how: 'host name', told: IN_MESH },
  { from: 'client', to: 'plain', how: 'pod address', told: LEAVES_MESH },
  { from: 'client', to: 'plain', how: 'VIP', told: LEAVES_MESH },
  { from: 'client', to: 'plain', how: 'host name', told: LEAVES_MESH },
  { from: 'outsider', to: 'server', how: 'pod address', told: ENTERS_MESH },
  { from: 'outsider', to: 'plain', how: 'pod address', told: NOT_SEEN },
] as const;

for (const place of ['on one node', 'across nodes'] as const) {
  describe(`calls ${place}`, options, () => {
    const directory = mkdtempSync(join(tmpdir(), 'ambit-matrix-'));
    let world: PodWorld;

    before(async () => {
      writeFileSync(join(directory, 'resolv.conf'), '');
      const dns = {
        naming: { clusterDomain: 'cluster.local', preferredNamespace: '' },
        resolvConf: join(directory, 'resolv.conf'),
      };
      const onNode = place === 'on one node' ? { onNode: 'one' } : {};
      const backs = (name: Server): Record<string, string[]> => ({
        [`shop/${name}.shop.svc.cluster.local`]: ['80:8080'],
      });
      world = await PodWorld.create(
        [
          { name: 'client', ...onNode },
          { name: 'outsider', captured: false, ...onNode },
          { name: 'server', services: backs('server'), ...onNode },
          { name: 'plain', captured: false, services: backs('plain'), ...onNode },
        ],
        {
          settings: { dns },
          mesh: {
            services: (['server', 'plain'] as const).map((name) => buildService({ name, addresses: [VIPS[name]] })),
          },
        },
      );
      for (const name of ['server', 'plain']) {
        await world.pod(name).serve(8080, (socket) => {
          const from = socket.remoteAddress?.replace('::ffff:', '');
          void readAll(socket).then(
            (text) => socket.end(`${name} heard ${text} of ${from}`),
            () => {},
          );
        });
      }
    });
    after(async () => {
      await world[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    });

    for (const { from, to, how, told } of calls) {
      test(`${from} calls ${to} by ${how}`, async () => {
        const caller = world.pod(from);
        const address =
          how === 'VIP' ? byVip(to) : how === 'host name' ? `${await lookUp(caller, to)}:80` : byAddress(to);
        const begun = new Map([...world.nodes].map(([name, { lines }]) => [name, lines.length]));
        assert.equal(await caller.exchange(address, 'x'), `${to} heard x of ${ADDRESSES[from]}`);
        // One line on each side that is captured, and no more.
        const expected = Object.values(told).filter((identity) => identity !== null).length;
        const lines = (): readonly string[] =>
          [...world.nodes].flatMap(([name, node]) => node.lines.slice(begun.get(name)));
        await until(() => lines().length >= expected);
        const saw = (direction: 'outbound' | 'inbound'): string | null => {
          const line = lines().find((text) => text.includes(`direction="${direction}"`));
          return line === undefined ? null : (/ src\.identity="([^"]*)"/.exec(line)?.[1] ?? '');
        };
        assert.deepEqual({ outbound: saw('outbound'), inbound: saw('inbound') }, told, lines().join(''));
        assert.equal(lines().length, expected);
      });
    }
  });
}

/** The address that the pod's own DNS says, which the node agent answers whoever is asked. */
async function lookUp(pod: TestPod, name: string): Promise<string> {
  const into = Buffer.alloc(512);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  using exchange = new DatagramExchange(pod.handle, { destination: parseSocketAddress('10.77.0.99:53') }, () => {
    const length = exchange.receive(into);
    if (typeof length === 'number') resolve([...into.subarray(length - 4, length)].join('.'));
    else if (length === 'refused') reject(new Error('nobody answers'));
  });
  exchange.send(question(name, 'A'));
  const timer = setTimeout(() => reject(new Error(`nobody says where ${name} is`)), 10_000);
  return await promise.finally(() => clearTimeout(timer));
}
