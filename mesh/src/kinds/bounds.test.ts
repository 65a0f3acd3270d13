import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KindError } from './errors.ts';
import { parseObject } from './parse-object.ts';

type Json = Readonly<Record<string, unknown>>;

function object(apiVersion: string, kind: string, spec: Json, metadata: Json = {}): Json {
  return { apiVersion, kind, metadata: { name: 'a', namespace: 'ns', ...metadata }, spec };
}

const ours = (kind: string, spec: Json): Json => object('ambit.dev/v1alpha1', kind, spec);
/** As many accounts in one rule, in lists as long as may be. */
const accounts = (count: number): readonly Json[] => {
  const names = Array.from({ length: count }, (_, index) => `a${index}`);
  const lists = Array.from({ length: Math.ceil(count / 64) }, (_, list) => names.slice(list * 64, (list + 1) * 64));
  const entries = lists.map((serviceAccounts) => ({ serviceAccounts }));
  return Array.from({ length: Math.ceil(entries.length / 16) }, (_, rule) => ({
    from: entries.slice(rule * 16, (rule + 1) * 16),
  }));
};

test('parseObject refuses what an agent would refuse, so that nothing is served that is not in force', () => {
  const principal = `ns/${'x'.repeat(900)}`;
  const cases: [Json, RegExp][] = [
    [object('v1', 'Pod', {}, { labels: { app: 'x'.repeat(64) } }), /^metadata\.labels\.app must be at most 63 letters/],
    [object('v1', 'Pod', {}, { labels: { app: 'a b' } }), /^metadata\.labels\.app must be at most 63 letters/],
    [object('v1', 'Pod', { nodeName: 'no de' }), /^spec\.nodeName must be a name/],
    [
      object('v1', 'Pod', {}, { ownerReferences: [{ kind: 'Job', name: 'A' }] }),
      /^metadata\.ownerReferences\[0\]\.name must be a name/,
    ],
    [object('v1', 'Service', {}, { name: 'a.b' }), /^metadata\.name must be a DNS label/],
    [object('v1', 'Service', { selector: { a: '-' } }), /^spec\.selector\.a must be at most 63/],
    [
      ours('AccessPolicy', { action: 'Allow', selector: { matchLabels: { a: '/' } } }),
      /^spec\.selector\.matchLabels\.a must be/,
    ],
    [
      ours('AccessPolicy', { action: 'Allow', rules: [{ from: [{ principals: [principal] }] }] }),
      /principals\[0\] must be a principal/,
    ],
    [
      ours('AccessPolicy', { action: 'Allow', rules: [{ from: [{ principals: ['a b'] }] }] }),
      /principals\[0\] must be a principal/,
    ],
    [
      ours('AccessPolicy', { action: 'Deny', rules: accounts(9840) }),
      /^spec\.rules .* is not supported: a policy may hold at most 10000 values; make several$/,
    ],
    [
      ours('AccessPolicy', { action: 'Deny', rules: Array.from({ length: 33 }, () => ({})) }),
      /^spec\.rules must be a list of at most 32 but is/,
    ],
    [
      ours('AccessPolicy', { action: 'Allow', rules: [{ from: [{ principals: ['td/ns/'] }] }] }),
      /principals\[0\] must be a principal/,
    ],
    [
      ours('AccessPolicy', { action: 'Allow', rules: [{ from: [{ namespaces: ['Shop'] }] }] }),
      /namespaces\[0\] must be a namespace/,
    ],
    [
      ours('ExternalWorkload', { addresses: ['10.0.0.1'], ports: [{ name: '', port: 1 }] }),
      /^spec\.ports\[0\]\.name must be a name of 1 to 63 characters/,
    ],
    [ours('ExternalWorkload', { addresses: ['10.0.0.1'], network: 'a/b' }), /^spec\.network must be at most 63/],
    [
      ours('ExternalWorkload', { addresses: ['10.0.0.1'], locality: { zone: 'x'.repeat(64) } }),
      /^spec\.locality\.zone must be/,
    ],
  ];
  for (const [json, message] of cases) {
    assert.throws(
      () => parseObject(json),
      (error) => {
        assert.ok(error instanceof KindError);
        assert.match(error.message, message);
        return true;
      },
    );
  }
  assert.ok(parseObject(ours('AccessPolicy', { action: 'Deny', rules: accounts(9830) })));
});
