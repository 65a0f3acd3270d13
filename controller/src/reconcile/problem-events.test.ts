import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectProblem } from '@ambit/mesh/kinds';
import { KubeApiError, type KubeApiErrorCode, type KubeClient } from '@ambit/mesh/kube';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { MemoryKubeClient } from '../../test/memory-kube-client.ts';
import type { RefusedObject } from './decide-problem-events.ts';
import { PROBLEM_EVENT_BOUNDS, PROBLEM_EVENT_TIMING, ProblemEvents, SETTLE_MS } from './problem-events.ts';

/** Events about what the test says is wrong, in terms that it begins and ends. */
class World {
  readonly clock = new ManualClock();
  readonly kube = new MemoryKubeClient();
  readonly failures: KubeApiErrorCode[] = [];
  readonly names: string[] = [];
  problems: readonly ObjectProblem[] = [];
  faults: readonly RefusedObject[] = [];

  events(): ProblemEvents {
    const client: KubeClient = {
      ...this.kube.client,
      create: async (_resource, namespace, object) => {
        const failure = this.failures.shift();
        if (failure !== undefined) throw new KubeApiError(failure);
        const { name } = Object(object).metadata;
        if (this.names.includes(`${namespace}/${name}`)) throw new KubeApiError('already-exists');
        this.names.push(`${namespace}/${name}`);
        return null;
      },
    };
    const { clock } = this;
    const sources = { problems: () => this.problems, labelFaults: () => this.faults };
    return new ProblemEvents({ client, ...sources, self: 'c-1', clock, logger: silentLogger });
  }

  /** Pods of that name, all wrong. */
  break(count: number): void {
    const names = Array.from({ length: count }, (_, index) => `web-${index}`);
    for (const name of names) this.kube.put('pods', 'shop', name, { metadata: { uid: `u-${name}` } });
    this.problems = names.map((name) => ({ where: name, reason: 'r', severity: 'error', key: `Pod/shop/${name}` }));
  }
}

test('ProblemEvents tells of many one after the other, and of each once whoever leads', async () => {
  const world = new World();
  world.break(25);
  const term = new AbortController();
  const first = assert.rejects(world.events().work(term.signal), { name: 'AbortError' });
  await world.clock.advance(0);
  assert.equal(world.names.length, PROBLEM_EVENT_BOUNDS.dueMax);
  await world.clock.advance(3 * PROBLEM_EVENT_TIMING.pauseMs);
  assert.equal(world.names.length, 25);
  assert.match(world.names[0] ?? '', /^shop\/web-0\.[0-9a-f]{16}$/);
  term.abort();
  await first;
  const next = new AbortController();
  const second = assert.rejects(world.events().work(next.signal), { name: 'AbortError' });
  await world.clock.advance(4 * PROBLEM_EVENT_TIMING.pauseMs);
  assert.equal(world.names.length, 25);
  next.abort();
  await second;
});

test('ProblemEvents leaves what cannot be told, tries again what may be, and says nothing of what is gone', async () => {
  const world = new World();
  world.break(2);
  world.problems = [...world.problems, { where: 'x', reason: 'r', severity: 'error', key: 'Pod/shop/gone' }];
  world.failures.push('forbidden', 'server-error');
  const events = world.events();
  const term = new AbortController();
  await assert.rejects(events.work(term.signal), { code: 'server-error' });
  assert.deepEqual(world.names, []);
  const again = assert.rejects(events.work(term.signal), { name: 'AbortError' });
  await world.clock.advance(PROBLEM_EVENT_TIMING.pauseMs);
  assert.deepEqual(world.names, []);
  await world.clock.advance(PROBLEM_EVENT_TIMING.resyncMs);
  assert.match(world.names.join(), /^shop\/web-1\.[0-9a-f]{16}$/);
  term.abort();
  await again;
});

test('ProblemEvents goes on with others when one cannot be told, and with nobody while no API server is there', async () => {
  const world = new World();
  world.break(4);
  world.failures.push('server-error');
  const events = world.events();
  const term = new AbortController();
  await assert.rejects(events.work(term.signal), { code: 'server-error' });
  assert.deepEqual(
    world.names.map((name) => name.replace(/\..*/, '')),
    ['shop/web-1', 'shop/web-2', 'shop/web-3'],
  );
  const away = new World();
  away.break(2);
  away.failures.push('unreachable');
  await assert.rejects(away.events().work(term.signal), { code: 'unreachable' });
  assert.deepEqual(away.names, []);
});

test('ProblemEvents tells of a label that stays wrong, and of none that is right within seconds', async () => {
  const world = new World();
  const fault = (name: string): RefusedObject => {
    world.kube.put('services', 'shop', name, { metadata: { uid: `u-${name}` } });
    return { kind: 'Service', namespace: 'shop', name, code: 'WaypointMissing', reason: 'r' };
  };
  world.faults = [fault('web'), fault('brief')];
  const term = new AbortController();
  const working = assert.rejects(world.events().work(term.signal), { name: 'AbortError' });
  await world.clock.advance(PROBLEM_EVENT_TIMING.pauseMs);
  world.faults = [fault('web')];
  await world.clock.advance(SETTLE_MS);
  world.faults = [fault('web'), fault('brief')];
  await world.clock.advance(2 * PROBLEM_EVENT_TIMING.pauseMs);
  assert.match(world.names.join(), /^shop\/web\.[0-9a-f]{16}$/);
  term.abort();
  await working;
});
