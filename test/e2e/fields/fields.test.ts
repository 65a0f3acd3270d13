import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { checkLeaks } from '@ambit/mesh/testing';
import { ACCESS_POLICY_SCENARIOS, ACCESS_POLICY_UNSEEN } from './access-scenarios.ts';
import { definedFields, DEFINITIONS } from './definition-fields.ts';
import { EGRESS_POLICY_SCENARIOS } from './egress-scenarios.ts';
import { ENDPOINT_SLICE_SCENARIOS, EXTERNAL_WORKLOAD_SCENARIOS } from './endpoint-scenarios.ts';
import { EXTERNAL_SERVICE_SCENARIOS } from './external-service-scenarios.ts';
import { FieldWorld, serverCa } from './field-world.ts';
import { GATEWAY_SCENARIOS, GATEWAY_UNSEEN } from './gateway-scenarios.ts';
import { proveFields, type Scenario } from './prove-fields.ts';
import { REFERENCE_GRANT_SCENARIOS, SERVICE_IMPORT_SCENARIOS } from './reference-scenarios.ts';
import { SERVICE_SCENARIOS, SERVICE_UNSEEN } from './service-scenarios.ts';
import { STREAM_ROUTE_UNSEEN, TCP_ROUTE_SCENARIOS, TLS_ROUTE_SCENARIOS } from './stream-scenarios.ts';
import { TLS_POLICY_SCENARIOS } from './tls-policy-scenarios.ts';
import { VERSION_LABEL_SCENARIOS, VERSION_SCENARIOS } from './version-scenarios.ts';

checkLeaks();

let directory: string;
before(() => {
  // What the machine trusts, as a policy may ask for.
  directory = mkdtempSync(join(tmpdir(), 'fields-'));
  process.env['SSL_CERT_FILE'] = join(directory, 'roots.pem');
  writeFileSync(process.env['SSL_CERT_FILE'], serverCa.rootPem);
});
after(() => rmSync(directory, { recursive: true }));

function prove(kind: string, scenarios: readonly Scenario[], unseen: Readonly<Record<string, string>> = {}): void {
  const defined = Object.values(DEFINITIONS).includes(kind) ? definedFields(kind) : [];
  proveFields(kind, { open: () => FieldWorld.open('http1'), scenarios, unseen, defined });
}

prove('TCPRoute', TCP_ROUTE_SCENARIOS, STREAM_ROUTE_UNSEEN);
prove('TLSRoute', TLS_ROUTE_SCENARIOS, STREAM_ROUTE_UNSEEN);
prove('ReferenceGrant', REFERENCE_GRANT_SCENARIOS);
prove('BackendTLSPolicy', TLS_POLICY_SCENARIOS);
prove('AccessPolicy', ACCESS_POLICY_SCENARIOS, ACCESS_POLICY_UNSEEN);
prove('EgressPolicy', EGRESS_POLICY_SCENARIOS);
prove('ExternalService', EXTERNAL_SERVICE_SCENARIOS);
prove('Service', SERVICE_SCENARIOS, SERVICE_UNSEEN);
prove('EndpointSlice', ENDPOINT_SLICE_SCENARIOS);
prove('ExternalWorkload', EXTERNAL_WORKLOAD_SCENARIOS);
prove('ServiceImport', SERVICE_IMPORT_SCENARIOS);
prove('Gateway', GATEWAY_SCENARIOS, GATEWAY_UNSEEN);
proveFields('reference to a ServiceVersion', {
  open: () => FieldWorld.open('http1'),
  scenarios: VERSION_SCENARIOS,
  within: 'spec.rules[].backendRefs[].',
  unseen: {},
});
proveFields('Pod that has a ServiceVersion', {
  open: () => FieldWorld.open('http1'),
  scenarios: VERSION_LABEL_SCENARIOS,
  within: 'metadata.labels',
  unseen: {},
});
