import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEnvironment, createLineSink, createRootLogger, systemClock } from '@ambit/mesh/runtime';
import { TestNetns, until } from '@ambit/mesh/testing';
import { type CniAgent, type CniAgentOptions, createCniAgent, uninstall } from '../src/app.ts';
import { parseConfig } from '../src/config.ts';
import { type BuiltPlugin, podCall, type PluginRun } from './built-plugin.ts';
import { FakeNodeAgent } from './fake-node-agent.ts';

const CONFLIST = '{ "cniVersion": "1.0.0", "name": "kit", "plugins": [ { "type": "ptp" } ] }\n';
export const WAIT_MS = 30_000;

/** Pods of the tests; the UID is made from the name unless it matters. */
interface CalledPod {
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
}

/** A node of a cluster: its directories, its processes, and the agent in this process; pods are real network namespaces. */
export class ClusterNode implements AsyncDisposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'ambit-node-'));
  readonly #plugin: BuiltPlugin;
  readonly #connect: NonNullable<CniAgentOptions['connect']>;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();

  constructor(plugin: BuiltPlugin, connect: NonNullable<CniAgentOptions['connect']>) {
    this.#plugin = plugin;
    this.#connect = connect;
    this.#stack.defer(() => rmSync(this.root, { recursive: true, force: true }));
    for (const directory of ['bin', 'net.d', 'netns', 'proc', 'run', 'state']) mkdirSync(join(this.root, directory));
    writeFileSync(join(this.root, 'net.d/10-kit.conflist'), CONFLIST);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async start(variables: Readonly<Record<string, string>> = {}): Promise<CniAgent> {
    return this.#stack.use(await createCniAgent(await this.#options(variables)));
  }

  async uninstall(): Promise<number> {
    return uninstall(await this.#options({}), 10_000);
  }

  nodeAgent(): FakeNodeAgent {
    return this.#stack.use(new FakeNodeAgent(this.path('run/zds.sock')));
  }

  /** The namespace that a runtime made for a pod, with the pod's address in it. */
  async netns(name: string, address = '10.1.0.5'): Promise<TestNetns> {
    const netns = this.#stack.use(await TestNetns.create());
    netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'cable');
    netns.run('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
    for (const link of ['eth0', 'cable']) netns.run('ip', 'link', 'set', link, 'up');
    symlinkSync(netns.path, this.path(`netns/${name}`));
    return netns;
  }

  /** Runs the installed plugin, as the installed configuration says. */
  call(command: string, pod: CalledPod, more: { netns?: string; address?: string } = {}): Promise<PluginRun> {
    const { netns = pod.name, address = '10.1.0.5' } = more;
    const list = JSON.parse(readFileSync(this.path('net.d/10-kit.conflist'), 'utf8')) as { plugins: object[] };
    const entry = list.plugins.at(-1);
    const prevResult = { cniVersion: '1.0.0', ips: [{ address: `${address}/24` }] };
    const configuration = { cniVersion: '1.0.0', name: 'kit', ...entry, prevResult };
    const variables = podCall(
      command,
      { namespace: 'shop', uid: `uid-of-${pod.name}`, ...pod },
      this.path(`netns/${netns}`),
    );
    return this.#plugin.run({ ...variables, CNI_CONTAINERID: netns }, JSON.stringify(configuration));
  }

  /** A process of a pod, for the scan. */
  process(id: number, cgroup: string, netns: TestNetns): void {
    mkdirSync(this.path(`proc/${id}/ns`), { recursive: true });
    writeFileSync(this.path(`proc/${id}/cgroup`), cgroup);
    symlinkSync(netns.path, this.path(`proc/${id}/ns/net`));
  }

  hostFiles(): readonly string[] {
    return ['bin', 'net.d'].flatMap((directory) =>
      readdirSync(this.path(directory)).map(
        (name) => `${name} ${hash('sha256', readFileSync(this.path(join(directory, name))))}`,
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  async #options(variables: Readonly<Record<string, string>>): Promise<Parameters<typeof createCniAgent>[0]> {
    const config = parseConfig(
      createEnvironment({
        AMBIT_KUBERNETES: 'true',
        AMBIT_NODE_NAME: 'here',
        AMBIT_CNI_PLUGIN: this.#plugin.path,
        AMBIT_CNI_BIN_DIR: this.path('bin'),
        AMBIT_CNI_CONF_DIR: this.path('net.d'),
        AMBIT_PLUGIN_SOCKET: this.path('run/cni.sock'),
        AMBIT_ZDS_SOCKET: this.path('run/zds.sock'),
        AMBIT_STATE_DIR: this.path('state'),
        AMBIT_HOST_PROC: this.path('proc'),
        AMBIT_HOST_ROOT: '/',
        AMBIT_ENROLMENT_TIMEOUT: '20s',
        AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
        AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
        ...variables,
      }),
    );
    const sink = createLineSink({ fd: 2, clock: systemClock });
    const logger = await createRootLogger({ format: 'text', filter: 'off', sink, clock: systemClock, scope: 'cni' });
    return {
      config,
      version: '0',
      userId: process.getuid?.() ?? 0,
      clock: systemClock,
      logger,
      connect: this.#connect,
    };
  }
}

export function isRedirected(netns: TestNetns): boolean {
  return netns.run('nft', 'list', 'tables').includes('inet ambit');
}

/** Code, message and details of a call that has to have failed. */
export function refusalOf(run: PluginRun): string {
  assert.equal(run.code, 1, run.output);
  const { code, msg, details } = JSON.parse(run.output) as { code: number; msg: string; details?: string };
  return `${code} ${msg} ${details ?? ''}`;
}

/** Waits until pods that start pass through the plugin. */
export async function installed(node: ClusterNode): Promise<void> {
  await until(
    'the plugin is installed',
    () => readFileSync(node.path('net.d/10-kit.conflist'), 'utf8').includes('ambit-cni'),
    WAIT_MS,
  );
}
