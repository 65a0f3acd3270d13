import type { BackendTlsPolicy, KubeService } from '@ambit/mesh/kinds';
import { chooseTlsPolicy, portsOf, type TlsPolicyTarget } from './choose-tls-policy.ts';
import { type ResolvedAuthorities, resolveAuthorities } from './resolve-authorities.ts';
import type { RouteWorld } from './route-world.ts';

/** One condition as decided; times and generations are the writer's business. */
export interface TlsPolicyCondition {
  readonly type: 'Accepted' | 'ResolvedRefs';
  readonly status: 'True' | 'False';
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** An entry of `status.ancestors`: the Service, or port of it, that the policy is attached to. */
export interface TlsPolicyAncestor {
  readonly ref: TlsPolicyTarget & { readonly namespace: string };
  readonly conditions: readonly TlsPolicyCondition[];
}

type StatusWorld = Pick<RouteWorld, 'service' | 'tlsPolicies' | 'configMap'>;

/** What a policy names that cannot be read as a whole is not looked for. */
const NOTHING_ASKED: ResolvedAuthorities = { roots: { kind: 'system' }, faults: [] };

/** `status.ancestors` of a policy: an entry for each Service that it names, in order. What else it names is not ours. */
export function decideTlsPolicyStatus(policy: BackendTlsPolicy, world: StatusWorld): readonly TlsPolicyAncestor[] {
  const { validation } = policy;
  const { roots, faults } = validation.kind === 'fault' ? NOTHING_ASKED : resolveAuthorities(policy, validation, world);
  const [fault] = faults;
  const messages = [...new Set(faults.map(({ message }) => message))].join('; ');
  const resolved =
    fault === undefined
      ? condition('ResolvedRefs', 'True', 'ResolvedRefs', 'everything that it names exists')
      : condition('ResolvedRefs', 'False', fault.reason, messages);
  return policy.targets
    .filter(({ group, kind }) => group === '' && kind === 'Service')
    .map((target) => {
      const refusal = refusalOf(policy, target, roots === null ? messages : null, world);
      const accepted =
        refusal === null
          ? condition('Accepted', 'True', 'Accepted', 'connections of waypoints are secured by it')
          : condition('Accepted', 'False', refusal.reason, refusal.message);
      return { ref: { ...target, namespace: policy.meta.namespace }, conditions: [accepted, resolved] };
    });
}

interface Refusal {
  readonly reason: 'TargetNotFound' | 'Invalid' | 'Conflicted' | 'NoValidCACertificate';
  readonly message: string;
}

/** `noRoots` says why there are no roots at all; null when there are. */
function refusalOf(
  policy: BackendTlsPolicy,
  target: TlsPolicyTarget,
  noRoots: string | null,
  world: StatusWorld,
): Refusal | null {
  const { namespace } = policy.meta;
  const name = `Service ${namespace}/${target.name}`;
  const service = world.service(namespace, target.name);
  if (service === undefined) return { reason: 'TargetNotFound', message: `there is no ${name}` };
  if (service.type === 'ExternalName') {
    return { reason: 'Invalid', message: `${name} is only another name (ExternalName)` };
  }
  const ports = portsOf(target, service);
  if (ports.length === 0) {
    const section = target.sectionName === null ? 'a TCP port' : `a TCP port named ${target.sectionName}`;
    return { reason: 'TargetNotFound', message: `${name} lacks ${section}` };
  }
  const winner = winnerAtAll(policy, service, ports, world);
  if (winner !== null) {
    const { meta } = winner;
    return { reason: 'Conflicted', message: `what counts there is BackendTLSPolicy ${meta.namespace}/${meta.name}` };
  }
  const { validation } = policy;
  if (validation.kind === 'fault')
    return { reason: 'Invalid', message: `${validation.message}: nothing is sent there` };
  return noRoots === null ? null : { reason: 'NoValidCACertificate', message: `${noRoots}: nothing is sent there` };
}

/** Who counts instead of the policy, when it counts at none of the ports. */
function winnerAtAll(
  policy: BackendTlsPolicy,
  service: KubeService,
  ports: KubeService['ports'],
  world: StatusWorld,
): BackendTlsPolicy | null {
  const winners = ports.map((port) => chooseTlsPolicy(service, port, world));
  const isSelf = (winner: BackendTlsPolicy | null): boolean =>
    winner?.meta.namespace === policy.meta.namespace && winner.meta.name === policy.meta.name;
  return winners.some(isSelf) ? null : (winners[0] ?? null);
}

function condition(
  type: TlsPolicyCondition['type'],
  status: TlsPolicyCondition['status'],
  reason: string,
  message: string,
): TlsPolicyCondition {
  return { type, status, reason, message };
}
