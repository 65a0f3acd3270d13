import { type AccessPolicyObject, POLICY_TARGET_GROUPS } from '@ambit/mesh/kinds';
import { type Findings, few, needsRequests, type OwnObject } from './decide-findings.ts';
import type { WaypointFault } from '../translate/decide-waypoint-binding.ts';
import type { TargetFinding } from './decide-policy-targets.ts';
import type { Escape, MatchedWorkload } from './match-workloads.ts';

/** One condition as decided; when it last changed is the writer's business. */
export interface Condition {
  readonly type: 'Accepted' | 'Attached' | 'ResolvedRefs' | 'PartiallyEnforced' | 'Acknowledged';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** An object that a policy is attached to. */
export interface AncestorRef {
  readonly group: string;
  readonly kind: string;
  /** Absent for a Namespace. */
  readonly namespace?: string;
  readonly name: string;
}

/** A status without times and generations. */
export type StatusDecision =
  | {
      readonly style: 'policy';
      readonly ancestors: readonly { readonly ref: AncestorRef; readonly conditions: readonly Condition[] }[];
    }
  | { readonly style: 'object'; readonly conditions: readonly Condition[] };

/** Names of nodes by what their agents said about this version of an object. */
export interface Acknowledgement {
  readonly acknowledged: readonly string[];
  readonly pending: readonly string[];
  readonly refused: readonly string[];
  /** Nodes whose agents may be connected to a replica that does not answer, and to none that does. */
  readonly unheard: readonly string[];
  /** Nodes whose agents should be connected to a replica and have not been for a while. */
  readonly missing: readonly string[];
  /** The replicas of `unheard`. */
  readonly silent: readonly string[];
}

/** An object that the parser refuses. */
export interface BrokenObject {
  readonly kind: OwnObject['kind'];
  readonly namespace: string;
  /** What the parser says. */
  readonly reason: string;
  /** A version from before it broke is still in force. */
  readonly olderInForce: boolean;
}

const ESCAPES: Readonly<Record<Escape, string>> = {
  'host-network': "in the host's network",
  'excluded-namespace': 'in an excluded namespace',
  'pod-opted-out': 'opted out by label',
  'not-labelled': 'not enrolled: neither pod nor namespace has label ambit.dev/mode=ambient',
  'no-node-agent': 'reached without a tunnel, so no node agent enforces anything there',
};

const WAYPOINT_FAULTS: Readonly<Record<WaypointFault, string>> = {
  missing: 'missing',
  'wrong-class': 'of another class',
  'not-allowed': 'not for this namespace',
};

/** Where no waypoint reads requests, node agents take what is said of them in the stricter way. */
const NOT_READ: Readonly<Record<AccessPolicyObject['action'], string>> = {
  Audit: 'nobody reads requests there, and only a waypoint tells of what an Audit policy matches',
  Allow: 'it says something of requests, and nobody reads them there: what it allows by that is refused',
  Deny: 'it says something of requests, and nobody reads them there: what it denies by that is refused whatever the request',
};

/** The status of an object that is in force. */
export function decideStatus(object: OwnObject, findings: Findings, acknowledgement: Acknowledgement): StatusDecision {
  const accepted = condition('Accepted', 'True', 'Accepted', 'it is in force');
  const acknowledged = acknowledgedCondition(acknowledgement);
  switch (object.kind) {
    case 'ExternalWorkload':
      return { style: 'object', conditions: [accepted, resolvedCondition(findings), acknowledged] };
    case 'ExternalService':
      return { style: 'object', conditions: [accepted, ownedCondition(findings), acknowledged] };
    case 'EgressPolicy':
    case 'MutualTLSPolicy': {
      const conditions = [accepted, attachedCondition(findings), enforcedCondition(findings), acknowledged];
      return { style: 'policy', ancestors: [{ ref: namespaceRef(object.meta.namespace), conditions }] };
    }
    case 'AccessPolicy':
      return {
        style: 'policy',
        ancestors:
          object.target.kind === 'objects'
            ? findings.targets.map((target) => ({
                ref: refOf(object, target),
                conditions: [
                  accepted,
                  targetCondition(findings, target),
                  resolvedCondition(findings),
                  targetEnforcedCondition(findings, object, target),
                  acknowledged,
                ],
              }))
            : [
                {
                  ref: namespaceRef(object.meta.namespace),
                  conditions: [
                    accepted,
                    attachedCondition(findings),
                    resolvedCondition(findings),
                    enforcedCondition(findings, object),
                    acknowledged,
                  ],
                },
              ],
      };
  }
}

/** The status of an object that is not in force as written. */
export function decideBrokenStatus({ kind, namespace, reason, olderInForce }: BrokenObject): StatusDecision {
  const message = olderInForce ? `${reason}; the version before it stays in force` : reason;
  const conditions = [condition('Accepted', 'False', 'Invalid', message)];
  if (kind === 'ExternalWorkload' || kind === 'ExternalService') return { style: 'object', conditions };
  return { style: 'policy', ancestors: [{ ref: namespaceRef(namespace), conditions }] };
}

function condition(type: Condition['type'], status: Condition['status'], reason: string, message: string): Condition {
  return { type, status, reason, message };
}

function namespaceRef(name: string): AncestorRef {
  return { group: '', kind: 'Namespace', name };
}

function refOf({ meta }: AccessPolicyObject, { ref: { kind, name } }: TargetFinding): AncestorRef {
  const group = POLICY_TARGET_GROUPS[kind];
  return kind === 'GatewayClass' ? { group, kind, name } : { group, kind, namespace: meta.namespace, name };
}

function targetCondition(findings: Findings, { ref: { kind, name }, fault }: TargetFinding): Condition {
  if (fault !== null) return condition('Attached', 'False', fault.reason, `attached to nothing: ${fault.message}`);
  if (kind !== 'ExternalWorkload') return condition('Attached', 'True', 'Attached', `attached to ${kind} ${name}`);
  return attachedCondition({ workloads: findings.workloads.filter((workload) => workload.name === name) });
}

function attachedCondition({ workloads }: Pick<Findings, 'workloads'>): Condition {
  if (workloads.length === 0) {
    return condition('Attached', 'False', 'TargetNotFound', 'attached to nothing: no workload is selected by it');
  }
  return condition('Attached', 'True', 'Attached', `attached to ${counted(workloads.length, 'workload')}`);
}

function resolvedCondition({ missing }: Findings): Condition {
  if (missing.length === 0) return condition('ResolvedRefs', 'True', 'ResolvedRefs', 'everything that it names exists');
  return condition('ResolvedRefs', 'False', 'RefNotFound', `does not exist: ${few(missing)}`);
}

const ENFORCED = condition('PartiallyEnforced', 'False', 'FullyEnforced', 'nothing escapes it');

/** Of an ExternalService: whether all its hosts are its own. */
function ownedCondition({ overriddenBy }: Findings): Condition {
  if (overriddenBy.length === 0) return ENFORCED;
  const message = `of those with the same host in a namespace the oldest has it: ${few(overriddenBy)}`;
  return condition('PartiallyEnforced', 'True', 'Overridden', message);
}

/** Of one object that a policy names as its target. */
function targetEnforcedCondition(findings: Findings, policy: AccessPolicyObject, target: TargetFinding): Condition {
  const { ref, binding, fault } = target;
  if (policy.dryRun || fault !== null || ref.kind === 'ExternalWorkload') return enforcedCondition(findings, policy);
  if (ref.kind !== 'Service') return ENFORCED;
  if (binding?.kind === 'bound') {
    const { waypoint, fault: reason } = binding;
    if (reason === null) return ENFORCED;
    const message = `its waypoint, Gateway ${waypoint.namespace}/${waypoint.name}, is ${WAYPOINT_FAULTS[reason]}: callers are refused`;
    return condition('PartiallyEnforced', 'True', 'WaypointNotThere', message);
  }
  return needsRequests(policy)
    ? condition('PartiallyEnforced', 'True', 'RequestsNotRead', NOT_READ[policy.action])
    : ENFORCED;
}

/** `access` for an AccessPolicy. */
function enforcedCondition({ workloads, unread, overriddenBy }: Findings, access?: AccessPolicyObject): Condition {
  if (access?.dryRun === true) {
    const message = 'dryRun is true: what would have happened is in metrics and log, and nothing is refused';
    return condition('PartiallyEnforced', 'True', 'DryRun', message);
  }
  if (overriddenBy.length > 0) {
    const message = `of policies with the same reach the oldest counts: ${few(overriddenBy)}`;
    return condition('PartiallyEnforced', 'True', 'Overridden', message);
  }
  const escaped = workloads.filter(({ escape }) => escape !== null);
  const isUnread = access !== undefined && needsRequests(access) && (unread.length > 0 || workloads.length === 0);
  if (escaped.length === 0 && isUnread) {
    const where =
      unread.length < workloads.length ? `: ${few(unread.map(({ name, namespace }) => `${namespace}/${name}`))}` : '';
    return condition('PartiallyEnforced', 'True', 'RequestsNotRead', `${NOT_READ[access.action]}${where}`);
  }
  if (escaped.length === 0) return ENFORCED;
  const verb = escaped.length === 1 ? 'escapes' : 'escape';
  const message = `${escaped.length} of ${counted(workloads.length, 'workload')} ${verb} it: ${escapeTexts(escaped).join('; ')}`;
  return condition('PartiallyEnforced', 'True', 'WorkloadsNotEnrolled', message);
}

/** One phrase per reason, with the names of a few. */
export function escapeTexts(escaped: readonly MatchedWorkload[]): readonly string[] {
  const byReason = Map.groupBy(escaped, ({ escape }) => escape);
  return [...byReason].flatMap(([reason, workloads]) => {
    if (reason === null) return [];
    return [`${few(workloads.map(({ namespace, name }) => `${namespace}/${name}`))} (${ESCAPES[reason]})`];
  });
}

function acknowledgedCondition(acknowledgement: Acknowledgement): Condition {
  const { acknowledged, pending, refused, unheard, missing, silent } = acknowledgement;
  const total = acknowledged.length + pending.length + refused.length;
  const share =
    total === 0
      ? 'no node agent is connected'
      : `${acknowledged.length} of ${counted(total, 'connected node agent')} ${total === 1 ? 'has' : 'have'} this version`;
  const decided = (status: Condition['status'], reason: string, message: string): Condition =>
    condition('Acknowledged', status, reason, message);
  if (refused.length > 0) return decided('False', 'Refused', `${share}; refused by ${few(refused)}: see its log`);
  const awaited = [
    ...(pending.length > 0 ? [`waiting for ${few(pending)}`] : []),
    ...(missing.length > 0 ? [`nothing heard from ${few(missing)}`] : []),
  ];
  if (awaited.length > 0) return decided('False', 'Pending', [share, ...awaited].join('; '));
  if (unheard.length > 0) {
    const verb = silent.length === 1 ? 'does' : 'do';
    const message = `${share}; nothing is known of ${few(unheard)}: ${few(silent)} ${verb} not tell the leading controller`;
    return decided('Unknown', 'ReplicaSilent', message);
  }
  if (total === 0) return decided('Unknown', 'NoNodeAgents', share);
  return decided('True', 'AllNodes', share);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
