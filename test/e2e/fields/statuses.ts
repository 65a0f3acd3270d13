import assert from 'node:assert/strict';
import { type ExternalService, type Gateway, WAYPOINT_CLASS } from '@ambit/mesh/kinds';
import { parsePushedResource } from '@ambit/mesh/wire';
import { decideAttachedRoutes } from '../../../controller/src/translate/decide-attached-routes.ts';
import { decideRouteStatus } from '../../../controller/src/translate/decide-route-status.ts';
import { decideTlsPolicyStatus } from '../../../controller/src/translate/decide-tls-policy-status.ts';
import { isRoute } from '../../../controller/src/translate/route-world.ts';
import { decideGatewayStatus, isAccepted } from '../../../controller/src/reconcile/waypoints/decide-gateway-status.ts';
import { decideWaypointObjects } from '../../../controller/src/reconcile/waypoints/decide-waypoint-objects.ts';
import { decideWaypointParameters } from '../../../controller/src/reconcile/waypoints/decide-waypoint-parameters.ts';
import type { WaypointMesh, WaypointSettings } from '../../../controller/src/reconcile/waypoints/waypoint-settings.ts';
import { type ControlPlane, SETTINGS } from './control-plane.ts';

/** `<kind>/<namespace>/<name>` */
export type StatusName = `${string}/${string}/${string}`;

const WAYPOINTS: WaypointSettings = {
  image: 'waypoint',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  replicas: { min: 2, max: 10 },
  resources: {},
  workers: 1,
  accessLog: 'off',
  forwardClientCert: 'off',
  trustDomainAliases: [],
  terminationDeadlineMs: 30_000,
};
const MESH: WaypointMesh = {
  controllerAddress: 'controller:15012',
  trustDomain: 'cluster.local',
  clusterId: 'Kubernetes',
  network: '',
  logFilter: 'info',
  logFormat: 'text',
};
/** Of the ConfigMap `parameters`, the only one that a Gateway may name here. */
const PARAMETERS: ReadonlyMap<string, unknown> = new Map([['replicas', { min: 3, max: 4 }]]);

/** What the controller says of an object in its status; of a Gateway also what it makes for it, of a machine or pod what agents are told. */
export function statusOf(control: ControlPlane, name: StatusName): unknown {
  const object = control.object(name) ?? assert.fail(`there is no ${name}`);
  const world = control.pipeline.routeWorld;
  if (isRoute(object)) return decideRouteStatus(object, world);
  switch (object.kind) {
    case 'BackendTLSPolicy':
      return decideTlsPolicyStatus(object, world);
    case 'ExternalWorkload':
      return told(control, `ambit.dev/ExternalWorkload/${object.meta.namespace}/${object.meta.name}`);
    case 'ExternalService':
      return toldOfExternal(control, object);
    case 'Pod':
      return told(control, `/Pod/${object.meta.namespace}/${object.meta.name}`);
    case 'Gateway':
      return gatewayStatus(control, object);
    default:
      return assert.fail(`nobody looks at the status of a ${object.kind}`);
  }
}

/** What agents are told of a machine or pod, and that of its node alone. */
function told(control: ControlPlane, place: string): unknown {
  const { addresses } = control.pipeline;
  const name = `${SETTINGS.clusterId}/${place}`;
  const resource = addresses.get(name) ?? assert.fail(`agents are told nothing of ${name}`);
  return parsePushedResource({ ...resource, ...resource.forNode });
}

/** Services and workloads of a namespace that are not those of the world itself. */
function toldOfExternal(control: ControlPlane, { meta }: ExternalService): unknown {
  const { addresses } = control.pipeline;
  const place = `${SETTINGS.clusterId}/ambit.dev/ExternalService/${meta.namespace}/${meta.name}/`;
  const own = [...addresses.names()].filter((name) => name.startsWith(place) || name.endsWith('.example.com'));
  return own.toSorted().map((name) => {
    const resource = addresses.get(name);
    return resource === undefined ? null : parsePushedResource(resource);
  });
}

function gatewayStatus(control: ControlPlane, gateway: Gateway): unknown {
  if (gateway.className !== WAYPOINT_CLASS) return 'is of another class';
  const { namespace, name } = gateway.meta;
  const isThere = gateway.infrastructure.parametersRef?.name === 'parameters';
  const parameters = decideWaypointParameters(gateway, isThere ? PARAMETERS : 'missing');
  const accepted = parameters.kind === 'taken' && isAccepted({ gateway, parameters });
  const objects = accepted
    ? decideWaypointObjects({ gateway, parameters: parameters.parameters, settings: WAYPOINTS, mesh: MESH })
    : null;
  const routes = [...control.objects].filter(isRoute);
  const attached = decideAttachedRoutes(routes, control.pipeline.routeWorld).get(`${namespace}/${name}`);
  const state = objects === null ? null : { clusterIps: ['10.9.0.9'], pods: 1, readyPods: 1, failure: null };
  return {
    objects,
    status: decideGatewayStatus({ gateway, parameters, state, attachedRoutes: attached ?? new Map() }),
  };
}
