import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import { decodeMessage } from './decode-message.ts';
import { invalidField, readList, readName } from './field-reader.ts';
import { CallerWaypointsSchema } from './gen/ambit/workload/v1/callers_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: routes of a caller's namespace count also where no waypoint stands before the service that is called. The workload API
// has one waypoint per service, whoever calls. As with probes, `extensions` keeps the resource readable for Istio's agents, which go
// on calling such a service directly.

const EXTENSION_NAME = 'ambit.dev/caller-waypoints';
const TYPE_URL = `type.googleapis.com/${CallerWaypointsSchema.typeName}`;

/** The extension that carries them; none when there are none. */
export function encodeCallerWaypoints(
  waypoints: ReadonlyMap<string, WaypointRef> | undefined,
  encode: (waypoint: WaypointRef) => MessageInitShape<typeof pb.GatewayAddressSchema>,
): MessageInitShape<typeof pb.ExtensionSchema>[] {
  if (waypoints === undefined) return [];
  const sorted = [...waypoints].sort(([a], [b]) => (a < b ? -1 : 1));
  const message = create(CallerWaypointsSchema, {
    waypoints: sorted.map(([namespace, waypoint]) => ({ namespace, waypoint: encode(waypoint) })),
  });
  return [{ name: EXTENSION_NAME, config: { typeUrl: TYPE_URL, value: toBinary(CallerWaypointsSchema, message) } }];
}

/** What the extensions say of them; undefined when nothing. @throws WireError with the path of the first field that is not allowed. */
export function callerWaypointsToModel(
  extensions: readonly pb.Extension[],
  path: string,
  toModel: (message: pb.GatewayAddress, path: string) => WaypointRef,
): ReadonlyMap<string, WaypointRef> | undefined {
  const config = extensions.find(({ name }) => name === EXTENSION_NAME)?.config;
  if (config === undefined || config.typeUrl !== TYPE_URL) return undefined;
  const { waypoints } = decodeMessage(CallerWaypointsSchema, config.value);
  return new Map(
    readList(`${path}.waypoints`, LIMITS.callerWaypointsPerService, waypoints, ({ namespace, waypoint }, at) => {
      if (waypoint === undefined) return invalidField(`${at}.waypoint`, 'absent');
      return [readName(`${at}.namespace`, namespace), toModel(waypoint, `${at}.waypoint`)] as const;
    }),
  );
}
