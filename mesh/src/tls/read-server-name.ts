/** More of the hello has to come; or the server's name in lower case, null when the client says none that could be one. */
export type ServerNameResult =
  | { readonly kind: 'more' }
  | { readonly kind: 'known'; readonly serverName: string | null };

/** A hello that is longer says no name as far as we are concerned. Those of browsers have 2 KiB with post-quantum keys. */
export const CLIENT_HELLO_MAX_BYTES: number = 16 * 1024;

const RECORD_HEADER_BYTES = 5;
const RECORD_HANDSHAKE = 22;
/** RFC 8446 5.1 */
const RECORD_MAX_BYTES = 2 ** 14;
const MESSAGE_HEADER_BYTES = 4;
const CLIENT_HELLO = 1;
const VERSION_AND_RANDOM_BYTES = 2 + 32;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;
const HOST_LENGTH_MAX = 253;
const HOST = /^[a-z0-9](?:[-a-z0-9_]{0,62}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9_]{0,62}[a-z0-9])?)*$/;

const MORE: ServerNameResult = { kind: 'more' };
const NONE: ServerNameResult = { kind: 'known', serverName: null };

/**
 * Reads the name of the server out of the first bytes of a TLS client (RFC 8446 4.1.2, RFC 6066 3), without taking part in the
 * handshake. What is not TLS, or broken, says no name.
 */
export function readServerName(bytes: Buffer): ServerNameResult {
  const hello = readHello(bytes);
  if (hello === 'more') return bytes.length >= CLIENT_HELLO_MAX_BYTES ? NONE : MORE;
  return hello === null ? NONE : { kind: 'known', serverName: nameOf(hello) };
}

/**
 * The body of the ClientHello, out of however many records; null when it is none. They are put together once, however many they are:
 * a client may send each byte in a record of its own.
 */
function readHello(bytes: Buffer): Buffer | 'more' | null {
  const parts: Buffer[] = [];
  let size = 0;
  /** Unknown as long as its header has not come. */
  let messageBytes = 0;
  for (let at = 0; ; ) {
    if (at < bytes.length && bytes[at] !== RECORD_HANDSHAKE) return null;
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return null;
    if (bytes.length - at < RECORD_HEADER_BYTES) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > RECORD_MAX_BYTES) return null;
    const part = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    parts.push(part);
    size += part.length;
    at += RECORD_HEADER_BYTES + length;
    if (messageBytes === 0 && size >= MESSAGE_HEADER_BYTES) {
      const header = joined(parts);
      const bodyBytes = header.readUIntBE(1, 3);
      if (header[0] !== CLIENT_HELLO || bodyBytes > CLIENT_HELLO_MAX_BYTES) return null;
      messageBytes = MESSAGE_HEADER_BYTES + bodyBytes;
    }
    if (messageBytes > 0 && size >= messageBytes) return joined(parts).subarray(MESSAGE_HEADER_BYTES, messageBytes);
    if (part.length < length) return 'more';
  }
}

function joined(parts: readonly Buffer[]): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

function nameOf(hello: Buffer): string | null {
  const rest = new Cursor(hello);
  rest.skip(VERSION_AND_RANDOM_BYTES);
  rest.vector(1); // session id
  rest.vector(2); // cipher suites
  rest.vector(1); // compression methods
  const extensions = rest.vector(2);
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === EXTENSION_SERVER_NAME) return hostOf(content.vector(2));
  }
  return null;
}

/** The list has one name at most (RFC 6066 3). */
function hostOf(names: Cursor): string | null {
  if (names.number(1) !== NAME_TYPE_HOST) return null;
  const host = names.vector(2).text().toLowerCase();
  return host.length <= HOST_LENGTH_MAX && HOST.test(host) ? host : null;
}

/** Reads numbers and vectors; past the end there are zeros and nothing. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  skip(count: number): void {
    this.#at += count;
  }

  number(size: 1 | 2): number {
    const start = this.#at;
    this.#at += size;
    return this.#at <= this.#bytes.length ? this.#bytes.readUIntBE(start, size) : 0;
  }

  /** What follows its own length. */
  vector(lengthSize: 1 | 2): Cursor {
    const length = this.number(lengthSize);
    const start = this.#at;
    this.#at += length;
    return new Cursor(this.#bytes.subarray(start, start + length));
  }

  text(): string {
    return this.#bytes.toString('latin1');
  }
}
