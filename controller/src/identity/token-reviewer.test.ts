import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeApiError } from '@ambit/mesh/kube';
import { Metrics, silentLogger } from '@ambit/mesh/runtime';
import { ManualClock } from '@ambit/mesh/testing';
import type { TokenVerdict } from './admit-token-caller.ts';
import { TOKEN_LIMITS } from './limits.ts';
import { TokenReviewer } from './token-reviewer.ts';

const LIFE_MS = 3_600_000;

/** A reviewer of tokens of pods, before an API server that answers when the test says. */
class World {
  readonly clock = new ManualClock();
  readonly metrics = new Metrics();
  readonly pods = new Set<string>();
  /** Null: it answers at once. */
  hanging: (() => void)[] | null = null;
  /** What it says of a pod's tokens. */
  readonly accepted = new Set<string>();
  failure: KubeApiError | null = null;
  asked = 0;
  readonly reviewer = new TokenReviewer({
    client: { create: async (_resource, _namespace, object, signal) => await this.#answer(object, signal) },
    audiences: ['ambit-ca'],
    isPod: ({ podUid }) => this.pods.has(podUid),
    clock: this.clock,
    logger: silentLogger,
    metrics: this.metrics,
  });

  /** `pod` as the token claims it; `signature` makes it another token. */
  token(pod: string, signature = 'sig'): string {
    const exp = Math.floor((this.clock.now() + LIFE_MS) / 1000);
    const claims = { aud: 'ambit-ca', exp, 'kubernetes.io': { namespace: 'n', pod: { name: pod, uid: pod } } };
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({})}.${part(claims)}.${part(`${pod} ${signature}`)}`;
  }

  /** `accepted`, `refused`, `waits` or what the caller is told. */
  async review(token: string, address = '10.0.0.1:1'): Promise<string> {
    const said = this.said(token, address);
    await this.clock.advance(0);
    return await Promise.race([said, Promise.resolve('waits')]);
  }

  said(token: string, address = '10.0.0.1:1'): Promise<string> {
    return this.reviewer.review(token, address).then(
      (verdict: TokenVerdict) => (verdict.kind === 'bearer' ? 'accepted' : 'refused'),
      (error: unknown) => String(Object(error).code),
    );
  }

  results(result: string): Promise<number> {
    return this.metrics.value('ambit_token_reviews_total', [result]);
  }

  async #answer(object: unknown, signal: AbortSignal): Promise<unknown> {
    this.asked++;
    if (this.hanging !== null) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.hanging.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason));
      await promise;
    }
    if (this.failure !== null) throw this.failure;
    const { token } = Object(object).spec;
    const [, , signature = ''] = String(token).split('.');
    const [pod = '', kind] = String(JSON.parse(Buffer.from(signature, 'base64url').toString())).split(' ');
    const extra = { 'authentication.kubernetes.io/pod-name': [pod], 'authentication.kubernetes.io/pod-uid': [pod] };
    const user = { username: 'system:serviceaccount:n:agent', extra };
    return { status: { authenticated: kind === 'sig' && this.accepted.has(pod), audiences: ['ambit-ca'], user } };
  }
}

test('TokenReviewer serves those it knows while the API server hangs, with a crowd of others before it', async () => {
  const world = new World();
  const known = Array.from({ length: 200 }, (_, index) => `agent-${index}`);
  for (const pod of known) {
    world.pods.add(pod);
    world.accepted.add(pod);
    assert.equal(await world.review(world.token(pod)), 'accepted');
  }
  const tokens = known.map((pod) => world.token(pod));
  await world.clock.advance(TOKEN_LIMITS.acceptedMs);
  world.hanging = [];
  for (let i = 0; i < 500; i++) void world.said(world.token(`stranger-${i}`), `10.1.${i % 250}.1:1`);
  const first = world.said(tokens[0] ?? '');
  assert.equal(await world.review(tokens[0] ?? ''), 'waits');
  await world.clock.advance(TOKEN_LIMITS.patienceMs);
  assert.equal(await first, 'accepted');
  for (const token of tokens) assert.equal(await world.review(token), 'accepted');
  assert.equal(world.hanging.length, TOKEN_LIMITS.turns.turnsMax + TOKEN_LIMITS.againMax);
  await world.clock.advance(TOKEN_LIMITS.reviewMs);
  for (const token of tokens) assert.equal(await world.review(token), 'accepted');
  // An hour later the word of before counts no more.
  await world.clock.advance(TOKEN_LIMITS.outageMs);
  const late = world.said(world.token('agent-1'));
  await world.clock.advance(TOKEN_LIMITS.turns.waitMs + TOKEN_LIMITS.reviewMs);
  assert.match(await late, /^(unavailable|resource-exhausted)$/);
});

test('TokenReviewer hears of a token that is no longer accepted as soon as the API server answers', async () => {
  const world = new World();
  world.accepted.add('a');
  const token = world.token('a');
  assert.equal(await world.review(token), 'accepted');
  world.accepted.delete('a');
  await world.clock.advance(TOKEN_LIMITS.acceptedMs);
  world.hanging = [];
  const first = world.said(token);
  await world.clock.advance(TOKEN_LIMITS.patienceMs);
  assert.equal(await first, 'accepted');
  for (const answer of world.hanging.splice(0)) answer();
  await world.clock.advance(0);
  assert.equal(await world.review(token), 'refused');
  assert.equal(await world.results('former'), 1);
});

test('TokenReviewer does not take a refusal of its own question for an outage', async () => {
  const world = new World();
  world.accepted.add('a');
  const token = world.token('a');
  assert.equal(await world.review(token), 'accepted');
  await world.clock.advance(TOKEN_LIMITS.acceptedMs);
  world.failure = new KubeApiError('forbidden');
  assert.equal(await world.review(token), 'unavailable');
});

test('TokenReviewer asks once about a token that many show, and for everybody behind one address', async () => {
  const world = new World();
  world.hanging = [];
  const agents = Array.from({ length: 200 }, (_, index) => `agent-${index}`);
  for (const pod of agents) {
    world.pods.add(pod);
    world.accepted.add(pod);
  }
  // Each of them asks for several certificates at once.
  const said = agents.flatMap((pod) => [1, 2, 3].map((port) => world.said(world.token(pod), `10.0.0.1:${port}`)));
  while (world.hanging.length > 0 || world.asked === 0) {
    for (const answer of world.hanging.splice(0)) answer();
    await world.clock.advance(0);
  }
  assert.deepEqual(new Set(await Promise.all(said)), new Set(['accepted']));
  assert.equal(world.asked, 200);
  assert.equal(await world.results('limited'), 0);
});

test('TokenReviewer bounds what made-up tokens cost, and they keep none waiting but those of the same name', async () => {
  const world = new World();
  world.pods.add('victim').add('agent');
  world.accepted.add('agent');
  const { burst } = TOKEN_LIMITS.reviewsPerAddress;
  const count = async (tokens: readonly string[]): Promise<number> => {
    const before = world.asked;
    for (const token of tokens) await world.review(token);
    return world.asked - before;
  };
  const madeUp = Array.from({ length: 100 }, (_, index) => world.token(`stranger-${index}`));
  assert.equal(await count(madeUp), burst);
  const ofOnePod = Array.from({ length: 100 }, (_, index) => world.token('victim', `forged-${index}`));
  assert.equal(await count(ofOnePod), TOKEN_LIMITS.reviewsPerPod.burst);
  assert.equal(await world.review(world.token('agent')), 'accepted');
});
