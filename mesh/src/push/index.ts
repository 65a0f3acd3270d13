export * from './push-client.ts';
export type { HeldResource, RefusedResource } from './subscription.ts';
export type * from './transport.ts';
