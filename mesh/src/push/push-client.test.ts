import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCidr, parseIpAddress } from '../model/address.ts';
import {
  addresses,
  NODE,
  policies,
  POLICY,
  resource,
  type ScriptedStream,
  startClient,
  summary,
  UID,
  WEB,
  web,
} from '../testing/push-world.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import {
  ADDRESS_TYPE_URL,
  AUTHORIZATION_TYPE_URL,
  type DiscoveryResponse,
  RANGES_TYPE_URL,
} from '../wire/discovery-messages.ts';
import { invalidField } from '../wire/field-reader.ts';
import type { OtherType } from './other-type.ts';

describe('PushClient', () => {
  test('asks for policies, and for addresses only once the policies are in force', async () => {
    const run = startClient();
    await run.settle();
    const stream = run.transport.stream(0);
    assert.deepEqual(summary(stream), ['policies open']);
    assert.deepEqual(stream.sent[0]?.node, NODE);
    stream.push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    await run.settle();
    assert.deepEqual([...run.view.policies()], [POLICY]);
    assert.deepEqual(summary(stream), ['policies open', 'policies ack p1', 'addresses open']);
    assert.equal(run.readyCount(), 0);
    stream.push(addresses({ resources: [web('1')] }));
    await run.settle();
    assert.deepEqual(run.view.workload(UID), WEB);
    assert.deepEqual(summary(stream).slice(3), ['addresses ack a1']);
    assert.equal(run.readyCount(), 1);
    await run.stop();
    assert.equal(stream.closed, true);
  });

  test('asks for ranges first when it is to follow them, and does not wait for them', async () => {
    const run = startClient(undefined, 0, true);
    await run.settle();
    const stream = run.transport.stream(0);
    assert.deepEqual(
      stream.sent.map(({ typeUrl }) => typeUrl),
      [RANGES_TYPE_URL, AUTHORIZATION_TYPE_URL],
    );
    stream.push(policies());
    await run.settle();
    stream.push(addresses());
    await run.settle();
    assert.equal(run.readyCount(), 1);
    const ip = parseIpAddress('10.244.1.9');
    assert.equal(run.view.isInRanges('', ip), false);
    const ranges = { name: 'Node/n1', network: '', blocks: [parseCidr('10.244.1.0/24')] };
    const pushed = { ...policies(), typeUrl: RANGES_TYPE_URL };
    stream.push({ ...pushed, nonce: 'r1', resources: [resource({ kind: 'ranges', ranges }, '1')] });
    await run.settle();
    assert.equal(run.view.isInRanges('', ip), true);
    assert.deepEqual([stream.sent.at(-1)?.typeUrl, stream.sent.at(-1)?.responseNonce], [RANGES_TYPE_URL, 'r1']);
    assert.equal(run.client.status().types.find(({ typeUrl }) => typeUrl === RANGES_TYPE_URL)?.resources, 1);
    stream.push({ ...pushed, nonce: 'r2', removedResources: ['Node/n1'] });
    await run.settle();
    assert.equal(run.view.isInRanges('', ip), false);
    await run.stop();
  });

  test('asks for other types after addresses, refuses of them what is broken and keeps versions of the rest', async () => {
    const typeUrl = 'type.example/Name';
    const heard: unknown[] = [];
    const others: OtherType<string> = {
      typeUrl,
      parse: ({ name }) => (name === 'bad' ? invalidField('name', 'bad') : name.toUpperCase()),
      apply: async ({ put, removed }) => void heard.push([...put], removed),
    };
    const run = startClient(undefined, 0, false, { withPolicies: false, others: [others] });
    await run.settle();
    const stream = run.transport.stream(0);
    const asked = (from: ScriptedStream): readonly string[] => from.sent.map((request) => request.typeUrl);
    assert.deepEqual(asked(stream), [ADDRESS_TYPE_URL]);
    stream.push(addresses());
    await run.settle();
    assert.deepEqual(asked(stream), [ADDRESS_TYPE_URL, ADDRESS_TYPE_URL, typeUrl]);
    assert.equal(run.readyCount(), 0);
    const one = (name: string) => ({ name, version: '1', aliases: [], typeUrl, value: new Uint8Array(0) });
    stream.push({ ...addresses(), typeUrl, nonce: 'o1', resources: [one('a'), one('bad')] });
    await run.settle();
    assert.deepEqual(heard.splice(0), [[['a', 'A']], []]);
    assert.deepEqual(
      [run.readyCount(), stream.sent.at(-1)?.errorDetail?.message],
      [1, 'bad: invalid-field: name: bad'],
    );
    stream.end();
    await run.clock.advance(20);
    const next = run.transport.stream(1);
    assert.deepEqual(asked(next), [ADDRESS_TYPE_URL, typeUrl]);
    assert.deepEqual([...(next.sent[1]?.initialResourceVersions ?? [])], [['a', '1']]);
    next.push({ ...addresses(), typeUrl, nonce: 'o2', removedResources: ['a'] });
    await run.settle();
    assert.deepEqual(heard, [[], ['a']]);
    await run.stop();
  });

  test('puts in force what stands in for another type, as long as none of its versions was readable', async () => {
    const typeUrl = 'type.example/Lock';
    const heard: unknown[] = [];
    const locks: OtherType<string> = {
      typeUrl,
      parse: ({ value }) => (value.length === 0 ? invalidField('lock', 'empty') : 'open'),
      standIn: (name) => (name === 'none' ? undefined : 'shut'),
      apply: async ({ put, removed }) => void heard.push([...put], removed),
    };
    const run = startClient(undefined, 0, false, { withPolicies: false, others: [locks] });
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(addresses());
    await run.settle();
    const one = (name: string, ...bytes: number[]) => {
      return { name, version: '1', aliases: [], typeUrl, value: Uint8Array.from(bytes) };
    };
    const push = async (parts: Partial<DiscoveryResponse>): Promise<unknown[]> => {
      stream.push({ ...addresses(), typeUrl, ...parts });
      await run.settle();
      return heard.splice(0);
    };
    const standIns = (): unknown => run.client.status().types.find((type) => type.typeUrl === typeUrl)?.standIns;
    assert.deepEqual(await push({ resources: [one('a'), one('none'), one('b', 1)] }), [
      [
        ['a', 'shut'],
        ['b', 'open'],
      ],
      [],
    ]);
    assert.deepEqual([standIns(), stream.sent.at(-1)?.errorDetail?.code], [1, 3]);
    const logged = run.logger.lines.find(([level]) => level === 'error');
    assert.equal(logged?.[1], 'a pushed resource cannot be read; what it is about is closed');
    assert.deepEqual([logged?.[2]['push.resource'], logged?.[2]['push.denies']], ['a', 'subject']);
    assert.deepEqual(await push({ resources: [one('b')] }), []);
    assert.deepEqual(await push({ resources: [one('a', 1)] }), [[['a', 'open']], []]);
    assert.equal(standIns(), 0);
    await push({ resources: [one('c')] });
    assert.deepEqual(await push({ removedResources: ['c'] }), [[], ['c']]);
    assert.equal(standIns(), 0);
    await run.stop();
  });

  test('is ready when the controller has nothing to push, once, and only when both types are there', async () => {
    const run = startClient();
    await run.settle();
    assert.equal(run.client.status().ready, false);
    run.transport.stream(0).push(policies());
    await run.settle();
    assert.equal(run.client.status().ready, false);
    run.transport.stream(0).push(addresses());
    run.transport.stream(0).push(addresses({ nonce: 'a2' }));
    await run.settle();
    assert.deepEqual([run.readyCount(), run.client.status().ready, run.updates.length], [1, true, 0]);
    await run.stop();
  });

  test('acknowledges an update only after it is applied, and reads no further until then', async () => {
    const gates: (() => void)[] = [];
    const run = startClient(() => new Promise((resolve) => gates.push(resolve)));
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(policies({ resources: [resource({ kind: 'policy', policy: POLICY }, '1')] }));
    stream.push(policies({ nonce: 'p2', removedResources: [POLICY.key] }));
    await run.settle();
    assert.deepEqual([summary(stream), gates.length], [['policies open'], 1]);
    gates[0]?.();
    await run.settle();
    assert.deepEqual([summary(stream).slice(1), gates.length], [['policies ack p1', 'addresses open'], 2]);
    gates[1]?.();
    await run.settle();
    assert.deepEqual(summary(stream).slice(3), ['policies ack p2']);
    await run.stop();
  });

  test('refuses a bad resource by name while the good ones of the response apply', async () => {
    const run = startClient();
    await run.settle();
    const stream = run.transport.stream(0);
    stream.push(policies());
    await run.settle();
    const bad = { ...web('1', buildWorkload({ name: 'bad' })), value: Uint8Array.of(0xff) };
    stream.push(addresses({ resources: [bad, web('1')] }));
    await run.settle();
    assert.deepEqual(run.view.workload(UID), WEB);
    assert.deepEqual(summary(stream).at(-1), 'addresses nack a1');
    const reason = 'malformed: Address: not the bytes of this message';
    assert.equal(stream.sent.at(-1)?.errorDetail?.message, `cluster-1//Pod/shop/bad: ${reason}`);
    assert.deepEqual(run.logger.lines.at(-1), [
      'warn',
      'refused a pushed resource; its last good version stays in force',
      {
        'push.type': ADDRESS_TYPE_URL,
        'push.resource': 'cluster-1//Pod/shop/bad',
        'push.version': '1',
        'push.reason': reason,
      },
    ]);
    assert.deepEqual(run.client.status(), {
      connected: true,
      ready: true,
      types: [
        { typeUrl: AUTHORIZATION_TYPE_URL, resources: 0, standIns: 0, refused: [] },
        {
          typeUrl: ADDRESS_TYPE_URL,
          resources: 1,
          standIns: 0,
          refused: [{ name: 'cluster-1//Pod/shop/bad', version: '1', reason }],
        },
      ],
    });
    await run.stop();
  });

  test('denies in place of a policy that was never readable, and says so as an error', async () => {
    const run = startClient();
    await run.settle();
    const bad = { ...resource({ kind: 'policy', policy: POLICY }, '3'), value: Uint8Array.of(0xff) };
    run.transport.stream(0).push(policies({ resources: [bad] }));
    await run.settle();
    assert.deepEqual(
      [...run.view.policies()].map(({ key, action, scope }) => [key, action, scope]),
      [[POLICY.key, 'deny', 'namespace']],
    );
    assert.deepEqual(run.logger.lines.at(-1), [
      'error',
      'a policy cannot be read; everything is denied where it would hold',
      {
        'push.type': AUTHORIZATION_TYPE_URL,
        'push.resource': POLICY.key,
        'push.version': '3',
        'push.reason': 'malformed: Authorization: not the bytes of this message',
        'push.denies': 'namespace',
      },
    ]);
    assert.equal(run.client.status().types[0]?.standIns, 1);
    await run.stop();
  });

  test('logs no more than ten refusals of one response, and their number', async () => {
    const run = startClient();
    await run.settle();
    const resources = Array.from({ length: 25 }, (_, i) => ({ ...web('1'), name: `w${i}`, typeUrl: '' }));
    run.transport.stream(0).push(policies({ resources }));
    await run.settle();
    assert.equal(run.logger.lines.length, 11);
    run.transport.stream(0).push(policies({ resources: resources.slice(0, 10) }));
    await run.settle();
    assert.equal(run.logger.lines.length, 21);
    run.logger.lines.length = 11;
    assert.deepEqual(run.logger.lines.at(-1), [
      'warn',
      'refused more pushed resources',
      { 'push.type': AUTHORIZATION_TYPE_URL, 'push.refused': 25 },
    ]);
    await run.stop();
  });

  test('passes over a type it never asked for', async () => {
    const run = startClient();
    await run.settle();
    run.transport.stream(0).push(policies({ typeUrl: 'type.googleapis.com/other' }));
    run.transport.stream(0).push(policies());
    await run.settle();
    assert.deepEqual(summary(run.transport.stream(0)), ['policies open', 'policies ack p1', 'addresses open']);
    assert.deepEqual(run.logger.lines, [
      ['warn', 'controller pushed a type that was not asked for', { 'push.type': 'type.googleapis.com/other' }],
    ]);
    await run.stop();
  });

  test('tells its observer what happened', async () => {
    const run = startClient();
    await run.settle();
    run.transport.stream(0).push(policies());
    await run.settle();
    const pushed = web('1');
    run.transport.stream(0).push(addresses({ resources: [pushed], removedResources: ['x', 'y'] }));
    await run.settle();
    run.transport.stream(0).end();
    await run.clock.advance(10);
    assert.deepEqual(run.logger.lines, [['info', 'controller ended the push stream', {}]]);
    run.transport.stream(1).end(new Error('reset'));
    await run.settle();
    const nothing = { resources: 0, removed: 0, refused: 0, resourceBytes: 0 };
    assert.deepEqual(run.events, [
      { kind: 'connected' },
      { kind: 'response', typeUrl: AUTHORIZATION_TYPE_URL, ...nothing },
      {
        kind: 'response',
        typeUrl: ADDRESS_TYPE_URL,
        resources: 1,
        removed: 2,
        refused: 0,
        resourceBytes: pushed.value.length,
      },
      { kind: 'disconnected', clean: true },
      { kind: 'connected' },
      { kind: 'disconnected', clean: false },
    ]);
    await run.stop();
  });
});
