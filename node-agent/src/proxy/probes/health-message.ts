import { PROBE_LIMITS } from './limits.ts';

/** Compressed flag and length. */
const PREFIX_BYTES = 5;

/** One gRPC message with its prefix. */
export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(PREFIX_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** The one message that `bytes` are; null when they are anything else, a compressed message included. */
export function unframeMessage(bytes: Buffer): Uint8Array | null {
  if (bytes.length < PREFIX_BYTES || bytes[0] !== 0) return null;
  return bytes.readUInt32BE(1) === bytes.length - PREFIX_BYTES ? new Uint8Array(bytes.subarray(PREFIX_BYTES)) : null;
}

/** Everything a stream of HTTP/2 brings. Rejects beyond the limit of a health check message. */
export async function readMessage(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > PROBE_LIMITS.healthMessageBytes) throw new Error('the health check message is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
