export * from './policy-builder.ts';
export * from './service-builder.ts';
export * from './test-ca.ts';
export * from './workload-builder.ts';
export * from './test-ca.ts';
