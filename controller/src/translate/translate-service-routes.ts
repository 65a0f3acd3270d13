import { serviceKey } from '@ambit/mesh/model';
import type { ServiceRoutes } from '@ambit/mesh/routes';
import type { ParentName, RouteWorld } from './route-world.ts';
import { routesOfService } from './routes-of-service.ts';
import { frontHostname } from './service-front.ts';

/**
 * What a waypoint is told of the routes of a Service or ServiceImport; null when no route is in force there, for which there
 * is no resource.
 */
export function translateServiceRoutes(parent: ParentName, world: RouteWorld): ServiceRoutes | null {
  const ports = [...routesOfService(parent, world)].filter(
    ([, { producer, consumers }]) => producer !== null || consumers.size > 0,
  );
  if (ports.length === 0) return null;
  const { namespace, name } = parent;
  const hostname = frontHostname(name, namespace, parent.kind === 'ServiceImport', world.settings);
  return { service: serviceKey({ namespace, hostname }), ports: new Map(ports) };
}
