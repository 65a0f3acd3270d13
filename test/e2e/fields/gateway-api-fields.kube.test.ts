import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestApiServer } from '../kube/api-server.ts';
import { kubectl } from '../kube/custom-resources.ts';
import { gatewayApiModule } from '../kube/gateway-api.ts';
import { definedFields, DEFINITIONS, schemaFields } from './definition-fields.ts';

let api: TestApiServer;
before(async () => void (api = await TestApiServer.start()));
after(() => api[Symbol.asyncDispose]());

/** Fields of `spec` by the definition of one channel. */
function fieldsOf(plural: string, channel: string): readonly string[] {
  const file = join(gatewayApiModule(), 'config/crd', channel, `gateway.networking.k8s.io_${plural}.yaml`);
  const definition: unknown = JSON.parse(kubectl(api, 'create', '--dry-run=client', '-o', 'json', '-f', file));
  const versions: readonly unknown[] = Object(Object(definition).spec).versions;
  const version = Object(versions.find((one) => Object(one).name === 'v1'));
  return schemaFields(Object(version.schema).openAPIV3Schema.properties.spec, 'spec');
}

for (const [plural, kind] of Object.entries(DEFINITIONS)) {
  test(`gateway-api-fields.json has the fields of a ${kind} that its definition has`, () => {
    const defined = ['standard', 'experimental'].flatMap((channel) => fieldsOf(plural, channel));
    assert.deepEqual(definedFields(kind), [...new Set(defined)].sort());
  });
}
