import { type ChildProcess, spawn, type SpawnOptions, spawnSync } from 'node:child_process';
import { NetnsHandle, runInNetns } from '@ambit/mesh/linux';
import { type HostResponse, requestInNetns } from './host-request.ts';

export interface PodPlan {
  readonly namespace: string;
  readonly name: string;
  /** At most one IPv4 and one IPv6 address. */
  readonly addresses: readonly string[];
}

export interface HostPlan {
  readonly name: string;
  /** Blocks the host's pods live in, IPv4 and IPv6; the other hosts route them here. */
  readonly podBlocks: readonly string[];
  readonly pods: readonly PodPlan[];
}

/** In the sandbox's own namespace: the bridge that joins all hosts, and the first host's cable to it. */
const WIRE = 'wire';
/** Capture here what the first host exchanges with the others: in a world of two, everything that crosses between them. */
export const LINK_INTERFACE = 'up0';
export const NETNS_DIRECTORY = '/run/netns';

// Its second or two of silence after start would be every world's.
const NO_DUPLICATE_DETECTION = ['net/ipv6/conf/default/accept_dad=0', 'net/ipv6/conf/all/accept_dad=0'];

const LINK_V4 = '10.9.0.';
const LINK_V6 = 'fd10:9::';

/**
 * Hosts joined by a link, with pods behind them, as network namespaces of the sandbox (`sandbox.ts`). A pod's
 * namespace is `/run/netns/<namespace>-<name>`, a host's `/run/netns/host.<name>`. Disposal removes them all.
 */
export class WorldNetwork implements Disposable {
  readonly #handles = new Map<string, NetnsHandle>();
  readonly #hosts: readonly HostPlan[];

  private constructor(hosts: readonly HostPlan[]) {
    this.#hosts = hosts;
  }

  /** @throws Error with the output of the first `ip` command that failed; what was built by then is removed. */
  static create(hosts: readonly HostPlan[]): WorldNetwork {
    const network = new WorldNetwork(hosts);
    try {
      network.#build();
      return network;
    } catch (error) {
      network[Symbol.dispose]();
      throw error;
    }
  }

  /** The host's address on the link. */
  linkAddress(host: string, family: 4 | 6 = 4): string {
    const index = this.#hosts.findIndex((plan) => plan.name === host);
    if (index === -1) throw new Error(`no host ${host} in this world`);
    return linkAddress(index, family);
  }

  /** Starts a program in a pod's namespace. */
  spawnInPod(
    pod: Pick<PodPlan, 'namespace' | 'name'>,
    command: string,
    args: readonly string[],
    options: SpawnOptions,
  ): ChildProcess {
    return this.#spawn(podNetns(pod), command, args, options);
  }

  /** Starts a program in a host's namespace. */
  spawnOnHost(host: string, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return this.#spawn(hostNetns(host), command, args, options);
  }

  /** Runs a program in a pod's namespace, or a host's, to its end. @throws Error with what it complained about. */
  outputOf(place: Pick<PodPlan, 'namespace' | 'name'> | string, command: string, args: readonly string[]): string {
    const netns = typeof place === 'string' ? hostNetns(place) : podNetns(place);
    const result = runInNetns(this.#handle(netns), () => spawnSync(command, [...args], { encoding: 'utf8' }));
    if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} in ${netns}: ${result.stderr}`);
    return result.stdout;
  }

  /** Asks a server on a host's own loopback; null when nobody answers in time. */
  requestOnHost(host: string, method: 'GET' | 'POST', port: number, path: string): Promise<HostResponse | null> {
    return requestInNetns(this.#handle(hostNetns(host)), method, port, path);
  }

  /** Asks a server on a pod's own loopback; null when nobody answers in time. */
  requestInPod(
    pod: Pick<PodPlan, 'namespace' | 'name'>,
    method: 'GET' | 'POST',
    port: number,
    path: string,
  ): Promise<HostResponse | null> {
    return requestInNetns(this.#handle(podNetns(pod)), method, port, path);
  }

  [Symbol.dispose](): void {
    for (const handle of this.#handles.values()) handle[Symbol.dispose]();
    this.#handles.clear();
    for (const name of this.#names()) spawnSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
    // The kernel takes down a deleted namespace's end of a cable when it gets to it; a next world may be faster.
    for (const link of [...this.#hosts.map((_, index) => `up${index}`), WIRE]) {
      spawnSync('ip', ['link', 'delete', link], { stdio: 'ignore' });
    }
  }

  #names(): string[] {
    return this.#hosts.flatMap((host) => [hostNetns(host.name), ...host.pods.map(podNetns)]);
  }

  #handle(name: string): NetnsHandle {
    const known = this.#handles.get(name) ?? NetnsHandle.open(`${NETNS_DIRECTORY}/${name}`);
    this.#handles.set(name, known);
    return known;
  }

  #spawn(netns: string, command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    // libuv forks before spawn returns, so the child is born in the namespace.
    return runInNetns(this.#handle(netns), () => spawn(command, [...args], options));
  }

  #build(): void {
    for (const name of this.#names()) {
      run('ip', ['netns', 'add', name]);
      this.#sysctl(name, NO_DUPLICATE_DETECTION);
    }
    batch(null, [`link add ${WIRE} type bridge`, `link set ${WIRE} up`, ...this.#hosts.flatMap(uplinks)]);
    this.#hosts.forEach((host, index) => {
      const netns = hostNetns(host.name);
      this.#sysctl(netns, ['net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1']);
      batch(netns, hostCommands(host, index, this.#hosts));
      for (const pod of host.pods) batch(podNetns(pod), podCommands(host, pod));
    });
  }

  #sysctl(netns: string, settings: readonly string[]): void {
    const script = settings.map((setting) => setting.replace(/^(.*)=(.*)$/, 'echo $2 > /proc/sys/$1')).join('; ');
    const result = runInNetns(this.#handle(netns), () => spawnSync('sh', ['-c', script], { encoding: 'utf8' }));
    if (result.status !== 0) throw new Error(`sysctl in ${netns}: ${result.stderr}`);
  }
}

export function podNetns(pod: Pick<PodPlan, 'namespace' | 'name'>): string {
  return `${pod.namespace}-${pod.name}`;
}

export function hostNetns(host: string): string {
  // Not a possible pod's name, which has no dot in its namespace part.
  return `host.${host}`;
}

function linkAddress(index: number, family: 4 | 6): string {
  return family === 4 ? `${LINK_V4}${index + 1}` : `${LINK_V6}${(index + 1).toString(16)}`;
}

/** In the sandbox: one cable from the bridge to each host. */
function uplinks(host: HostPlan, index: number): string[] {
  return [
    `link add up${index} type veth peer name link0 netns ${hostNetns(host.name)}`,
    `link set up${index} master ${WIRE} up`,
  ];
}

function hostCommands(host: HostPlan, index: number, hosts: readonly HostPlan[]): string[] {
  return [
    'link set lo up',
    `addr add ${linkAddress(index, 4)}/24 dev link0`,
    `addr add ${linkAddress(index, 6)}/64 dev link0 nodad`,
    'link set link0 up',
    'link add pods type bridge',
    ...host.podBlocks.map((block) => `addr add ${gatewayOf(block)} dev pods nodad`),
    'link set pods up',
    ...host.pods.flatMap((pod, i) => [
      `link add pod${i} type veth peer name eth0 netns ${podNetns(pod)}`,
      `link set pod${i} master pods up`,
    ]),
    ...hosts.flatMap((other, otherIndex) =>
      otherIndex === index
        ? []
        : other.podBlocks.map((block) => `route add ${block} via ${linkAddress(otherIndex, isV6(block) ? 6 : 4)}`),
    ),
  ];
}

function podCommands(host: HostPlan, pod: PodPlan): string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    ...pod.addresses.flatMap((address) => {
      const block = host.podBlocks.find((candidate) => isV6(candidate) === isV6(address));
      if (block === undefined) throw new Error(`host ${host.name} has no pod block for ${address} of ${pod.name}`);
      const [gateway, length] = gatewayOf(block).split('/');
      return [`addr add ${address}/${length} dev eth0 nodad`, `route add default via ${gateway}`];
    }),
  ];
}

/** First address of a block, with its length: `10.10.1.0/24` -> `10.10.1.1/24`. */
function gatewayOf(block: string): string {
  const [base = '', length = ''] = block.split('/');
  return isV6(block) ? `${base.replace(/::$/, '::1')}/${length}` : `${base.replace(/\.0$/, '.1')}/${length}`;
}

function isV6(text: string): boolean {
  return text.includes(':');
}

function batch(netns: string | null, commands: readonly string[]): void {
  const place = netns === null ? [] : ['-n', netns];
  // `nodad` belongs to IPv6 only; ip refuses it on IPv4.
  const lines = commands.map((line) =>
    line.startsWith('addr add') && !isV6(line) ? line.replace(' nodad', '') : line,
  );
  run('ip', [...place, '-batch', '-'], lines.join('\n'));
}

function run(command: string, args: readonly string[], input = ''): void {
  const result = spawnSync(command, [...args], { encoding: 'utf8', input });
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${result.stderr || (result.error?.message ?? 'failed')}\n${input}`);
  }
}
