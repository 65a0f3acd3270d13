import type { AccessPolicyObject } from '@ambit/mesh/kinds';
import { requestPolicyOf, targetNames } from '@ambit/mesh/kinds';
import type { Service, Workload } from '@ambit/mesh/model';
import { type PolicySet, type PolicySetName, servicePolicySet, workloadPolicySet } from '@ambit/mesh/policies';
import { LocalConfigError } from '@ambit/mesh/runtime';

/** Of policies that name a Gateway or its class: there is one waypoint. */
const OWN: PolicySetName = 'gateway/local/local';

/** The sets of policies that a controller would send, from a file with all policies; each destination has one. */
export function policySetsOf(
  policies: readonly AccessPolicyObject[],
  { services, workloads }: { readonly services: readonly Service[]; readonly workloads: readonly Workload[] },
): readonly PolicySet[] {
  const set = (
    name: PolicySetName,
    includes: readonly PolicySetName[],
    holds: (policy: AccessPolicyObject) => boolean,
  ): PolicySet => ({ name, includes, policies: policies.filter(holds).map(requestPolicyOf) });
  const namespaces = new Set([...services, ...workloads].map(({ namespace }) => namespace));
  return [
    set(OWN, [], (policy) => isOfWaypoint(policy)),
    ...[...namespaces].map((namespace) =>
      set(
        namespaceSet(namespace),
        [],
        ({ meta, target }) => target.kind === 'namespace' && meta.namespace === namespace,
      ),
    ),
    ...services.map(({ key, namespace, name }) =>
      set(
        servicePolicySet(key),
        [OWN, namespaceSet(namespace)],
        (policy) => policy.meta.namespace === namespace && targetNames(policy, 'Service').includes(name),
      ),
    ),
    ...workloads.map(({ uid, namespace }) => set(workloadPolicySet(uid), [OWN, namespaceSet(namespace)], () => false)),
  ];
}

/** Refuses what could not be enforced as it is written. @throws LocalConfigError with `path` before the field. */
export function checkLocalPolicy(
  { target, meta }: AccessPolicyObject,
  path: string,
  services: readonly Service[],
): void {
  if (target.kind === 'selector')
    throw new LocalConfigError(`${path}.spec.selector`, 'absent: workloads have no labels here');
  if (target.kind === 'namespace') return;
  for (const [index, { kind, name }] of target.refs.entries()) {
    const at = `${path}.spec.targetRefs[${index}]`;
    if (kind === 'ExternalWorkload') throw new LocalConfigError(`${at}.kind`, 'Service, Gateway or GatewayClass');
    const isThere = services.some((service) => service.namespace === meta.namespace && service.name === name);
    if (kind === 'Service' && !isThere) throw new LocalConfigError(`${at}.name`, 'one of $.services');
  }
}

function isOfWaypoint(policy: AccessPolicyObject): boolean {
  return targetNames(policy, 'Gateway').length > 0 || targetNames(policy, 'GatewayClass').length > 0;
}

function namespaceSet(namespace: string): PolicySetName {
  return `namespace/${namespace}`;
}
