export * from './push-client.ts';
export { Demand, DEMAND_LIMITS, type NameAnswer } from './demand.ts';
export type { HeldResource } from './changes.ts';
export type * from './other-type.ts';
export type { RefusedResource } from './subscription.ts';
export type * from './transport.ts';
