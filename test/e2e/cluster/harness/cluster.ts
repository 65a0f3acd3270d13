import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../../../bench/src/host/command.ts';
import { BenchError } from '../../../../bench/src/errors.ts';

export const KIT: string = fileURLToPath(new URL('../kit/', import.meta.url));
/** Names the cluster of the kit that a scenario file uses; set by the tier's main program. */
export const CLUSTER_VARIABLE = 'CLUSTER';
/** Most commands answer at once; those that wait say for how long. */
const COMMAND_MS = 60_000;

/** A manifest as it is written down; the API server is who reads it. */
export type Manifest = Readonly<Record<string, unknown>>;

export interface CommandSettings {
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Programs of a node or of the control plane (`server`) that can be held back. */
export type HeldProgram = 'kubelet' | 'containerd' | 'kube-proxy' | 'kube-apiserver' | 'etcd';

/** Runs a program; the error of one that fails says what it said. */
export async function run(program: string, args: readonly string[], settings: CommandSettings = {}): Promise<string> {
  const { input, timeoutMs = COMMAND_MS } = settings;
  try {
    return await runCommand(program, args, { timeoutMs, ...(input === undefined ? {} : { input }) });
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    const { command, said } = { command: program, said: '', ...error.data };
    throw new Error(`${String(command)}: ${String(said)}`, { cause: error.cause });
  }
}

/** A cluster of the kit (`kit/README.md`). */
export class Cluster {
  readonly name: string;
  readonly nodes: readonly [string, string] = ['n1', 'n2'];

  constructor(name: string) {
    this.name = name;
  }

  /** The cluster that the tier's main program started. @throws Error outside the tier. */
  static fromEnvironment(): Cluster {
    const name = process.env[CLUSTER_VARIABLE];
    if (name === undefined) throw new Error('there is no cluster: scenarios run by `npm run test:cluster`');
    return new Cluster(name);
  }

  /** The network namespace whose bridge joins the nodes; a node's end of its cable there has the node's name. */
  get linkNetns(): string {
    return `/run/netns/akube-${this.name}`;
  }

  /** Runs `kit/cluster COMMAND ...`. */
  kit(args: readonly string[], settings?: CommandSettings): Promise<string> {
    return run('env', [`${CLUSTER_VARIABLE}=${this.name}`, join(KIT, 'cluster'), ...args], settings);
  }

  kubectl(args: readonly string[], settings?: CommandSettings): Promise<string> {
    return this.kit(['kubectl', ...args], settings);
  }

  helm(args: readonly string[], settings?: CommandSettings): Promise<string> {
    return this.kit(['helm', ...args], settings);
  }

  /** One field or more of objects, as `kubectl get -o jsonpath` prints them. */
  read(what: readonly string[], jsonPath: string): Promise<string> {
    return this.kubectl(['get', ...what, '-o', `jsonpath=${jsonPath}`]);
  }

  /** What `kubectl apply` says; rejects with its message when the API server refuses. */
  apply(...manifests: readonly Manifest[]): Promise<string> {
    const items = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
    return this.kubectl(['apply', '-f', '-'], { input: items });
  }

  /** Runs a program inside a node, or inside the control plane (`server`). */
  onNode(node: string, command: readonly string[], settings?: CommandSettings): Promise<string> {
    return this.kit(['exec', node, ...command], settings);
  }

  /** Starts a program inside a node, with pipes to all its streams but the last. */
  spawnOnNode(node: string, command: readonly string[]): ChildProcess {
    return spawn(join(KIT, 'cluster'), ['exec', node, ...command], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, [CLUSTER_VARIABLE]: this.name },
    });
  }

  async stop(place: string, program: HeldProgram): Promise<void> {
    await this.kit(['stop', place, program]);
  }

  async start(place: string, program: HeldProgram): Promise<void> {
    await this.kit(['start', place, program]);
  }

  async restart(place: string, program: HeldProgram): Promise<void> {
    await this.stop(place, program);
    await this.start(place, program);
  }

  /** As if the node's power had failed: resolves when it begins to boot. */
  async reboot(node: string): Promise<void> {
    await this.kit(['reboot', node], { timeoutMs: 120_000 });
  }
}
