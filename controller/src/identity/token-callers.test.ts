import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@ambit/mesh/testing';
import { admitTokenCaller, type LivePod, type TokenBearer } from './admit-token-caller.ts';
import { CallBudget } from './call-budget.ts';
import { decideReviewShare } from './decide-review-share.ts';
import { decideTokenReview } from './decide-token-review.ts';
import { decideTokenShape, TOKEN_LENGTH_MAX } from './decide-token-shape.ts';
import { ExpiringMap } from './expiring-map.ts';

const NOW_MS = 1_800_000_000_000;

function token(claims: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`;
}

test('decideTokenShape() asks the API server only about tokens that may be right', () => {
  const exp = NOW_MS / 1000 + 60;
  const rows: readonly (readonly [string, string | undefined, string])[] = [
    ['right', token({ aud: ['x', 'ambit-ca'], exp }), 'plausible'],
    ['one audience', token({ aud: 'ambit-ca', exp }), 'plausible'],
    ['the other audience', token({ aud: ['istio-ca'], exp }), 'plausible'],
    ['none', undefined, 'no-token'],
    ['empty', '', 'no-token'],
    ['garbage', 'garbage', 'token-malformed'],
    ['no JSON', 'YQ.YQ.YQ', 'token-malformed'],
    ['no object', token([1]), 'token-malformed'],
    ['no end', token({ aud: ['ambit-ca'] }), 'token-malformed'],
    ['endless', token({ aud: ['ambit-ca'], exp: 'never' }), 'token-malformed'],
    ['for somebody else', token({ aud: ['vault'], exp }), 'token-other-audience'],
    ['for nobody', token({ exp }), 'token-other-audience'],
    ['over', token({ aud: ['ambit-ca'], exp: NOW_MS / 1000 }), 'token-expired'],
    ['too long', `${token({ aud: ['ambit-ca'], exp })}${'A'.repeat(TOKEN_LENGTH_MAX)}`, 'token-malformed'],
    ['three lines', token({ aud: ['ambit-ca'], exp }).replaceAll('.', '.\n'), 'token-malformed'],
  ];
  for (const [what, text, expected] of rows) {
    const shape = decideTokenShape(text, ['ambit-ca', 'istio-ca'], NOW_MS);
    assert.equal(shape.kind === 'refused' ? shape.reason : shape.kind, expected, what);
  }
});

test('decideTokenShape() tells the pod that a token claims, whole or not at all', () => {
  const exp = NOW_MS / 1000 + 60;
  const claimed = (kubernetes: unknown): unknown => {
    const text = token({ aud: 'ambit-ca', exp, 'kubernetes.io': kubernetes });
    const shape = decideTokenShape(text, ['ambit-ca'], NOW_MS);
    return shape.kind === 'plausible' ? shape.claims : shape;
  };
  const pod = { name: 'web-1', uid: 'u1' };
  const whole = { namespace: 'shop', podName: 'web-1', podUid: 'u1' };
  assert.deepEqual(claimed({ namespace: 'shop', pod, node: { name: 'n1' } }), whole);
  for (const part of [
    undefined,
    [],
    { pod },
    { namespace: 'shop' },
    { namespace: 1, pod },
    { namespace: 'shop', pod: {} },
  ]) {
    assert.equal(claimed(part), null, JSON.stringify(part));
  }
});

test('decideReviewShare() tells the pods behind an address apart, but only such as there are', () => {
  const claims = { namespace: 'shop', podName: 'web-1', podUid: 'u1' };
  const share = (address: string, of: typeof claims | null): unknown =>
    decideReviewShare(address, of, ({ podUid }) => podUid === 'u1');
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['a pod', share('10.0.0.1:1', claims), { group: '10.0.0.1', member: 'u1', budget: 'pod' }],
    ['IPv6', share('fd00::1:4711', claims), { group: 'fd00::1', member: 'u1', budget: 'pod' }],
    [
      'one that was made up',
      share('10.0.0.1:1', { ...claims, podUid: 'u2' }),
      { group: '10.0.0.1', member: '', budget: 'address' },
    ],
    ['nothing is claimed', share('10.0.0.1:1', null), { group: '10.0.0.1', member: '', budget: 'address' }],
  ];
  for (const [what, found, expected] of rows) assert.deepEqual(found, expected, what);
});

const STATUS = {
  authenticated: true,
  audiences: ['ambit-ca'],
  user: {
    username: 'system:serviceaccount:ambit-system:ambit-node-agent',
    uid: 'sa-uid',
    extra: {
      'authentication.kubernetes.io/pod-name': ['agent-1'],
      'authentication.kubernetes.io/pod-uid': ['u1'],
      'authentication.kubernetes.io/node-name': ['n1'],
    },
  },
};
const BEARER: TokenBearer = {
  kind: 'bearer',
  namespace: 'ambit-system',
  serviceAccount: 'ambit-node-agent',
  podName: 'agent-1',
  podUid: 'u1',
  nodeName: 'n1',
};

test('decideTokenReview() believes what the API server confirms for our audience about a pod of a service account', () => {
  const { user } = STATUS;
  const { 'authentication.kubernetes.io/node-name': _, ...withoutNode } = user.extra;
  const refused = (reason: string): unknown => ({ kind: 'refused', reason });
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['confirmed', STATUS, BEARER],
    ['no node', { ...STATUS, user: { ...user, extra: withoutNode } }, { ...BEARER, nodeName: '' }],
    ['not confirmed', { ...STATUS, authenticated: false }, refused('token-not-accepted')],
    ['almost', { ...STATUS, authenticated: 'true' }, refused('token-not-accepted')],
    ['for another', { ...STATUS, audiences: ['vault'] }, refused('token-other-audience')],
    ['a server that does not know audiences', { ...STATUS, audiences: undefined }, refused('token-other-audience')],
    ['a person', { ...STATUS, user: { ...user, username: 'jane' } }, refused('token-not-of-a-service-account')],
    [
      'a name with more parts',
      { ...STATUS, user: { ...user, username: `${user.username}:x` } },
      refused('token-not-of-a-service-account'),
    ],
    ['no pod', { ...STATUS, user: { ...user, extra: {} } }, refused('token-not-bound-to-a-pod')],
    ['nothing', undefined, refused('token-not-accepted')],
  ];
  for (const [what, status, expected] of rows) {
    assert.deepEqual(decideTokenReview({ status }, ['ambit-ca']), expected, what);
  }
});

test('admitTokenCaller() takes only the very pod that the token is bound to, where it is', () => {
  const pod: LivePod = { uid: 'u1', nodeName: 'n1', serviceAccountName: 'ambit-node-agent' };
  const agents = new Set(['ambit-system/ambit-node-agent']);
  const { namespace, serviceAccount, podName, podUid } = BEARER;
  const own = { kind: 'pod', node: 'n1', namespace, serviceAccount, podName, podUid };
  const refused = (reason: string): unknown => ({ kind: 'refused', reason, node: 'n1' });
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['agent', admitTokenCaller(BEARER, pod, agents), { ...own, isNodeAgent: true }],
    ['other account', admitTokenCaller(BEARER, pod, new Set()), { ...own, isNodeAgent: false }],
    ['old API server', admitTokenCaller({ ...BEARER, nodeName: '' }, pod, agents), { ...own, isNodeAgent: true }],
    ['gone', admitTokenCaller(BEARER, null, agents), refused('token-of-a-deleted-pod')],
    ['replaced', admitTokenCaller(BEARER, { ...pod, uid: 'u2' }, agents), refused('token-of-a-deleted-pod')],
    [
      'other account than its pod',
      admitTokenCaller(BEARER, { ...pod, serviceAccountName: 'default' }, agents),
      refused('token-of-a-deleted-pod'),
    ],
    ['elsewhere', admitTokenCaller(BEARER, { ...pod, nodeName: 'n2' }, agents), refused('token-of-another-node')],
    ['nowhere', admitTokenCaller(BEARER, { ...pod, nodeName: '' }, agents), refused('token-of-another-node')],
  ];
  for (const [what, caller, expected] of rows) assert.deepEqual(caller, expected, what);
});

test('CallBudget lets each key have its rate, and forgets the key that is silent for longest', async () => {
  const clock = new ManualClock();
  const budget = new CallBudget(clock, { burst: 2, perSecond: 1, keysMax: 2 });
  const take = (key: string): boolean => budget.take(key);
  assert.deepEqual(['a', 'a', 'a', 'b'].map(take), [true, true, false, true]);
  await clock.advance(1000);
  assert.deepEqual(['a', 'a'].map(take), [true, false]);
  await clock.advance(60_000);
  assert.deepEqual(['a', 'a', 'a'].map(take), [true, true, false]);
  assert.deepEqual(['b', 'c', 'a'].map(take), [true, true, true]);
});

test('ExpiringMap forgets in time, and the oldest when it is full', async () => {
  const clock = new ManualClock();
  const map = new ExpiringMap<string, number>(clock, 2);
  map.set('a', 1, 1000);
  map.set('b', 2, 2000);
  await clock.advance(1000);
  assert.deepEqual([map.get('a'), map.get('b'), map.size], [undefined, 2, 1]);
  map.set('c', 3, 1000);
  map.set('d', 4, 1000);
  assert.deepEqual([map.get('b'), map.get('c'), map.get('d'), map.size], [undefined, 3, 4, 2]);
});
