import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestCa, testIdentity } from '@ambit/mesh/testing';
import { nodeUri } from '@ambit/mesh/tls';
import { identifyCaller } from './caller.ts';

const ca = createTestCa();
const nowMs = Date.now();

function certificateOf(...uris: readonly string[]): Buffer {
  return ca.issueCertificate({ altNames: uris.map((value) => ({ kind: 'uri', value })) }).certificate;
}

test('identifyCaller() knows nodes by their certificate alone', () => {
  const n1 = certificateOf(nodeUri('n1'));
  const never = (): boolean => false;
  const identify = (der: Buffer | undefined, isRevoked: (node: string) => boolean = never, atMs = nowMs): unknown => {
    const caller = identifyCaller(der, atMs, isRevoked);
    return caller.kind === 'node' ? caller.node : caller.reason;
  };
  assert.deepEqual(
    {
      node: identify(n1),
      none: identify(undefined),
      garbage: identify(Buffer.from('garbage')),
      workload: identify(certificateOf(testIdentity('shop', 'web'))),
      'node and workload': identify(certificateOf(nodeUri('n1'), testIdentity('shop', 'web'))),
      'two nodes': identify(certificateOf(nodeUri('n1'), nodeUri('n2'))),
      'upper case': identify(certificateOf(nodeUri('N1'))),
      path: identify(certificateOf(nodeUri('n1/x'))),
      expired: identify(n1, never, nowMs + 48 * 3_600_000),
      revoked: identify(n1, () => true),
      'other node revoked': identify(n1, (node) => node === 'n2'),
    },
    {
      node: 'n1',
      none: 'no-certificate',
      garbage: 'not-a-node',
      workload: 'not-a-node',
      'node and workload': 'not-a-node',
      'two nodes': 'not-a-node',
      'upper case': 'not-a-node',
      path: 'not-a-node',
      expired: 'certificate-expired',
      revoked: 'certificate-revoked',
      'other node revoked': 'n1',
    },
  );
});
