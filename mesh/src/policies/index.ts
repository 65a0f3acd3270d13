export * from './authorizer.ts';
export * from './policy-set.ts';
