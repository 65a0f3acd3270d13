import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  CLIENT_PREFACE,
  encodeSettings,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  readUint32,
  type Setting,
  writeFrameHeader,
} from '../hbone/frame-codec.ts';
import { encodeConnect, encodeFields, encodeStatus } from '../hbone/hpack-encoder.ts';
import { handshakes } from '../tls/handshake.ts';
import { secureContextOf } from '../tls/secure-context.ts';
import type { Svid } from '../tls/svid.ts';
import { until } from './until.ts';

/** A frame as it came. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Builds any frame, legal or not. */
export function frameOf(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, 0, payload.length, type, flags, streamId);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
}

/** A header block of literals. */
export function blockOf(fields: readonly (readonly [string, string])[]): Buffer {
  const target = Buffer.alloc(200_000);
  return Buffer.from(target.subarray(0, encodeFields(target, 0, fields)));
}

export function connectBlock(authority = '10.0.0.1:80'): Buffer {
  const target = Buffer.alloc(authority.length + 64);
  return Buffer.from(target.subarray(0, encodeConnect(target, 0, authority)));
}

export function statusBlock(status: number): Buffer {
  const target = Buffer.alloc(64);
  return Buffer.from(target.subarray(0, encodeStatus(target, 0, status)));
}

/**
 * The other end of a tunnel connection, which says exactly what a test tells it to and keeps what it hears. It answers
 * nothing by itself, keeps no windows and believes no limits.
 */
export class Http2Peer {
  readonly socket: Duplex;
  readonly frames: ReceivedFrame[] = [];
  ended = false;
  private rest: Buffer = Buffer.alloc(0);
  private prefaceLeft: number;

  constructor(socket: Duplex, role: 'client' | 'server') {
    this.socket = socket;
    this.prefaceLeft = role === 'server' ? CLIENT_PREFACE.length : 0;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => {});
    socket.on('end', () => {
      this.ended = true;
      socket.end();
    });
    socket.on('close', () => {
      this.ended = true;
    });
  }

  send(...frames: Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The client's preface with SETTINGS, or the server's SETTINGS. */
  greet(settings: readonly Setting[] = [], preface = true): void {
    if (preface) this.send(CLIENT_PREFACE);
    this.send(encodeSettings(settings));
  }

  of(type: number, streamId?: number): ReceivedFrame[] {
    return this.frames.filter(
      (frame) => frame.type === type && (streamId === undefined || frame.streamId === streamId),
    );
  }

  /** The first frame of a type (on a stream), now or soon. */
  receive(type: number, streamId?: number): Promise<ReceivedFrame> {
    return until(`frame of type ${type}`, () => this.of(type, streamId)[0]);
  }

  /** Error code of the last GOAWAY once the connection has ended. */
  async goawayCode(): Promise<number> {
    await until('the connection ended', () => this.ended);
    const last = this.of(FrameType.goaway).at(-1);
    return last === undefined ? -1 : readUint32(last.payload, 4);
  }

  /** Error code of the RST_STREAM on a stream. */
  async resetCode(streamId: number): Promise<number> {
    return readUint32((await this.receive(FrameType.rstStream, streamId)).payload, 0);
  }

  /** Comes back once the other end has worked off all that was sent. */
  async settle(): Promise<void> {
    const mark = Buffer.from('settled!');
    this.send(frameOf(FrameType.ping, FrameFlag.none, 0, mark));
    await until('the answer to a PING', () => this.of(FrameType.ping).some(({ payload }) => payload.equals(mark)));
    const at = this.frames.findIndex(({ type, payload }) => type === FrameType.ping && payload.equals(mark));
    this.frames.splice(at, 1);
  }

  /** Payload bytes of DATA received on a stream. */
  dataBytes(streamId: number): number {
    return this.of(FrameType.data, streamId).reduce((sum, { payload }) => sum + payload.length, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.destroyed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }

  private take(chunk: Buffer): void {
    const skip = Math.min(this.prefaceLeft, chunk.length);
    this.prefaceLeft -= skip;
    this.rest = Buffer.concat([this.rest, chunk.subarray(skip)]);
    while (this.rest.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      this.frames.push({
        type: this.rest.readUInt8(3),
        flags: this.rest.readUInt8(4),
        streamId: this.rest.readUInt32BE(5),
        payload: Buffer.from(this.rest.subarray(FRAME_HEADER_BYTES, end)),
      });
      this.rest = this.rest.subarray(end);
    }
  }
}

/** A peer over a socket that is connected or connecting; owns it. */
export function securePeer(raw: Socket, role: 'client' | 'server', svid: Svid): Promise<Http2Peer> {
  return new Promise((resolve, reject) => {
    const begin = role === 'client' ? handshakes.start : handshakes.serve;
    begin(raw, secureContextOf(svid), (outcome) => {
      if (outcome.kind === 'failed') reject(outcome.error);
      else resolve(new Http2Peer(outcome.socket, role));
    });
  });
}
