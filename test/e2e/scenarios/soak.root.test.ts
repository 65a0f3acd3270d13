import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { judgeSoak, soakTable } from '../soak/judge.ts';
import { Soak } from '../soak/soak.ts';
import { requireSandbox } from '../world/sandbox.ts';
import { failedRequests } from './mixed-load.ts';
import { logsOf } from './scenario.ts';

const SECONDS = 15;
const WARM_SECONDS = 8;
/** In so short a time heaps and pools still find their size: what leaks with every event or connection is seen all the same. */
const LIMITS = { growthPer1000: 100, moreDescriptors: 20 } as const;
const REST_MS = 3000;
const REST_MS_MAX = 30_000;

describe('a mesh in which everything changes', { skip: requireSandbox() }, () => {
  let soak: Soak;

  before(async () => {
    soak = await Soak.start({
      seconds: SECONDS,
      warmSeconds: WARM_SECONDS,
      rps: 200,
      eventsPerSecond: 4,
      certificateTtl: '8s',
      replaceEveryMs: 1000,
      limits: LIMITS,
      restMs: REST_MS,
      restMsMax: REST_MS_MAX,
      say: () => {},
    });
  });
  after(async () => {
    await soak[Symbol.asyncDispose]();
  });

  test('loses no request, cuts no stream and leaks neither descriptors nor memory', async (t) => {
    const { facts, failures } = await soak.run();
    const verdict = judgeSoak(facts, LIMITS);
    t.diagnostic(
      `${facts.sent} sent, ${facts.events} events, ${facts.replacedPods} pods, ${facts.certificates} certificates`,
    );
    t.diagnostic(soakTable(verdict));
    if (verdict.broken.length > 0) console.error(`${logsOf(soak.world)}\n${failedRequests(soak.world)}`);
    assert.deepEqual({ broken: verdict.broken, failures }, { broken: [], failures: [] });
    assert.ok(facts.replacedPods > 0 && facts.certificates > 0, JSON.stringify(facts));
  });
});
