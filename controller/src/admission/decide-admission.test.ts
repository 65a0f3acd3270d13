import assert from 'node:assert/strict';
import { test } from 'node:test';
import { core, own, pod, worldOf } from '../../test/policy-objects.ts';
import { type AdmissionDecision, decideAdmission, parseAdmissionReview } from './decide-admission.ts';

const ENROLLED = { labels: { 'ambit.dev/mode': 'ambient' } };
const WORLD = worldOf([
  core('Namespace', '', 'shop', {}, ENROLLED),
  core('Namespace', '', 'plain'),
  core('ServiceAccount', 'shop', 'checkout'),
  pod('shop', 'web-1', 'web'),
  pod('plain', 'old-1', 'old'),
  own('MutualTLSPolicy', 'shop', 'first', { mode: 'Strict' }, { creationTimestamp: '2026-01-01T00:00:00Z' }),
]);

function decide(object: unknown, more: Record<string, unknown> = {}): AdmissionDecision {
  const request = {
    uid: 'u',
    kind: { group: 'ambit.dev', version: 'v1alpha1', kind: 'AccessPolicy' },
    operation: 'CREATE',
    object,
    ...more,
  };
  return decideAdmission(
    parseAdmissionReview({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }),
    WORLD,
  );
}

test('decideAdmission() refuses only what one object proves wrong, and warns of the rest', () => {
  const web = { selector: { matchLabels: { app: 'web' } }, action: 'Allow' };
  const wrong = own('AccessPolicy', 'shop', 'p', { action: 'allow' });
  const allowed = { allowed: true, warnings: [] };
  const warned = (...warnings: readonly string[]): AdmissionDecision => ({ allowed: true, warnings });
  const table: readonly (readonly [what: string, found: AdmissionDecision, expected: AdmissionDecision])[] = [
    [
      'right in every respect',
      decide(own('AccessPolicy', 'shop', 'p', { ...web, rules: [{ from: [{ serviceAccounts: ['checkout'] }] }] })),
      allowed,
    ],
    [
      'a misspelt word, with what was probably meant',
      decide(wrong),
      {
        allowed: false,
        refusal: 'spec.action must be one of Allow, Deny, Audit but is "allow" (did you mean Allow?)',
        warnings: [],
      },
    ],
    [
      'a misspelt field, which would have made it wider',
      decide(
        own('AccessPolicy', 'shop', 'p', { action: 'Allow', rules: [{ to: [{ ports: [80], notIpBlock: ['::1'] }] }] }),
      ),
      {
        allowed: false,
        refusal:
          'spec.rules[0].to[0].notIpBlock is not a known field (did you mean notIpBlocks?): expected one of ports, notPorts, ipBlocks, notIpBlocks, methods, notMethods, paths, notPaths, hosts, notHosts, headers',
        warnings: [],
      },
    ],
    ['the same in a change', decide(wrong, { operation: 'UPDATE' }), decide(wrong)],
    ['a deletion, whatever the object', decide(null, { operation: 'DELETE' }), allowed],
    ['a status', decide(wrong, { subResource: 'status' }), allowed],
    ["somebody else's kind", decide(wrong, { kind: { group: 'gateway.networking.k8s.io' } }), allowed],
    [
      'nothing there yet that it is for, and nobody of that name',
      decide(
        own('AccessPolicy', 'shop', 'p', {
          action: 'Allow',
          selector: { matchLabels: { app: 'wep' } },
          rules: [{ from: [{ serviceAccounts: ['chekout'] }] }],
        }),
      ),
      warned('attached to nothing: no workload is selected by it', 'does not exist: service account shop/chekout'),
    ],
    [
      'a namespace that takes no part',
      decide(own('AccessPolicy', 'plain', 'p', { action: 'Deny' })),
      warned(
        '1 of 1 workload escapes it: plain/old-1 (not enrolled: neither pod nor namespace has label ambit.dev/mode=ambient)',
      ),
    ],
    [
      'a second policy of the same reach',
      decide(own('MutualTLSPolicy', 'shop', 'second', { mode: 'Permissive' })),
      warned('of policies with the same reach the oldest counts: MutualTLSPolicy shop/first'),
    ],
    [
      'a change of the first one',
      decide(own('MutualTLSPolicy', 'shop', 'first', { mode: 'Permissive' }), { operation: 'UPDATE' }),
      allowed,
    ],
    ['a dry run that somebody asked for', decide(own('AccessPolicy', 'shop', 'p', { ...web, dryRun: true })), allowed],
    [
      'a machine whose account and service are still to come',
      decide(own('ExternalWorkload', 'shop', 'vm', { addresses: ['192.0.2.1'], services: ['db'] })),
      warned('does not exist: service account shop/default, service shop/db'),
    ],
  ];
  for (const [what, found, expected] of table) assert.deepEqual(found, expected, what);
});

test('parseAdmissionReview() says what a body lacks', () => {
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
  const table: readonly (readonly [unknown, RegExp])[] = [
    [[], /the document must be an object/],
    [{ ...review, apiVersion: 'admission.k8s.io/v1beta1' }, /apiVersion must be one of admission\.k8s\.io\/v1/],
    [review, /request is missing/],
    [{ ...review, request: { uid: 'u', operation: 'CREATE' } }, /request\.kind is missing/],
  ];
  for (const [body, message] of table) assert.throws(() => parseAdmissionReview(body), { name: 'KindError', message });
});
