import type { BackendRef, ParentRef } from '@ambit/mesh/kinds';
import type { BackendFault, RuleFilters } from '@ambit/mesh/routes';
import { attachRoute, type Attachment, type RefusalReason } from './attach-route.ts';
import { decideRouteConflicts } from './decide-route-conflicts.ts';
import { resolveBackend } from './resolve-backend.ts';
import { type AnyRoute, isInForce, type RouteWorld } from './route-world.ts';

/** One condition as decided; times and generations are the writer's business. */
export interface RouteCondition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'PartiallyInvalid';
  readonly status: 'True' | 'False';
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** An entry of `status.parents`. */
export interface RouteParentStatus {
  readonly ref: ParentRef;
  readonly conditions: readonly RouteCondition[];
}

/** Items that a message names; the rest is counted. */
const SHOWN_MAX = 5;

/**
 * `status.parents` of a route: an entry for each reference to a parent that is ours, in order. PartiallyInvalid is there only
 * when it is True, as Gateway API asks.
 */
export function decideRouteStatus(route: AnyRoute, world: RouteWorld): readonly RouteParentStatus[] {
  return route.parents.flatMap((ref) => {
    const attachment = attachRoute(route, ref, world);
    if (attachment.kind === 'foreign') return [];
    const accepted = acceptedCondition(route, ref, attachment, world);
    const conditions = [accepted, resolvedCondition(route, ref, world)];
    const partly = accepted.status === 'True' ? partialCondition(route) : null;
    return [{ ref, conditions: partly === null ? conditions : [...conditions, partly] }];
  });
}

function acceptedCondition(
  route: AnyRoute,
  ref: ParentRef,
  attachment: Exclude<Attachment, { readonly kind: 'foreign' }>,
  world: RouteWorld,
): RouteCondition {
  const no = (reason: RefusalReason, message: string): RouteCondition =>
    condition('Accepted', 'False', reason, message);
  if (attachment.kind === 'refused') return no(attachment.reason, attachment.message);
  const faults = faultsOf(route);
  const [first] = faults;
  if (first !== undefined && !isInForce(route)) {
    return no(first.reason, `no rule is in force: ${few(faults.map(({ message }) => message))}`);
  }
  const { spots, lostTo } = decideRouteConflicts(route, ref, attachment, world);
  if (spots.length === 0) return no('Conflicted', `what counts there is ${few(lostTo)}`);
  const partly = lostTo.length === 0 ? '' : `, though at some ports what counts is ${few(lostTo)}`;
  return condition('Accepted', 'True', 'Accepted', `${inForce(attachment.role)}${partly}`);
}

function inForce(role: Extract<Attachment, { readonly kind: 'attached' }>['role']): string {
  switch (role.kind) {
    case 'producer':
      return 'it counts for every caller whose namespace has no route of its own';
    case 'consumer':
      return `it counts for callers of namespace ${role.namespace}`;
    case 'gateway':
      return 'it is attached, and nothing goes by it yet: only routes of Services and ServiceImports are acted upon';
  }
}

/** The first fault's reason, and all of them in words. */
function resolvedCondition(route: AnyRoute, ref: ParentRef, world: RouteWorld): RouteCondition {
  const reasons: BackendFault[] = [];
  const messages = new Set<string>();
  for (const backend of backendRefsOf(route)) {
    const resolved = resolveBackend(route, backend, ref.kind === 'Gateway', world);
    if (resolved.backend.kind !== 'invalid') continue;
    reasons.push(resolved.backend.reason);
    messages.add(resolved.message);
  }
  const [reason] = reasons;
  return reason === undefined
    ? condition('ResolvedRefs', 'True', 'ResolvedRefs', 'everything that it names exists')
    : condition('ResolvedRefs', 'False', reason, few([...messages]));
}

function partialCondition(route: AnyRoute): RouteCondition | null {
  const faults = faultsOf(route);
  const [first] = faults;
  if (first === undefined) return null;
  const dropped = faults.map(({ label, message }) => `${label} (${message})`);
  const message = `Dropped Rule ${few(dropped)}; what it matches is answered with 500`;
  return condition('PartiallyInvalid', 'True', first.reason, message);
}

interface LabelledFault {
  /** The rule's name, or its place in the route. */
  readonly label: string;
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters';
  readonly message: string;
}

function faultsOf(route: AnyRoute): readonly LabelledFault[] {
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') return [];
  return route.rules.flatMap(({ name, fault }, index) =>
    fault === null ? [] : [{ label: name ?? `${index}`, ...fault }],
  );
}

/** Everything that requests or copies of them may be sent to. */
function backendRefsOf(route: AnyRoute): readonly BackendRef[] {
  if (route.kind === 'TCPRoute' || route.kind === 'TLSRoute') return route.rule.backends.map(({ backend }) => backend);
  const mirrored = ({ mirrors }: RuleFilters<BackendRef>): readonly BackendRef[] =>
    mirrors.map(({ backend }) => backend);
  return route.rules.flatMap(({ filters, backends }) => [
    ...mirrored(filters),
    ...backends.flatMap((entry) => [entry.backend, ...mirrored(entry.filters)]),
  ]);
}

function few(items: readonly string[]): string {
  const rest = items.length - SHOWN_MAX;
  return rest <= 0 ? items.join('; ') : `${items.slice(0, SHOWN_MAX).join('; ')}; and ${rest} more`;
}

function condition(
  type: RouteCondition['type'],
  status: RouteCondition['status'],
  reason: string,
  message: string,
): RouteCondition {
  return { type, status, reason, message };
}
