import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinNode, type NodeCredentials } from '@ambit/mesh/grpc';
import { parseIpAddress } from '@ambit/mesh/model';
import { createEnvironment, createRootLogger, systemClock } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import { type ControllerApp, startController } from '../src/app.ts';
import { parseCommand } from '../src/config.ts';
import { issueJoinToken, revokeNode } from '../src/identity/index.ts';

/** Directories of one controller under test, and what it logged; disposing removes them. */
export class ControllerWorld implements AsyncDisposable {
  readonly manifests: string;
  readonly state: string;
  readonly lines: string[] = [];
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.manifests = join(root, 'manifests');
    this.state = join(root, 'state');
  }

  static async create(): Promise<ControllerWorld> {
    const world = new ControllerWorld(await mkdtemp(join(tmpdir(), 'ambit-controller-')));
    await mkdir(world.manifests);
    return world;
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.manifests, name), text);
  }

  /** Runs the whole process's inside on free ports of loopback, or with its discovery port given. */
  async start(grpcPort = 0): Promise<ControllerApp> {
    const ports = ['listen', 'metrics', 'health', 'debug'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
    const args = ['--manifests', this.manifests, '--state', this.state, ...ports];
    const command = parseCommand(args, createEnvironment({}));
    const config = command.kind === 'run' ? command.config : assert.fail();
    const sink = {
      write: (line: string) => void this.lines.push(line),
      dropped: 0,
      flush: async () => {},
      flushSync: () => {},
    };
    const clock = systemClock;
    const logger = await createRootLogger({ format: 'text', filter: 'debug', sink, clock, scope: 'controller' });
    const listen = { ip: parseIpAddress('127.0.0.1'), port: grpcPort };
    return startController(
      { ...config, listen },
      { clock, logger, version: 'test', environment: createEnvironment({}) },
    );
  }

  async joinAs(app: ControllerApp, node: string): Promise<NodeCredentials> {
    const token = await issueJoinToken({ stateDirectory: this.state, node, clock: systemClock });
    const state = openPrivateDirectory(join(this.#root, `node-${node}`));
    const address = `127.0.0.1:${app.ports.grpc}`;
    return joinNode({ address, token, state, nowMs: systemClock.now(), signal: AbortSignal.timeout(10_000) });
  }

  async revoke(node: string): Promise<void> {
    await revokeNode({ stateDirectory: this.state, node, clock: systemClock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** The text behind a path of one of the controller's HTTP ports. */
export async function ask(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })).text();
}
