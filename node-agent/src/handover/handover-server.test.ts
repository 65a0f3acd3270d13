import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenForDescriptorChannels, SyscallError } from '@ambit/mesh/linux';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock, until } from '@ambit/mesh/testing';
import { HandoverServer } from './handover-server.ts';
import { Predecessor } from './predecessor.ts';

const EMFILE = 24;

/** An agent that lends nothing. Its listener cannot accept the first time. */
class Before implements Disposable {
  readonly #directory: string = mkdtempSync(join(tmpdir(), 'ambit-handover-'));
  readonly path: string = join(this.#directory, 'agent.sock');
  readonly clock: ManualClock = new ManualClock();
  readonly said: string[] = [];
  readonly resuming: PromiseWithResolvers<void> = Promise.withResolvers();
  failures = 0;
  readonly server: HandoverServer = new HandoverServer({
    clock: this.clock,
    logger: silentLogger,
    lender: {
      holds: () => false,
      share: async () => [],
      handOver: async () => {},
      resume: () => {
        this.said.push('resume');
        return this.resuming.promise;
      },
    },
    releaseServers: async () => void this.said.push('release'),
    reopenServers: async () => void this.said.push('reopen'),
    listenAt: (path) => {
      const listener = listenForDescriptorChannels(path);
      return {
        accept: (signal) =>
          this.failures++ === 0 ? Promise.reject(new SyscallError('accept4', EMFILE)) : listener.accept(signal),
        [Symbol.dispose]: () => listener[Symbol.dispose](),
      };
    },
  });

  [Symbol.dispose](): void {
    this.server[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true });
  }

  /** An agent after this one that has made it close its servers. */
  async successor(): Promise<Predecessor> {
    const connecting = Predecessor.connect(this.path, silentLogger);
    await until('the pause after the failure', () => this.clock.pending === 1);
    await this.clock.advance(1000);
    const predecessor = (await connecting) ?? assert.fail('nobody answers');
    await predecessor.releaseServers();
    return predecessor;
  }
}

test('HandoverServer goes on after a connection that could not be accepted', async () => {
  using before = new Before();
  before.server.listen(before.path);
  using after = await before.successor();
  assert.ok(after.isThere);
  assert.deepEqual(before.said, ['release']);
});

test('HandoverServer opens its servers again when the successor is lost, unless it is told to stop meanwhile', async () => {
  for (const isStopped of [false, true]) {
    using before = new Before();
    before.server.listen(before.path);
    (await before.successor())[Symbol.dispose]();
    await until('the pods are taken back', () => before.said.includes('resume'));
    if (isStopped) before.server[Symbol.dispose]();
    before.resuming.resolve();
    await until('the hand-over is over', () => !before.server.isSucceeded);
    assert.deepEqual(before.said, ['release', 'resume', ...(isStopped ? [] : ['reopen'])]);
  }
});
