import type { ObjectKey, ObjectProblem } from '@ambit/mesh/kinds';
import { type AccessPolicy, policyKey } from '@ambit/mesh/model';
import type { Logger } from '@ambit/mesh/runtime';
import type { PushedObject } from '@ambit/mesh/wire';
import type { SourceCollection } from './collections/collection-graph.ts';
import { NO_IDENTITY } from './translate/mtls-mode-from-mutual-tls-policy.ts';

/** Kubernetes names have no underscore, so these can never be the name of somebody's AccessPolicy. */
const NAME_PREFIX = { AccessPolicy: 'ambit_unreadable_', MutualTLSPolicy: 'ambit_unreadable_mtls_' } as const;
/** Of the policy's own name; the prefix has to fit too. */
const NAME_LENGTH_MAX = 200;

type DenialKind = keyof typeof NAME_PREFIX;

export interface UnreadablePoliciesOptions {
  /** Where the stand-ins go. */
  readonly policies: SourceCollection<PushedObject>;
  /** Where the namespaces of BackendTLSPolicies go. */
  readonly tlsPolicies: SourceCollection<string>;
  /** Where the namespaces of EgressPolicies go. */
  readonly egressPolicies: SourceCollection<string>;
  readonly rootNamespace: string;
  readonly logger: Logger;
  /** True when some version of the object is in force. */
  readonly isInForce: (key: ObjectKey) => boolean;
}

/**
 * Policies that were broken already when the controller started. Agents may hold a good version from before, and would
 * drop it on our word; nobody knows any more what it forbade. So until it is mended or removed, its namespace (the mesh,
 * if that is the root namespace) refuses everything, or without a MutualTLSPolicy everything in plaintext;
 * without an EgressPolicy its workloads call nothing outside the mesh; without a BackendTLSPolicy waypoints send nothing to ports of its namespace that no other one secures. A policy that
 * breaks later keeps its last good version, and a new one that was never right was never in force.
 */
export class UnreadablePolicies {
  readonly #options: UnreadablePoliciesOptions;
  readonly #standIns = new Set<ObjectKey>();

  constructor(options: UnreadablePoliciesOptions) {
    this.#options = options;
  }

  /** To be called once, with the problems of the first state. True when something stands in. */
  begin(problems: readonly ObjectProblem[]): boolean {
    const { policies, tlsPolicies, egressPolicies, rootNamespace, logger, isInForce } = this.#options;
    for (const { key, severity, where, line } of problems) {
      const named = key === undefined || severity === 'warning' ? null : policyNamed(key);
      if (key === undefined || named === null || isInForce(key)) continue;
      this.#standIns.add(key);
      if (named.kind === 'BackendTLSPolicy') tlsPolicies.set(key, named.namespace);
      else if (named.kind === 'EgressPolicy') egressPolicies.set(key, named.namespace);
      else policies.set(`unreadable/${key}`, { kind: 'policy', policy: denialFor(named.kind, named, rootNamespace) });
      logger.error('policy is broken and no earlier version is known: what it may have refused is refused', {
        'policy.kind': named.kind,
        'policy.namespace': named.namespace,
        'policy.name': named.name,
        where,
        line,
      });
    }
    return this.#standIns.size > 0;
  }

  /** Takes back what is mended or gone. True when that was anything. */
  settle(problems: readonly ObjectProblem[]): boolean {
    const { policies, tlsPolicies, egressPolicies, isInForce } = this.#options;
    const broken = new Set(problems.map(({ key }) => key));
    const settled = [...this.#standIns].filter((key) => !broken.has(key) || isInForce(key));
    for (const key of settled) {
      this.#standIns.delete(key);
      policies.set(`unreadable/${key}`, undefined);
      tlsPolicies.set(key, undefined);
      egressPolicies.set(key, undefined);
    }
    return settled.length > 0;
  }
}

interface NamedPolicy {
  readonly kind: DenialKind | 'BackendTLSPolicy' | 'EgressPolicy';
  readonly namespace: string;
  readonly name: string;
}

function policyNamed(key: ObjectKey): NamedPolicy | null {
  const [kind, namespace = '', name = ''] = key.split('/');
  switch (kind) {
    case 'AccessPolicy':
    case 'MutualTLSPolicy':
    case 'BackendTLSPolicy':
    case 'EgressPolicy':
      return { kind, namespace, name };
    default:
      return null;
  }
}

function denialFor(
  kind: DenialKind,
  { namespace, name }: Omit<NamedPolicy, 'kind'>,
  rootNamespace: string,
): AccessPolicy {
  const isMeshWide = namespace === rootNamespace;
  const own = {
    namespace: isMeshWide ? '' : namespace,
    name: `${NAME_PREFIX[kind]}${name.slice(0, NAME_LENGTH_MAX)}`,
  };
  return {
    ...own,
    key: policyKey(own),
    scope: isMeshWide ? 'mesh' : 'namespace',
    action: 'deny',
    // A rule without clauses holds for everybody.
    rules: [{ clauses: kind === 'AccessPolicy' ? [] : [{ matches: [NO_IDENTITY] }] }],
    dryRun: false,
  };
}
