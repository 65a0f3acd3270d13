import type { PushStream, PushTransport } from '../push/transport.ts';
import {
  decodeDiscoveryResponse,
  DELTA_DISCOVERY_PATH,
  type DiscoveryResponse,
  encodeDiscoveryRequest,
} from '../wire/discovery-messages.ts';
import { WireError } from '../wire/errors.ts';
import { callMetadata, type ControllerAccess, openChannel } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { MessageCall, untilConnected } from './message-call.ts';

/** Delta discovery over gRPC. Each stream has a connection of its own, which ends with it. */
export function createPushTransport(access: ControllerAccess): PushTransport {
  return { open: (signal) => openStream(access, signal) };
}

async function openStream(access: ControllerAccess, signal: AbortSignal): Promise<PushStream> {
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

async function* responsesOf(call: MessageCall): AsyncGenerator<DiscoveryResponse, void, void> {
  try {
    for (;;) {
      const message = await call.receive();
      if (message === undefined) return;
      yield decodeResponse(message);
    }
  } finally {
    call.cancel();
  }
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
