import {
  type AccessPolicyObject,
  type EgressPolicy,
  type ExternalService,
  type ExternalWorkload,
  type MeshObject,
  type MutualTlsPolicy,
  saysOfRequests,
} from '@ambit/mesh/kinds';
import { ownerOfHost } from '../translate/external-services.ts';
import { oldestPolicy } from '../translate/mtls-mode-from-mutual-tls-policy.ts';
import { selectorMatches } from '../translate/service-membership.ts';
import { decidePolicyTargets, isBehindWaypoint, type TargetFinding } from './decide-policy-targets.ts';
import { type MatchedWorkload, matchWorkloads } from './match-workloads.ts';
import type { PolicyWorld } from './policy-world.ts';

/** The kinds that Ambit reports about. */
export type OwnObject = AccessPolicyObject | MutualTlsPolicy | EgressPolicy | ExternalService | ExternalWorkload;

const OWN_KINDS: ReadonlySet<string> = new Set<OwnObject['kind']>([
  'AccessPolicy',
  'MutualTLSPolicy',
  'EgressPolicy',
  'ExternalService',
  'ExternalWorkload',
]);

export function isOwnKind(kind: string): kind is OwnObject['kind'] {
  return OWN_KINDS.has(kind);
}

export function isOwnObject(object: MeshObject): object is OwnObject {
  return isOwnKind(object.kind);
}

/** What is true about an object beside being right by itself: warnings at admission, conditions afterwards. */
export interface Findings {
  /** What a policy is for; empty for an ExternalWorkload. */
  readonly workloads: readonly MatchedWorkload[];
  /** Objects that it names and that do not exist, in words. */
  readonly missing: readonly string[];
  /** Those of `workloads` at which nobody reads requests; looked for only where the policy says something of them. */
  readonly unread: readonly MatchedWorkload[];
  /** Of `targetRefs`, in their order. */
  readonly targets: readonly TargetFinding[];
  /** A policy of the same reach that counts instead, for all or some workloads; in words. */
  readonly overriddenBy: readonly string[];
}

/** Items that a message names; the rest is counted. */
const SHOWN_MAX = 5;

/** `a, b and 3 more`: a message stays short however much there is to name. */
export function few(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN_MAX);
  const rest = items.length - shown.length;
  return rest === 0 ? shown.join(', ') : `${shown.join(', ')} and ${rest} more`;
}

export function decideFindings(world: PolicyWorld, object: OwnObject): Findings {
  const { namespace } = object.meta;
  switch (object.kind) {
    case 'AccessPolicy': {
      const workloads = matchWorkloads(world, { namespace, target: object.target });
      return {
        workloads,
        unread: unreadOf(world, object, workloads),
        missing: missingOfAccessPolicy(world, object),
        targets: decidePolicyTargets(world, object),
        overriddenBy: [],
      };
    }
    case 'MutualTLSPolicy': {
      const workloads = matchWorkloads(world, { namespace, target: object.target });
      return { workloads, unread: [], missing: [], targets: [], overriddenBy: overriding(world, object, workloads) };
    }
    case 'EgressPolicy':
      return { workloads: callersOf(world, namespace), unread: [], missing: [], targets: [], overriddenBy: [] };
    case 'ExternalService':
      return { workloads: [], unread: [], missing: [], targets: [], overriddenBy: otherOwners(world, object) };
    case 'ExternalWorkload':
      return { workloads: [], unread: [], missing: missingOfExternal(world, object), targets: [], overriddenBy: [] };
  }
}

/**
 * Whom an EgressPolicy is for: that of the mesh not for namespaces with one of their own. Machines without a node agent are called, and
 * call nobody by the mesh.
 */
export function callersOf(world: PolicyWorld, namespace: string): readonly MatchedWorkload[] {
  const all = matchWorkloads(world, { namespace, target: { kind: 'namespace' } });
  const isTheirs = (of: string): boolean => of === namespace || world.egressPolicies(of).length === 0;
  return all.filter((workload) => workload.escape !== 'no-node-agent' && isTheirs(workload.namespace));
}

/** Node agents hold what the root namespace says against waypoints as well. */
function unreadOf(
  world: PolicyWorld,
  policy: AccessPolicyObject,
  workloads: readonly MatchedWorkload[],
): readonly MatchedWorkload[] {
  if (!needsRequests(policy)) return [];
  const isRoot = policy.meta.namespace === world.settings.rootNamespace;
  return workloads.filter(({ meta }) => (isRoot && policy.action !== 'Audit') || !isBehindWaypoint(world, meta));
}

/** Whether it needs somebody who reads requests. */
export function needsRequests(policy: AccessPolicyObject): boolean {
  return policy.action === 'Audit' || saysOfRequests(policy);
}

function missingOfAccessPolicy(world: PolicyWorld, policy: AccessPolicyObject): readonly string[] {
  const missing = new Set<string>();
  for (const source of policy.rules.flatMap(({ from }) => from)) {
    for (const { namespace, name } of [...source.serviceAccounts.any, ...source.serviceAccounts.none])
      if (!world.hasServiceAccount(namespace, name)) missing.add(`service account ${namespace}/${name}`);
    for (const match of [...source.namespaces.any, ...source.namespaces.none])
      if (match.kind === 'exact' && world.namespace(match.value) === undefined) missing.add(`namespace ${match.value}`);
  }
  return [...missing];
}

function missingOfExternal(
  world: PolicyWorld,
  { meta, serviceAccountName, services }: ExternalWorkload,
): readonly string[] {
  const account = world.hasServiceAccount(meta.namespace, serviceAccountName)
    ? []
    : [`service account ${meta.namespace}/${serviceAccountName}`];
  const absent = services.filter((name) => !world.hasService(meta.namespace, name));
  return [...account, ...absent.map((name) => `service ${meta.namespace}/${name}`)];
}

/** ExternalServices of its namespace that are older and have some of its hosts. */
function otherOwners(world: PolicyWorld, external: ExternalService): readonly string[] {
  const { meta, hosts } = external;
  const others = world.externalServices(meta.namespace).filter(({ meta: { name } }) => name !== meta.name);
  const owners = hosts.flatMap((host) => {
    const rivals = others.filter((other) => other.hosts.includes(host));
    // One that is only about to be created is the youngest. Manifests have no time of creation at all.
    const isNew = meta.creationTimestampMs === 0 && rivals.some((rival) => rival.meta.creationTimestampMs > 0);
    const owner = ownerOfHost(isNew ? rivals : [...rivals, external]);
    return owner === undefined || owner === external ? [] : [`ExternalService ${meta.namespace}/${owner.meta.name}`];
  });
  return [...new Set(owners)];
}

/** Of policies of one reach the oldest counts: the others that are older than this one and meet it somewhere. */
function overriding(
  world: PolicyWorld,
  policy: MutualTlsPolicy,
  workloads: readonly MatchedWorkload[],
): readonly string[] {
  const { rootNamespace } = world.settings;
  const { meta, target } = policy;
  // One that is only about to be created is the youngest.
  const isNew = meta.creationTimestampMs === 0;
  const winnerAmong = (others: readonly MutualTlsPolicy[]): MutualTlsPolicy | undefined => {
    const rivals = others.filter((other) => !isSame(other, policy));
    return oldestPolicy(isNew ? rivals : [...rivals, policy]);
  };
  if (target.kind === 'namespace') {
    return named(
      winnerAmong(world.mutualTlsPolicies(meta.namespace).filter((other) => other.target.kind === 'namespace')),
      policy,
    );
  }
  const winners = new Set<string>();
  const namespaces = new Map<string, readonly MutualTlsPolicy[]>();
  for (const { namespace, labels } of workloads) {
    let selecting = namespaces.get(namespace);
    if (selecting === undefined) {
      const around = new Set([namespace, rootNamespace]);
      selecting = [...around]
        .flatMap((scope) => world.mutualTlsPolicies(scope))
        .filter((other) => other.target.kind === 'selector');
      namespaces.set(namespace, selecting);
    }
    const matching = selecting.filter(
      (other) => other.target.kind === 'selector' && selectorMatches(other.target.matchLabels, labels),
    );
    for (const name of named(winnerAmong(matching), policy)) winners.add(name);
  }
  return [...winners];
}

function named(winner: MutualTlsPolicy | undefined, policy: MutualTlsPolicy): readonly string[] {
  if (winner === undefined || isSame(winner, policy)) return [];
  return [`MutualTLSPolicy ${winner.meta.namespace}/${winner.meta.name}`];
}

function isSame(a: MutualTlsPolicy, b: MutualTlsPolicy): boolean {
  return a.meta.namespace === b.meta.namespace && a.meta.name === b.meta.name;
}
