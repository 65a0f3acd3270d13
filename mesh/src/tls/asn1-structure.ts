import asn1 from 'node-forge/lib/asn1.js';

/** A node of an ASN.1 tree that is being built. Only the builders of this folder make them. */
export type Asn1 = ReturnType<typeof asn1.create>;

const { Class, Type } = asn1;

/** SEQUENCE of its parts. */
export function sequence(...parts: readonly Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...parts]);
}

/** SET of its parts. */
export function set(...parts: readonly Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, [...parts]);
}

/** OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

export function boolean(value: boolean): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, value ? '\xff' : '\0');
}

/** INTEGER from big-endian bytes of a value that is not negative. */
export function integer(bytes: Uint8Array): Asn1 {
  let start = 0;
  while (start + 1 < bytes.length && bytes[start] === 0) start++;
  const digits = latin1(bytes.subarray(start));
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, (bytes[start] ?? 0) >= 0x80 ? `\0${digits}` : digits);
}

export function octetString(content: Uint8Array): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, latin1(content));
}

/** BIT STRING with `unusedBits` ignored at its end. */
export function bitString(content: Uint8Array, unusedBits: number = 0): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unusedBits) + latin1(content));
}

export function utf8String(text: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.UTF8, false, latin1(Buffer.from(text, 'utf8')));
}

/** UTCTime up to 2049, GeneralizedTime from 2050, as RFC 5280 4.1.2.5 prescribes. Whole seconds. */
export function time(atMs: number): Asn1 {
  const digits = new Date(atMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  return atMs < Date.UTC(2050, 0, 1)
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, digits.slice(2))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, digits);
}

/** Context-specific constructed element `[tag]` around parts. */
export function explicit(tag: number, ...parts: readonly Asn1[]): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [...parts]);
}

/** Context-specific primitive element `[tag]` with the given content. */
export function implicit(tag: number, content: Uint8Array): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, false, latin1(content));
}

/** An element that exists already; the bytes come out again as they went in. Only for DER that this process made or verified. */
export function existing(der: Uint8Array): Asn1 {
  return asn1.fromDer(latin1(der));
}

export function toDer(node: Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
