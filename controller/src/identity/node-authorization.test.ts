import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrustDomain } from '@ambit/mesh/model';
import { testIdentity } from '@ambit/mesh/testing';
import { createKeyPairSync, type ParsedCertificateRequest } from '@ambit/mesh/tls';
import type { NodeCaller, PodCaller } from './caller.ts';
import { decideIssue, type IssueDecision, type IssueRequest, type IssueWorld } from './node-authorization.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = 1_800_000_000_000;
const { publicKey } = createKeyPairSync();
const web = testIdentity('shop', 'web');
const n1: NodeCaller = { kind: 'node', node: 'n1', serial: '4f', notBeforeMs: NOW_MS };

const world: IssueWorld = {
  trustDomain: parseTrustDomain('cluster.local'),
  workloads: { runsServiceAccount: (...where) => where.join('/') === 'n1/shop/web' },
  validityMsMax: 24 * HOUR_MS,
  nowMs: NOW_MS,
  authorityNotAfterMs: NOW_MS + 1000 * HOUR_MS,
};

function requestFor(uri: string | undefined): ParsedCertificateRequest {
  return { kind: 'parsed', publicKey, uri };
}

const request: IssueRequest = {
  caller: n1,
  impersonatedIdentity: web,
  csr: requestFor(web),
  validitySeconds: 3600,
};

function issue(validityMs: number): IssueDecision {
  return { kind: 'issue', identity: web, publicKey, validityMs };
}

function refuse(reason: Extract<IssueDecision, { kind: 'refuse' }>['reason']): IssueDecision {
  return { kind: 'refuse', reason };
}

test('decideIssue() grants what runs on the node, and nothing else', () => {
  const foreign = testIdentity('shop', 'web', 'other.local');
  const db = testIdentity('shop', 'db');
  const table: readonly (readonly [string, Partial<IssueWorld>, Partial<IssueRequest>, IssueDecision])[] = [
    ['granted', {}, {}, issue(HOUR_MS)],
    ['usual life', {}, { validitySeconds: 0 }, issue(24 * HOUR_MS)],
    ['negative life', {}, { validitySeconds: -1 }, issue(24 * HOUR_MS)],
    ['no number', {}, { validitySeconds: Number.NaN }, issue(24 * HOUR_MS)],
    ['longer than the limit', {}, { validitySeconds: 1e12 }, issue(24 * HOUR_MS)],
    ['limit of the installation', { validityMsMax: 5000 }, {}, issue(5000)],
    ['authority ends before', { authorityNotAfterMs: NOW_MS + 60_000 }, {}, issue(60_000)],
    ['authority ends now', { authorityNotAfterMs: NOW_MS }, {}, refuse('authority-expired')],
    ['authority ended', { authorityNotAfterMs: NOW_MS - 1 }, {}, refuse('authority-expired')],
    ['other node', {}, { caller: { ...n1, node: 'n2' } }, refuse('no-such-workload-on-node')],
    ['no identity', {}, { impersonatedIdentity: undefined }, refuse('no-impersonated-identity')],
    ['malformed identity', {}, { impersonatedIdentity: `${web}/x` }, refuse('not-a-spiffe-id')],
    ['foreign identity', {}, { impersonatedIdentity: foreign, csr: requestFor(foreign) }, refuse('other-trust-domain')],
    ['other account', {}, { impersonatedIdentity: db, csr: requestFor(db) }, refuse('no-such-workload-on-node')],
    ['request for another', {}, { csr: requestFor(db) }, refuse('identity-differs-from-request')],
    ['request for nobody', {}, { csr: requestFor(undefined) }, refuse('identity-differs-from-request')],
    ['bad request', {}, { csr: { kind: 'refused', reason: 'bad-signature' } }, refuse('bad-signature')],
  ];
  const decided = table.map(([name, inWorld, asked]) => [
    name,
    decideIssue({ ...world, ...inWorld }, { ...request, ...asked }),
  ]);
  assert.deepEqual(
    decided,
    table.map(([name, , , expected]) => [name, expected]),
  );
});

const AGENT: PodCaller = {
  kind: 'pod',
  node: 'n1',
  namespace: 'ambit-system',
  serviceAccount: 'ambit-node-agent',
  podName: 'ambit-node-agent-1',
  podUid: 'u',
  isNodeAgent: true,
};

test('decideIssue() grants a node agent what runs on its node, any pod its own identity, and nothing else', () => {
  const own: PodCaller = { ...AGENT, namespace: 'shop', serviceAccount: 'web', isNodeAgent: false };
  const db = testIdentity('shop', 'db');
  const ofAgent = testIdentity('ambit-system', 'ambit-node-agent');
  const plain = { impersonatedIdentity: undefined };
  const table: readonly (readonly [string, Partial<IssueRequest>, IssueDecision])[] = [
    ['agent', { caller: AGENT }, issue(HOUR_MS)],
    ['agent of another node', { caller: { ...AGENT, node: 'n2' } }, refuse('no-such-workload-on-node')],
    ['own, named', { caller: own, ...plain }, issue(HOUR_MS)],
    ['own, not named', { caller: own, ...plain, csr: requestFor(undefined) }, issue(HOUR_MS)],
    ['own, another named', { caller: own, ...plain, csr: requestFor(db) }, refuse('identity-differs-from-request')],
    [
      'own, no proof',
      { caller: own, ...plain, csr: { kind: 'refused', reason: 'bad-signature' } },
      refuse('bad-signature'),
    ],
    ['a pod on behalf of its own account', { caller: own }, refuse('not-a-node-agent')],
    [
      'agent for itself',
      { caller: AGENT, ...plain, csr: requestFor(undefined) },
      { kind: 'issue', identity: ofAgent, publicKey, validityMs: HOUR_MS },
    ],
  ];
  assert.deepEqual(
    table.map(([name, asked]) => [name, decideIssue(world, { ...request, ...asked })]),
    table.map(([name, , expected]) => [name, expected]),
  );
});
