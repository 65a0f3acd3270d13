export * from './backend-to-model.ts';
export * from './encode-backend.ts';
export * from './encode-service-routes.ts';
export { ROUTE_WIRE_LIMITS } from './limits.ts';
export * from './service-routes-to-model.ts';
