import { capturePackets, type PacketCapture } from '@ambit/mesh/linux';

/** What crossed the link while a capture ran. */
export interface CaptureReport {
  readonly frames: number;
  readonly bytes: number;
  /** Payload of TCP segments to or from `tunnelPort`. */
  readonly tunnelBytes: number;
  /** Of those, bytes inside TLS application-data records whose header was seen. */
  readonly tlsApplicationBytes: number;
  /** How often the marker was found in any frame. */
  readonly markers: number;
}

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const TCP = 6;
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
  #tlsApplicationBytes = 0;
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
      tlsApplicationBytes: this.#tlsApplicationBytes,
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
    const payload = tcpPayload(frame, this.#tunnelPort);
    if (payload === null) return;
    this.#tunnelBytes += payload.length;
    this.#tlsApplicationBytes += tlsApplicationBytes(payload);
  }
}

/** The TCP payload of an Ethernet frame whose source or destination port is `port`; null for any other frame. */
export function tcpPayload(frame: Buffer, port: number): Buffer | null {
  if (frame.length < 14) return null;
  const segment = tcpSegment(frame.readUInt16BE(12), frame.subarray(14));
  if (segment === null || segment.length < 20) return null;
  if (segment.readUInt16BE(0) !== port && segment.readUInt16BE(2) !== port) return null;
  return segment.subarray(((segment[12] ?? 0) >> 4) * 4);
}

function tcpSegment(etherType: number, packet: Buffer): Buffer | null {
  if (etherType === ETHERTYPE_IPV4 && packet.length >= 20 && packet[9] === TCP) {
    return packet.subarray(((packet[0] ?? 0) & 0x0f) * 4);
  }
  // No extension headers: nothing in these worlds writes them.
  return etherType === ETHERTYPE_IPV6 && packet.length >= 40 && packet[6] === TCP ? packet.subarray(40) : null;
}

/**
 * Bytes of TLS application-data records that begin in this segment, up to its end. Segments that begin inside a record
 * count from the next record on, so the figure is a lower bound.
 */
function tlsApplicationBytes(payload: Buffer): number {
  let total = 0;
  let at = 0;
  while (at + 5 <= payload.length) {
    const length = payload.readUInt16BE(at + 3);
    const isRecord = payload[at] === TLS_APPLICATION_DATA && payload[at + 1] === 3 && payload[at + 2] === 3;
    if (!isRecord || length > TLS_RECORD_BYTES_MAX) return total;
    total += Math.min(length, payload.length - at - 5);
    at += 5 + length;
  }
  return total;
}
