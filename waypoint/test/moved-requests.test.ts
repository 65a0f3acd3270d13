import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import type { Delivery } from '../src/http/pipeline.ts';
import { type Cluster, endpointName } from '../src/upstream/cluster.ts';
import { compileEdits } from '../src/http/header-edits.ts';
import { answerOf, OTHER, SERVICE, type Servers, sharedWorkloadAt, WaitingWorld, workloadAt } from './waiting-world.ts';

// Where a request goes that has waited for an endpoint that is gone, beside `view-changes.test.ts`.

checkLeaks();

const UID = workloadAt(1).uid;
const AS_IT_IS: Delivery = { retry: null, attemptTimeoutMs: null, mirrors: [], session: null };
const both = ({ first, second }: Servers) => [workloadAt(first.port), sharedWorkloadAt(second.port, { name: 'two' })];

/** Of a session with the workload that the first server is. */
function sessionIn(cluster: Cluster): Delivery['session'] {
  return {
    endpoint: cluster.find(UID),
    editsFrom: (endpoint) =>
      compileEdits({ dropped: new Set(), appended: [{ name: 'at', value: endpointName(endpoint) }] }),
  };
}

for (const protocol of ['http1', 'http2'] as const) {
  for (const [name, path, isBusy, attempts] of [
    ['goes on with the workload that it is with, as that has changed', '/', false, 1],
    ['stays there when an answer is not the one that counts', '/busy', true, 2],
  ] as const) {
    test(`${protocol}: a session that waits for an endpoint that goes ${name}`, async () => {
      await using world = await WaitingWorld.open({
        protocol,
        // Not the one that is drawn.
        workloads: ({ first, second }) => [workloadAt(second.port, { name: 'two' }), workloadAt(first.port)],
        delivery: (clusterOf) => ({
          ...AS_IT_IS,
          retry: { codes: [503], attempts: 1, backoffMs: 1 },
          session: sessionIn(clusterOf(SERVICE)),
        }),
      });
      const { first } = world.servers;
      const request = `POST ${path} HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbody`;
      const { waiting } = await world.wait(request);
      if (isBusy) first.onBusy = () => void (first.onBusy = undefined);
      world.change({ workloads: [workloadAt(first.port, { capacity: 2 })] });
      await until('an answer', () => world.http.exchanges.length > 0 && waiting.text.endsWith('body'));
      assert.equal(answerOf(waiting), '200 first body');
      assert.match(waiting.text, new RegExp(`^at: ${UID}\r$`, 'm'));
      assert.equal(world.http.exchanges[0]?.attempts, attempts);
    });
  }

  test(`${protocol}: the session of a workload that is gone goes on elsewhere`, async () => {
    await using world = await WaitingWorld.open({
      protocol,
      workloads: both,
      delivery: (clusterOf) => ({ ...AS_IT_IS, session: sessionIn(clusterOf(SERVICE)) }),
    });
    const { waiting } = await world.wait();
    world.change({ removedWorkloads: [UID] });
    await until('an answer', () => waiting.text.endsWith('body'));
    assert.equal(answerOf(waiting), '200 second body');
  });

  test(`${protocol}: a request that waits again where it has gone is given up with its client`, async () => {
    await using world = await WaitingWorld.open({ protocol, workloads: both });
    const { second } = world.servers;
    await world.ask('GET /other/held HTTP/1.1\r\nHost: web\r\n\r\n');
    await until('the second server holds one', () => second.held !== undefined);
    const { waiting } = await world.wait('GET / HTTP/1.1\r\nHost: web\r\n\r\n');
    world.change({ removedWorkloads: [UID] });
    assert.equal(world.loadOf(second), 2);
    waiting.carrier.reset();
    await until('nobody waits', () => world.loadOf(second) === 1);
  });

  test(`${protocol}: what was given up with the request of which it is the copy is sent to nobody`, async () => {
    await using world = await WaitingWorld.open({
      protocol,
      workloads: ({ first }) => [sharedWorkloadAt(first.port)],
      delivery: (clusterOf) => ({ ...AS_IT_IS, mirrors: [clusterOf(OTHER)] }),
    });
    const { first, second } = world.servers;
    // The copy waits behind it. Neither is complete.
    const { waiting } = await world.wait('POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbo');
    await until('its copy, too', () => world.loadOf(first) === 4);
    const services = { [OTHER.key]: [`80:${second.port}`] };
    world.change({ removedWorkloads: [UID], workloads: [workloadAt(second.port, { name: 'two', services })] });
    await until('an answer', () => waiting.text.includes('\r\n\r\n'));
    assert.match(answerOf(waiting), /^503 /);
    assert.equal(world.loadOf(second), 1, 'only the copy of the request that is held');
  });
}

test('a request that waits for HTTP/1.1 where HTTP/2 is declared goes on with the workload as it has changed', async () => {
  await using world = await WaitingWorld.open({ protocol: 'http2', wantsHttp1: 'first' });
  const { first } = world.servers;
  const { waiting } = await world.wait();
  world.change({ workloads: [workloadAt(first.port, { capacity: 2 })] });
  await until('an answer', () => world.http.exchanges.length > 0 && waiting.text.includes('\r\n\r\n'));
  assert.equal(answerOf(waiting), '200 first body');
});

test('a request that waits for HTTP/2 goes to an endpoint that wants HTTP/1.1, and has a connection for it', async () => {
  await using world = await WaitingWorld.open({ protocol: 'http2', wantsHttp1: 'second', workloads: both });
  const asked = await world.ask('GET /other HTTP/1.1\r\nHost: web\r\n\r\n');
  await until('an answer of the second', () => asked.text.endsWith('second '));
  const { waiting } = await world.wait();
  world.change({ removedWorkloads: [UID] });
  await until('an answer', () => waiting.text.endsWith('body'));
  assert.equal(answerOf(waiting), '200 second body');
});
