import { readdirSync, existsSync } from 'node:fs';
import { runCommand } from './command.ts';

/** Everything the bench names in the kernel starts with this and the process id that owns it. */
const PREFIX = 'ambit-bench-';

/** One client pod on host A and one server pod on host B, reserved for one peer. */
export interface PodPair {
  readonly clientNetns: string;
  readonly serverNetns: string;
  readonly clientAddress: string;
  readonly serverAddress: string;
}

/** Two hosts joined by a link, with a pair of pods for every peer. */
export interface Topology extends AsyncDisposable {
  readonly clientHostNetns: string;
  readonly serverHostNetns: string;
  readonly clientHostAddress: string;
  readonly serverHostAddress: string;
  readonly pairs: readonly PodPair[];
}

export interface TopologyPlan {
  readonly clientHostNetns: string;
  readonly serverHostNetns: string;
  readonly clientHostAddress: string;
  readonly serverHostAddress: string;
  readonly pairs: readonly PodPair[];
  /** Arguments of `ip`, one command a line (its batch mode knows no `-n`). */
  readonly commands: readonly string[];
}

/**
 * Names, addresses and commands of a topology of `pairCount` pod pairs. Hosts route between their pods and the link, as a
 * node does; nothing is bridged, so a packet crosses three veth pairs whoever carries it.
 */
export function planTopology(ownerPid: number, pairCount: number): TopologyPlan {
  const name = (part: string): string => `${PREFIX}${ownerPid}-${part}`;
  const client = name('host-a');
  const server = name('host-b');
  const commands = [
    `netns add ${client}`,
    `netns add ${server}`,
    `link add link0 netns ${client} type veth peer name link0 netns ${server}`,
    ...device(client, 'link0', '10.210.0.1/24'),
    ...device(server, 'link0', '10.210.0.2/24'),
    `-n ${client} link set lo up`,
    `-n ${server} link set lo up`,
    `-n ${client} route add 10.212.0.0/16 via 10.210.0.2`,
    `-n ${server} route add 10.211.0.0/16 via 10.210.0.1`,
  ];
  const pairs: PodPair[] = [];
  for (let index = 0; index < pairCount; index++) {
    const pair: PodPair = {
      clientNetns: name(`client-${index}`),
      serverNetns: name(`server-${index}`),
      clientAddress: `10.211.${index}.2`,
      serverAddress: `10.212.${index}.2`,
    };
    commands.push(...pod(client, pair.clientNetns, `pod${index}`, `10.211.${index}`));
    commands.push(...pod(server, pair.serverNetns, `pod${index}`, `10.212.${index}`));
    pairs.push(pair);
  }
  return {
    clientHostNetns: client,
    serverHostNetns: server,
    clientHostAddress: '10.210.0.1',
    serverHostAddress: '10.210.0.2',
    pairs,
    commands,
  };
}

function device(netns: string, link: string, address: string): string[] {
  return [`-n ${netns} address add ${address} dev ${link}`, `-n ${netns} link set ${link} up`];
}

function pod(host: string, netns: string, link: string, subnet: string): string[] {
  return [
    `netns add ${netns}`,
    `link add ${link} netns ${host} type veth peer name eth0 netns ${netns}`,
    ...device(host, link, `${subnet}.1/24`),
    ...device(netns, 'eth0', `${subnet}.2/24`),
    `-n ${netns} link set lo up`,
    `-n ${netns} route add default via ${subnet}.1`,
  ];
}

/** Namespaces of benches whose process no longer lives: only a kill -9 leaves them. */
export function staleNamespaces(names: readonly string[], isAlive: (pid: number) => boolean): string[] {
  return names.filter((name) => {
    if (!name.startsWith(PREFIX)) return false;
    const pid = Number.parseInt(name.slice(PREFIX.length), 10);
    return Number.isInteger(pid) && !isAlive(pid);
  });
}

/**
 * Of all machines, as every kernel allows it in a namespace: BBR, where a machine has it, paces by timers, and on links without
 * delay one would measure these.
 */
export const CONGESTION_CONTROL = 'reno';

/** Settings of every namespace: forwarding for hosts; enough ports and quick reuse so that connection churn never starves. */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.ip_local_port_range=1024 65535',
  'net.ipv4.tcp_tw_reuse=1',
  'net.ipv4.tcp_max_tw_buckets=262144',
  'net.core.somaxconn=4096',
  `net.ipv4.tcp_congestion_control=${CONGESTION_CONTROL}`,
];

/** Creates the namespaces and links. Disposal removes the namespaces and with them every link, rule and address inside. */
export async function openTopology(ownerPid: number, pairCount: number): Promise<Topology> {
  const plan = planTopology(ownerPid, pairCount);
  const stale = staleNamespaces(listNamespaces(), (pid) => existsSync(`/proc/${pid}`));
  await removeNamespaces(stale);
  const names = [
    plan.clientHostNetns,
    plan.serverHostNetns,
    ...plan.pairs.flatMap((pair) => [pair.clientNetns, pair.serverNetns]),
  ];
  try {
    const script = plan.commands.map((command) => `ip ${command}\n`).join('');
    await runCommand('sh', ['-e', '-s'], { input: script });
    for (const netns of names) {
      await runCommand('nsenter', [`--net=/run/netns/${netns}`, 'sysctl', '-q', '-w', ...SYSCTLS]);
    }
  } catch (error) {
    await removeNamespaces(listNamespaces().filter((name) => names.includes(name)));
    throw error;
  }
  return { ...plan, [Symbol.asyncDispose]: () => removeNamespaces(names) };
}

/** One namespace with loopback up and no links. Disposal removes it. */
export async function openLoneNamespace(ownerPid: number): Promise<{ readonly netns: string } & AsyncDisposable> {
  const netns = `${PREFIX}${ownerPid}-pod`;
  await runCommand('ip', ['netns', 'add', netns]);
  const remove = (): Promise<void> => removeNamespaces([netns]);
  try {
    await runCommand('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
    await runCommand('nsenter', [`--net=/run/netns/${netns}`, 'sysctl', '-q', '-w', ...SYSCTLS]);
  } catch (error) {
    await remove();
    throw error;
  }
  return { netns, [Symbol.asyncDispose]: remove };
}

function listNamespaces(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : [];
}

async function removeNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await runCommand('ip', ['-force', '-batch', '-'], { input: names.map((name) => `netns del ${name}\n`).join('') });
}
