import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { ask, ControllerWorld } from './controller-world.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nstatus: {podIPs: [{ip: 10.0.0.1}]}\n';

type Child = ChildProcessByStdio<null, Readable, Readable>;

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  return spawn(process.execPath, ['--conditions=source', MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

async function outcome(
  child: Child,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out, err };
}

/** Starts a controller process and waits until it says that it is ready, and on which ports. */
async function serve(world: ControllerWorld): Promise<{ readonly child: Child; readonly debug: number }> {
  const ports = ['listen', 'metrics', 'health', 'debug'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
  const child = run(['--manifests', world.manifests, '--state', world.state, ...ports], { AMBIT_LOG_FORMAT: 'json' });
  child.stderr.resume();
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const line = await until('the controller is ready', () =>
    output.split('\n').find((candidate) => candidate.includes('controller is ready')),
  );
  return { child, debug: JSON.parse(line).ports.debug };
}

test('controller process survives being killed: a new one serves the same names and versions, and stops orderly', async () => {
  await using world = await ControllerWorld.create();
  await world.write('pod.yaml', POD);
  const first = await serve(world);
  const before = await ask(first.debug, '/resources');
  assert.match(before, /Kubernetes\/\/Pod\/shop\/web/);
  first.child.kill('SIGKILL');
  await once(first.child, 'close');
  const second = await serve(world);
  assert.equal(await ask(second.debug, '/resources'), before);
  second.child.kill('SIGTERM');
  await once(second.child, 'close');
  assert.equal(second.child.exitCode, 0);
});

test('controller process prints a join token and nothing else, also before its first run', async () => {
  await using world = await ControllerWorld.create();
  const { code, out, err } = await outcome(run(['token', '--state', world.state, '--node', 'host-a']));
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^ambit-join-1\.\S+\n$/);
});

test('controller process explains itself and what is wrong with its arguments', async () => {
  const help = await outcome(run(['--help']));
  assert.deepEqual([help.code, help.err], [0, '']);
  assert.match(help.out, /controller --manifests DIR --state DIR/);
  const wrong = await outcome(run(['--manifests', '/nowhere']));
  assert.deepEqual([wrong.code, wrong.out], [2, '']);
  assert.match(wrong.err, /^--state is missing/);
  await using world = await ControllerWorld.create();
  const missing = await outcome(
    run([
      '--manifests',
      `${world.manifests}/none`,
      '--state',
      world.state,
      '--health',
      '127.0.0.1:0',
      '--metrics',
      '127.0.0.1:0',
      '--debug',
      '127.0.0.1:0',
    ]),
  );
  assert.equal(missing.code, 1);
  assert.match(missing.err, /process failed.*directory of manifests cannot be read.*\/none.*ENOENT/);
});
