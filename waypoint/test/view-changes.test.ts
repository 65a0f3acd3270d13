import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLeaks, until } from '@ambit/mesh/testing';
import type { Delivery } from '../src/http/pipeline.ts';
import { answerOf, SERVICE, type Servers, WaitingWorld, workloadAt } from './waiting-world.ts';

checkLeaks();

const UID = workloadAt(1).uid;
const NONE = '503 no healthy endpoint\n';

const retries: Delivery = {
  retry: { codes: [], attempts: 1, backoffMs: 1 },
  attemptTimeoutMs: null,
  mirrors: [],
  session: null,
};
const gone = { removedWorkloads: [UID] };

for (const protocol of ['http1', 'http2'] as const) {
  for (const [delivery, rule] of [
    [null, 'without a rule'],
    [retries, 'with a rule of retries'],
  ] as const) {
    for (const [name, update, expected] of [
      [
        'by another endpoint',
        ({ second }: Servers) => ({ ...gone, workloads: [workloadAt(second.port, { name: 'two' })] }),
        { answer: '200 second body', reason: null },
      ],
      [
        'where it was, by a workload that has changed',
        ({ first }: Servers) => ({ workloads: [workloadAt(first.port, { capacity: 2 })] }),
        { answer: '200 first body', reason: null },
      ],
      ['503 when there is none', () => gone, { answer: NONE, reason: 'no-endpoint' }],
      [
        '503 when there is no service any more',
        () => ({ ...gone, removedServices: [SERVICE.key] }),
        { answer: NONE, reason: 'no-endpoint' },
      ],
    ] as const) {
      test(`${protocol}, ${rule}: a request that waits for an endpoint that goes is answered ${name}`, async () => {
        await using world = await WaitingWorld.open({ protocol, delivery: () => delivery });
        const { servers, http } = world;
        const { holding, waiting } = await world.wait();
        world.change(update(servers));
        await until('an answer', () => http.exchanges.length > 0);
        const { reason, attempts } = http.exchanges[0] ?? assert.fail();
        await until('all of it', () => waiting.text.endsWith(expected.answer.slice(4)));
        assert.deepEqual({ answer: answerOf(waiting), reason, attempts }, { ...expected, attempts: 1 });
        servers.first.release();
        await until('the other one goes on', () => holding.text.endsWith('held'));
      });
    }
  }
}

test('a request that waits to be sent once more is sent where one of then would be', async () => {
  const delivery = { ...retries, retry: { codes: [503], attempts: 1, backoffMs: 1 } };
  await using world = await WaitingWorld.open({ protocol: 'http1', delivery: () => delivery });
  const { first, second } = world.servers;
  first.onBusy = () => world.change({ ...gone, workloads: [workloadAt(second.port, { name: 'two' })] });
  const client = await world.ask('POST /busy HTTP/1.1\r\nHost: web\r\nContent-Length: 4\r\n\r\nbody');
  await until('an answer', () => client.text.endsWith('body'));
  assert.equal(answerOf(client), '200 second body');
});
