import type { CanaryTarget } from './act-canary.ts';

/** Names and addresses of examples/canary. */
export const CANARY: CanaryTarget = {
  caller: 'reader',
  service: 'reviews',
  ip: '10.20.1.1',
  old: 'reviews-1',
  young: 'reviews-2',
  tester: { 'x-tester': 'yes' },
  route: 'canary/route.yaml',
  mirror: 'rehearsal',
};

/** Pods of it that are enrolled. */
export const CANARY_ENROLLED: readonly string[] = [
  'books/reader',
  'books/rehearsal',
  'books/reviews-1',
  'books/reviews-2',
];
