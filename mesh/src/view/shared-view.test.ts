import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { parseIpAddress } from '../model/address.ts';
import { createMeshViewStore } from '../model/mesh-view-store.ts';
import { buildService } from '../testing/service-builder.ts';
import { createSharedStore } from '../testing/shared-store.ts';
import { until } from '../testing/until.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import { SharedViewReader } from './shared-view-reader.ts';
import { SharedViewWriter } from './shared-view-writer.ts';

describe('a shared view', () => {
  test('gives the same object for the same workload, and another one once that changed', () => {
    const { view, apply } = createSharedStore();
    const web = buildWorkload({ services: { 'shop/web.shop.svc.cluster.local': ['80'] } });
    apply({ workloads: [web], services: [buildService()] });
    const first = view.workload(web.uid);
    assert.equal(view.workloadByAddress('', parseIpAddress('10.0.0.1')), first);
    assert.equal([...view.endpoints(buildService().key)][0], first);
    assert.equal(view.service(buildService().key), view.service(buildService().key));
    apply({ services: [buildService({ name: 'other' })] });
    assert.equal(view.workload(web.uid), first);
    apply({ workloads: [{ ...web, status: 'unhealthy' }] });
    assert.notEqual(view.workload(web.uid), first);
  });

  for (const count of [1, 127, 128, 129, 700]) {
    test(`gives ${count} endpoints in order, as they are in this epoch, however often they were asked for`, () => {
      const { view, apply } = createSharedStore();
      const { key } = buildService();
      const workloads = Array.from({ length: count }, (_, index) =>
        buildWorkload({
          name: `pod-${index}`,
          addresses: [`10.0.${index >> 8}.${index & 255}`],
          services: { [key]: ['80'] },
        }),
      );
      const look = (): readonly unknown[] => [[...view.endpoints(key)], [...view.endpoints(key)]];
      assert.deepEqual(look(), [[], []]);
      apply({ workloads });
      assert.deepEqual(look(), [workloads, workloads]);
      apply({ services: [buildService()] });
      assert.deepEqual(look(), [workloads, workloads]);
      const changed = workloads.map((one, index) =>
        index === count - 1 ? { ...one, status: 'unhealthy' as const } : one,
      );
      apply({ workloads: changed.slice(-1) });
      assert.deepEqual(look(), [changed, changed]);
      apply({ removedWorkloads: workloads.map(({ uid }) => uid) });
      assert.deepEqual(look(), [[], []]);
    });
  }

  test('gives the endpoints of more services than it remembers', () => {
    const { view, apply } = createSharedStore();
    const keys = Array.from({ length: 2500 }, (_, index) => buildService({ name: `service-${index}` }).key);
    const web = buildWorkload({ services: Object.fromEntries(keys.map((key) => [key, ['80']])) });
    apply({ workloads: [web] });
    for (const key of [...keys, ...keys.toReversed()]) assert.deepEqual([...view.endpoints(key)], [web]);
  });

  test('takes what is larger than a chunk, and uses its memory again', () => {
    const writer = new SharedViewWriter(1);
    const view = new SharedViewReader();
    const step = (update: Parameters<SharedViewWriter['apply']>[0]): void => {
      writer.acknowledge(view.adopt(writer.apply(update)).epoch);
    };
    const large = (text: string) =>
      buildService({ subjectAltNames: Array.from({ length: 3000 }, () => text.repeat(999)) });
    step({ services: [large('a')], workloads: [buildWorkload()] });
    const sizes = [writer.recordBytes];
    for (const letter of ['b', 'c', 'd', 'e', 'f']) {
      step({ services: [large(letter)] });
      assert.deepEqual(view.service(large('a').key), large(letter));
      sizes.push(writer.recordBytes);
    }
    assert.ok(
      Math.max(...sizes) < 4 * (sizes[0] ?? 0),
      'at most the three that readers may still see, and the new one',
    );
    assert.deepEqual(view.workload(buildWorkload().uid), buildWorkload());
  });

  test('tells where policies may differ of a workload that came, changed or went, and of no other', () => {
    const { apply } = createSharedStore();
    const [web, db] = [buildWorkload(), buildWorkload({ name: 'db', addresses: ['10.0.0.2'] })];
    const differ = (update: Parameters<typeof apply>[0]): readonly boolean[] => {
      const step = apply(update);
      return [web, db].map((workload) => step.policiesMayDifferAt(workload));
    };
    assert.deepEqual(differ({ workloads: [web] }), [true, false]);
    assert.deepEqual(differ({ workloads: [db] }), [false, true]);
    assert.deepEqual(differ({ removedWorkloads: [web.uid] }), [true, false]);
    assert.deepEqual(differ({ removedWorkloads: [web.uid] }), [false, false]);
  });

  for (const [kind, open] of [
    ['of objects', createMeshViewStore],
    ['in shared memory', createSharedStore],
  ] as const) {
    test(`${kind} tells what is gone, and whether any service was touched`, () => {
      const { apply } = open();
      const [web, db] = [buildWorkload(), buildWorkload({ name: 'db', addresses: ['10.0.0.2'] })];
      const told = (update: Parameters<typeof apply>[0]): unknown => {
        const { gone, touchesServices, touchesWorkload } = apply(update);
        return [[...gone], touchesServices, touchesWorkload(web.uid)];
      };
      assert.deepEqual(told({ workloads: [web, db], services: [buildService()] }), [[], true, true]);
      assert.deepEqual(told({ removedWorkloads: [web.uid, db.uid], workloads: [db] }), [[web.uid], false, true]);
      assert.deepEqual(told({ removedWorkloads: [web.uid] }), [[], false, false]);
      assert.deepEqual(told({ removedServices: [buildService().key] }), [[], true, false]);
      assert.deepEqual(told({ removedServices: [buildService().key] }), [[], false, false]);
    });
  }
});

const ROUNDS = 400;
const PODS = 60;

/** Looks at all pods for as long as the next epochs are being written, and finds that each is of the epoch that was adopted last. */
const READER = `
  const { parentPort, workerData } = require('node:worker_threads');
  Promise.all([import(workerData.reader), import(workerData.address)]).then(([{ SharedViewReader }, { parseIpAddress }]) => {
    const view = new SharedViewReader();
    const failures = [];
    let looks = 0;
    const look = () => {
      const revision = 'v' + view.epoch;
      for (let pod = 0; pod < workerData.pods; pod++) {
        const ip = parseIpAddress('10.0.' + view.epoch % 3 + '.' + pod);
        const workload = view.workloadByAddress('', ip);
        if (workload?.canonicalRevision !== revision || workload.name !== 'pod-' + pod) failures.push([view.epoch, pod, workload]);
        if (view.workloadByAddress('', parseIpAddress('10.0.' + (view.epoch + 1) % 3 + '.' + pod)) !== undefined) failures.push('too early');
        looks++;
      }
      const endpoints = [...view.endpoints('shop/web.shop.svc.cluster.local')];
      if (endpoints.length !== workerData.pods || endpoints.some((one) => one.canonicalRevision !== revision)) failures.push(endpoints.length);
    };
    parentPort.on('message', (publication) => {
      if (publication === 'end') { parentPort.postMessage({ failures: failures.slice(0, 5), looks }); parentPort.close(); return; }
      view.adopt(publication);
      for (let times = 0; times < 3; times++) look();
      parentPort.postMessage(view.epoch);
    });
    parentPort.postMessage(0);
  });
`;

test('threads that read while the next updates are written see whole ones', { timeout: 60_000 }, async () => {
  const workerData = {
    reader: new URL('./shared-view-reader.ts', import.meta.url).href,
    address: new URL('../model/address.ts', import.meta.url).href,
    pods: PODS,
  };
  const workers = [0, 1].map(() => new Worker(READER, { eval: true, workerData }));
  try {
    const epochs = [-1, -1];
    let broken: unknown;
    const results: { readonly failures: readonly unknown[]; readonly looks: number }[] = [];
    for (const [index, worker] of workers.entries()) {
      worker.on('error', (error) => {
        broken = error;
      });
      worker.on('message', (message: number | (typeof results)[number]) => {
        if (typeof message === 'number') epochs[index] = message;
        else results.push(message);
      });
    }
    const exits = workers.map((worker) => once(worker, 'exit'));
    const writer = new SharedViewWriter(99);
    await until('both threads are there', () => broken !== undefined || Math.min(...epochs) >= 0, 30_000);
    for (let round = 1; round <= ROUNDS; round++) {
      const workloads = Array.from({ length: PODS }, (_, pod) =>
        buildWorkload({
          name: `pod-${pod}`,
          addresses: [`10.0.${round % 3}.${pod}`],
          services: { 'shop/web.shop.svc.cluster.local': ['80'] },
          canonicalRevision: `v${round}`,
        }),
      );
      const publication = writer.apply({ workloads });
      for (const worker of workers) worker.postMessage(publication);
      // Some epochs ahead of the slower one, so that both sides work at the same time and memory is used again all the while.
      while (round - Math.min(...epochs) > 3 && broken === undefined)
        await new Promise((resolve) => setImmediate(resolve));
      assert.equal(broken, undefined);
      writer.acknowledge(Math.min(...epochs));
    }
    for (const worker of workers) worker.postMessage('end');
    await Promise.all(exits);
    assert.deepEqual(
      results.map(({ failures, looks }) => [failures, looks]),
      [0, 1].map(() => [[], ROUNDS * PODS * 3]),
    );
  } finally {
    for (const worker of workers) await worker.terminate();
  }
});
