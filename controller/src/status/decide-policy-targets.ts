import { type AccessPolicyObject, type ObjectMeta, type PolicyTargetRef, WAYPOINT_CLASS } from '@ambit/mesh/kinds';
import { decideWaypointBinding, type WaypointBinding } from '../translate/decide-waypoint-binding.ts';
import { selectorMatches } from '../translate/service-membership.ts';
import type { PolicyWorld } from './policy-world.ts';

/** An object that a policy names as its target, as it was found. */
export interface TargetFinding {
  readonly ref: PolicyTargetRef;
  /** Why the policy is attached to nothing there; null when it is attached. */
  readonly fault: { readonly reason: 'TargetNotFound' | 'TargetInvalid'; readonly message: string } | null;
  /** Of a Service: which waypoint stands before it. */
  readonly binding: WaypointBinding | null;
}

/** What became of `targetRefs`, one by one. */
export function decidePolicyTargets(
  world: PolicyWorld,
  { meta, target }: Pick<AccessPolicyObject, 'meta' | 'target'>,
): readonly TargetFinding[] {
  if (target.kind !== 'objects') return [];
  return target.refs.map((ref) => decideTarget(world, meta.namespace, ref));
}

/** Whether a waypoint that is there stands before the workload, or before a Service that selects it. */
export function isBehindWaypoint(world: PolicyWorld, meta: ObjectMeta): boolean {
  const { namespace, labels } = meta;
  const around = { namespace: world.namespace(namespace), gateway: world.gateway };
  const isBound = (bound: ObjectMeta, traffic: 'service' | 'workload'): boolean => {
    const binding = decideWaypointBinding({ meta: bound, traffic }, around);
    return binding.kind === 'bound' && binding.fault === null;
  };
  if (isBound(meta, 'workload')) return true;
  return world
    .services(namespace)
    .some((one) => one.selector !== null && selectorMatches(one.selector, labels) && isBound(one.meta, 'service'));
}

function decideTarget(world: PolicyWorld, namespace: string, ref: PolicyTargetRef): TargetFinding {
  const { kind, name } = ref;
  const found = (binding: WaypointBinding | null = null): TargetFinding => ({ ref, fault: null, binding });
  const faulty = (reason: 'TargetNotFound' | 'TargetInvalid', message: string): TargetFinding => ({
    ref,
    fault: { reason, message },
    binding: null,
  });
  const missing = (): TargetFinding => faulty('TargetNotFound', `there is no ${kind} ${name}`);
  switch (kind) {
    case 'ExternalWorkload':
      return world.externalWorkloads(namespace).some(({ meta }) => meta.name === name) ? found() : missing();
    case 'Service': {
      const service = world.service(namespace, name);
      if (service === undefined) return missing();
      const around = { namespace: world.namespace(namespace), gateway: world.gateway };
      return found(decideWaypointBinding({ meta: service.meta, traffic: 'service' }, around));
    }
    case 'Gateway': {
      const gateway = world.gateway({ namespace, name });
      if (gateway === undefined) return missing();
      return gateway.className === WAYPOINT_CLASS
        ? found()
        : faulty(
            'TargetInvalid',
            `Gateway ${name} is of class ${gateway.className}: only those of ${WAYPOINT_CLASS} read policies`,
          );
    }
    case 'GatewayClass': {
      const { rootNamespace } = world.settings;
      if (name !== WAYPOINT_CLASS) return faulty('TargetInvalid', `only GatewayClass ${WAYPOINT_CLASS} reads policies`);
      return namespace === rootNamespace
        ? found()
        : faulty(
            'TargetInvalid',
            `a GatewayClass is for the whole mesh: only policies of namespace ${rootNamespace} may name it`,
          );
    }
  }
}
