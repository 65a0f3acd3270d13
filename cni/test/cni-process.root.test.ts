import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NetnsHandle } from '@ambit/mesh/linux';
import { rootTestOptions, TestNetns, until } from '@ambit/mesh/testing';
import { FakeNodeAgent } from './fake-node-agent.ts';

const options = rootTestOptions();
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** The program itself, in a directory of its own, with one pod `shop/cart` in a real namespace. */
class World implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambit-cni-'));
  readonly netns: TestNetns;
  readonly #stack: AsyncDisposableStack = new AsyncDisposableStack();

  private constructor(netns: TestNetns) {
    this.netns = this.#stack.use(netns);
    this.#stack.defer(() => rmSync(this.directory, { recursive: true }));
    netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'cable');
    netns.run('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'eth0');
    for (const link of ['eth0', 'cable']) netns.run('ip', 'link', 'set', link, 'up');
    symlinkSync(netns.path, join(this.directory, 'shop-cart'));
    this.label(true);
    writeFileSync(this.#path('pod.yaml'), POD);
  }

  static async create(): Promise<World> {
    return new World(await TestNetns.create());
  }

  get socket(): string {
    return this.#path('zds.sock');
  }

  label(enrolled: boolean): void {
    const labels = enrolled ? '{ ambit.dev/mode: ambient }' : '{}';
    writeFileSync(
      this.#path('namespace.yaml'),
      `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: ${labels} }\n`,
    );
  }

  start(args: readonly string[] = [], variables: Readonly<Record<string, string>> = {}): Program {
    const flags = ['--manifests', this.directory, '--netns-dir', this.directory, '--zds-socket', this.socket];
    const program = new Program(
      ['--node-name', 'here', '--state-dir', this.#path('state'), ...flags, ...args],
      variables,
    );
    return this.#stack.use(program);
  }

  agent(): FakeNodeAgent {
    return this.#stack.use(new FakeNodeAgent(this.socket));
  }

  rules(): string {
    return this.netns.run('nft', 'list', 'ruleset') + this.netns.run('ip', 'rule') + this.netns.run('ip', '-6', 'rule');
  }

  isRedirected(): boolean {
    return this.netns.run('nft', 'list', 'tables').includes('inet ambit');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack[Symbol.asyncDispose]();
  }

  #path(name: string): string {
    return join(this.directory, name);
  }
}

const POD = `apiVersion: v1
kind: Pod
metadata: { name: cart, namespace: shop, uid: uid-of-cart }
spec: { nodeName: here, serviceAccountName: cart }
status: { phase: Running, podIPs: [{ ip: 10.0.0.1 }] }
`;

class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  output = '';

  constructor(args: readonly string[], variables: Readonly<Record<string, string>>) {
    const env = {
      PATH: process.env['PATH'],
      AMBIT_METRICS_ADDRESS: '127.0.0.1:0',
      AMBIT_READINESS_ADDRESS: '127.0.0.1:0',
      ...variables,
    };
    const child = spawn(process.execPath, ['--conditions=source', MAIN, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code]: (number | null)[]) => code ?? null);
  }

  async runs(): Promise<this> {
    await until(`the program runs: ${this.output}`, () => this.output.includes('CNI agent runs'));
    return this;
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#exited;
  }

  exit(): Promise<number | null> {
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) await this.end('SIGKILL');
  }
}

test(
  'the program enrols a pod, releases it when its namespace loses the label, and enrols it again',
  options,
  async () => {
    await using world = await World.create();
    const before = world.rules();
    const agent = world.agent();
    const program = await world.start().runs();
    await agent.hears('add uid-of-cart', 'snapshot-sent');
    using handle = NetnsHandle.open(world.netns.path);
    assert.deepEqual([agent.inodes, world.isRedirected()], [[handle.identity.inode], true]);
    world.label(false);
    await agent.hears('delete uid-of-cart');
    await until('the rules are gone', () => world.rules() === before);
    world.label(true);
    await agent.hears('add uid-of-cart');
    assert.equal(await program.end('SIGTERM'), 0, program.output);
  },
);

for (const end of ['SIGTERM', 'SIGKILL'] as const) {
  test(
    `after ${end} the rules stay, and the next program takes them over and says so to the agent`,
    options,
    async () => {
      await using world = await World.create();
      const agent = world.agent();
      const first = await world.start().runs();
      await agent.hears('add uid-of-cart', 'snapshot-sent');
      const rules = world.rules();
      await first.end(end);
      assert.equal(world.rules(), rules);
      const second = await world.start().runs();
      await agent.hears('add uid-of-cart', 'snapshot-sent');
      assert.match(second.output, /pod redirected.*change="?replaced/);
      assert.equal(world.rules(), rules);
    },
  );
}

test('what a killed program left behind is released by the next one when it is no longer wanted', options, async () => {
  await using world = await World.create();
  const before = world.rules();
  await (await world.start().runs()).end('SIGKILL');
  assert.ok(world.isRedirected());
  world.label(false);
  await world.start().runs();
  await until('the rules are gone', () => world.rules() === before);
});

test('--uninstall, and stopping with AMBIT_REMOVE_ON_EXIT, restore the namespace', options, async () => {
  await using world = await World.create();
  const before = world.rules();
  await (await world.start().runs()).end('SIGTERM');
  const uninstall = world.start(['--uninstall']);
  assert.equal(await uninstall.exit(), 0, uninstall.output);
  assert.equal(world.rules(), before);
  const removing = await world.start([], { AMBIT_REMOVE_ON_EXIT: 'true' }).runs();
  assert.ok(world.isRedirected());
  assert.equal(await removing.end('SIGTERM'), 0, removing.output);
  assert.equal(world.rules(), before);
});

test('wrong options and unknown variables are refused by name', async () => {
  for (const [args, variables, expected] of [
    [['--manifest', '/x'], {}, '--manifest is not a known option: expected one of --manifests, --node-name, '],
    [['--manifests', '/x', '--node-name', 'a'], { AMBIT_ZDS_SOKET: '/x' }, 'AMBIT_ZDS_SOKET'],
    [['--node-name', 'a'], {}, 'AMBIT_MANIFESTS'],
  ] as const) {
    await using program = new Program(args, variables);
    assert.equal(await program.exit(), 2);
    assert.ok(program.output.includes(expected), program.output);
  }
});
