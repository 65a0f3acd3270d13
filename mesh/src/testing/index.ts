export * from './leak-check.ts';
export * from './manual-clock.ts';
export * from './memory-duplex.ts';
export * from './policy-builder.ts';
export * from './service-builder.ts';
export * from './test-ca.ts';
export * from './until.ts';
export * from './workload-builder.ts';
