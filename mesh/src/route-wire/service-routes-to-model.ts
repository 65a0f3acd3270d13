import { HOSTNAME, HOSTNAME_LENGTH_MAX, ROUTE_LIMITS } from '../kinds/route-limits.ts';
import { isObjectName } from '../model/name.ts';
import { parseServiceKey } from '../model/service.ts';
import type { ClosedRoutes, PortRoutes, RouteGroup, ServiceRoutes, StreamRoute } from '../routes/service-routes.ts';
import { decodeMessage } from '../wire/decode-message.ts';
import type { DiscoveryResource } from '../wire/discovery-messages.ts';
import { invalidField, readList, readModel } from '../wire/field-reader.ts';
import {
  type PortRoutes as PortMessage,
  type RouteGroup as GroupMessage,
  type RouteOrigin,
  ServiceRoutesSchema,
  type StreamRoute as StreamMessage,
} from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import { SERVICE_ROUTES_TYPE_URL } from './encode-service-routes.ts';
import { ROUTE_WIRE_LIMITS } from './limits.ts';
import { readMatching, readMilliseconds, readOptional, readPort, readPresent, refuseRepeated } from './read-field.ts';
import { readBackends, readGrpcRule, readHttpRule } from './read-rule.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { serviceNamed } from './service-named.ts';

/**
 * What a pushed resource says of one Service's routes, ready to be compiled. Nothing of a resource that is not right in
 * every field is used: what can be read of it might send requests where nobody wants them.
 * @throws WireError with the path of the first field that is not allowed, for the refusal that the controller is sent.
 */
export function parseServiceRoutes({ name, typeUrl, value }: DiscoveryResource): ServiceRoutes {
  if (typeUrl !== SERVICE_ROUTES_TYPE_URL) invalidField('resource.type_url', 'not a type that was asked for');
  const message = decodeMessage(ServiceRoutesSchema, value);
  refuseUnknown(message, 'service_routes');
  const service = readModel('service_routes.service', () => parseServiceKey(message.service));
  if (service !== name) invalidField('resource.name', `its content is named ${JSON.stringify(service)}`);
  const ports = readList('service_routes.ports', ROUTE_WIRE_LIMITS.ports, message.ports, readPortRoutes);
  refuseRepeated(
    'service_routes.ports',
    ports.map(([port]) => port),
  );
  return { service, ports: new Map(ports) };
}

/** What stands in for a resource of that name which cannot be read; undefined when it is the name of no Service. */
export function closedRoutes(name: string): ClosedRoutes | undefined {
  const service = serviceNamed(name);
  return service === undefined ? undefined : { service, ports: 'unknown' };
}

function readPortRoutes({ port, producer, consumers }: PortMessage, path: string): readonly [number, PortRoutes] {
  const read = readList(`${path}.consumers`, ROUTE_WIRE_LIMITS.consumers, consumers, ({ namespace, group }, at) => {
    if (!isObjectName(namespace)) invalidField(`${at}.namespace`, 'not a namespace');
    return [namespace, readGroup(readPresent(`${at}.group`, group), `${at}.group`)] as const;
  });
  refuseRepeated(
    `${path}.consumers`,
    read.map(([namespace]) => namespace),
  );
  return [
    readPort(port, `${path}.port`),
    { producer: readOptional(`${path}.producer`, producer, readGroup), consumers: new Map(read) },
  ];
}

function readGroup({ kind }: GroupMessage, path: string): RouteGroup {
  switch (kind.case) {
    case 'http':
      return {
        kind: 'http',
        routes: readRoutes(`${path}.http.routes`, kind.value.routes, ({ origin, rules }, at) => ({
          ...readOrigin(origin, `${at}.origin`),
          hostnames: [],
          rules: readList(`${at}.rules`, ROUTE_LIMITS.rules, rules, readHttpRule),
        })),
      };
    case 'grpc':
      return {
        kind: 'grpc',
        routes: readRoutes(`${path}.grpc.routes`, kind.value.routes, ({ origin, rules }, at) => ({
          ...readOrigin(origin, `${at}.origin`),
          hostnames: [],
          rules: readList(`${at}.rules`, ROUTE_LIMITS.rules, rules, readGrpcRule),
        })),
      };
    case 'stream':
      return { kind: 'stream', routes: readRoutes(`${path}.stream.routes`, kind.value.routes, readStreamRoute) };
    case undefined:
      return invalidField(path, 'absent');
  }
}

/** Without any, a group would hide that of the Service's own namespace. */
function readRoutes<In, Out>(path: string, routes: readonly In[], read: (route: In, path: string) => Out): Out[] {
  if (routes.length === 0) return invalidField(path, 'empty');
  return readList(path, ROUTE_WIRE_LIMITS.routes, routes, read);
}

function readOrigin(
  message: RouteOrigin | undefined,
  path: string,
): { namespace: string; name: string; createdMs: number } {
  const { namespace, name, createdMs } = readPresent(path, message);
  if (!isObjectName(namespace) || !isObjectName(name)) invalidField(path, 'not a namespace and a name');
  return { namespace, name, createdMs: readMilliseconds(createdMs, `${path}.created_ms`) };
}

function readStreamRoute({ route, serverNames, backends }: StreamMessage, path: string): StreamRoute {
  if (!/^[!-.0-~]+\/[!-.0-~]+$/.test(route)) invalidField(`${path}.route`, 'not namespace/name');
  return {
    routeKey: route,
    serverNames: readList(`${path}.server_names`, ROUTE_LIMITS.serverNames, serverNames, (name, at) =>
      readMatching(at, name, HOSTNAME, HOSTNAME_LENGTH_MAX, 'a host name'),
    ),
    backends: readBackends(backends, `${path}.backends`),
  };
}
