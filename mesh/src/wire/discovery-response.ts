import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { DiscoveryResource, DiscoveryResponse } from './discovery-messages.ts';
import { WireError } from './errors.ts';

// The one message that may hold a whole mesh. Of 100,000 resources a general codec makes several objects each, which took seconds of whoever
// sent one and of whoever read it; and all there is in it are texts and bytes.

/** Numbers of fields of envoy.service.discovery.v3.DeltaDiscoveryResponse, of what is in it, and of google.protobuf.Any: all below 16. */
const RESPONSE = {
  systemVersion: 1,
  resources: 2,
  typeUrl: 4,
  nonce: 5,
  removedResources: 6,
  controlPlane: 7,
} as const;
const CONTROL_PLANE = { identifier: 1 } as const;
const RESOURCE = { version: 1, resource: 2, name: 3, aliases: 4 } as const;
const ANY = { typeUrl: 1, value: 2 } as const;

const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();
/** As the library decodes texts. */
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeDiscoveryResponse(response: DiscoveryResponse): Uint8Array {
  const systemVersion = encoder.encode(response.systemVersion);
  const typeUrl = encoder.encode(response.typeUrl);
  const nonce = encoder.encode(response.nonce);
  const removed = response.removedResources.map((name) => encoder.encode(name));
  const resources = response.resources.map(bytesOfResource);
  let size = fieldSize(systemVersion) + fieldSize(typeUrl) + fieldSize(nonce);
  for (const one of resources) size += elementSize(one.size);
  for (const name of removed) size += elementSize(name.length);
  const controlPlane = response.controlPlane === undefined ? undefined : encoder.encode(response.controlPlane);
  if (controlPlane !== undefined) size += elementSize(fieldSize(controlPlane));
  const writer = new FieldWriter(size);
  writer.field(RESPONSE.systemVersion, systemVersion);
  for (const one of resources) {
    writer.head(RESPONSE.resources, one.size);
    writer.field(RESOURCE.version, one.version);
    writer.head(RESOURCE.resource, one.anySize);
    writer.field(ANY.typeUrl, one.typeUrl);
    writer.field(ANY.value, one.value);
    writer.field(RESOURCE.name, one.name);
    for (const alias of one.aliases) writer.element(RESOURCE.aliases, alias);
  }
  writer.field(RESPONSE.typeUrl, typeUrl);
  writer.field(RESPONSE.nonce, nonce);
  for (const name of removed) writer.element(RESPONSE.removedResources, name);
  if (controlPlane !== undefined) {
    writer.head(RESPONSE.controlPlane, fieldSize(controlPlane));
    writer.field(CONTROL_PLANE.identifier, controlPlane);
  }
  return writer.bytes;
}

/** A resource without a body decodes with empty `typeUrl` and `value`. Values are parts of `bytes`. @throws WireError `malformed`. */
export function decodeDiscoveryResponse(bytes: Uint8Array): DiscoveryResponse {
  try {
    return new ResponseReader(bytes).read();
  } catch (cause) {
    const path = 'DeltaDiscoveryResponse';
    throw new WireError('malformed', { path, reason: 'not the bytes of this message' }, { cause });
  }
}

interface ResourceBytes {
  readonly version: Uint8Array;
  readonly typeUrl: Uint8Array;
  readonly value: Uint8Array;
  readonly name: Uint8Array;
  readonly aliases: readonly Uint8Array[];
  readonly anySize: number;
  readonly size: number;
}

function bytesOfResource(resource: DiscoveryResource): ResourceBytes {
  const { value } = resource;
  const version = encoder.encode(resource.version);
  const typeUrl = encoder.encode(resource.typeUrl);
  const name = encoder.encode(resource.name);
  const aliases = resource.aliases.map((alias) => encoder.encode(alias));
  const anySize = fieldSize(typeUrl) + fieldSize(value);
  let size = fieldSize(version) + elementSize(anySize) + fieldSize(name);
  for (const alias of aliases) size += elementSize(alias.length);
  return { version, typeUrl, value, name, aliases, anySize, size };
}

/** Of a field that is left out when it is empty. */
function fieldSize({ length }: Uint8Array): number {
  return length === 0 ? 0 : elementSize(length);
}

/** With its number and its length. */
function elementSize(length: number): number {
  let size = length + 2;
  for (let rest = length; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes fields of texts, bytes and messages into memory of exactly their size. */
class FieldWriter {
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  /** Left out when it is empty. */
  field(number: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.element(number, bytes);
  }

  element(number: number, bytes: Uint8Array): void {
    this.head(number, bytes.length);
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** What comes before `length` bytes of a field. */
  head(number: number, length: number): void {
    this.bytes[this.#at++] = (number << 3) | WireType.LengthDelimited;
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.bytes[this.#at++] = (rest % 128) + 128;
    this.bytes[this.#at++] = rest;
  }
}

class ResponseReader {
  readonly #reader: BinaryReader;
  #typeUrlBytes: Uint8Array = NO_BYTES;
  #typeUrl = '';

  constructor(bytes: Uint8Array) {
    this.#reader = new BinaryReader(bytes);
  }

  read(): DiscoveryResponse {
    let [typeUrl, nonce, systemVersion] = ['', '', ''];
    let controlPlane: string | undefined;
    const resources: DiscoveryResource[] = [];
    const removedResources: string[] = [];
    const end = this.#reader.len;
    for (let number = this.#nextField(end); number > 0; number = this.#nextField(end)) {
      if (number === RESPONSE.resources) resources.push(this.#readResource());
      else if (number === RESPONSE.removedResources) removedResources.push(this.#text());
      else if (number === RESPONSE.typeUrl) typeUrl = this.#text();
      else if (number === RESPONSE.nonce) nonce = this.#text();
      else if (number === RESPONSE.systemVersion) systemVersion = this.#text();
      else if (number === RESPONSE.controlPlane) controlPlane = this.#readControlPlane(controlPlane);
      else this.#reader.bytes();
    }
    const known = { typeUrl, nonce, systemVersion, resources, removedResources };
    return controlPlane === undefined ? known : { ...known, controlPlane };
  }

  /** `before`: what an earlier one said, which holds unless this says something. */
  #readControlPlane(before = ''): string {
    const end = this.#endOfMessage();
    let identifier = before;
    for (let number = this.#nextField(end); number > 0; number = this.#nextField(end)) {
      if (number === CONTROL_PLANE.identifier) identifier = this.#text();
      else this.#reader.bytes();
    }
    return identifier;
  }

  #readResource(): DiscoveryResource {
    const end = this.#endOfMessage();
    let [name, version, typeUrl] = ['', '', ''];
    let value: Uint8Array = NO_BYTES;
    const aliases: string[] = [];
    for (let number = this.#nextField(end); number > 0; number = this.#nextField(end)) {
      if (number === RESOURCE.resource) {
        const endOfAny = this.#endOfMessage();
        for (let inAny = this.#nextField(endOfAny); inAny > 0; inAny = this.#nextField(endOfAny)) {
          const bytes = this.#reader.bytes();
          if (inAny === ANY.value) value = bytes;
          else if (inAny === ANY.typeUrl) typeUrl = this.#typeUrlOf(bytes);
        }
      } else if (number === RESOURCE.name) name = this.#text();
      else if (number === RESOURCE.version) version = this.#text();
      else if (number === RESOURCE.aliases) aliases.push(this.#text());
      else this.#reader.bytes();
    }
    return { name, version, aliases, typeUrl, value };
  }

  /** Number of the next field that is text, bytes or a message; 0 at the end. @throws RangeError when the last went beyond it. */
  #nextField(end: number): number {
    const reader = this.#reader;
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      if (wireType === WireType.LengthDelimited) return number;
      reader.skip(wireType, number);
    }
    if (reader.pos > end) throw new RangeError('a field is longer than its message');
    return 0;
  }

  #endOfMessage(): number {
    const length = this.#reader.uint32();
    const end = this.#reader.pos + length;
    if (end > this.#reader.len) throw new RangeError('a message is longer than the one around it');
    return end;
  }

  #text(): string {
    return this.#reader.string(true);
  }

  /** The resources of a response are of one type: its name is one text for all of them. */
  #typeUrlOf(bytes: Uint8Array): string {
    const known = this.#typeUrlBytes;
    let isKnown = bytes.length === known.length;
    for (let i = 0; isKnown && i < bytes.length; i++) isKnown = bytes[i] === known[i];
    if (isKnown) return this.#typeUrl;
    this.#typeUrlBytes = bytes;
    this.#typeUrl = decoder.decode(bytes);
    return this.#typeUrl;
  }
}
