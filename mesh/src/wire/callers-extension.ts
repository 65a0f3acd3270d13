import type { MessageInitShape } from '@bufbuild/protobuf';
import type { WaypointRef } from '../model/waypoint-ref.ts';
import { extension } from './extension.ts';
import { invalidField, readList, readName } from './field-reader.ts';
import { CallerWaypointsSchema } from './gen/ambit/workload/v1/callers_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: routes of a caller's namespace count also where no waypoint stands before the service that is called. The workload API
// has one waypoint per service, whoever calls. Istio's agents go on calling such a service directly.

const EXTENSION = extension('ambit.dev/caller-waypoints', CallerWaypointsSchema);

/** The extension that carries them; none when there are none. */
export function encodeCallerWaypoints(
  waypoints: ReadonlyMap<string, WaypointRef> | undefined,
  encode: (waypoint: WaypointRef) => MessageInitShape<typeof pb.GatewayAddressSchema>,
): MessageInitShape<typeof pb.ExtensionSchema>[] {
  if (waypoints === undefined) return [];
  const sorted = [...waypoints].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    EXTENSION.encode({
      waypoints: sorted.map(([namespace, waypoint]) => ({ namespace, waypoint: encode(waypoint) })),
    }),
  ];
}

/** What the extensions say of them; undefined when nothing. @throws WireError with the path of the first field that is not allowed. */
export function callerWaypointsToModel(
  extensions: readonly pb.Extension[],
  path: string,
  toModel: (message: pb.GatewayAddress, path: string) => WaypointRef,
): ReadonlyMap<string, WaypointRef> | undefined {
  const message = EXTENSION.find(extensions);
  if (message === undefined) return undefined;
  return new Map(
    readList(
      `${path}.waypoints`,
      LIMITS.callerWaypointsPerService,
      message.waypoints,
      ({ namespace, waypoint }, at) => {
        if (waypoint === undefined) return invalidField(`${at}.waypoint`, 'absent');
        return [readName(`${at}.namespace`, namespace), toModel(waypoint, `${at}.waypoint`)] as const;
      },
    ),
  );
}
