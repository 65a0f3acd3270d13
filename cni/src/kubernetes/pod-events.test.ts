import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import { PodEvents } from './pod-events.ts';

class World {
  readonly clock: ManualClock = new ManualClock();
  readonly written: object[] = [];
  fails = false;
  readonly events: PodEvents = new PodEvents({
    client: {
      create: async (_resource, _namespace, object) => {
        if (this.fails) throw new Error('the API server is away');
        this.written.push(Object(object));
        return object;
      },
    },
    nodeName: 'here',
    clock: this.clock,
    logger: silentLogger,
  });

  warn(name: string, note: string): void {
    this.events.warn({ namespace: 'shop', name, uid: `uid-of-${name}` }, 'EnrolmentFailed', note);
  }

  notes(): readonly unknown[] {
    return this.written.splice(0).map((event) => Reflect.get(event, 'note'));
  }
}

test('an event says what kubectl shows', () => {
  const world = new World();
  world.warn('cart', 'no namespace');
  assert.deepEqual(world.written, [
    {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { generateName: 'cart-', namespace: 'shop' },
      eventTime: '2030-01-01T00:00:00.000000Z',
      reportingController: 'ambit.dev/cni',
      reportingInstance: 'here',
      type: 'Warning',
      reason: 'EnrolmentFailed',
      action: 'Enrol',
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'cart', uid: 'uid-of-cart' },
      note: 'no namespace',
    },
  ]);
});

test('the same about the same pod is said again only after a while; anything else at once', async () => {
  const world = new World();
  world.warn('cart', 'a');
  world.warn('cart', 'a');
  world.warn('cart', 'b');
  world.warn('web', 'a');
  assert.deepEqual(world.notes(), ['a', 'b', 'a']);
  await world.clock.advance(299_000);
  world.warn('cart', 'a');
  assert.deepEqual(world.notes(), []);
  await world.clock.advance(2000);
  world.warn('cart', 'a');
  assert.deepEqual(world.notes(), ['a']);
});

test('a node whose pods all fail writes thirty events a minute, each within the bounds of the API server', async () => {
  const world = new World();
  for (let i = 0; i < 500; i++) world.warn(`pod-${i}-${'x'.repeat(230)}`, 'y'.repeat(5000));
  assert.equal(world.written.length, 30);
  const [event] = world.written;
  const name = Reflect.get(Object(Reflect.get(event ?? {}, 'metadata')), 'generateName') as string;
  assert.ok(name.length <= 248 && String(Reflect.get(event ?? {}, 'note')).length <= 1024);
  await world.clock.advance(60_000);
  world.warn('later', 'z');
  assert.equal(world.written.length, 31);
});

test('an event that cannot be written is dropped', async () => {
  const world = new World();
  world.fails = true;
  world.warn('cart', 'a');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.written, []);
});
