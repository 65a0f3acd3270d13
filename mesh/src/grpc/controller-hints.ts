import type { PushStream, PushTransport } from '../push/transport.ts';
import { GrpcError } from './errors.ts';

/** How a process proves itself; it decides what may be wrong. */
export type AccessKind = 'token' | 'certificate';

/** What whoever reads the log should look at, when the cause of a refusal can be guessed. */
export function hintFor(error: unknown, access: AccessKind): string | undefined {
  if (!(error instanceof GrpcError) || 'hint' in error.data) return undefined;
  switch (error.code) {
    case 'unauthenticated':
      return access === 'token'
        ? "the controller does not accept the token: it must be a projected service account token of this pod with the controller's audience (ambit-ca)"
        : "the controller does not accept the certificate of this node, which may be revoked (give a new join token), or the pod that it vouches for: the controller's log says why";
    case 'permission-denied':
      return 'the controller knows no live pod of that service account on this node, or this is neither the service account of a node agent nor the pod of a waypoint';
    case 'unavailable':
    case 'deadline-exceeded':
      return 'is the controller running, does AMBIT_CONTROLLER_ADDRESS lead to it, and do the roots of AMBIT_CONTROLLER_ROOT_FILE belong to its mesh?';
    case 'unimplemented':
      return 'what answers at AMBIT_CONTROLLER_ADDRESS is no controller of a mesh';
    default:
      return undefined;
  }
}

/** `work`, whose GrpcErrors carry a hint where there is one. */
export async function withHint<T>(access: AccessKind, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw hinted(error, access);
  }
}

/** The same for a transport and its streams. `onFailure` hears of every stream that could not be opened or broke. */
export function hintedTransport(
  transport: PushTransport,
  access: AccessKind,
  onFailure: (error: unknown) => void,
): PushTransport {
  const failed = (error: unknown): unknown => {
    onFailure(error);
    return hinted(error, access);
  };
  return {
    async open(signal) {
      let stream: PushStream;
      try {
        stream = await transport.open(signal);
      } catch (error) {
        throw signal.aborted ? error : failed(error);
      }
      return {
        send: (request) => stream.send(request),
        close: () => stream.close(),
        responses: rethrowing(stream.responses, (error) => (signal.aborted ? error : failed(error))),
      };
    },
  };
}

/** Not a generator, whose frame would keep the last response, perhaps a whole mesh, until the next one comes. */
function rethrowing<T>(items: AsyncIterable<T>, map: (error: unknown) => unknown): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = items[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            return await iterator.next();
          } catch (error) {
            throw map(error);
          }
        },
        async return() {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function hinted(error: unknown, access: AccessKind): unknown {
  const hint = hintFor(error, access);
  if (!(error instanceof GrpcError) || hint === undefined) return error;
  return new GrpcError(error.code, { data: { ...error.data, hint }, cause: error.cause });
}
