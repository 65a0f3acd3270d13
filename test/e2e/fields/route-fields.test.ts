import { checkLeaks } from '@ambit/mesh/testing';
import { definedFields } from './definition-fields.ts';
import { FieldWorld } from './field-world.ts';
import { GRPC_ROUTE_SCENARIOS, GRPC_ROUTE_UNSEEN, HTTP_ROUTE_SCENARIOS, HTTP_ROUTE_UNSEEN } from './http-scenarios.ts';
import { proveFields } from './prove-fields.ts';

checkLeaks();

proveFields('HTTPRoute', {
  open: () => FieldWorld.open('http1'),
  scenarios: HTTP_ROUTE_SCENARIOS,
  unseen: HTTP_ROUTE_UNSEEN,
  defined: definedFields('HTTPRoute'),
});
proveFields('GRPCRoute', {
  open: () => FieldWorld.open('http2'),
  scenarios: GRPC_ROUTE_SCENARIOS,
  unseen: GRPC_ROUTE_UNSEEN,
  defined: definedFields('GRPCRoute'),
});
