import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCidr, parseIpAddress } from '@ambit/mesh/model';
import { change, request, resource, shown, storeOf } from '../../test/push-subscription.ts';
import { PUSH_LIMITS } from './limits.ts';
import type { PushResource } from './resource-store.ts';
import { TypeSubscription } from './type-subscription.ts';

test('TypeSubscription sends everything once, then changes, one unanswered response at a time', () => {
  const store = storeOf(resource('a'), resource('b'));
  const state = new TypeSubscription(store);
  state.accept(request());
  assert.deepEqual(shown(state.next('1')), ['a@1', 'b@1']);
  change(store, state, [], [resource('a', '2')]);
  change(store, state, ['b'], [resource('a', '3'), resource('c')]);
  assert.equal(state.next('2'), null);
  assert.deepEqual(state.accept(request({ responseNonce: '1' })).answer, { kind: 'accepted' });
  // What happened in between comes together: only the last version of a.
  assert.deepEqual(shown(state.next('2')), ['a@3', 'c@1', '-b']);
  state.accept(request({ responseNonce: '2' }));
  assert.equal(state.next('3'), null);
});

test('TypeSubscription answers the first request even when there is nothing, so that the client becomes ready', () => {
  const state = new TypeSubscription(storeOf());
  state.accept(request());
  assert.deepEqual(shown(state.next('1')), []);
  state.accept(request({ responseNonce: '1' }));
  assert.equal(state.next('2'), null);
});

test('TypeSubscription sends a returning client only what differs from what it holds', () => {
  const state = new TypeSubscription(storeOf(resource('same'), resource('changed', '2'), resource('new')));
  const held = new Map([
    ['same', '1'],
    ['changed', '1'],
    ['gone', '1'],
  ]);
  state.accept(request({ initialResourceVersions: held, responseNonce: 'of-another-stream' }));
  assert.deepEqual(shown(state.next('1')), ['changed@2', 'new@1', '-gone']);
});

test('TypeSubscription takes a refusal with its reason, does not repeat it, and sends the next version', () => {
  const store = storeOf(resource('a'));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  const errorDetail = { code: 3, message: `bad ${'x'.repeat(5000)}` };
  const { answer } = state.accept(request({ responseNonce: '1', errorDetail }));
  assert.equal(answer.kind === 'refused' && answer.reason.length, PUSH_LIMITS.refusalLengthMax);
  assert.equal(state.next('2'), null);
  change(store, state, [], [resource('a', '2')]);
  assert.deepEqual(shown(state.next('2')), ['a@2']);
});

test('TypeSubscription ignores an answer to a response that is not the unanswered one', () => {
  const store = storeOf(resource('a'));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  assert.deepEqual(state.accept(request({ responseNonce: '0' })).answer, { kind: 'none' });
  change(store, state, [], [resource('a', '2')]);
  assert.equal(state.next('2'), null);
});

test('TypeSubscription serves on demand by name, alias and service, and says what does not exist', () => {
  const service = 'ns/svc.ns.svc.cluster.local';
  const store = storeOf(
    resource('uid-1', '1', { aliases: ['/10.0.0.1'], backs: [service] }),
    resource('uid-2', '1', { aliases: ['/10.0.0.2'] }),
    resource(service, '1', { aliases: ['/10.96.0.1'] }),
  );
  const state = new TypeSubscription(store);
  state.accept(request({ subscribe: ['*'], unsubscribe: ['*'] }));
  assert.deepEqual(shown(state.next('1')), []);
  state.accept(request({ responseNonce: '1' }));
  state.accept(request({ subscribe: ['/10.0.0.2', '/10.0.0.9', '/10.96.0.1'] }));
  assert.deepEqual(shown(state.next('2'))?.toSorted(), ['-/10.0.0.9', `${service}@1`, 'uid-1@1', 'uid-2@1']);
  state.accept(request({ responseNonce: '2' }));
  // Nobody asked for uid-3 itself, but it now backs a service that is subscribed.
  change(store, state, [], [resource('uid-3', '1', { backs: [service] }), resource('uid-4', '1')]);
  assert.deepEqual(shown(state.next('3')), ['uid-3@1']);
  state.accept(request({ responseNonce: '3' }));
  // The address that did not exist appears.
  change(store, state, [], [resource('uid-9', '1', { aliases: ['/10.0.0.9'] })]);
  assert.deepEqual(shown(state.next('4')), ['uid-9@1']);
  state.accept(request({ responseNonce: '4' }));
  // And goes: both the resource and the name by which it was asked for.
  change(store, state, ['uid-9'], []);
  assert.deepEqual(shown(state.next('5'))?.toSorted(), ['-/10.0.0.9', '-uid-9']);
});

test('TypeSubscription takes back what is unsubscribed and answers again when it is asked for again', () => {
  const store = storeOf(resource('a'), resource('b'));
  const state = new TypeSubscription(store);
  state.accept(request({ subscribe: ['a', 'b'] }));
  assert.deepEqual(shown(state.next('1')), ['a@1', 'b@1']);
  state.accept(request({ responseNonce: '1', unsubscribe: ['a'] }));
  assert.equal(state.busy, true);
  assert.deepEqual(shown(state.next('2')), ['-a']);
  state.accept(request({ responseNonce: '2' }));
  change(store, state, [], [resource('a', '2')]);
  assert.equal(state.next('3'), null);
  state.accept(request({ subscribe: ['a', 'b'] }));
  assert.deepEqual(shown(state.next('3'))?.toSorted(), ['a@2', 'b@1']);
});

test('TypeSubscription takes back what came by a name that is unsubscribed, but for what another one or the node brings', () => {
  const web = 'shop/web.example';
  const store = storeOf(
    resource(web, '1', { aliases: ['/10.96.0.1'] }),
    resource('far', '1', { backs: [web], aliases: ['/10.0.0.1'] }),
    resource('called', '1', { backs: [web], aliases: ['/10.0.0.2'] }),
    resource('here', '1', { backs: [web], node: 'n1' }),
  );
  const state = new TypeSubscription(store, { node: 'n1' });
  state.accept(request({ subscribe: ['*', web, '/10.96.0.1', '/10.0.0.2'], unsubscribe: ['*'] }));
  assert.equal(state.next('1')?.resources.length, 4);
  state.accept(request({ responseNonce: '1', unsubscribe: ['/10.96.0.1', 'never asked for', '*/', '/'] }));
  assert.equal(state.next('2'), null);
  state.accept(request({ unsubscribe: [web] }));
  assert.deepEqual(shown(state.next('2'))?.toSorted(), ['-far', `-${web}`]);
  // Asked for again before it was told: there is nothing to take.
  state.accept(request({ unsubscribe: ['/10.0.0.2'] }));
  state.accept(request({ subscribe: ['/10.0.0.2'], responseNonce: '2' }));
  assert.deepEqual(shown(state.next('3')), ['called@1']);
});

test('TypeSubscription takes a returning client that holds more than may be asked for by name, and then no more names', () => {
  const state = new TypeSubscription(storeOf());
  const { subscribedNamesMax } = PUSH_LIMITS;
  const held = new Map(Array.from({ length: subscribedNamesMax + 1 }, (_, index) => [`n${index}`, '1']));
  const first = request({ subscribe: ['*', 'a'], unsubscribe: ['*'], initialResourceVersions: held });
  assert.equal(state.accept(first).withinLimits, true);
  const subscribe = Array.from({ length: subscribedNamesMax }, (_, index) => `m${index}`);
  assert.equal(state.accept(request({ subscribe })).withinLimits, false);
});

test('TypeSubscription looks at a name once, and again when what stands for it changes before it is sent', () => {
  const large = { value: new Uint8Array(PUSH_LIMITS.responseBytesMax) };
  const store = storeOf(resource('a', '1', large), resource('b', '1', { ...large, aliases: ['/10.0.0.1'] }));
  const looked: string[] = [];
  const resolve = store.resolve.bind(store);
  store.resolve = (name) => {
    looked.push(name);
    return resolve(name);
  };
  const state = new TypeSubscription(store);
  state.accept(request({ subscribe: ['a', '/10.0.0.1'] }));
  assert.deepEqual(shown(state.next('1')), ['a@1']);
  change(store, state, ['b'], []);
  state.accept(request({ responseNonce: '1' }));
  assert.deepEqual(shown(state.next('2')), ['-/10.0.0.1']);
  state.accept(request({ responseNonce: '2' }));
  looked.length = 0;
  state.accept(request({ subscribe: ['c'] }));
  change(store, state, [], [resource('stranger')]);
  assert.deepEqual(shown(state.next('3')), ['-c']);
  assert.deepEqual(new Set(looked), new Set(['c']));
});

test('TypeSubscription refuses names beyond its limits', () => {
  const state = new TypeSubscription(storeOf());
  assert.equal(state.accept(request({ subscribe: ['x'.repeat(PUSH_LIMITS.nameLengthMax + 1)] })).withinLimits, false);
  const many = Array.from({ length: PUSH_LIMITS.subscribedNamesMax + 1 }, (_, index) => `n${index}`);
  assert.equal(new TypeSubscription(storeOf()).accept(request({ subscribe: many })).withinLimits, false);
});

test('TypeSubscription gives a node its own version of a resource, and everybody else the other', () => {
  const own = (version: string, node = 'n1'): Partial<PushResource> => ({
    forNode: { node, version, value: new Uint8Array(2) },
  });
  const store = storeOf(resource('pod', '1', own('1-n1')), resource('other'));
  const [n1, n2] = ['n1', 'n2'].map((node) => new TypeSubscription(store, { node }));
  assert.ok(n1 !== undefined && n2 !== undefined);
  const take = (state: TypeSubscription, nonce: string): readonly string[] | null => {
    const response = shown(state.next(nonce));
    state.accept(request({ responseNonce: nonce }));
    return response;
  };
  for (const state of [n1, n2]) state.accept(request());
  assert.deepEqual(
    [take(n1, '1'), take(n2, '1')],
    [
      ['pod@1-n1', 'other@1'],
      ['pod@1', 'other@1'],
    ],
  );
  // What changes for one node alone is news to that node alone.
  store.update([], [resource('pod', '1', own('2-n1'))]);
  for (const state of [n1, n2]) state.changed(['pod']);
  assert.deepEqual([take(n1, '2'), take(n2, '2')], [['pod@2-n1'], null]);
  // The same name on another node.
  store.update([], [resource('pod', '3', own('3-n2', 'n2'))]);
  for (const state of [n1, n2]) state.changed(['pod']);
  assert.deepEqual([take(n1, '3'), take(n2, '3')], [['pod@3'], ['pod@3-n2']]);
});

test('TypeSubscription.settledRevision says up to where the client has acknowledged everything', () => {
  const store = storeOf(resource('a'));
  const state = new TypeSubscription(store);
  const settled = (): number => state.settledRevision;
  assert.equal(settled(), -1);
  state.accept(request());
  assert.equal(settled(), -1);
  state.next('1');
  change(store, state, [], [resource('b')]);
  assert.deepEqual([settled(), store.revision], [-1, 2]);
  // The answer to what was sent at revision 1 says nothing about revision 2.
  state.accept(request({ responseNonce: '1' }));
  assert.equal(settled(), 1);
  state.next('2');
  assert.equal(settled(), 1);
  state.accept(request({ responseNonce: '2' }));
  assert.equal(settled(), 2);
  // Nothing is owed for a change that changes nothing.
  change(store, state, ['unknown'], []);
  assert.equal(state.next('3'), null);
  assert.equal(settled(), 3);
});

test('TypeSubscription.settledRevision stays behind while removals are held back', () => {
  const store = storeOf(resource('a'), resource('b'));
  const state = new TypeSubscription(store);
  state.accept(request());
  state.next('1');
  state.accept(request({ responseNonce: '1' }));
  change(store, state, ['a'], [resource('b', '2')]);
  assert.deepEqual(shown(state.next('2', true)), ['b@2']);
  state.accept(request({ responseNonce: '2' }));
  assert.equal(state.settledRevision, 1);
  assert.deepEqual(shown(state.next('3')), ['-a']);
  state.accept(request({ responseNonce: '3' }));
  assert.equal(state.settledRevision, 2);
});

test('TypeSubscription shows a waypoint what is for its Gateway, and takes it back when it is no more', () => {
  const store = storeOf(
    resource('mine', '1', { forGateways: ['shop/a'] }),
    resource('other', '1', { forGateways: ['shop/b'] }),
  );
  const state = new TypeSubscription(store, { node: 'n1', gateway: 'shop/a' });
  state.accept(request());
  const first = state.next('1');
  assert.deepEqual([first?.resources.map(({ name }) => name), first?.removedResources], [['mine'], []]);
  state.accept(request({ responseNonce: '1' }));
  change(
    store,
    state,
    [],
    [resource('mine', '1', { forGateways: ['shop/b'] }), resource('other', '1', { forGateways: ['shop/a'] })],
  );
  const second = state.next('2');
  assert.deepEqual([second?.resources.map(({ name }) => name), second?.removedResources], [['other'], ['mine']]);
});

test("TypeSubscription follows, on demand, what comes to be behind a service or under a name that was nobody's", () => {
  const service = 'shop/web.example';
  const store = storeOf(resource('uid-1', '1', { backs: [service] }));
  const state = new TypeSubscription(store, { node: 'n1' });
  state.accept(request({ subscribe: ['*', service, '/10.0.0.9'], unsubscribe: ['*'] }));
  assert.deepEqual(shown(state.next('1')), [`-${service}`, '-/10.0.0.9']);
  state.accept(request({ responseNonce: '1' }));
  change(store, state, [], [resource('stranger')]);
  assert.deepEqual([state.next('2'), state.busy], [null, false]);
  change(store, state, [], [resource(service)]);
  assert.deepEqual(shown(state.next('2')), [`${service}@1`, 'uid-1@1']);
  state.accept(request({ responseNonce: '2' }));
  change(store, state, [], [resource('uid-2', '1', { backs: [service] })]);
  assert.deepEqual(shown(state.next('3')), ['uid-2@1']);
  state.accept(request({ responseNonce: '3' }));
  change(store, state, [], [resource('uid-9', '1', { aliases: ['/10.0.0.9'] })]);
  assert.deepEqual(shown(state.next('4')), ['uid-9@1']);
  state.accept(request({ responseNonce: '4' }));
  change(store, state, ['uid-9'], []);
  assert.deepEqual(shown(state.next('5')), ['-uid-9', '-/10.0.0.9']);
});

test('TypeSubscription gives a client on demand the workloads of its own node', () => {
  const store = storeOf(resource('here', '1', { node: 'n1' }), resource('there', '1', { node: 'n2' }));
  const state = new TypeSubscription(store, { node: 'n1' });
  state.accept(request({ subscribe: ['*'], unsubscribe: ['*'] }));
  assert.deepEqual(shown(state.next('1')), ['here@1']);
  state.accept(request({ responseNonce: '1' }));
  change(store, state, [], [resource('late', '1', { node: 'n1' }), resource('far', '1', { node: 'n2' })]);
  assert.deepEqual(shown(state.next('2')), ['late@1']);
});

test('TypeSubscription answers, on demand, an address in a block and a host name of any namespace, by the name asked for', () => {
  const blocks = [{ network: '', ip: parseIpAddress('10.9.0.0'), cidr: parseCidr('10.9.0.0/16') }];
  const store = storeOf(
    resource('a/block', '1', { covers: { hostname: 'block.example', blocks } }),
    resource('b/api.example', '1', { covers: { hostname: 'api.example', blocks: [] } }),
    resource('b/*.example', '1', { covers: { hostname: '*.example', blocks: [] } }),
  );
  const state = new TypeSubscription(store);
  const names = ['/10.9.1.2', '/10.8.0.1', '*/api.example', '*/www.api.example', '*/api.other'];
  state.accept(request({ subscribe: ['*', ...names], unsubscribe: ['*'] }));
  const response = state.next('1');
  assert.deepEqual(response?.removedResources, ['/10.8.0.1', '*/api.other']);
  assert.deepEqual(
    response?.resources.map(({ name, aliases }) => [name, aliases]),
    [
      ['a/block', ['/10.9.1.2']],
      ['b/api.example', ['*/api.example']],
      ['b/*.example', ['*/api.example', '*/www.api.example']],
    ],
  );
});

test('TypeSubscription goes on with what a returning client on demand holds, and answers what it has waited for', () => {
  const store = storeOf(resource('same'), resource('changed', '2'), resource('uid-1', '1', { aliases: ['/10.0.0.1'] }));
  const state = new TypeSubscription(store);
  const held = new Map([
    ['same', '1'],
    ['changed', '1'],
    ['gone', '1'],
    ['/10.0.0.1', ''],
    ['/10.0.0.2', ''],
  ]);
  state.accept(request({ subscribe: ['*'], unsubscribe: ['*'], initialResourceVersions: held }));
  assert.deepEqual(shown(state.next('1')), ['changed@2', 'uid-1@1', '-gone', '-/10.0.0.2']);
  state.accept(request({ responseNonce: '1' }));
  change(store, state, [], [resource('same', '2')]);
  assert.deepEqual(shown(state.next('2')), ['same@2']);
});
