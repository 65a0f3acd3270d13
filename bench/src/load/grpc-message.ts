const PREFIX_BYTES = 5;

/** A gRPC message: not compressed, with its length before it. */
export function grpcMessage(payload: Uint8Array): Buffer {
  const message = Buffer.alloc(PREFIX_BYTES + payload.length);
  message.writeUInt32BE(payload.length, 1);
  message.set(payload, PREFIX_BYTES);
  return message;
}
