import { createHash } from 'node:crypto';

// RFC 6455, as much of it as short text messages need: no fragments, no extensions, lengths up to 65535.

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LENGTH_16_BITS = 126;

export const OPCODES = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;
export const GOING_AWAY = 1001;
export const NORMAL = 1000;

export interface WebSocketFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** `Sec-WebSocket-Accept` for a client's key. */
export function acceptValue(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/** A final frame; clients mask (with zeros, which is a mask), servers do not. @throws RangeError beyond 65535 bytes. */
export function encodeFrame(opcode: number, payload: Buffer, isClient: boolean): Buffer {
  if (payload.length > 0xffff) throw new RangeError(`a frame of ${payload.length} bytes`);
  const isShort = payload.length < LENGTH_16_BITS;
  const head = Buffer.alloc(2 + (isShort ? 0 : 2) + (isClient ? 4 : 0));
  head[0] = 0x80 | opcode;
  head[1] = (isClient ? 0x80 : 0) | (isShort ? payload.length : LENGTH_16_BITS);
  if (!isShort) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

export function closePayload(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return payload;
}

/** Takes bytes as they come, gives whole frames. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  /** @throws RangeError for what the other side must not send. */
  add(chunk: Buffer): readonly WebSocketFrame[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const frames: WebSocketFrame[] = [];
    for (let frame = this.#take(); frame !== null; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): WebSocketFrame | null {
    const bytes = this.#pending;
    if (bytes.length < 2) return null;
    const [first = 0, second = 0] = bytes;
    if ((first & 0xf0) !== 0x80) throw new RangeError(`a WebSocket frame begins with ${first}`);
    const short = second & 0x7f;
    if (short > LENGTH_16_BITS) throw new RangeError('a WebSocket frame of more than 65535 bytes');
    const maskAt = short === LENGTH_16_BITS ? 4 : 2;
    const isMasked = (second & 0x80) !== 0;
    const start = maskAt + (isMasked ? 4 : 0);
    if (bytes.length < start) return null;
    const length = short === LENGTH_16_BITS ? bytes.readUInt16BE(2) : short;
    if (bytes.length < start + length) return null;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (isMasked) for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[maskAt + (i % 4)] ?? 0);
    this.#pending = bytes.subarray(start + length);
    return { opcode: first & 0x0f, payload };
  }
}
