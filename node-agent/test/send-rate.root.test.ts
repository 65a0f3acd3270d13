import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rootTestOptions } from '@ambit/mesh/testing';
import { type PodPlan, PodWorld, readAll } from './pod-world.ts';

const options = { ...rootTestOptions(), timeout: 60_000 };
const MIB = 1024 * 1024;
const TEXT = 'x'.repeat(3 * MIB);
/** What it takes at 4 MiB a second, less what may be sent at once and one read too many. */
const MS_MIN = 600;

/** How the bytes of the client are carried. */
const WAYS: readonly (readonly [way: string, server: PodPlan])[] = [
  ['through a tunnel', { name: 'server', onNode: 'b' }],
  ['past it, on one node', { name: 'server', onNode: 'a' }],
  ['in plaintext', { name: 'server', captured: false }],
];

describe('a pod with a limit of bytes in a second', options, () => {
  for (const [way, server] of WAYS) {
    test(`sends ${way} no faster, and all of it`, async () => {
      await using world = await PodWorld.create([{ name: 'client', onNode: 'a' }, server], {
        settings: { bytesPerSecondMax: 4 * MIB },
      });
      await world.pod('server').serve(8080, (socket) => {
        void readAll(socket).then(
          (text) => socket.end(String(text.length)),
          () => {},
        );
      });
      const beganMs = performance.now();
      const answers = await Promise.all([
        world.pod('client').exchange('10.77.0.2:8080', TEXT),
        world.pod('client').exchange('10.77.0.2:8080', 'short'),
      ]);
      assert.deepEqual(answers, [String(TEXT.length), '5']);
      const tookMs = performance.now() - beganMs;
      assert.ok(tookMs >= MS_MIN, `${tookMs} ms`);
    });
  }
});
