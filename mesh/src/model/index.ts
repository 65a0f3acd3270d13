export * from './access-policy.ts';
export * from './address.ts';
export * from './errors.ts';
export * from './mesh-view.ts';
export * from './service.ts';
export * from './spiffe-id.ts';
export * from './waypoint-ref.ts';
export * from './workload.ts';
