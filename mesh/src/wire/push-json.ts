import { createRegistry, type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import type { AccessPolicy } from '../model/access-policy.ts';
import type { Service } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import { serviceToModel, workloadToModel } from './address-to-model.ts';
import { WireError } from './errors.ts';
import { LoadBalancerSchema } from './gen/ambit/workload/v1/load-balancer_pb.ts';
import { AuthorizationSchema } from './gen/istio/security/authorization_pb.ts';
import { ServiceSchema, WorkloadSchema } from './gen/istio/workload/workload_pb.ts';
import { policyToModel } from './policy-to-model.ts';

/** What a file may say in `extensions`. */
const EXTENSIONS = createRegistry(LoadBalancerSchema);

/** The protobuf JSON form of one `istio.workload.Workload`. @throws WireError. */
export function parseWorkloadJson(json: unknown): Workload {
  return workloadToModel(fromJsonOf(WorkloadSchema, json));
}

/** The protobuf JSON form of one `istio.workload.Service`. @throws WireError. */
export function parseServiceJson(json: unknown): Service {
  return serviceToModel(fromJsonOf(ServiceSchema, json));
}

/** The protobuf JSON form of one `istio.security.Authorization`. @throws WireError. */
export function parseAuthorizationJson(json: unknown): AccessPolicy {
  return policyToModel(fromJsonOf(AuthorizationSchema, json));
}

function fromJsonOf<Desc extends DescMessage>(schema: Desc, json: unknown): MessageShape<Desc> {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- fromJson refuses what is no JSON of the message
    return fromJson(schema, json as JsonValue, { registry: EXTENSIONS });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'not the JSON of this message';
    throw new WireError('malformed', { path: schema.name, reason }, { cause });
  }
}
