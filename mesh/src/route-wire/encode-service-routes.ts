import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { PortRoutes, RouteGroup, ServiceRoutes } from '../routes/service-routes.ts';
import {
  type RouteGroupSchema,
  type RouteOriginSchema,
  ServiceRoutesSchema,
} from '../wire/gen/ambit/waypoint/v1/routes_pb.ts';
import type { EncodedResource } from '../wire/model-to-push.ts';
import { encodeGrpcRule, encodeHttpRule, encodeWeighted } from './encode-rule.ts';

export const SERVICE_ROUTES_TYPE_URL: string = `type.googleapis.com/${ServiceRoutesSchema.typeName}`;

/** The resource of one Service's routes. The same value gives the same bytes, so that a version can be a hash of them. */
export function encodeServiceRoutes({ service, ports }: ServiceRoutes): EncodedResource {
  const message = create(ServiceRoutesSchema, {
    service,
    ports: [...ports].map(([port, { producer, consumers }]: readonly [number, PortRoutes]) => ({
      port,
      ...(producer === null ? {} : { producer: encodeGroup(producer) }),
      consumers: [...consumers].map(([namespace, group]) => ({ namespace, group: encodeGroup(group) })),
    })),
  });
  return {
    name: service,
    aliases: [],
    typeUrl: SERVICE_ROUTES_TYPE_URL,
    value: toBinary(ServiceRoutesSchema, message),
  };
}

function encodeGroup(group: RouteGroup): MessageInitShape<typeof RouteGroupSchema> {
  switch (group.kind) {
    case 'http': {
      const routes = group.routes.map((route) => ({ origin: originOf(route), rules: route.rules.map(encodeHttpRule) }));
      return { kind: { case: 'http', value: { routes } } };
    }
    case 'grpc': {
      const routes = group.routes.map((route) => ({ origin: originOf(route), rules: route.rules.map(encodeGrpcRule) }));
      return { kind: { case: 'grpc', value: { routes } } };
    }
    case 'stream': {
      const routes = group.routes.map(({ routeKey, serverNames, backends }) => ({
        route: routeKey,
        serverNames: [...serverNames],
        backends: backends.map(encodeWeighted),
      }));
      return { kind: { case: 'stream', value: { routes } } };
    }
  }
}

interface Origin {
  readonly namespace: string;
  readonly name: string;
  readonly createdMs: number;
}

function originOf({ namespace, name, createdMs }: Origin): MessageInitShape<typeof RouteOriginSchema> {
  return { namespace, name, createdMs: BigInt(Math.max(0, createdMs)) };
}
