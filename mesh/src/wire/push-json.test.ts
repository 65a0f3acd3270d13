import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildPolicy, buildService, buildWorkload } from '../testing/index.ts';
import { WireError } from './errors.ts';
import { parseAuthorizationJson, parseServiceJson, parseWorkloadJson } from './push-json.ts';

describe('the JSON form of pushed resources', () => {
  test('reads a workload; addresses are base64, as protobuf writes bytes', () => {
    const json = {
      uid: 'cluster-1//Pod/shop/web',
      name: 'web',
      namespace: 'shop',
      addresses: ['CgAAAQ=='],
      tunnelProtocol: 'HBONE',
      serviceAccount: 'web',
      node: 'node-1',
      canonicalName: 'web',
      canonicalRevision: 'latest',
      workloadType: 'POD',
      workloadName: 'web',
      clusterId: 'cluster-1',
    };
    assert.deepEqual(parseWorkloadJson(json), buildWorkload());
  });

  test('reads a service and a policy', () => {
    const service = {
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc.cluster.local',
      addresses: [{ address: 'CmAAAQ==' }],
      ports: [{ servicePort: 80, targetPort: 8080 }],
      canonical: true,
    };
    assert.deepEqual(parseServiceJson(service), buildService());
    const policy = {
      name: 'policy',
      namespace: 'shop',
      scope: 'NAMESPACE',
      action: 'ALLOW',
      rules: [{ clauses: [{ matches: [{ principals: [{ exact: 'cluster.local/ns/shop/sa/client' }] }] }] }],
    };
    assert.deepEqual(
      parseAuthorizationJson(policy),
      buildPolicy({ match: [{ principals: ['cluster.local/ns/shop/sa/client'] }] }),
    );
  });

  test('refuses what is no such resource', () => {
    for (const json of [null, 1, 'x', [], { uid: 1 }, { unknownField: 1 }, { addresses: ['not base64!'] }]) {
      assert.throws(() => parseWorkloadJson(json), WireError);
    }
  });
});
