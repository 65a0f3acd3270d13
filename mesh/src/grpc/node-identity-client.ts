import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  JoinRequestSchema,
  JoinResponseSchema,
  RenewRequestSchema,
  RenewResponseSchema,
} from '../wire/gen/ambit/node/v1/node_pb.ts';
import type { ControllerAccess } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { UnaryCaller } from './unary-caller.ts';

/** gRPC paths of `ambit.node.v1.NodeIdentityService`. */
export const JOIN_PATH = '/ambit.node.v1.NodeIdentityService/Join';
export const RENEW_PATH = '/ambit.node.v1.NodeIdentityService/Renew';

/** A node's way to its certificate. Each call opens and closes its own connection; both answer with a PEM chain. */
export interface NodeIdentityClient {
  /** @throws GrpcError; `permission-denied` is all a refused token is told. */
  join(request: { readonly token: string; readonly csrPem: string }, signal: AbortSignal): Promise<string>;
  renew(request: { readonly csrPem: string }, signal: AbortSignal): Promise<string>;
}

export function createNodeIdentityClient(access: ControllerAccess): NodeIdentityClient {
  return {
    async join({ token, csrPem }, signal) {
      using caller = new UnaryCaller(access);
      const request = toBinary(JoinRequestSchema, create(JoinRequestSchema, { token, csr: csrPem }));
      const answer = await caller.call(JOIN_PATH, request, signal);
      return chainOf(() => fromBinary(JoinResponseSchema, answer).certChain);
    },
    async renew({ csrPem }, signal) {
      using caller = new UnaryCaller(access);
      const request = toBinary(RenewRequestSchema, create(RenewRequestSchema, { csr: csrPem }));
      const answer = await caller.call(RENEW_PATH, request, signal);
      return chainOf(() => fromBinary(RenewResponseSchema, answer).certChain);
    },
  };
}

function chainOf(read: () => readonly string[]): string {
  try {
    return read().join('\n');
  } catch (cause) {
    throw new GrpcError('malformed-response', { cause });
  }
}
