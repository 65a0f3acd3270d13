import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CaClient, createCaClient, createTokenAccess, GrpcError, requestSvid, watchRoots } from '@ambit/mesh/grpc';
import { ManualClock, testIdentity, until } from '@ambit/mesh/testing';
import { FakeController, TEST_SERVER_NAME, TEST_TOKEN } from './fake-controller.ts';

/** The files of a pod as a kubelet mounts them: replaced by renaming. */
class MountedFiles implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<MountedFiles> {
    return new MountedFiles(await mkdtemp(join(tmpdir(), 'ambit-token-')));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  async put(name: string, text: string): Promise<void> {
    await writeFile(this.path(`${name}.new`), text);
    await rename(this.path(`${name}.new`), this.path(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** `issued`, or code and what the error says about it. */
async function outcome(client: CaClient): Promise<string> {
  const wanted = { identity: testIdentity('shop', 'web'), validitySeconds: 3600 };
  try {
    await requestSvid(client, wanted, AbortSignal.timeout(20_000));
    return 'issued';
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error;
    return [error.code, error.data['variable'], error.data['reason']].filter(Boolean).join(' ');
  }
}

test('access by token reads both files anew, says which one is missing, and follows a rotation of the roots', async () => {
  await using files = await MountedFiles.create();
  await using controller = new FakeController();
  await controller.start();
  const access = createTokenAccess({
    address: controller.address,
    serverName: TEST_SERVER_NAME,
    tokenFile: files.path('token'),
    rootFile: files.path('root.pem'),
    headers: {},
  });
  using client = createCaClient(access);
  await files.put('token', `${TEST_TOKEN}\n`);
  assert.equal(await outcome(client), 'failed-precondition AMBIT_CONTROLLER_ROOT_FILE cannot be read');
  await files.put('root.pem', '\n');
  assert.equal(await outcome(client), 'failed-precondition AMBIT_CONTROLLER_ROOT_FILE is empty');
  await files.put('root.pem', controller.rootPem);
  assert.equal(await outcome(client), 'issued');
  await files.put('token', 'of another audience');
  assert.equal(await outcome(client), 'unauthenticated');
  await rm(files.path('token'));
  assert.equal(await outcome(client), 'failed-precondition AMBIT_TOKEN_FILE cannot be read');
  await files.put('token', TEST_TOKEN);
  assert.equal(await outcome(client), 'issued');
  assert.equal(await access.credentials(), await access.credentials());

  await using rotated = new FakeController();
  rotated.port = controller.port;
  await controller.stop();
  await rotated.start();
  await until('the old roots refuse it', async () => (await outcome(client)).startsWith('unavailable'));
  await files.put('root.pem', controller.rootPem + rotated.rootPem);
  await until('the new roots accept it', async () => (await outcome(client)) === 'issued');
});

test('watchRoots() tells of each change of the roots once, and of nothing else', async () => {
  await using files = await MountedFiles.create();
  const clock = new ManualClock();
  const stop = new AbortController();
  let changes = 0;
  const watching = watchRoots(files.path('root.pem'), clock, () => void changes++, stop.signal);
  const look = async (): Promise<void> => {
    await until('it waits for its next look', () => clock.pending > 0);
    await clock.advance(5000);
    await until('it has looked', () => clock.pending > 0);
  };
  await look();
  await files.put('root.pem', 'a');
  await look();
  await look();
  assert.equal(changes, 0);
  await files.put('root.pem', 'a b');
  await look();
  assert.equal(changes, 1);
  await rm(files.path('root.pem'));
  await look();
  await files.put('root.pem', 'a b\n');
  await look();
  assert.equal(changes, 1);
  await files.put('root.pem', 'b');
  await look();
  assert.equal(changes, 2);
  stop.abort();
  await watching;
});
