import { Buffer } from 'node:buffer';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nftables, DEFAULT_REDIRECT_OPTIONS } from '@ambit/cni/redirect';
import { NetnsHandle } from '@ambit/mesh/linux';
import { ipAddressToBytes, parseIpAddress } from '@ambit/mesh/model';
import { until } from '@ambit/mesh/testing';
import { MESH_RANGES } from '../scenarios/manifests.ts';
import { NETNS_DIRECTORY, podNetns, WorldNetwork } from '../world/network.ts';
import { programCommand } from '../world/programs.ts';
import { type SpawnPlaced, WorldProcess } from '../world/world-process.ts';
import { SAYS_MS } from './peer-program.ts';
import { askRole, filesIn, type PeerFiles } from './peers.ts';

export const SERVER_IP = '10.10.1.20';
export const PEER_IP = '10.9.0.2';
export const CLIENT_ID = 'spiffe://cluster.local/ns/shop/sa/client';
export const SERVER_ID = 'spiffe://cluster.local/ns/shop/sa/server';
export const PEER_ID = 'spiffe://cluster.local/ns/outside/sa/peer';

/** Where the applications of these tests listen. */
export const APPLICATION_PORT = 9200;
/** Another network, whose gateway is the peer. */
const FAR = 'far';
/** Services there, and who serves each. */
export const FAR_SERVICES: Readonly<
  Record<'far-pod' | 'far-waypoint', { readonly vip: string; readonly identity: string }>
> = {
  'far-pod': { vip: '10.20.0.9', identity: SERVER_ID },
  'far-waypoint': { vip: '10.20.0.10', identity: PEER_ID },
};

export function farHostname(name: string): string {
  return `${name}.shop.svc.cluster.local`;
}

export type KeyType = 'p256' | 'p384' | 'rsa';

export interface AgentWithPeerOptions {
  /** Name of the folder below /run. */
  readonly name: string;
  /** Keys of root and intermediate, which Go makes. */
  readonly authority?: KeyType;
  /** Key of the peer's certificate. Ours are P-256 always. */
  readonly peerKey?: KeyType;
}

const HOST_A = {
  name: 'host-a',
  podBlocks: ['10.10.1.0/24'],
  pods: [
    { namespace: 'shop', name: 'client', addresses: ['10.10.1.10'] },
    { namespace: 'shop', name: 'server', addresses: [SERVER_IP] },
  ],
} as const;

/**
 * One node agent with two enrolled pods and a fixed configuration, and beside it a host whose programs are of others. Certificates
 * come from an authority that Go's X.509 made; there is no controller.
 */
export class AgentWithPeer implements AsyncDisposable {
  readonly peer: PeerFiles;
  /** A certificate that nobody here believes. */
  readonly stranger: PeerFiles;
  readonly directory: string;
  readonly #network: WorldNetwork;
  readonly #agent: WorldProcess;
  readonly #stack = new AsyncDisposableStack();

  private constructor(directory: string) {
    this.directory = directory;
    this.peer = filesIn(directory, 'peer');
    this.stranger = { ...filesIn(join(directory, 'strangers'), 'peer'), roots: this.peer.roots };
    this.#stack.defer(() => rmSync(directory, { recursive: true, force: true }));
    this.#network = this.#stack.use(WorldNetwork.create([HOST_A, { name: 'host-b', podBlocks: [], pods: [] }]));
    const plan = {
      name: 'node-agent',
      ...programCommand('bundle', 'node-agent', []),
      environment: {
        PATH: process.env['PATH'] ?? '',
        AMBIT_LOCAL_CONFIG: join(directory, 'mesh.json'),
        AMBIT_MESH_CIDRS: MESH_RANGES.join(),
        AMBIT_ACCESS_LOG: join(directory, 'access.log'),
      },
      logFile: join(directory, 'node-agent.log'),
    };
    this.#agent = this.#stack.use(
      new WorldProcess(plan, (command, args, options) => this.#network.spawnOnHost('host-a', command, args, options)),
    );
  }

  static async start(options: AgentWithPeerOptions): Promise<AgentWithPeer> {
    const directory = join('/run', options.name);
    mkdirSync(join(directory, 'strangers'), { recursive: true, mode: 0o700 });
    const started = new AgentWithPeer(directory);
    try {
      await started.#start(options);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  get log(): string {
    return this.#agent.log;
  }

  get accessLog(): string {
    return readFileSync(join(this.directory, 'access.log'), 'utf8');
  }

  readonly onPeer: SpawnPlaced = (command, args, options) =>
    this.#network.spawnOnHost('host-b', command, args, options);

  /** GET from the loopback of the peer's host; null when nobody answers. */
  async askOnPeer(port: number, path: string): Promise<string | null> {
    return (await this.#network.requestOnHost('host-b', 'GET', port, path))?.body ?? null;
  }

  inPod(name: 'client' | 'server'): SpawnPlaced {
    return (command, args, options) => this.#network.spawnInPod({ namespace: 'shop', name }, command, args, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #start({ authority = 'p256', peerKey = 'p256' }: AgentWithPeerOptions): Promise<void> {
    const wanted = [`client=p256=${CLIENT_ID}`, `server=p256=${SERVER_ID}`, `peer=${peerKey}=${PEER_ID}`];
    for (const [folder, names] of [
      [this.directory, wanted],
      [join(this.directory, 'strangers'), wanted.slice(2)],
    ] as const) {
      await askRole(this.onPeer, 'certificates', ['-dir', folder, '-authority', authority, ...names]);
    }
    writeFileSync(join(this.directory, 'mesh.json'), JSON.stringify(localConfig(this.directory)));
    writeFileSync(this.#agent.plan.logFile, '');
    for (const pod of HOST_A.pods) {
      using netns = NetnsHandle.open(join(NETNS_DIRECTORY, podNetns(pod)));
      await nftables.apply(netns, DEFAULT_REDIRECT_OPTIONS, AbortSignal.timeout(10_000));
    }
    this.#agent.start();
    await until(
      'the node agent is ready',
      async () => {
        if (this.#agent.pid === null) throw new Error(`the node agent ended\n${this.log}`);
        const answer = await this.#network.requestOnHost('host-a', 'GET', 15021, '/healthz/ready');
        return answer?.status === 200;
      },
      SAYS_MS,
    );
  }
}

/** The node agent's whole world (docs/reference/node-agent.md, Local configuration). */
function localConfig(directory: string): unknown {
  const pod = (name: string, address: string): object => ({
    ...{ uid: `Kubernetes//Pod/shop/${name}`, name, namespace: 'shop', serviceAccount: name, canonicalName: name },
    ...{ addresses: [base64(address)], tunnelProtocol: 'HBONE', clusterId: 'Kubernetes', trustDomain: 'cluster.local' },
  });
  const names = ['client', 'server'];
  return {
    workloads: [
      pod('client', '10.10.1.10'),
      pod('server', SERVER_IP),
      {
        ...{ uid: 'peer', name: 'peer', namespace: 'outside', serviceAccount: 'peer', addresses: [base64(PEER_IP)] },
        ...{ tunnelProtocol: 'HBONE', trustDomain: 'cluster.local' },
      },
      {
        ...{ uid: 'gateway', name: 'gateway', namespace: 'outside', serviceAccount: 'peer', network: FAR },
        ...{ addresses: [base64(PEER_IP)], tunnelProtocol: 'HBONE', trustDomain: 'cluster.local' },
      },
      ...Object.keys(FAR_SERVICES).map((name) => ({
        ...{
          uid: `${FAR}/SplitHorizonWorkload/${name}`,
          name,
          namespace: 'shop',
          network: FAR,
          tunnelProtocol: 'HBONE',
        },
        networkGateway: { address: { network: FAR, address: base64(PEER_IP) }, hboneMtlsPort: 15_008 },
        services: { [`shop/${farHostname(name)}`]: { ports: [{ servicePort: 80, targetPort: APPLICATION_PORT }] } },
      })),
    ],
    services: Object.entries(FAR_SERVICES).map(([name, { vip, identity }]) => ({
      ...{ name, namespace: 'shop', hostname: farHostname(name), addresses: [{ address: base64(vip) }] },
      ...{ ports: [{ servicePort: 80, targetPort: APPLICATION_PORT }], subjectAltNames: [identity] },
    })),
    policies: [],
    certificates: names.map((name) => {
      const { certificate, key, roots } = filesIn(directory, name);
      return { chain: certificate, privateKey: key, roots };
    }),
    pods: names.map((name) => ({
      ...{ uid: name, name, namespace: 'shop', serviceAccount: name },
      netns: join(NETNS_DIRECTORY, podNetns({ namespace: 'shop', name })),
    })),
  };
}

function base64(address: string): string {
  return Buffer.from(ipAddressToBytes(parseIpAddress(address))).toString('base64');
}
