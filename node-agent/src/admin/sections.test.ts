import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminSection } from '@ambit/mesh/runtime';
import { WorkerError } from '@ambit/mesh/runtime';
import { heapSection } from './heap-section.ts';
import { profileSection } from './profile-section.ts';

async function ask(section: AdminSection, query: string): Promise<readonly [number, string]> {
  const { method, path } = section;
  const { status, body } = await section.handle({ method, path, query: new URLSearchParams(query), accept: '' });
  return [status, typeof body === 'string' ? body : `${body.length} bytes`];
}

test('heapSection() writes one of the thread that is asked for, where they may go', async () => {
  const section = heapSection({ directory: '/d', workers: 2, write: async (worker) => `/d/${worker}` });
  assert.deepEqual(await ask(section, ''), [200, '/d/0\n']);
  assert.deepEqual(await ask(section, 'thread=data-1'), [200, '/d/1\n']);
  assert.deepEqual(await ask(section, 'thread=main'), [200, '/d/null\n']);
  assert.deepEqual(await ask(section, 'thread=data-2'), [400, 'thread: expected one of main, data-0, data-1\n']);
});

test('heapSection() says when they are off, and when there are too many', async () => {
  const full = new WorkerError('worker-failed', 'refused', { data: { code: 'snapshot-limit' } });
  const options = { workers: 1, write: () => Promise.reject(full) };
  assert.equal((await ask(heapSection({ ...options, directory: '' }), ''))[0], 403);
  assert.deepEqual(await ask(heapSection({ ...options, directory: '/d' }), ''), [
    409,
    '/d holds as many as it may: remove some\n',
  ]);
});

test('profileSection() records one at a time', async () => {
  const recorded = Promise.withResolvers<{ nodes: []; startTime: number; endTime: number }>();
  const asked: unknown[] = [];
  const section = profileSection({
    workers: 1,
    now: () => 0,
    record: (worker, ms) => {
      asked.push([worker, ms]);
      return recorded.promise;
    },
  });
  const first = ask(section, 'seconds=2&format=cpuprofile');
  assert.deepEqual(await ask(section, ''), [409, 'a profile is being recorded already\n']);
  recorded.resolve({ nodes: [], startTime: 0, endTime: 1 });
  assert.deepEqual(await first, [200, '{"nodes":[],"startTime":0,"endTime":1}']);
  assert.equal((await ask(section, 'thread=main'))[0], 200);
  assert.deepEqual(asked, [
    [0, 2000],
    [null, 10_000],
  ]);
});
