import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import type { KubeClient } from '@ambit/mesh/kube';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { until } from '@ambit/mesh/testing';
import { TestApiServer } from '../../../test/e2e/kube/api-server.ts';
import { applyObject, coreKind, testClient } from '../../../test/e2e/kube/clients.ts';
import { LeaderElection, type LeaseTiming } from './leader-election.ts';
import { LeaderTasks } from './leader-tasks.ts';

const api = await TestApiServer.start();
const client = testClient(api);
after(async () => {
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
});
await applyObject(client, coreKind('namespaces', 'Namespace', 'cluster'), { metadata: { name: 'ambit-system' } });

const LONG_MS = 60_000;

interface Replica {
  readonly self: string;
  readonly tasks: LeaderTasks;
  /** Ends orderly. */
  stop(): Promise<void>;
}

/** What all replicas of a test did, in order. */
class Terms {
  readonly events: string[] = [];
  /** Most who led at the same time. */
  most = 0;
  #leading = 0;

  begin(who: string): void {
    this.#leading++;
    this.most = Math.max(this.most, this.#leading);
    this.events.push(`${who} begins`);
  }

  end(who: string): void {
    this.#leading--;
    this.events.push(`${who} ends`);
  }
}

function startReplica(
  self: string,
  lease: string,
  terms: Terms,
  timing: LeaseTiming,
  via: KubeClient = client,
): Replica {
  const tasks = new LeaderTasks(systemClock, silentLogger);
  tasks.whileLeading('work', async (term) => {
    terms.begin(self);
    if (!term.aborted) await once(term, 'abort');
    terms.end(self);
  });
  const election = new LeaderElection({
    client: via,
    lease: { namespace: 'ambit-system', name: lease },
    self,
    tasks,
    clock: systemClock,
    logger: silentLogger,
    metrics: new Metrics(),
    timing,
  });
  const stop = new AbortController();
  const running = election.run(stop.signal);
  return {
    self,
    tasks,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

test('of many replicas that begin together one leads, and hands over when it stops', async () => {
  const terms = new Terms();
  // A lease that would last for minutes: the successor must not have to wait for that.
  const timing = { durationMs: 60_000, renewMs: 40_000, retryMs: 100 };
  const replicas = ['a', 'b', 'c', 'd'].map((self) => startReplica(self, 'handover', terms, timing));
  const first = await until('somebody leads', () => replicas.find(({ tasks }) => tasks.isLeading), LONG_MS);
  await first.stop();
  const second = await until('another leads', () => replicas.find(({ tasks }) => tasks.isLeading), LONG_MS);
  assert.notEqual(second.self, first.self);
  await Promise.all(replicas.map((replica) => replica.stop()));
  assert.equal(terms.most, 1);
  assert.deepEqual(terms.events.slice(0, 3), [`${first.self} begins`, `${first.self} ends`, `${second.self} begins`]);
});

test('a leader that cannot renew stops before another may begin', async () => {
  const terms = new Terms();
  const timing = { durationMs: 4000, renewMs: 2000, retryMs: 100 };
  let cut = false;
  // The wire of one replica is cut; the other's is not.
  const cutClient: KubeClient = {
    ...bound(client),
    get: (resource, name, signal) => (cut ? untilAborted(signal) : client.get(resource, name, signal)),
  };
  const isolated = startReplica('isolated', 'cut', terms, timing, cutClient);
  await until('it leads', () => isolated.tasks.isLeading, LONG_MS);
  const other = startReplica('other', 'cut', terms, timing);
  cut = true;
  await until('the other leads', () => other.tasks.isLeading, LONG_MS);
  assert.deepEqual(terms.events, ['isolated begins', 'isolated ends', 'other begins']);
  cut = false;
  await until('the first has looked again', async () => !isolated.tasks.isLeading);
  await Promise.all([isolated.stop(), other.stop()]);
  assert.equal(terms.most, 1);
});

test('a leader whose lease somebody else took stops at once', async () => {
  const terms = new Terms();
  const timing = { durationMs: 60_000, renewMs: 40_000, retryMs: 100 };
  const replica = startReplica('a', 'stolen', terms, timing);
  await until('it leads', () => replica.tasks.isLeading, LONG_MS);
  const path = '/apis/coordination.k8s.io/v1/namespaces/ambit-system/leases/stolen';
  await api.request('PATCH', path, { spec: { holderIdentity: 'thief' } }, 'application/merge-patch+json');
  await until('it leads no more', () => !replica.tasks.isLeading, LONG_MS);
  await replica.stop();
  const lease = await api.request('GET', path);
  assert.equal(JSON.stringify(lease).includes('"holderIdentity":"thief"'), true);
});

/** The methods of a class as members of an object that can be spread. */
function bound(of: KubeClient): KubeClient {
  return {
    get: (...args) => of.get(...args),
    listPage: (...args) => of.listPage(...args),
    watch: (...args) => of.watch(...args),
    create: (...args) => of.create(...args),
    replace: (...args) => of.replace(...args),
    apply: (...args) => of.apply(...args),
    mergePatch: (...args) => of.mergePatch(...args),
    delete: (...args) => of.delete(...args),
  };
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}
