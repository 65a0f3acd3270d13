import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MeshWorld } from '../world/mesh-world.ts';
import { type Manifest, ManifestDirectory, namespace, NODES, pod } from '../scenarios/manifests.ts';
import { startMesh } from '../scenarios/scenario.ts';
import type { SpawnPlaced } from '../world/world-process.ts';
import { askRole, filesIn, type PeerFiles } from './peers.ts';

/** Two enrolled pods on host-a, where Ambit runs; host-b is a machine where programs of others run. */
export const CLIENT = { name: 'client', host: 'host-a', number: 10 } as const;
export const SERVER = { name: 'server', host: 'host-a', number: 20 } as const;

/** The identity of host-b's programs, and one that a second ExternalWorkload gives them. */
export const MACHINE_ID = 'spiffe://cluster.local/ns/outside/sa/machine';
export const INTRUDER_ID = 'spiffe://cluster.local/ns/outside/sa/intruder';

/** How a Go client reaches the controller and proves to be host-b. */
export interface ControllerAccess {
  readonly arguments: readonly string[];
}

/** What the role `ca-client` reports. */
export interface CaAnswer {
  /** gRPC status. */
  readonly code: string;
  readonly message: string;
  readonly chain: readonly string[] | null;
}

/**
 * A mesh in file mode whose second host runs no pods: it has joined the mesh and is a machine of its own, with an address on
 * the link, identities, and whatever programs a test starts there.
 */
export class MeshWithMachine implements AsyncDisposable {
  readonly world: MeshWorld;
  readonly manifests: ManifestDirectory;
  readonly directory: string;

  private constructor(world: MeshWorld, manifests: ManifestDirectory, directory: string) {
    this.world = world;
    this.manifests = manifests;
    this.directory = directory;
  }

  static async start(name: string, more: readonly Manifest[] = []): Promise<MeshWithMachine> {
    const directory = `/run/${name}`;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const manifests = new ManifestDirectory(join(directory, 'manifests'));
    // The addresses are those that worlds give their hosts (world/network.ts); the intruder has none of its own to speak of.
    manifests.write(
      'world.yaml',
      ...NODES,
      namespace('shop', 'ambient'),
      namespace('outside', 'unlabelled'),
      ...[CLIENT, SERVER].map(pod),
      externalWorkload('machine', ['10.9.0.2', 'fd10:9::2'], { services: ['far'] }),
      externalWorkload('intruder', ['10.9.9.9']),
      ...more,
    );
    const world = await startMesh(manifests, ['shop/client', 'shop/server']);
    return new MeshWithMachine(world, manifests, directory);
  }

  /** Starts programs on the machine. */
  readonly onMachine: SpawnPlaced = (command, args, options) =>
    this.world.network.spawnOnHost('host-b', command, args, options);

  /** Starts programs in an enrolled pod. */
  inPod(name: string): SpawnPlaced {
    return (command, args, options) =>
      this.world.network.spawnInPod({ namespace: 'shop', name }, command, args, options);
  }

  /** Arguments with which a Go client reaches the controller as the node host-b, with the certificate it joined with. */
  controllerArguments(): readonly string[] {
    const stored = Object(JSON.parse(readFileSync('/run/ambit/host-b/node-agent/node.json', 'utf8')));
    const write = (name: string, key: string): string => {
      const path = join(this.directory, name);
      writeFileSync(path, String(stored[key]), { mode: 0o600 });
      return path;
    };
    return [
      ...['-controller', this.world.controllerAddress, '-controller-roots', write('controller-roots.pem', 'rootsPem')],
      ...['-node-cert', write('node.pem', 'chainPem'), '-node-key', write('node.key', 'privateKeyPem')],
    ];
  }

  /** Asks the controller for a certificate, as a Go client on the machine. */
  async askCertificate(
    args: readonly string[],
    access: readonly string[] = this.controllerArguments(),
  ): Promise<CaAnswer> {
    const [answer] = await askRole<CaAnswer>(this.onMachine, 'ca-client', [...access, ...args]);
    if (answer === undefined) throw new Error('the client reported nothing');
    return answer;
  }

  /** A certificate of one of the machine's identities, issued by the controller. */
  async certificateOf(identity: string, name: string): Promise<PeerFiles> {
    const { code, message } = await this.askCertificate([
      ...['-identity', identity, '-out', join(this.directory, name)],
    ]);
    if (code !== 'OK') throw new Error(`the controller answered ${code}: ${message}`);
    return filesIn(this.directory, name, `${name}-roots.pem`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    this.manifests[Symbol.dispose]();
  }
}

function externalWorkload(name: string, addresses: readonly string[], more: Manifest = {}): Manifest {
  return {
    apiVersion: 'ambit.dev/v1alpha1',
    kind: 'ExternalWorkload',
    metadata: { name, namespace: 'outside' },
    spec: { addresses, serviceAccountName: name, nodeName: 'host-b', tunnel: 'HBONE', ...more },
  };
}
