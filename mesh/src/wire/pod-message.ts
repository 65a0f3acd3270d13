import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type IpAddress, ipAddressFromBytes, ipAddressToBytes } from '../model/address.ts';
import { decodeMessage } from './decode-message.ts';
import { WireError } from './errors.ts';
import { invalidField, readList, readModel, readName, readText } from './field-reader.ts';
import {
  Version,
  type WorkloadInfo,
  type WorkloadInfoSchema,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from './gen/istio/workload/zds/zds_pb.ts';
import { LIMITS } from './limits.ts';

/** Names of a pod beside its uid, for logs and for knowing it before the controller pushed it. */
export interface PodNames {
  readonly name: string;
  readonly namespace: string;
  /** Empty when the CNI agent did not say. */
  readonly serviceAccount: string;
  /** Where the node itself connects to the pod from, as its kernel chooses; absent when the CNI agent does not say (Istio's does not). */
  readonly nodeAddresses?: readonly IpAddress[];
}

/** CNI agent to node agent (protocol.md 2.5). A descriptor of the pod's network namespace travels beside `add` alone. */
export type PodRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly pod?: PodNames }
  /** The pod is still there, and the CNI agent no longer holds its namespace. */
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'delete'; readonly uid: string }
  /** Whatever was not named before this is gone. */
  | { readonly kind: 'snapshot-sent' };

/** Node agent to CNI agent, one for each request. An empty error means that it was done. */
export interface PodResponse {
  readonly error: string;
}

/** Which of the agents of a node, that serve the same pods at the same time, one is. */
export type AgentSlot = 'a' | 'b';

/** First packet of a connection, from the node agent. */
export function encodePodHello(slot: AgentSlot = 'a'): Uint8Array {
  // The first one says what agents say that know of no other.
  const message = create(ZdsHelloSchema, { version: Version.V1, ...(slot === 'a' ? {} : { slot }) });
  return encode('ZdsHello', ZdsHelloSchema, message);
}

/** @throws WireError also for any version but 1, and any slot but the two. */
export function decodePodHello(packet: Uint8Array): { readonly version: 1; readonly slot: AgentSlot } {
  const { version, slot } = decode('ZdsHello', ZdsHelloSchema, packet);
  if (version !== Version.V1) {
    throw new WireError('unknown-enum-value', { path: 'hello.version', reason: `${version} is not version 1` });
  }
  if (slot !== '' && slot !== 'a' && slot !== 'b') return invalidField('hello.slot', 'neither a nor b');
  return { version: 1, slot: slot === 'b' ? 'b' : 'a' };
}

/** @throws WireError `over-limit` when the names are so long that no packet holds them. */
export function encodePodRequest(request: PodRequest): Uint8Array {
  return encode('WorkloadRequest', WorkloadRequestSchema, requestMessage(request));
}

/** @throws WireError. */
export function decodePodRequest(packet: Uint8Array): PodRequest {
  const { payload } = decode('WorkloadRequest', WorkloadRequestSchema, packet);
  switch (payload.case) {
    case 'add': {
      const { uid, workloadInfo: info } = payload.value;
      return {
        kind: 'add',
        uid: readName('request.add.uid', uid),
        ...(info === undefined ? {} : { pod: readNames(info) }),
      };
    }
    case 'keep':
      return { kind: 'keep', uid: readName('request.keep.uid', payload.value.uid) };
    case 'del':
      return { kind: 'delete', uid: readName('request.del.uid', payload.value.uid) };
    case 'snapshotSent':
      return { kind: 'snapshot-sent' };
    case undefined:
      return invalidField('request.payload', 'absent, or of a kind that Ambit does not know');
  }
}

function readNames(info: WorkloadInfo): PodNames {
  const at = (field: string): string => `request.add.workload_info.${field}`;
  const nodeAddresses = readList(at('node_addresses'), LIMITS.nodeAddresses, info.nodeAddresses, (bytes, path) =>
    readModel(path, () => ipAddressFromBytes(bytes)),
  );
  return {
    name: readText(at('name'), info.name),
    namespace: readText(at('namespace'), info.namespace),
    serviceAccount: readText(at('service_account'), info.serviceAccount),
    ...(nodeAddresses.length === 0 ? {} : { nodeAddresses }),
  };
}

function namesMessage({ nodeAddresses = [], ...names }: PodNames): MessageInitShape<typeof WorkloadInfoSchema> {
  return { ...names, nodeAddresses: nodeAddresses.map(ipAddressToBytes) };
}

/** The error is cut to what fits one packet. */
export function encodePodResponse({ error }: PodResponse): Uint8Array {
  const message = create(WorkloadResponseSchema, { payload: { case: 'ack', value: { error: cutText(error) } } });
  return encode('WorkloadResponse', WorkloadResponseSchema, message);
}

/** @throws WireError. */
export function decodePodResponse(packet: Uint8Array): PodResponse {
  const { payload } = decode('WorkloadResponse', WorkloadResponseSchema, packet);
  if (payload.case !== 'ack') return invalidField('response.payload', 'not an acknowledgement');
  return { error: payload.value.error };
}

function requestMessage(request: PodRequest): MessageShape<typeof WorkloadRequestSchema> {
  switch (request.kind) {
    case 'add': {
      const { uid, pod } = request;
      const value = { uid, ...(pod === undefined ? {} : { workloadInfo: namesMessage(pod) }) };
      return create(WorkloadRequestSchema, { payload: { case: 'add', value } });
    }
    case 'keep':
      return create(WorkloadRequestSchema, { payload: { case: 'keep', value: { uid: request.uid } } });
    case 'delete':
      return create(WorkloadRequestSchema, { payload: { case: 'del', value: { uid: request.uid } } });
    case 'snapshot-sent':
      return create(WorkloadRequestSchema, { payload: { case: 'snapshotSent', value: {} } });
  }
}

function encode<Desc extends DescMessage>(name: string, schema: Desc, message: MessageShape<Desc>): Uint8Array {
  return checkSize(name, toBinary(schema, message));
}

function decode<Desc extends DescMessage>(name: string, schema: Desc, packet: Uint8Array): MessageShape<Desc> {
  return decodeMessage(schema, checkSize(name, packet));
}

function checkSize(name: string, packet: Uint8Array): Uint8Array {
  if (packet.length <= LIMITS.podMessageBytes) return packet;
  throw new WireError('over-limit', { path: name, reason: `more than ${LIMITS.podMessageBytes} bytes` });
}

/** Longest prefix of `text` that leaves room for the tags and lengths around it, and ends between characters. */
function cutText(text: string): string {
  const roomBytes = LIMITS.podMessageBytes - 16;
  const into = new Uint8Array(roomBytes);
  return text.slice(0, new TextEncoder().encodeInto(text, into).read);
}
