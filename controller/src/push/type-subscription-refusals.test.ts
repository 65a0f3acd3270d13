import assert from 'node:assert/strict';
import { test } from 'node:test';
import { change, request, resource, storeOf } from '../../test/push-subscription.ts';
import { PUSH_LIMITS } from './limits.ts';
import { TypeSubscription } from './type-subscription.ts';
import { UNNAMED } from '../status/decide-carriers.ts';

test('TypeSubscription.refusedNames remembers what was in a refused response until it is accepted or gone', () => {
  const store = storeOf(resource('a'), resource('b'), resource('c'));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  state.accept(request({ responseNonce: '1', errorDetail: { code: 3, message: 'a: no' } }));
  const refused = (): readonly string[] => [...state.refusedNames].toSorted();
  assert.deepEqual(refused(), ['a', 'b', 'c']);
  change(store, state, ['c'], [resource('a', '2')]);
  state.next('2');
  assert.deepEqual(refused(), ['a', 'b', 'c']);
  state.accept(request({ responseNonce: '2' }));
  assert.deepEqual(refused(), ['b']);
});

test('TypeSubscription.refusedNames are those that the client names, and all where it names none or others', () => {
  const refusedOf = (refusedNames?: readonly string[]): readonly string[] => {
    const state = new TypeSubscription(storeOf(resource('a'), resource('b')));
    state.accept(request());
    state.next('1');
    const errorDetail = { code: 3, message: 'no', ...(refusedNames === undefined ? {} : { refusedNames }) };
    state.accept(request({ responseNonce: '1', errorDetail }));
    return [...state.refusedNames].toSorted();
  };
  assert.deepEqual(refusedOf(['b']), ['b']);
  assert.deepEqual(refusedOf(['b', 'b', 'a']), ['a', 'b']);
  for (const names of [undefined, [], ['c'], ['a', 'c']]) assert.deepEqual(refusedOf(names), ['a', 'b']);
});

test('TypeSubscription.refusedNames forgets what was refused before and is not named now', () => {
  const store = storeOf(resource('a'), resource('b'));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  const errorDetail = { code: 3, message: 'no', refusedNames: ['a'] };
  state.accept(request({ responseNonce: '1', errorDetail }));
  change(store, state, [], [resource('a', '2'), resource('b', '2')]);
  state.next('2');
  state.accept(request({ responseNonce: '2', errorDetail: { ...errorDetail, refusedNames: ['b'] } }));
  assert.deepEqual([...state.refusedNames], ['b']);
});

test('TypeSubscription.refusedNames says that there are more than it remembers, and no more than it remembers', () => {
  const names = Array.from({ length: PUSH_LIMITS.refusedNamesMax + 1 }, (_, index) => `r${index}`);
  const store = storeOf(...names.map((name) => resource(name)));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  const errorDetail = { code: 3, message: 'no' };
  state.accept(request({ responseNonce: '1', errorDetail }));
  assert.equal(state.refusedNames.size, PUSH_LIMITS.refusedNamesMax + 1);
  assert.equal(state.refusedNames.has(UNNAMED), true);
  // Which of them is accepted now is not known of those that it does not remember.
  change(
    store,
    state,
    [],
    names.map((name) => resource(name, '2')),
  );
  state.next('2');
  state.accept(request({ responseNonce: '2' }));
  assert.deepEqual([...state.refusedNames], [UNNAMED]);
});
