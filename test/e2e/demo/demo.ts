import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enterSandboxCommand, preparePrivateRun } from '../world/sandbox.ts';
import { MeshWorld } from '../world/mesh-world.ts';
import { actCanary } from './act-canary.ts';
import { actCalls } from './act-calls.ts';
import { actOutage } from './act-outage.ts';
import { actPolicy } from './act-policy.ts';
import { actWire, MODE_LABEL } from './act-wire.ts';
import { CANARY, CANARY_ENROLLED } from './canary.ts';
import { editManifest } from './manifest-edit.ts';
import { sumOfMetric } from './metrics-text.ts';
import { drawTopology, type TopologyHost, type TopologyPod } from './screen.ts';
import { CALLS, ENROLLED, MESH_RANGES, OUTAGE, POLICY, WIRE } from './shop.ts';
import type { Stage } from './stage.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));

export interface DemoOptions {
  readonly keep: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The whole demo, inside the sandbox. Resolves with the exit code. */
export async function runDemo(stage: Stage, options: DemoOptions): Promise<number> {
  preparePrivateRun();
  // Below the private /run, so that it goes away with the sandbox whatever happens.
  const manifests = '/run/ambit-demo';
  cpSync(join(EXAMPLES, 'shop'), manifests, { recursive: true });
  cpSync(join(EXAMPLES, 'canary'), join(manifests, 'canary'), { recursive: true });
  // Both have the same hosts.
  rmSync(join(manifests, 'canary', 'nodes.yaml'));
  editManifest(join(manifests, 'namespaces.yaml'), MODE_LABEL, '');

  stage.act('Building a world from examples/shop and examples/canary');
  await using world = await MeshWorld.start({
    manifests,
    form: 'bundle',
    meshRanges: MESH_RANGES,
    onStep: (what) => stage.step(what),
  });
  stage.line('');
  stage.line(drawTopology(topology(world), stage.palette));

  const acts = [
    () => actWire(world, stage, WIRE),
    () => actCalls(world, stage, CALLS),
    () => actPolicy(world, stage, POLICY),
    // Before an agent is killed, and its counters with it.
    () => showMetrics(world, stage),
    () => actOutage(world, stage, OUTAGE),
    () => actCanary(world, stage, CANARY),
  ];
  for (const act of acts) {
    options.signal.throwIfAborted();
    await act();
  }
  summarize(stage, options.keep);
  if (options.keep) await keepRunning(world, stage, options.signal);
  return stage.failures === 0 ? 0 : 1;
}

function topology(world: MeshWorld): readonly [TopologyHost, TopologyHost] {
  const [left, right] = world.hosts.map((host, index) => ({
    name: host.name,
    address: world.network.linkAddress(host.name),
    pods: host.pods
      .map((pod) => ({
        ...pod,
        address: pod.addresses[0] ?? '',
        role: roleOf(world, `${pod.namespace}/${pod.name}`),
      }))
      .toSorted((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role)),
    processes: index === 0 ? ['node agent, CNI agent', 'controller'] : ['node agent, CNI agent'],
  }));
  if (left === undefined || right === undefined) throw new Error('both examples have two hosts');
  return [left, right];
}

const ROLES: readonly TopologyPod['role'][] = ['enrolled', 'waypoint', 'outside'];

function roleOf(world: MeshWorld, pod: string): TopologyPod['role'] {
  if (world.waypoints.has(pod)) return 'waypoint';
  return [...ENROLLED, ...CANARY_ENROLLED].includes(pod) ? 'enrolled' : 'outside';
}

/** What the agents counted while the acts so far ran. */
async function showMetrics(world: MeshWorld, stage: Stage): Promise<void> {
  const texts = await Promise.all(
    world.hosts.map(async (host) => (await world.ask(host.name, 'metrics', '/metrics')) ?? ''),
  );
  const sum = (name: string, labels: Readonly<Record<string, string>>): number =>
    texts.reduce((total, text) => total + sumOfMetric(text, name, labels), 0);
  const secure = { reporter: 'source', connection_security_policy: 'mutual_tls' };
  const opened = sum('istio_tcp_connections_opened_total', secure);
  const refused = sum('istio_tcp_connections_failed_total', { response_flags: 'DENY' });
  const bytes = sum('istio_tcp_sent_bytes_total', secure) + sum('istio_tcp_received_bytes_total', secure);
  stage.line('');
  stage.say(
    `by the agents’ own metrics so far: ${opened} connections in mutual TLS carried ${(bytes / 1e6).toFixed(1)} MB, policy refused or cut ${refused}`,
  );
}

function summarize(stage: Stage, keep: boolean): void {
  stage.act('Summary');
  const verdict =
    stage.failures === 0
      ? stage.palette.good(`all ${stage.checks} statements verified`)
      : stage.palette.bad(`${stage.failures} of ${stage.checks} statements are not true`);
  stage.line(`  ${verdict} in ${stage.elapsedSeconds.toFixed(1)} s`);
  if (!keep) {
    stage.say(
      stage.palette.dim(
        'Everything is taken down again. To look around in it: npm run demo -- --keep; what it is: README.md',
      ),
    );
  }
}

async function keepRunning(world: MeshWorld, stage: Stage, signal: AbortSignal): Promise<void> {
  const enter = enterSandboxCommand();
  stage.act('The world stays up until Ctrl-C. In another terminal, try:');
  const inPod = (pod: string, command: string): string => `${enter} ip netns exec ${pod} ${command}`;
  for (const [what, command] of [
    [
      'call the service catalog from the pod storefront',
      inPod('shop-storefront', `curl -s -w '\\n' http://10.20.0.2/items`),
    ],
    ['what the agent of host-a wrote about it', `${enter} tail -n 3 ${world.processes('host-a').accessLogFile}`],
    ['the redirection inside the pod cart', inPod('shop-cart', `${findNft()} list table inet ambit`)],
    [
      'call reviews ten times from the pod reader',
      inPod('books-reader', `sh -c 'for i in 0 1 2 3 4 5 6 7 8 9; do curl -s http://10.20.1.1/; echo; done'`),
    ],
    [
      'give the new version half of the requests, then call again',
      `${enter} sed -i -E 's/weight: .*/weight: 50/' ${world.options.manifests}/canary/route.yaml`,
    ],
    [
      'what the waypoint wrote about each request',
      `${enter} tail -n 3 ${world.waypoint('books/waypoint-1').accessLogFile}`,
    ],
    [
      'what is amiss in the manifests: nothing, until you misspell something in route.yaml',
      inPod('host.host-a', 'curl -s http://127.0.0.1:15016/problems http://127.0.0.1:15016/findings'),
    ],
    [
      'connections that are open at host-b’s agent: the waypoint keeps its own for some seconds after a call',
      inPod('host.host-b', 'curl -s http://127.0.0.1:15000/connections'),
    ],
    ['what each pod used of host-a’s agent', inPod('host.host-a', 'curl -s http://127.0.0.1:15000/workloads')],
    ['all that host-a’s agent knows', inPod('host.host-a', 'curl -s http://127.0.0.1:15000/config_dump')],
    ['a caller without identity is refused', inPod('legacy-scanner', `curl -sS -w '\\n' http://10.10.2.12:8080/`)],
    [
      'let such callers in: edit the manifest, then call again',
      `${enter} sed -i s/Strict/Permissive/ ${world.options.manifests}/policy-mutual-tls.yaml`,
    ],
  ] as const) {
    stage.line(`  ${stage.palette.dim(`# ${what}`)}\n  ${command}`);
  }
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** `nft` as a person's shell finds it: Debian keeps it where an ordinary user's PATH does not lead. */
function findNft(): string {
  return ['/usr/sbin/nft', '/sbin/nft'].find((path) => existsSync(path)) ?? 'nft';
}
