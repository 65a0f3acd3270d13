import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { RefusedResourcesSchema } from './gen/ambit/mesh/v1/refusal_pb.ts';
import type { Status, StatusSchema } from './gen/google/rpc/status_pb.ts';
import { LIMITS } from './limits.ts';

// Goal: the controller knows whose resource was refused, and does not read texts for people to find out. Other control planes log code
// and message of the status and do not look at its details, so there they do no harm.

/** Status a client gives when it refuses a response. */
export interface DiscoveryErrorDetail {
  /** A gRPC status code; 3 is INVALID_ARGUMENT. */
  readonly code: number;
  readonly message: string;
  /** All resources of the response that were refused, by name; absent when the client does not tell, or not of all. */
  readonly refusedNames?: readonly string[];
}

/** The status by which a response is refused. Names beyond the limits are not told at all: a part would look like the whole. */
export function encodeErrorDetail(detail: DiscoveryErrorDetail): MessageInitShape<typeof StatusSchema> {
  const { code, message, refusedNames } = detail;
  if (refusedNames === undefined || !isWithinLimits(refusedNames)) return { code, message, details: [] };
  const details = [anyPack(RefusedResourcesSchema, create(RefusedResourcesSchema, { names: [...refusedNames] }))];
  return { code, message, details };
}

/** Details that are others', cannot be read or are too long count as none: the refusal is one all the same. */
export function decodeErrorDetail({ code, message, details }: Status): DiscoveryErrorDetail {
  const any = details.find(({ typeUrl }) => typeUrl.endsWith(`/${RefusedResourcesSchema.typeName}`));
  const refusedNames = any === undefined ? undefined : namesIn(any);
  return { code, message, ...(refusedNames === undefined ? {} : { refusedNames }) };
}

function namesIn(any: Status['details'][number]): readonly string[] | undefined {
  try {
    const names = anyUnpack(any, RefusedResourcesSchema)?.names;
    return names !== undefined && isWithinLimits(names) ? names : undefined;
  } catch {
    return undefined;
  }
}

function isWithinLimits(names: readonly string[]): boolean {
  return names.length <= LIMITS.refusedNames && names.every((name) => name.length <= LIMITS.textLength);
}
