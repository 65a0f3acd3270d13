import type { AccessPolicyObject, PolicyTargetKind } from './objects.ts';

/** Names of the objects of one kind that a policy is attached to. */
export function targetNames({ target }: Pick<AccessPolicyObject, 'target'>, kind: PolicyTargetKind): readonly string[] {
  return target.kind === 'objects' ? target.refs.filter((ref) => ref.kind === kind).map(({ name }) => name) : [];
}

/** Whether it says something of requests, which only a waypoint can tell. */
export function saysOfRequests({ rules }: Pick<AccessPolicyObject, 'rules'>): boolean {
  return rules.some(({ to }) => to.some(({ http }) => http !== null));
}
