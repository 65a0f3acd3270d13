import type { MeshViewUpdate, ServiceKey } from '@ambit/mesh/model';
import type { NamedChanges } from '@ambit/mesh/push';
import type {
  ClosedRoutes,
  PortRoutes,
  RouteGroup,
  RuleFilters,
  RouteBackend,
  ServiceRoutes,
} from '@ambit/mesh/routes';
import type { Clock } from '@ambit/mesh/runtime';
import type { RouteChanges } from '../route/route-tables.ts';

/** How long routes wait for the services they name, while those before them stay in force. */
export const ROUTE_PATIENCE_MS = 5000;

export interface RouteGateOptions {
  readonly clock: Clock;
  /** Routes have waited long enough: they are to be in force with what there is. */
  readonly onDue: (changes: RouteChanges) => void;
}

interface Waiting {
  readonly routes: ServiceRoutes | ClosedRoutes;
  readonly timer: Disposable;
}

/**
 * Holds routes back until the services that they name are known, since both arrive on their own. What takes longer than
 * ROUTE_PATIENCE_MS comes into force all the same: then its share of requests is refused, and the rest is as its author wants.
 */
export class RouteGate implements Disposable {
  readonly #options: RouteGateOptions;
  readonly #services = new Set<ServiceKey>();
  readonly #waiting = new Map<ServiceKey, Waiting>();

  constructor(options: RouteGateOptions) {
    this.#options = options;
  }

  /** Services with routes that wait. */
  get waiting(): readonly ServiceKey[] {
    return [...this.#waiting.keys()];
  }

  /** Answers the routes that can be in force with the update, and not before it. */
  see({ services = [], removedServices = [] }: MeshViewUpdate): RouteChanges {
    for (const key of removedServices) this.#services.delete(key);
    for (const { key } of services) this.#services.add(key);
    const put: (ServiceRoutes | ClosedRoutes)[] = [];
    for (const { routes } of [...this.#waiting.values()]) {
      if (!this.#isComplete(routes)) continue;
      this.#forget(routes.service);
      put.push(routes);
    }
    return { put, removed: [] };
  }

  /** Answers what can be in force at once. Unless there are routes before them to stay meanwhile, none `mayWait`. */
  take({ put, removed }: NamedChanges<ServiceRoutes | ClosedRoutes>, mayWait = true): RouteChanges {
    const gone = removed.flatMap((name) => this.#keyOf(name));
    for (const key of gone) this.#forget(key);
    const ready: (ServiceRoutes | ClosedRoutes)[] = [];
    for (const routes of put.values()) {
      this.#forget(routes.service);
      if (!mayWait || this.#isComplete(routes)) ready.push(routes);
      else this.#wait(routes);
    }
    return { put: ready, removed: gone };
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#waiting.values()) timer[Symbol.dispose]();
    this.#waiting.clear();
  }

  /** The name of a resource is the key of its service. */
  #keyOf(name: string): readonly ServiceKey[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked when the resource came
    return [name as ServiceKey];
  }

  #isComplete(routes: ServiceRoutes | ClosedRoutes): boolean {
    return [...namedServices(routes)].every((key) => this.#services.has(key));
  }

  #wait(routes: ServiceRoutes | ClosedRoutes): void {
    const timer = this.#options.clock.setTimer(ROUTE_PATIENCE_MS, () => {
      this.#waiting.delete(routes.service);
      this.#options.onDue({ put: [routes], removed: [] });
    });
    this.#waiting.set(routes.service, { routes, timer });
  }

  #forget(service: ServiceKey): void {
    this.#waiting.get(service)?.timer[Symbol.dispose]();
    this.#waiting.delete(service);
  }
}

/** Services that requests may be sent to by these routes, copies included. */
function namedServices({ ports }: ServiceRoutes | ClosedRoutes): ReadonlySet<ServiceKey> {
  const found = new Set<ServiceKey>();
  if (ports === 'unknown') return found;
  const add = (backend: RouteBackend): void => {
    if (backend.kind === 'service') found.add(backend.service);
  };
  const addMirrors = ({ mirrors }: RuleFilters<RouteBackend>): void => mirrors.forEach(({ backend }) => add(backend));
  for (const group of [...ports.values()].flatMap(groupsOf)) {
    const rules = group.kind === 'stream' ? group.routes : group.routes.flatMap((route) => [...route.rules]);
    for (const rule of rules) {
      if ('filters' in rule) addMirrors(rule.filters);
      for (const { backend, filters } of rule.backends) {
        add(backend);
        addMirrors(filters);
      }
    }
  }
  return found;
}

function groupsOf({ producer, consumers }: PortRoutes): readonly RouteGroup[] {
  return [...(producer === null ? [] : [producer]), ...consumers.values()];
}
