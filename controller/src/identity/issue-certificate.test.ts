import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrustDomain } from '@ambit/mesh/model';
import { Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { createCertificateService } from './issue-certificate.ts';
import { createIdentityMetrics } from './metrics.ts';

test('createCertificateService reads nothing of a caller that it does not know', async () => {
  const never = (): never => {
    throw new Error('must not be asked for');
  };
  const metrics = new Metrics();
  const warnings: unknown[] = [];
  const service = createCertificateService({
    get authority(): never {
      return never();
    },
    trustDomain: parseTrustDomain('cluster.local'),
    workloads: { runsServiceAccount: never },
    validityMsMax: 1000,
    identifyCaller: async () => ({ kind: 'refused', reason: 'not-a-node', node: 'n1' }),
    clock: systemClock,
    logger: { ...silentLogger, warn: (message, fields) => void warnings.push([message, fields]) },
    metrics: createIdentityMetrics(metrics),
  });
  const peer = { address: '192.0.2.1:1', certificate: undefined, bearerToken: 'x' };
  await assert.rejects(service.createCertificate(never, peer, new AbortController().signal), {
    code: 'unauthenticated',
  });
  assert.deepEqual(warnings, [
    ['certificate refused', { reason: 'not-a-node', 'peer.address': '192.0.2.1:1', node: 'n1' }],
  ]);
  assert.equal(await metrics.value('ambit_certificates_refused_total', ['workload', 'not-a-node']), 1);
});
