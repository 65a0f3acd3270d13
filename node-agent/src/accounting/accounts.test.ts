import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { Accounts } from './accounts.ts';
import type { WorkloadUsage } from './pod-account.ts';
import { COST_US } from './share-cpu.ts';

/** A thread whose CPU time the test makes. */
class World {
  cpuUs = 1000;
  readonly accounts: Accounts;

  constructor() {
    this.accounts = new Accounts({ clock: new ManualClock(), threadCpuUs: () => this.cpuUs });
  }

  cpuOf(): Record<string, number> {
    return Object.fromEntries(this.accounts.settle().map(({ pod, cpuMicroseconds }) => [pod, cpuMicroseconds]));
  }
}

const OUTBOUND = { direction: 'outbound', encrypted: true } as const;
const INBOUND = { direction: 'inbound', encrypted: false } as const;

test('Accounts: the CPU time of a thread is shared out by what was done for each pod, and all parts are the whole', () => {
  const made = new World();
  const [web, db] = [
    made.accounts.open({ namespace: 'shop', name: 'web' }),
    made.accounts.open({ namespace: 'shop', name: 'db' }),
  ];
  made.cpuUs += 500;
  assert.deepEqual(made.cpuOf(), { agent: 1500, gone: 0, web: 0, db: 0 });
  for (const account of [web, web, web, db]) account.open(OUTBOUND);
  made.cpuUs += 4000;
  assert.deepEqual(made.cpuOf(), { agent: 1500, gone: 0, web: 3000, db: 1000 });
  // Nothing is counted twice.
  db.carry(OUTBOUND, { request: 10, response: 0, segments: 1 });
  made.cpuUs += 100;
  assert.deepEqual(made.cpuOf(), { agent: 1500, gone: 0, web: 3000, db: 1100 });
});

test("Accounts: handshakes, time that passes and what is done for all pods are the agent's", () => {
  const made = new World();
  const web = made.accounts.open({ namespace: 'shop', name: 'web' });
  made.accounts.measureOwn(() => void (made.cpuUs += 700));
  web.handshake();
  for (let cost = 0; cost < 15 * COST_US.handshake; cost += COST_US.refusal) web.refuse();
  made.cpuUs += 16 * 100;
  assert.deepEqual(made.cpuOf(), { agent: 1800, gone: 0, web: 1500 });
});

test('Accounts: what a pod that is gone used stays in the sum', () => {
  const made = new World();
  const web = made.accounts.open({ namespace: 'shop', name: 'web' });
  web.open(INBOUND);
  web.carry(INBOUND, { request: 5, response: 7, segments: 2 });
  made.cpuUs += 10;
  web.close();
  made.accounts.close(web);
  made.accounts.close(web);
  const [, gone, ...pods] = made.accounts.settle();
  assert.deepEqual(pods, []);
  assert.deepEqual(gone, {
    namespace: '',
    workload: '',
    pod: 'gone',
    connectionsOpened: 1,
    connectionsRefused: 0,
    connectionsOpen: 0,
    handshakes: 0,
    sentBytes: 7,
    receivedBytes: 5,
    connectionsOpening: 0,
    connectionsWaiting: 0,
    bufferedBytes: 0,
    cpuMicroseconds: 10,
  } satisfies WorkloadUsage);
});

test('Accounts: bytes are named as the pod sees them, whoever opened the connection', () => {
  const made = new World();
  const web = made.accounts.open({ namespace: 'shop', name: 'web' });
  web.carry(OUTBOUND, { request: 1, response: 10, segments: 2 });
  web.carry(INBOUND, { request: 100, response: 1000, segments: 2 });
  const { sentBytes, receivedBytes } = web.usage();
  assert.deepEqual([sentBytes, receivedBytes], [1001, 110]);
});
