import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Server } from '@grpc/grpc-js';
import { decodeDiscoveryRequest, DELTA_DISCOVERY_PATH, type DiscoveryRequest } from '../wire/discovery-messages.ts';
import { encodeDiscoveryResponse } from '../wire/discovery-response.ts';
import { WireError } from '../wire/errors.ts';
import {
  JoinRequestSchema,
  JoinResponseSchema,
  RenewRequestSchema,
  RenewResponseSchema,
} from '../wire/gen/ambit/node/v1/node_pb.ts';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../wire/gen/istio/v1/auth/certificate_pb.ts';
import { CREATE_CERTIFICATE_PATH, IMPERSONATED_IDENTITY } from './ca-client.ts';
import { GrpcError } from './errors.ts';
import { REQUEST_BYTES_MAX, UNARY_REQUEST_BYTES_MAX } from './limits.ts';
import { JOIN_PATH, RENEW_PATH } from './node-identity-client.ts';
import type { ServedCall, ServerCalls } from './server-calls.ts';
import type { CertificateRequest, DiscoveryServerStream, GrpcServices } from './services.ts';

/** Longest message that a method takes. */
export function requestBytesMaxOf(path: string): number {
  return path === DELTA_DISCOVERY_PATH ? REQUEST_BYTES_MAX : UNARY_REQUEST_BYTES_MAX;
}

/** Adds the methods of the services that are there to a server. */
export function registerServices(server: Server, services: GrpcServices, calls: ServerCalls): void {
  const { discovery, certificates, nodes } = services;
  if (discovery !== undefined) {
    calls.register(server, DELTA_DISCOVERY_PATH, (call) => discovery(discoveryStreamOf(call)));
  }
  if (certificates !== undefined) {
    calls.register(server, CREATE_CERTIFICATE_PATH, async (call) => {
      const read = async (caller: string): Promise<CertificateRequest> => {
        const message = decode(IstioCertificateRequestSchema, await readAccepted(call, caller));
        return {
          csrPem: message.csr,
          // What does not fit a number of seconds is beyond every limit, whichever way.
          validitySeconds: Number(message.validityDuration),
          impersonatedIdentity: textOf(message.metadata?.[IMPERSONATED_IDENTITY]),
        };
      };
      const certChain = [...(await certificates.createCertificate(read, call.peer, call.signal))];
      const answer = create(IstioCertificateResponseSchema, { certChain });
      await call.send(toBinary(IstioCertificateResponseSchema, answer));
    });
  }
  if (nodes !== undefined) {
    calls.register(server, JOIN_PATH, async (call) => {
      const { token, csr } = decode(JoinRequestSchema, await call.readOne());
      const certChain = [...(await nodes.join({ token, csrPem: csr }, call.peer))];
      await call.send(toBinary(JoinResponseSchema, create(JoinResponseSchema, { certChain })));
    });
    calls.register(server, RENEW_PATH, async (call) => {
      const read = async (caller: string): Promise<{ readonly csrPem: string }> => {
        return { csrPem: decode(RenewRequestSchema, await readAccepted(call, caller)).csr };
      };
      const certChain = [...(await nodes.renew(read, call.peer))];
      await call.send(toBinary(RenewResponseSchema, create(RenewResponseSchema, { certChain })));
    });
  }
}

/** Who reads knows the caller. */
function readAccepted(call: ServedCall, caller: string): Promise<Buffer> {
  call.accept(caller);
  return call.readOne();
}

function discoveryStreamOf(call: ServedCall): DiscoveryServerStream {
  return {
    peer: call.peer,
    accept: (caller) => call.accept(caller),
    requests: requestsOf(call),
    signal: call.signal,
    send: (response) => call.send(encodeDiscoveryResponse(response)),
  };
}

async function* requestsOf(call: ServedCall): AsyncGenerator<DiscoveryRequest, void, void> {
  for await (const message of call.readAll()) yield decodeRequest(message);
}

function decodeRequest(message: Uint8Array): DiscoveryRequest {
  try {
    return decodeDiscoveryRequest(new Uint8Array(message.buffer, message.byteOffset, message.byteLength));
  } catch (cause) {
    if (cause instanceof WireError) throw new GrpcError('invalid-argument', { cause });
    throw cause;
  }
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new GrpcError('invalid-argument', { cause });
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
