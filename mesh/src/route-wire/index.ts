export * from './backend-to-model.ts';
export * from './encode-backend.ts';
export { encodePolicySet, POLICY_SET_TYPE_URL } from './encode-policy-set.ts';
export * from './encode-service-routes.ts';
export * from './encode-session-keys.ts';
export { ROUTE_WIRE_LIMITS } from './limits.ts';
export * from './policy-set-to-model.ts';
export * from './service-routes-to-model.ts';
export * from './session-keys-to-model.ts';
