import { decode } from 'dns-packet';
import { type IpAddress, ipAddressToBytes } from '@ambit/mesh/model';
import type { DnsDecision, DnsQuestion } from './decide-dns-answer.ts';

// Questions are read by the library. Answers are written here, since it writes no pointers to names that were said before, and
// without them a third of the addresses fit into a datagram.

/** How long answers may be kept, in seconds: Istio's. */
export const ANSWER_TTL_S = 30;
/** What a datagram may hold for a client that says nothing, and at most for one that does. */
export const DATAGRAM_BYTES_DEFAULT = 512;
export const DATAGRAM_BYTES_MAX = 4096;
/** A message over TCP has its length in two bytes before it. */
export const STREAM_BYTES_MAX = 65_535;

const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** What we take over UDP ourselves: fits into every path. */
const OWN_DATAGRAM_BYTES = 1232;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;

const TYPE_A = 1;
const TYPE_CNAME = 5;
const TYPE_AAAA = 28;
const TYPE_SRV = 33;
const TYPE_OPT = 41;
const CLASS_IN = 1;
const QR = 0x8000;
const OPCODE = 0x7800;
const AA = 0x0400;
const TC = 0x0200;
const RA = 0x0080;
const RCODE = 0x000f;
/** What an answer repeats: recursion desired, checking disabled. */
const REPEATED = 0x0110;
/** A pointer to the name of the question, which always stands right behind the header. */
const QUESTION_NAME = 0xc000 | HEADER_BYTES;

export type ResponseCode = 'format-error' | 'server-failure';
const RESPONSE_CODE: Readonly<Record<ResponseCode, number>> = { 'format-error': 1, 'server-failure': 2 };

/** A question that the mesh may know the answer to. */
export interface DnsQuery {
  readonly kind: 'query';
  readonly question: DnsQuestion;
  /** Where the question ends in the message. */
  readonly questionEnd: number;
  /** The client speaks EDNS; its size for datagrams is in `datagramBytes` then. */
  readonly hasEdns: boolean;
  readonly datagramBytes: number;
}

export type DnsMessage =
  | DnsQuery
  /** For others to answer. `type` is that of the record asked for, for counting. */
  | { readonly kind: 'other'; readonly type: string }
  /** Not a question at all. */
  | { readonly kind: 'malformed' }
  /** Too short to be answered, or an answer itself: to answer it could go on for ever. */
  | { readonly kind: 'noise' };

/** What a client asks. Never throws, whatever the bytes. */
export function readDnsMessage(bytes: Buffer): DnsMessage {
  if (bytes.length < HEADER_BYTES || (bytes.readUInt16BE(2) & QR) !== 0) return { kind: 'noise' };
  const isPlain = (bytes.readUInt16BE(2) & OPCODE) === 0 && bytes.readUInt16BE(4) === 1;
  if (!isPlain) return { kind: 'other', type: OTHER_TYPE };
  const nameEnd = endOfName(bytes);
  if (nameEnd === null || nameEnd + 4 > bytes.length) return { kind: 'malformed' };
  const code = bytes.readUInt16BE(nameEnd);
  const hasMore = bytes.readUInt32BE(6) !== 0 || bytes.readUInt16BE(10) > 1;
  const type = ANSWERED.get(code);
  if (type === undefined || hasMore || bytes.readUInt16BE(nameEnd + 2) !== CLASS_IN) {
    return { kind: 'other', type: TYPE_NAMES.get(code) ?? OTHER_TYPE };
  }
  try {
    const { questions, additionals } = decode(bytes);
    const name = (questions?.[0]?.name ?? '').toLowerCase();
    const extra = additionals?.[0];
    // Signatures of transactions, and versions of EDNS to come.
    if (extra !== undefined && (extra.type !== 'OPT' || extra.ednsVersion !== 0)) return { kind: 'other', type };
    const size = extra === undefined ? DATAGRAM_BYTES_DEFAULT : (extra.udpPayloadSize ?? DATAGRAM_BYTES_DEFAULT);
    return {
      kind: 'query',
      question: { name: name === '.' ? '' : name, type },
      questionEnd: nameEnd + 4,
      hasEdns: extra !== undefined,
      datagramBytes: Math.min(DATAGRAM_BYTES_MAX, Math.max(DATAGRAM_BYTES_DEFAULT, size)),
    };
  } catch {
    return { kind: 'malformed' };
  }
}

/**
 * Writes the answer to `query`, which was read from `message`, into `into`, and returns its length, at most `bytesMax`. What does not
 * fit is left out, and the client told so. Null when a name cannot be written.
 */
export function writeDnsAnswer(
  into: Buffer,
  message: Buffer,
  query: DnsQuery,
  decision: Exclude<DnsDecision, { readonly kind: 'forward' }>,
  bytesMax: number,
): number | null {
  const writer = new AnswerWriter(into, bytesMax - (query.hasEdns ? OPT_BYTES : 0));
  writer.begin(message, query.questionEnd);
  if (decision.kind === 'port') {
    if (!isWritable(decision.target)) return null;
    writer.port(decision.port, decision.target, decision.addresses);
  } else {
    if (decision.alias !== null && !isWritable(decision.alias)) return null;
    writer.addresses(decision.alias, decision.addresses);
  }
  return writer.end(message, query.hasEdns);
}

/** Writes a refusal of the question in `message`, which is not `noise`. Returns its length. */
export function writeDnsFailure(into: Buffer, message: Buffer, code: ResponseCode): number {
  const flags = QR | RA | (message.readUInt16BE(2) & (OPCODE | REPEATED)) | RESPONSE_CODE[code];
  const nameEnd = message.readUInt16BE(4) === 1 ? endOfName(message) : null;
  const hasQuestion = nameEnd !== null && nameEnd + 4 <= message.length;
  message.copy(into, 0, 0, 2);
  into.writeUInt16BE(flags, 2);
  into.writeUInt16BE(hasQuestion ? 1 : 0, 4);
  into.fill(0, 6, HEADER_BYTES);
  return hasQuestion ? HEADER_BYTES + message.copy(into, HEADER_BYTES, HEADER_BYTES, nameEnd + 4) : HEADER_BYTES;
}

/** Whether `answer` can be one to `message`: of its id and operation, and to its question. */
export function answersMessage(answer: Buffer, message: Buffer): boolean {
  if (answer.length < HEADER_BYTES || answer.readUInt16BE(0) !== message.readUInt16BE(0)) return false;
  const flags = answer.readUInt16BE(2);
  if ((flags & (QR | OPCODE)) !== (QR | (message.readUInt16BE(2) & OPCODE))) return false;
  const isPlain = (flags & OPCODE) === 0 && message.readUInt16BE(4) === 1;
  const nameEnd = isPlain ? endOfName(message) : null;
  // Of operations with sections of their own servers repeat what they like.
  if (nameEnd === null) return true;
  // One who could not read the question refuses with nothing but a header.
  if (answer.readUInt16BE(4) === 0) return answer.length === HEADER_BYTES && (flags & RCODE) !== 0;
  return answer.readUInt16BE(4) === 1 && isSameQuestion(answer, message, nameEnd);
}

/** Servers may write letters as they like (RFC 4343). */
function isSameQuestion(answer: Buffer, message: Buffer, nameEnd: number): boolean {
  const end = nameEnd + 4;
  if (answer.length < end || answer.compare(message, nameEnd, end, nameEnd, end) !== 0) return false;
  // The lengths of labels, at most 63, are no letters.
  for (let at = HEADER_BYTES; at < nameEnd; at++) {
    if (lowerCase(answer[at] ?? 0) !== lowerCase(message[at] ?? 0)) return false;
  }
  return true;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** Names of record types, as metrics show them. */
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [TYPE_A, 'A'],
  [2, 'NS'],
  [TYPE_CNAME, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [15, 'MX'],
  [16, 'TXT'],
  [TYPE_AAAA, 'AAAA'],
  [TYPE_SRV, 'SRV'],
  [35, 'NAPTR'],
  [43, 'DS'],
  [48, 'DNSKEY'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
]);
const OTHER_TYPE = 'other';
const ANSWERED: ReadonlyMap<number, DnsQuestion['type']> = new Map([
  [TYPE_A, 'A'],
  [TYPE_AAAA, 'AAAA'],
  [TYPE_SRV, 'SRV'],
]);

/** Behind the name of the question; null when it does not end, or points elsewhere, which a first name cannot. */
function endOfName(bytes: Buffer): number | null {
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const length = bytes[at] ?? 0;
    if (length === 0) return at + 1;
    if (length > LABEL_BYTES_MAX) return null;
    at += length + 1;
    if (at - HEADER_BYTES >= NAME_BYTES_MAX) return null;
  }
  return null;
}

/** Every label and the whole are as long as the format allows. */
function isWritable(name: string): boolean {
  return (
    Buffer.byteLength(name) <= NAME_BYTES_MAX - 2 &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= LABEL_BYTES_MAX)
  );
}

/** Records one after another, as long as there is room. */
class AnswerWriter {
  readonly #into: Buffer;
  readonly #bytesMax: number;
  #at = 0;
  #answers = 0;
  #additional = 0;
  #truncated = false;

  constructor(into: Buffer, bytesMax: number) {
    this.#into = into;
    this.#bytesMax = bytesMax;
  }

  begin(message: Buffer, questionEnd: number): void {
    this.#at = message.copy(this.#into, 0, 0, questionEnd);
  }

  addresses(alias: string | null, addresses: readonly IpAddress[]): void {
    let owner = QUESTION_NAME;
    if (alias !== null) {
      owner = 0xc000 | (this.#at + 12);
      const data = this.#at + 12 + nameBytes(alias);
      if (!this.#record(QUESTION_NAME, TYPE_CNAME, data - this.#at - 12)) return this.#cut();
      this.#name(alias);
      this.#answers++;
    }
    for (const ip of addresses) {
      if (!this.#address(owner, ip)) return this.#cut();
      this.#answers++;
    }
  }

  /** The target is written whole, as RFC 2782 wants it. Addresses are a courtesy: those that do not fit are left out quietly. */
  port(port: number, target: string, addresses: readonly IpAddress[]): void {
    if (!this.#record(QUESTION_NAME, TYPE_SRV, 6 + nameBytes(target))) return this.#cut();
    this.#into.writeUInt32BE(100, this.#at); // Priority 0, weight 100, as CoreDNS has it.
    this.#into.writeUInt16BE(port, this.#at + 4);
    this.#at += 6;
    const owner = 0xc000 | this.#at;
    this.#name(target);
    this.#answers++;
    for (const ip of addresses) {
      if (!this.#address(owner, ip)) return;
      this.#additional++;
    }
  }

  end(message: Buffer, hasEdns: boolean): number {
    const into = this.#into;
    const flags = QR | AA | RA | (message.readUInt16BE(2) & REPEATED) | (this.#truncated ? TC : 0);
    into.writeUInt16BE(flags, 2);
    into.writeUInt16BE(this.#answers, 6);
    into.writeUInt16BE(0, 8);
    into.writeUInt16BE(this.#additional + (hasEdns ? 1 : 0), 10);
    if (!hasEdns) return this.#at;
    into.fill(0, this.#at, this.#at + OPT_BYTES);
    into.writeUInt16BE(TYPE_OPT, this.#at + 1);
    into.writeUInt16BE(OWN_DATAGRAM_BYTES, this.#at + 3);
    return this.#at + OPT_BYTES;
  }

  #cut(): void {
    this.#truncated = true;
  }

  #address(owner: number, ip: IpAddress): boolean {
    const bytes = ipAddressToBytes(ip);
    if (!this.#record(owner, bytes.length === 4 ? TYPE_A : TYPE_AAAA, bytes.length)) return false;
    this.#into.set(bytes, this.#at);
    this.#at += bytes.length;
    return true;
  }

  /** What stands before the data of a record. False, with nothing written, when it does not fit with its data. */
  #record(owner: number, type: number, dataBytes: number): boolean {
    if (this.#at + 12 + dataBytes > this.#bytesMax) return false;
    const into = this.#into;
    into.writeUInt16BE(owner, this.#at);
    into.writeUInt16BE(type, this.#at + 2);
    into.writeUInt16BE(CLASS_IN, this.#at + 4);
    into.writeUInt32BE(ANSWER_TTL_S, this.#at + 6);
    into.writeUInt16BE(dataBytes, this.#at + 10);
    this.#at += 12;
    return true;
  }

  #name(name: string): void {
    for (const label of name.split('.')) {
      const length = this.#into.write(label, this.#at + 1);
      this.#into[this.#at] = length;
      this.#at += length + 1;
    }
    this.#into[this.#at++] = 0;
  }
}

function nameBytes(name: string): number {
  return Buffer.byteLength(name) + 2;
}
