import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { decodeMessage } from './decode-message.ts';
import { decodeErrorDetail, type DiscoveryErrorDetail, encodeErrorDetail } from './error-detail.ts';
import { DeltaDiscoveryRequestSchema } from './gen/envoy/service/discovery/v3/discovery_pb.ts';

/** gRPC path of the one method of delta discovery. */
export const DELTA_DISCOVERY_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

/** Resource types of the workload API (protocol.md 3.2). */
export const ADDRESS_TYPE_URL = 'type.googleapis.com/istio.workload.Address';
export const WORKLOAD_TYPE_URL = 'type.googleapis.com/istio.workload.Workload';
/** Ambit's own; other controllers do not answer. */
export const RANGES_TYPE_URL = 'type.googleapis.com/ambit.mesh.v1.AddressRanges';
export const AUTHORIZATION_TYPE_URL = 'type.googleapis.com/istio.security.Authorization';

/** Who opened a stream; sent with the first request of it. */
export interface DiscoveryNode {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: JsonObject;
}

/** Client to server: a subscription change, an acknowledgement, or both. */
export interface DiscoveryRequest {
  readonly typeUrl: string;
  readonly node?: DiscoveryNode;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** What the client still holds from earlier streams; only in the first request of a type on a stream. */
  readonly initialResourceVersions: ReadonlyMap<string, string>;
  /** Empty unless this acknowledges or refuses the response with that nonce. */
  readonly responseNonce: string;
  /** Present makes it a refusal. */
  readonly errorDetail?: DiscoveryErrorDetail;
}

export interface DiscoveryResource {
  readonly name: string;
  readonly version: string;
  readonly aliases: readonly string[];
  /** Type of `value`, which is one encoded message of it. */
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Server to client: what was added, changed or removed since the last one of the type. */
export interface DiscoveryResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** For logs alone. */
  readonly systemVersion: string;
  readonly resources: readonly DiscoveryResource[];
  readonly removedResources: readonly string[];
  /** What the server calls itself, if it does. */
  readonly controlPlane?: string;
}

/** What Ambit's controller calls itself: it tells a client of whatever comes to be under the names that it follows. */
export const AMBIT_CONTROL_PLANE = 'ambit';

export function encodeDiscoveryRequest(request: DiscoveryRequest): Uint8Array {
  const { node, errorDetail } = request;
  return toBinary(
    DeltaDiscoveryRequestSchema,
    create(DeltaDiscoveryRequestSchema, {
      typeUrl: request.typeUrl,
      resourceNamesSubscribe: [...request.subscribe],
      resourceNamesUnsubscribe: [...request.unsubscribe],
      initialResourceVersions: Object.fromEntries(request.initialResourceVersions),
      responseNonce: request.responseNonce,
      ...(node === undefined ? {} : { node: { id: node.id, cluster: node.cluster, metadata: node.metadata } }),
      ...(errorDetail === undefined ? {} : { errorDetail: encodeErrorDetail(errorDetail) }),
    }),
  );
}

/** @throws WireError `malformed`. */
export function decodeDiscoveryRequest(bytes: Uint8Array): DiscoveryRequest {
  const message = decodeMessage(DeltaDiscoveryRequestSchema, bytes);
  const { node, errorDetail } = message;
  return {
    typeUrl: message.typeUrl,
    subscribe: message.resourceNamesSubscribe,
    unsubscribe: message.resourceNamesUnsubscribe,
    initialResourceVersions: new Map(Object.entries(message.initialResourceVersions)),
    responseNonce: message.responseNonce,
    ...(node === undefined ? {} : { node: { id: node.id, cluster: node.cluster, metadata: node.metadata ?? {} } }),
    ...(errorDetail === undefined ? {} : { errorDetail: decodeErrorDetail(errorDetail) }),
  };
}
