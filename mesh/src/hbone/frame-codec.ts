/** HTTP/2 frames (RFC 9113 sections 4, 6 and 7): names of numbers, headers and fixed-size payloads. Pure. */

export const FRAME_HEADER_BYTES = 9;
export const DEFAULT_WINDOW_BYTES = 65_535;
export const DEFAULT_FRAME_MAX_BYTES = 16_384;
export const FRAME_MAX_BYTES = 0xff_ff_ff;
export const WINDOW_MAX_BYTES = 0x7f_ff_ff_ff;
export const STREAM_ID_MAX = 0x7f_ff_ff_ff;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FrameFlag = { none: 0, endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const Http2Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  /** RFC 8441. */
  enableConnectProtocol: 8,
} as const;

/** What a client sends before its first frame. */
export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A breach of HTTP/2 by the peer that ends the connection. */
export class Http2Violation extends Error {
  override readonly name = 'Http2Violation';
  readonly http2Code: number;
  /** Short constant text naming what was broken. */
  readonly rule: string;

  constructor(http2Code: number, rule: string) {
    super(rule);
    this.http2Code = http2Code;
    this.rule = rule;
  }
}

/** Writes the nine bytes of a frame header at `offset`; the buffer must have room. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  payloadBytes: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  target[offset] = payloadBytes >>> 16;
  target[offset + 1] = payloadBytes >>> 8;
  target[offset + 2] = payloadBytes;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  writeUint32(target, offset + 5, streamId);
}

export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/** Big-endian unsigned; the caller has checked that four bytes are there. */
export function readUint32(source: Uint8Array, offset: number): number {
  const high = source[offset] ?? 0;
  const low = ((source[offset + 1] ?? 0) << 16) | ((source[offset + 2] ?? 0) << 8) | (source[offset + 3] ?? 0);
  return high * 0x1_00_00_00 + low;
}

export type Setting = readonly [id: number, value: number];

/** The bytes of a SETTINGS frame. */
export function encodeSettings(settings: readonly Setting[]): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 6 * settings.length);
  writeFrameHeader(frame, 0, 6 * settings.length, FrameType.settings, FrameFlag.none, 0);
  let offset = FRAME_HEADER_BYTES;
  for (const [id, value] of settings) {
    frame.writeUInt16BE(id, offset);
    writeUint32(frame, offset + 2, value);
    offset += 6;
  }
  return frame;
}

/**
 * Settings in order of appearance, unknown ones left out.
 * @throws Http2Violation for values RFC 9113 6.5.2 forbids.
 */
export function parseSettings(payload: Uint8Array): Setting[] {
  const settings: Setting[] = [];
  for (let offset = 0; offset + 6 <= payload.length; offset += 6) {
    const id = ((payload[offset] ?? 0) << 8) | (payload[offset + 1] ?? 0);
    const value = readUint32(payload, offset + 2);
    if (id === SettingId.enablePush && value > 1) {
      throw new Http2Violation(Http2Code.protocolError, 'ENABLE_PUSH is neither 0 nor 1');
    }
    if (id === SettingId.enableConnectProtocol && value > 1) {
      throw new Http2Violation(Http2Code.protocolError, 'ENABLE_CONNECT_PROTOCOL is neither 0 nor 1');
    }
    if (id === SettingId.initialWindowSize && value > WINDOW_MAX_BYTES) {
      throw new Http2Violation(Http2Code.flowControlError, 'INITIAL_WINDOW_SIZE over 2^31-1');
    }
    if (id === SettingId.maxFrameSize && (value < DEFAULT_FRAME_MAX_BYTES || value > FRAME_MAX_BYTES)) {
      throw new Http2Violation(Http2Code.protocolError, 'MAX_FRAME_SIZE out of range');
    }
    if (isKnown(id)) settings.push([id, value]);
  }
  return settings;
}

function isKnown(id: number): boolean {
  return (
    (id >= SettingId.headerTableSize && id <= SettingId.maxHeaderListSize) || id === SettingId.enableConnectProtocol
  );
}

/** The bytes of a SETTINGS acknowledgement. */
export const FRAME_SETTINGS_ACK: Buffer = encodeEmpty(FrameType.settings, FrameFlag.ack);

/** The bytes of a PING frame, with eight bytes of payload or a small number in their place. */
export function encodePing(payload: Uint8Array | number, ack: boolean): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 8);
  writeFrameHeader(frame, 0, 8, FrameType.ping, ack ? FrameFlag.ack : FrameFlag.none, 0);
  if (typeof payload === 'number') writeUint32(frame, FRAME_HEADER_BYTES + 4, payload);
  else frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** The bytes of a WINDOW_UPDATE frame. */
export function encodeWindowUpdate(streamId: number, increment: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(frame, 0, 4, FrameType.windowUpdate, FrameFlag.none, streamId);
  writeUint32(frame, FRAME_HEADER_BYTES, increment);
  return frame;
}

/** The bytes of a GOAWAY frame without debug data. */
export function encodeGoaway(lastStreamId: number, http2Code: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 8);
  writeFrameHeader(frame, 0, 8, FrameType.goaway, FrameFlag.none, 0);
  writeUint32(frame, FRAME_HEADER_BYTES, lastStreamId);
  writeUint32(frame, FRAME_HEADER_BYTES + 4, http2Code);
  return frame;
}

/**
 * Checks what RFC 9113 section 6 says of a frame's size and stream by its header alone.
 * @throws Http2Violation FRAME_SIZE_ERROR or PROTOCOL_ERROR.
 */
export function checkFrameHeader(type: number, payloadBytes: number, streamId: number, flags: number): void {
  switch (type) {
    case FrameType.data:
    case FrameType.headers:
    case FrameType.continuation:
      requireStream(streamId);
      break;
    case FrameType.priority:
      requireStream(streamId);
      requireSize(payloadBytes === 5);
      break;
    case FrameType.rstStream:
      requireStream(streamId);
      requireSize(payloadBytes === 4);
      break;
    case FrameType.settings:
      requireConnection(streamId);
      requireSize((flags & FrameFlag.ack) === 0 ? payloadBytes % 6 === 0 : payloadBytes === 0);
      break;
    case FrameType.pushPromise:
      throw new Http2Violation(Http2Code.protocolError, 'PUSH_PROMISE though push is off');
    case FrameType.ping:
      requireConnection(streamId);
      requireSize(payloadBytes === 8);
      break;
    case FrameType.goaway:
      requireConnection(streamId);
      requireSize(payloadBytes >= 8);
      break;
    case FrameType.windowUpdate:
      requireSize(payloadBytes === 4);
      break;
    default:
      break;
  }
}

function requireStream(streamId: number): void {
  if (streamId === 0) throw new Http2Violation(Http2Code.protocolError, 'stream frame on stream 0');
}

function requireConnection(streamId: number): void {
  if (streamId !== 0) throw new Http2Violation(Http2Code.protocolError, 'connection frame on a stream');
}

function requireSize(valid: boolean): void {
  if (!valid) throw new Http2Violation(Http2Code.frameSizeError, 'wrong frame size');
}

function encodeEmpty(type: number, flags: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES);
  writeFrameHeader(frame, 0, 0, type, flags, 0);
  return frame;
}
