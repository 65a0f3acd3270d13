import { capturePackets, type PacketCapture } from '@ambit/mesh/linux';

/** What crossed the link while a capture ran. */
export interface CaptureReport {
  readonly frames: number;
  readonly bytes: number;
  /** Payload of TCP segments to or from `tunnelPort`. */
  readonly tunnelBytes: number;
  /** Of those, bytes inside TLS application-data records. */
  readonly tlsApplicationBytes: number;
  /** How often the marker was found in any frame. */
  readonly markers: number;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const TCP = 6;
const TLS_HEADER_BYTES = 5;
const TLS_APPLICATION_DATA = 23;
const TLS_RECORD_BYTES_MAX = 16_640;

/**
 * Watches an interface and searches every frame for a marker. Repeat the marker in what is sent: one that falls across
 * two frames is not found.
 */
export class LinkCapture implements Disposable {
  readonly #marker: Buffer;
  readonly #tunnelPort: number;
  readonly #capture: PacketCapture;
  #frames = 0;
  #bytes = 0;
  #tunnelBytes = 0;
  readonly #records = new TlsRecordCounter();
  #markers = 0;

  constructor(interfaceName: string, marker: string, tunnelPort: number) {
    this.#marker = Buffer.from(marker);
    this.#tunnelPort = tunnelPort;
    this.#capture = capturePackets(interfaceName, (frame) => this.#onFrame(frame));
  }

  /** What was seen so far, including what waits in the socket. */
  report(): CaptureReport {
    this.#capture.drain();
    return {
      frames: this.#frames,
      bytes: this.#bytes,
      tunnelBytes: this.#tunnelBytes,
      tlsApplicationBytes: this.#records.applicationBytes,
      markers: this.#markers,
    };
  }

  [Symbol.dispose](): void {
    this.#capture[Symbol.dispose]();
  }

  #onFrame(frame: Buffer): void {
    this.#frames++;
    this.#bytes += frame.length;
    for (let at = frame.indexOf(this.#marker); at !== -1; at = frame.indexOf(this.#marker, at + this.#marker.length)) {
      this.#markers++;
    }
    const segment = tcpSegment(frame, this.#tunnelPort);
    if (segment === null) return;
    this.#tunnelBytes += segment.payload.length;
    this.#records.add(segment);
  }
}

/** One direction of a TCP connection in a captured frame. */
export interface CapturedSegment {
  /** Tells the directions of all connections apart; of no other meaning. */
  readonly flow: string;
  readonly payload: Buffer;
}

/** The TCP segment of an Ethernet frame whose source or destination port is `port`; null for any other frame. */
export function tcpSegment(frame: Buffer, port: number): CapturedSegment | null {
  const packet = ipPacket(frame);
  if (packet === null || packet.transport.length < 20) return null;
  const { addresses, transport } = packet;
  if (transport.readUInt16BE(0) !== port && transport.readUInt16BE(2) !== port) return null;
  return {
    flow: `${addresses}${transport.toString('latin1', 0, 4)}`,
    payload: transport.subarray(((transport[12] ?? 0) >> 4) * 4),
  };
}

/** IPv4, or IPv6 without extension headers, which nothing in these worlds writes. Only TCP. */
function ipPacket(frame: Buffer): { readonly addresses: string; readonly transport: Buffer } | null {
  if (frame.length < 14 + 20) return null;
  const etherType = frame.readUInt16BE(12);
  const ip = frame.subarray(14);
  if (etherType === ETHERTYPE_IPV4 && ip[9] === TCP) {
    const headerBytes = ((ip[0] ?? 0) & 0x0f) * 4;
    return {
      addresses: ip.toString('latin1', 12, 20),
      transport: ip.subarray(headerBytes, ip.readUInt16BE(2) || undefined),
    };
  }
  if (etherType === ETHERTYPE_IPV6 && ip.length >= 40 && ip[6] === TCP) {
    return { addresses: ip.toString('latin1', 8, 40), transport: ip.subarray(40) };
  }
  return null;
}

/**
 * Counts the bytes of TLS application-data records, flow by flow, in the order of arrival. A flow that is joined in the
 * middle of a record, or of which a segment was lost or sent again, counts on from the next segment that begins with a
 * record, so the figure is a lower bound.
 */
export class TlsRecordCounter {
  readonly #flows = new Map<string, { left: number; isData: boolean; header: Buffer; lost: boolean }>();
  #applicationBytes = 0;

  get applicationBytes(): number {
    return this.#applicationBytes;
  }

  add({ flow, payload }: CapturedSegment): void {
    const state = this.#flows.get(flow) ?? { left: 0, isData: false, header: Buffer.alloc(0), lost: false };
    this.#flows.set(flow, state);
    let rest = payload;
    if (state.lost && beginsWithData(payload)) state.lost = false;
    while (rest.length > 0 && !state.lost) {
      if (state.left > 0) {
        const taken = Math.min(state.left, rest.length);
        if (state.isData) this.#applicationBytes += taken;
        state.left -= taken;
        rest = rest.subarray(taken);
        continue;
      }
      const header = Buffer.concat([state.header, rest.subarray(0, TLS_HEADER_BYTES - state.header.length)]);
      rest = rest.subarray(header.length - state.header.length);
      state.header = header;
      if (header.length < TLS_HEADER_BYTES) return;
      state.header = Buffer.alloc(0);
      state.left = header.readUInt16BE(3);
      const type = header[0] ?? 0;
      state.isData = type === TLS_APPLICATION_DATA;
      state.lost = type < 20 || type > TLS_APPLICATION_DATA || header[1] !== 3 || state.left > TLS_RECORD_BYTES_MAX;
      if (state.lost) state.left = 0;
    }
  }
}

function beginsWithData(payload: Buffer): boolean {
  return (
    payload.length >= TLS_HEADER_BYTES &&
    payload.readUIntBE(0, 3) === (TLS_APPLICATION_DATA << 16) + 0x0303 &&
    payload.readUInt16BE(3) <= TLS_RECORD_BYTES_MAX
  );
}
