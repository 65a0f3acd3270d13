import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicyKey, policyKey } from './access-policy.ts';
import { ModelError } from './errors.ts';
import { parseServiceKey, serviceKey } from './service.ts';
import { parseWorkloadUid } from './workload.ts';

const refused = (error: unknown): boolean => error instanceof ModelError && error.code === 'invalid-name';
const LONG = 'a'.repeat(256);
const NEVER = ['', '/', 'a', 'a/', 'a/b/c', 'a/b c', 'a/b\n', 'a\u00e4/b', 'a b/c', `a/${LONG}`, `${LONG}/a`, '\0/b'];

describe('parseServiceKey()', () => {
  for (const text of [
    'shop/web.shop.svc.cluster.local',
    'shop/*.example.com',
    `${'a'.repeat(255)}/${'b'.repeat(255)}`,
  ]) {
    test(`accepts ${text.slice(0, 40)}`, () => assert.equal(parseServiceKey(text), text));
  }
  for (const text of [...NEVER, '/web']) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parseServiceKey(text), refused));
  }
  test('takes what serviceKey() joins', () => {
    assert.equal(parseServiceKey(serviceKey({ namespace: 'a', hostname: 'b.c' })), 'a/b.c');
  });
});

describe('parsePolicyKey()', () => {
  for (const text of ['shop/allow-web', '/mesh-wide']) {
    test(`accepts ${text}`, () => assert.equal(parsePolicyKey(text), text));
  }
  for (const text of NEVER) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parsePolicyKey(text), refused));
  }
  test('takes what policyKey() joins', () => {
    assert.equal(parsePolicyKey(policyKey({ namespace: '', name: 'b' })), '/b');
  });
});

describe('parseWorkloadUid()', () => {
  for (const text of ['cluster-1//Pod/shop/web', 'x', 'a'.repeat(2048)]) {
    test(`accepts ${text.slice(0, 40)}`, () => assert.equal(parseWorkloadUid(text), text));
  }
  for (const text of ['', ' ', 'a b', 'a\n', 'ä', 'a'.repeat(2049)]) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parseWorkloadUid(text), refused));
  }
});
