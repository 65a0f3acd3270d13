import { decideEnrolment } from '@ambit/mesh/kinds';
import type { ObjectCollections } from '../collections/object-collections.ts';
import { waypointBoundOf } from '../reconcile/waypoints/waypoint-bound.ts';
import type { WaypointPods } from '../reconcile/waypoints/waypoint-pods.ts';
import { decideRouteStatus } from '../translate/decide-route-status.ts';
import { decideTlsPolicyStatus } from '../translate/decide-tls-policy-status.ts';
import type { MeshSettings } from '../translate/mesh-settings.ts';
import type { AnyRoute, RouteWorld } from '../translate/route-world.ts';
import { decideFindings, type OwnObject } from './decide-findings.ts';
import { decideStatus } from './decide-status.ts';
import type { UndatedCondition } from './decide-stored-conditions.ts';
import { createPolicyWorld } from './policy-world.ts';
import { unreadRoute } from './unread-route.ts';

/** A condition that an object would have on Kubernetes and that its author did not hope for. */
export interface Finding extends UndatedCondition {
  /** `HTTPRoute shop/web`. */
  readonly object: string;
  /** Parent, target or the like that it is about: `Service shop/web`; left out where it is about the object as a whole. */
  readonly at?: string;
}

export interface FindingsInput {
  readonly objects: ObjectCollections;
  readonly pods: Pick<WaypointPods, 'of'>;
  /** Of those objects. */
  readonly routes: RouteWorld;
  readonly settings: MeshSettings;
}

/** Its False is good news. */
const BAD_WHEN_TRUE = 'PartiallyEnforced';
/** What the author has asked for, and status only reminds of. */
const WANTED_REASON = 'DryRun';
/** Said elsewhere: by the problems of the source, with file and line, and by nobody to who only lists. */
const LEFT_OUT: ReadonlySet<string> = new Set(['PartiallyInvalid', 'Acknowledged']);
const NO_ACKNOWLEDGEMENT = {
  acknowledged: [],
  pending: [],
  refused: [],
  unheard: [],
  missing: [],
  silent: [],
} as const;

/** Every such condition of routes, policies, Services and Pods: what is right by itself and does not fit the other objects. */
export function listFindings(input: FindingsInput): readonly Finding[] {
  return [
    ...routeFindings(input),
    ...tlsPolicyFindings(input),
    ...ownFindings(input),
    ...serviceFindings(input),
    ...podFindings(input),
  ];
}

function routeFindings({ objects, routes: world }: FindingsInput): readonly Finding[] {
  const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes } = objects;
  return [httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes].flatMap((collection) =>
    valuesOf<AnyRoute>(collection).flatMap((route) => {
      const parents = decideRouteStatus(route, world);
      if (parents.length === 0) return [{ object: nameOf(route), ...NO_PARENT }];
      return parents.flatMap(({ ref, conditions }) => {
        const isAccepted = conditions.some(({ type, status }) => type === 'Accepted' && status === 'True');
        const unread = isAccepted ? unreadRoute(route.meta, ref, objects) : null;
        return bad(nameOf(route), placeOf(ref), unread === null ? conditions : [...conditions, unread]);
      });
    }),
  );
}

const NO_PARENT: UndatedCondition = {
  type: 'Accepted',
  status: 'Unknown',
  reason: 'NoParent',
  message:
    'it counts nowhere: none of its parentRefs is a Service (group "", kind Service) or a Gateway of a class of Ambit that exists',
};

function tlsPolicyFindings({ objects, routes: world }: FindingsInput): readonly Finding[] {
  return valuesOf(objects.backendTlsPolicies).flatMap((policy) =>
    decideTlsPolicyStatus(policy, world).flatMap(({ ref, conditions }) =>
      bad(nameOf(policy), placeOf(ref), conditions),
    ),
  );
}

function ownFindings({ objects, settings }: FindingsInput): readonly Finding[] {
  const world = createPolicyWorld(objects, settings);
  const { accessPolicies, mutualTlsPolicies, egressPolicies, externalServices, externalWorkloads } = objects;
  return [accessPolicies, mutualTlsPolicies, egressPolicies, externalServices, externalWorkloads].flatMap(
    (collection) =>
      valuesOf<OwnObject>(collection).flatMap((object) => {
        const status = decideStatus(object, decideFindings(world, object), NO_ACKNOWLEDGEMENT);
        const entries =
          status.style === 'object'
            ? [{ place: undefined, conditions: status.conditions }]
            : status.ancestors.map(({ ref, conditions }) => ({ place: placeOf(ref), conditions }));
        return entries.flatMap(({ place, conditions }) => bad(nameOf(object), place, conditions));
      }),
  );
}

function serviceFindings({ objects, pods }: FindingsInput): readonly Finding[] {
  return valuesOf(objects.services).flatMap((service) => {
    const bound = waypointBoundOf(service, objects, pods);
    return bound === null ? [] : bad(nameOf(service), undefined, [bound]);
  });
}

/** On Kubernetes a pod has no address before it has a node. */
function podFindings({ objects, settings }: FindingsInput): readonly Finding[] {
  return valuesOf(objects.pods).flatMap((pod) => {
    const { namespace } = pod.meta;
    const { kind } = decideEnrolment(pod, objects.namespaces.get(`/${namespace}`), settings.excludedNamespaces);
    const isNowhere = kind === 'enrolled' && pod.nodeName === '' && pod.podIps.length > 0;
    return isNowhere ? [{ object: nameOf(pod), ...NO_NODE }] : [];
  });
}

const NO_NODE: UndatedCondition = {
  type: 'Enrolled',
  status: 'False',
  reason: 'NoNode',
  message:
    'its labels ask for the mesh, but without spec.nodeName no node captures it: its calls go past the mesh, in plaintext',
};

function bad(object: string, at: string | undefined, conditions: readonly UndatedCondition[]): readonly Finding[] {
  return conditions
    .filter(({ type, status }) => !LEFT_OUT.has(type) && status !== (type === BAD_WHEN_TRUE ? 'False' : 'True'))
    .filter(({ reason }) => reason !== WANTED_REASON)
    .map((condition) => ({ object, ...(at === undefined ? {} : { at }), ...condition }));
}

function nameOf({ kind, meta }: { readonly kind: string; readonly meta: AnyRoute['meta'] }): string {
  return `${kind} ${meta.namespace}/${meta.name}`;
}

interface Place {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

function placeOf({ kind, namespace, name }: Place): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

function valuesOf<V>(collection: { entries(): Iterable<readonly [string, V]> }): readonly V[] {
  return Array.from(collection.entries(), ([, value]) => value);
}
