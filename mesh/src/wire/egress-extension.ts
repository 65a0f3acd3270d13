import type { MessageInitShape } from '@bufbuild/protobuf';
import { createCidr, parsePort } from '../model/address.ts';
import { EGRESS_BLOCKS_MAX, type LockedEgress } from '../model/egress.ts';
import { extension } from './extension.ts';
import { readList, readModel } from './field-reader.ts';
import { EgressSchema } from './gen/ambit/workload/v1/egress_pb.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: no moment at which an agent knows a pod and does not know that its egress is locked. So it comes with the workload, whose
// arrival every connection of the pod waits for, and not as a resource that may be late or that another controller never sends.

const EXTENSION = extension('ambit.dev/egress', EgressSchema);

/** The extension that locks a workload's egress. */
export function encodeEgress({ allowed }: LockedEgress): MessageInitShape<typeof pb.ExtensionSchema> {
  return EXTENSION.encode({
    allowed: allowed.map(({ block, ports }) => ({
      address: block.bytes,
      prefixLength: block.prefixLength,
      ports: [...ports],
    })),
  });
}

/** What the extensions say of egress; undefined when it is not locked. @throws WireError with the path of the first field that is not allowed. */
export function egressToModel(extensions: readonly pb.Extension[], path: string): LockedEgress | undefined {
  const message = EXTENSION.find(extensions);
  if (message === undefined) return undefined;
  return {
    allowed: readList(
      `${path}.allowed`,
      EGRESS_BLOCKS_MAX,
      message.allowed,
      ({ address, prefixLength, ports }, at) => ({
        block: readModel(at, () => createCidr(address, prefixLength)),
        ports: readList(`${at}.ports`, LIMITS.portsPerAllowedBlock, ports, (port, portPath) =>
          readModel(portPath, () => parsePort(port)),
        ),
      }),
    ),
  };
}
