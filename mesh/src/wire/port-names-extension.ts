import type { MessageInitShape } from '@bufbuild/protobuf';
import { extension } from './extension.ts';
import { readList, readName, readWirePort } from './field-reader.ts';
import { PortNamesSchema } from './gen/ambit/workload/v1/port-names_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: node agents answer SRV questions, which ask for a port by its name. The workload API has ports by number alone, so Istio's
// agents forward such questions to the DNS of the cluster, which knows services of the cluster and nothing else.

const EXTENSION = extension('ambit.dev/port-names', PortNamesSchema);

/** The extension that carries them; none when there are none. */
export function encodePortNames(
  names: ReadonlyMap<string, number> | undefined,
): MessageInitShape<typeof pb.ExtensionSchema>[] {
  if (names === undefined) return [];
  const sorted = [...names].sort(([a, portA], [b, portB]) => portA - portB || (a < b ? -1 : 1));
  return [EXTENSION.encode({ names: sorted.map(([name, servicePort]) => ({ name, servicePort })) })];
}

/** What the extensions say of them; undefined when nothing. @throws WireError with the path of the first field that is not allowed. */
export function portNamesToModel(
  extensions: readonly pb.Extension[],
  path: string,
): ReadonlyMap<string, number> | undefined {
  const message = EXTENSION.find(extensions);
  if (message === undefined) return undefined;
  return new Map(
    readList(
      `${path}.names`,
      LIMITS.portsPerService,
      message.names,
      ({ name, servicePort }, at) =>
        [readName(`${at}.name`, name), readWirePort(`${at}.service_port`, servicePort)] as const,
    ),
  );
}
