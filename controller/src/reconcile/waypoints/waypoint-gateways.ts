import { type Gateway, WAYPOINT_CLASS, waypointServiceName } from '@ambit/mesh/kinds';
import type { KubeClient } from '@ambit/mesh/kube';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { ObjectCollections } from '../../collections/object-collections.ts';
import { jsonAt, jsonItems } from '../../json.ts';
import type { LeaderWork } from '../../leader/index.ts';
import { concernsObject } from '../../status/concerns-object.ts';
import { CONTROLLER_NAME } from '../../status/decide-status-patch.ts';
import { decideAttachedRoutes } from '../../translate/decide-attached-routes.ts';
import type { MeshSettings } from '../../translate/mesh-settings.ts';
import { createRouteWorld } from '../../translate/route-world.ts';
import { Bell, type RoundTiming } from '../bell.ts';
import { ConditionWriter, type WantedStatus } from './condition-writer.ts';
import { decideClassStatus } from './decide-class-status.ts';
import { decideGatewayStatus, type GatewayStatus, isAccepted, type WaypointState } from './decide-gateway-status.ts';
import { decideWaypointObjects } from './decide-waypoint-objects.ts';
import { type ConfigMapContent, decideWaypointParameters } from './decide-waypoint-parameters.ts';
import { SUPPORTED_FEATURES } from './supported-features.ts';
import type { WaypointMesh, WaypointSettings } from './waypoint-settings.ts';
import { GATEWAY_CLASSES, GATEWAYS } from './waypoint-resources.ts';
import type { WaypointPods } from './waypoint-pods.ts';
import { WaypointWriter } from './waypoint-writer.ts';

/** What others change meanwhile stays until the next resync. */
const TIMING: Required<RoundTiming> = { pauseMs: 500, resyncMs: 30_000 };

export interface WaypointGatewaysOptions {
  readonly client: KubeClient;
  readonly objects: ObjectCollections;
  readonly pods: WaypointPods;
  readonly settings: WaypointSettings;
  readonly mesh: WaypointMesh;
  readonly meshSettings: MeshSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is remembered of a Gateway between rounds. */
interface Settled {
  /** Which version of it this is about. */
  readonly version: string;
  /** What was decided when its objects were last brought up to date. */
  readonly objectsText: string;
  readonly failure: WaypointState['failure'];
  readonly statusText: string;
  /** Until then it is believed that nobody else changed anything. */
  readonly untilMs: number;
  readonly content: ConfigMapContent | null;
}

/**
 * Makes a waypoint of every Gateway of the class, and says in its status what became of it. Level-based: a round decides
 * everything anew; what differs from the last time, or was not looked at for half a minute, is compared and written. Objects
 * go with their Gateway, whose they are; those of a Gateway that is no longer accepted stay as they were.
 */
export class WaypointGateways {
  readonly #options: WaypointGatewaysOptions;
  readonly #bell: Bell;
  readonly #writer: WaypointWriter;
  readonly #statuses: ConditionWriter;
  #settled = new Map<string, Settled>();
  /** What was last seen of the class, which nobody watches. */
  #class = { isOurs: false, untilMs: 0 };

  constructor(options: WaypointGatewaysOptions) {
    const { client, clock } = options;
    this.#options = options;
    this.#bell = new Bell(clock);
    this.#writer = new WaypointWriter(client);
    this.#statuses = new ConditionWriter(client, clock);
  }

  /** Something changed. */
  poke(): void {
    this.#bell.ring();
  }

  /** Work of the leader. */
  readonly work: LeaderWork = async (signal) => {
    this.#settled = new Map();
    this.#class.untilMs = 0;
    await this.#bell.repeat(() => this.#round(signal), TIMING, signal);
  };

  async #round(signal: AbortSignal): Promise<void> {
    const { objects } = this.#options;
    const own = [...objects.gateways.entries()].filter(([, { className }]) => className === WAYPOINT_CLASS);
    for (const key of this.#settled.keys()) if (objects.gateways.get(key) === undefined) this.#settled.delete(key);
    if (this.#options.clock.monotonic() >= this.#class.untilMs) {
      const isOurs = await this.#isOurClass(signal);
      this.#class = { isOurs, untilMs: this.#options.clock.monotonic() + TIMING.resyncMs };
    }
    if (!this.#class.isOurs || own.length === 0) return;
    const attached = this.#attachedRoutes();
    for (const [key, gateway] of own) {
      try {
        await this.#reconcile(key, gateway, attached.get(key) ?? new Map(), signal);
      } catch (error) {
        if (signal.aborted || !concernsObject(error)) throw error;
        this.#options.logger.warn('status of a Gateway cannot be written', { gateway: key, error }, { limitBy: key });
      }
    }
  }

  /** Writes the status of the class too. */
  async #isOurClass(signal: AbortSignal): Promise<boolean> {
    const name = { namespace: '', name: WAYPOINT_CLASS };
    const object = await this.#options.client.get(GATEWAY_CLASSES, name, signal);
    const decision = decideClassStatus(object, CONTROLLER_NAME);
    if (decision.kind !== 'ours') return decision.kind === 'absent';
    const features = SUPPORTED_FEATURES.map((feature) => ({ name: feature }));
    const wanted = { conditions: decision.conditions, more: () => ({ supportedFeatures: features }) };
    try {
      await this.#statuses.bringObject(GATEWAY_CLASSES, object, wanted, signal);
    } catch (error) {
      // Older definitions know no features. Its Gateways are served all the same.
      if (signal.aborted || !concernsObject(error)) throw error;
      const fields = { gatewayClass: WAYPOINT_CLASS, error };
      this.#options.logger.warn('status of the GatewayClass cannot be written', fields, { limitBy: WAYPOINT_CLASS });
    }
    return true;
  }

  async #reconcile(
    key: string,
    gateway: Gateway,
    attachedRoutes: ReadonlyMap<string, number>,
    signal: AbortSignal,
  ): Promise<void> {
    const { settings, mesh, clock, logger } = this.#options;
    const before = this.#settled.get(key);
    const version = `${gateway.meta.uid} ${gateway.meta.generation}`;
    const isFresh = before?.version === version && clock.monotonic() < before.untilMs;
    const content = isFresh ? before.content : await this.#content(gateway, signal);
    const parameters = decideWaypointParameters(gateway, content);
    const accepted = parameters.kind === 'taken' && isAccepted({ gateway, parameters });
    const objects = accepted
      ? decideWaypointObjects({ gateway, parameters: parameters.parameters, settings, mesh })
      : null;
    const objectsText = JSON.stringify(objects);
    const isSettled = isFresh && before.objectsText === objectsText;
    let failure = before?.failure ?? null;
    if (objects !== null && !isSettled) {
      const { min } = (parameters.kind === 'taken' && parameters.parameters.replicas) || settings.replicas;
      failure = await this.#writer.write(gateway, objects, min, signal);
      if (failure !== null) logger.warn('waypoint cannot be made', { gateway: key, reason: failure.message });
      else if (before?.objectsText !== objectsText) logger.info('waypoint is made', { gateway: key });
    }
    const state = objects === null ? null : { ...this.#stateOf(gateway), failure };
    const status = decideGatewayStatus({ gateway, parameters, state, attachedRoutes });
    const statusText = JSON.stringify(status);
    if (!isFresh || before.statusText !== statusText) await this.#writeStatus(gateway, status, signal);
    const untilMs = isSettled ? before.untilMs : clock.monotonic() + TIMING.resyncMs;
    this.#settled.set(key, { version, objectsText, failure, statusText, untilMs, content });
  }

  #content(gateway: Gateway, signal: AbortSignal): Promise<ConfigMapContent> | null {
    const ref = gateway.infrastructure.parametersRef;
    if (ref?.kind !== 'ConfigMap' || ref.group !== '') return null;
    return this.#writer.readParameters(gateway.meta.namespace, ref.name, signal);
  }

  #stateOf({ meta }: Gateway): Omit<WaypointState, 'failure'> {
    const service = this.#options.objects.services.get(`${meta.namespace}/${waypointServiceName(meta.name)}`);
    return { clusterIps: service?.clusterIps ?? [], ...this.#options.pods.of(meta) };
  }

  async #writeStatus({ meta }: Gateway, status: GatewayStatus, signal: AbortSignal): Promise<void> {
    const { conditions, addresses, listeners } = status;
    const more: WantedStatus['more'] = (store, present) => ({
      addresses,
      listeners: listeners.map((listener) => {
        const before = jsonItems(present, 'listeners').find((old) => jsonAt(old, 'name') === listener.name);
        return { ...listener, conditions: store(listener.conditions, jsonItems(before, 'conditions')) };
      }),
    });
    const { namespace, name, generation } = meta;
    await this.#statuses.bring(GATEWAYS, { namespace, name }, { conditions, more, generation }, signal);
  }

  #attachedRoutes(): ReturnType<typeof decideAttachedRoutes> {
    const { objects, meshSettings } = this.#options;
    const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes, gateways, namespaces } = objects;
    const routes = [httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes].flatMap((each) =>
      [...each.entries()].flatMap(([, route]) => (route.parents.some(({ kind }) => kind === 'Gateway') ? [route] : [])),
    );
    if (routes.length === 0) return new Map();
    const around = [gateways, namespaces].flatMap((each) => [...each.entries()].map(([, object]) => object));
    return decideAttachedRoutes(routes, createRouteWorld(around, meshSettings));
  }
}
