import { HeadEncoder } from '@ambit/mesh/http2';

/** Frames as a load generator sends them that does nothing else: made once, then only numbered. */

const FRAME_HEADER_BYTES = 9;
export const Frame = { data: 0, headers: 1, settings: 4, windowUpdate: 8 } as const;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
const ACK = 0x1;
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Wide enough for whole runs, so that no credit has to be given. */
const WINDOW_BYTES = 2 ** 30;
const INITIAL_WINDOW = 4;

export function frameOf(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt8(flags, 4);
  frame.writeUInt32BE(streamId, 5);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** Settings of a peer that takes whatever comes. */
export function openSettings(): Buffer {
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(INITIAL_WINDOW, 0);
  setting.writeUInt32BE(WINDOW_BYTES, 2);
  return frameOf(Frame.settings, 0, 0, setting);
}

export const SETTINGS_ACK: Buffer = frameOf(Frame.settings, ACK, 0);

export function windowUpdate(streamId: number, bytes: number): Buffer {
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(bytes);
  return frameOf(Frame.windowUpdate, 0, streamId, increment);
}

type Fields = readonly (readonly [name: string, value: string])[];

/**
 * Blocks of the same head one after the other: the first two fill the peer's table, all others are the third, which leaves it as
 * it is.
 */
export function blocksOf(
  begin: (encoder: HeadEncoder) => void,
  fields: Fields,
  encoder: HeadEncoder = new HeadEncoder(),
): readonly Buffer[] {
  return [0, 1, 2].map(() => {
    encoder.begin();
    begin(encoder);
    for (const [name, value] of fields) encoder.field(name, value);
    encoder.end();
    encoder.take();
    return Buffer.from(encoder.out.subarray(FRAME_HEADER_BYTES, encoder.blockEnd));
  });
}

/** Cuts what is received into frames, whatever the pieces. */
export class FrameScanner {
  private readonly onFrame: (type: number, flags: number, streamId: number, payloadBytes: number) => void;
  private rest: Buffer = Buffer.alloc(0);
  private skip: number;

  /** `skip`: bytes before the first frame. */
  constructor(onFrame: FrameScanner['onFrame'], skip = 0) {
    this.onFrame = onFrame;
    this.skip = skip;
  }

  take(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const skipped = Math.min(this.skip, bytes.length);
    this.skip -= skipped;
    bytes = bytes.subarray(skipped);
    let at = 0;
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      const payloadBytes = bytes.readUIntBE(at, 3);
      if (at + FRAME_HEADER_BYTES + payloadBytes > bytes.length) break;
      this.onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, bytes.readUInt32BE(at + 5), payloadBytes);
      at += FRAME_HEADER_BYTES + payloadBytes;
    }
    this.rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
