import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiscoveryRequest, DiscoveryResource } from '@ambit/mesh/wire';
import { decideDelta, nextSubscription, type Subscription } from './delta.ts';

function request(subscribe: readonly string[], unsubscribe: readonly string[] = []): DiscoveryRequest {
  return { typeUrl: 't', subscribe, unsubscribe, initialResourceVersions: new Map(), responseNonce: '' };
}

function resource(name: string, version: string, bytes = 1): DiscoveryResource {
  return { name, version, aliases: [], typeUrl: 't', value: new Uint8Array(bytes) };
}

test('nextSubscription follows the wildcard and name rules of delta discovery', () => {
  const named = (...names: string[]): Subscription => ({ wildcard: false, names: new Set(names) });
  const all = (...names: string[]): Subscription => ({ wildcard: true, names: new Set(names) });
  const cases: [string, Subscription | null, DiscoveryRequest, Subscription][] = [
    ['first request naming nothing', null, request([]), all()],
    ['first request naming "*"', null, request(['*']), all()],
    ['on-demand start', null, request(['*'], ['*']), named()],
    ['first request with names', null, request(['a', 'b']), named('a', 'b')],
    ['acknowledgement on demand', named('a'), request([]), named('a')],
    ['acknowledgement of everything', all(), request([]), all()],
    ['one more, one less', named('a', 'b'), request(['c'], ['a']), named('b', 'c')],
    [
      'what a returning client holds',
      null,
      { ...request(['*', 'a'], ['*']), initialResourceVersions: new Map([['b', '1']]) },
      named('a', 'b'),
    ],
    [
      'what a returning client of everything holds',
      null,
      { ...request([]), initialResourceVersions: new Map([['b', '1']]) },
      all(),
    ],
    ['both ways at once', named(), request(['a'], ['a']), named()],
    ['name beside everything', all(), request(['a']), all('a')],
    ['everything later', named('a'), request(['*']), all('a')],
    ['no longer everything', all('a'), request([], ['*']), named('a')],
  ];
  for (const [what, before, asked, expected] of cases)
    assert.deepEqual(nextSubscription(before, asked), expected, what);
});

test('decideDelta sends what is new or changed and wanted, removes what is gone, and leaves the rest alone', () => {
  const current = new Map([
    ['same', resource('same', '1')],
    ['changed', resource('changed', '2')],
    ['new', resource('new', '1')],
    ['unwanted', resource('unwanted', '1')],
    ['held-unwanted', resource('held-unwanted', '2')],
    ['came-back', resource('came-back', '1')],
    ['not-a-candidate', resource('not-a-candidate', '2')],
  ]);
  const sent = new Map([
    ['same', '1'],
    ['changed', '1'],
    ['gone', '1'],
    ['told-absent', ''],
    ['came-back', ''],
    ['held-unwanted', '1'],
    ['not-a-candidate', '1'],
  ]);
  const candidates = [
    'same',
    'changed',
    'new',
    'unwanted',
    'held-unwanted',
    'came-back',
    'gone',
    'told-absent',
    'never-known',
  ];
  const options = { bytesMax: 1000, holdRemovals: false };
  const delta = decideDelta(
    candidates,
    sent,
    (name) => current.get(name),
    (name) => !name.includes('unwanted'),
    options,
  );
  assert.deepEqual(
    { names: delta.resources.map(({ name }) => name), removed: delta.removed, rest: delta.rest },
    { names: ['changed', 'new', 'held-unwanted', 'came-back'], removed: ['gone'], rest: [] },
  );
});

test('decideDelta fills a response up to its bytes and leaves the others for the next; one too large goes alone', () => {
  const current = new Map([60, 50, 30, 500].map((bytes, index) => [`r${index}`, resource(`r${index}`, '1', bytes)]));
  const rounds: string[][] = [];
  let candidates: readonly string[] = [...current.keys()];
  while (candidates.length > 0) {
    const delta = decideDelta(
      candidates,
      new Map(),
      (name) => current.get(name),
      () => true,
      { bytesMax: 100, holdRemovals: false },
    );
    rounds.push(delta.resources.map(({ name }) => name));
    candidates = delta.rest;
  }
  assert.deepEqual(rounds, [['r0', 'r2'], ['r1'], ['r3']]);
});

test('decideDelta leaves removals for later when they are held back', () => {
  const current = new Map([['new', resource('new', '1')]]);
  const options = { bytesMax: 1000, holdRemovals: true };
  const delta = decideDelta(
    ['gone', 'new'],
    new Map([['gone', '1']]),
    (name) => current.get(name),
    () => true,
    options,
  );
  assert.deepEqual([delta.resources.map(({ name }) => name), delta.removed, delta.rest], [['new'], [], ['gone']]);
});
