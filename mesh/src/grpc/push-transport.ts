import type { PushStream, PushTransport } from '../push/transport.ts';
import { DELTA_DISCOVERY_PATH, type DiscoveryResponse, encodeDiscoveryRequest } from '../wire/discovery-messages.ts';
import { decodeDiscoveryResponse } from '../wire/discovery-response.ts';
import { WireError } from '../wire/errors.ts';
import { callMetadata, type ControllerAccess, openChannel } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { letGoOfPieces } from './let-go-of-pieces.ts';
import { MessageCall, untilConnected } from './message-call.ts';

/** Delta discovery over gRPC. Each stream has a connection of its own, which ends with it. */
export function createPushTransport(access: ControllerAccess): PushTransport {
  return { open: (signal) => openStream(access, signal) };
}

async function openStream(access: ControllerAccess, signal: AbortSignal): Promise<PushStream> {
  letGoOfPieces();
  signal.throwIfAborted();
  const [secrets, metadata] = await Promise.all([access.credentials(), callMetadata(access)]);
  signal.throwIfAborted();
  const channel = openChannel(access, secrets);
  const call = new MessageCall(channel, DELTA_DISCOVERY_PATH, metadata, Number.POSITIVE_INFINITY);
  call.onEnd(() => channel.close());
  try {
    await untilConnected(channel, call, signal);
  } catch (error) {
    call.cancel();
    throw error;
  }
  return {
    send: (request) => call.send(encodeDiscoveryRequest(request)),
    responses: responsesOf(call),
    close: () => call.cancel(),
  };
}

/** Not a generator, whose frame would keep the last message, perhaps a whole mesh, until the next one comes. */
function responsesOf(call: MessageCall): AsyncIterable<DiscoveryResponse> {
  const end = { done: true, value: undefined } as const;
  const iterator: AsyncIterator<DiscoveryResponse> = {
    async next() {
      try {
        const message = await call.receive();
        if (message !== undefined) return { done: false, value: decodeResponse(message) };
      } catch (error) {
        call.cancel();
        throw error;
      }
      call.cancel();
      return end;
    },
    async return() {
      call.cancel();
      return end;
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

function decodeResponse(message: Uint8Array): DiscoveryResponse {
  try {
    // Plain bytes, because what is cut out of a Buffer is a Buffer.
    return decodeDiscoveryResponse(new Uint8Array(message.buffer, message.byteOffset, message.byteLength));
  } catch (cause) {
    if (cause instanceof WireError) throw new GrpcError('malformed-response', { cause });
    throw cause;
  }
}
