import { HeadWriter, markHopByHop, RequestReader, ResponseReader } from '@ambit/mesh/http1';
import { BenchError } from '../errors.ts';
import { type LlhttpHead, LlhttpReader } from './llhttp.ts';
import { BROWSER_REQUEST, CHUNKED_RESPONSE, LENGTH_RESPONSE, POST_REQUEST, SMALL_REQUEST } from './messages.ts';

/** One piece of work on one message, done by both; each call is one message. */
export interface Http1Case {
  readonly name: string;
  readonly messageBytes: number;
  readonly ours: () => void;
  readonly llhttp: () => void;
}

const GET = { method: 'GET', upgrade: false } as const;
const OUTPUT_BYTES = 4096;
const ADDED = ['x-forwarded-proto', 'http'] as const;

/** Reading messages, and reading a request and writing it again as a proxy does. Fresh readers; nothing is shared. */
export function http1Cases(): readonly Http1Case[] {
  return [
    readRequest('request, 1 field', SMALL_REQUEST),
    readRequest('request, 9 fields', BROWSER_REQUEST),
    readRequest('request, 10 fields, 1 KiB body', POST_REQUEST),
    readResponse('response, 7 fields, 1 KiB body', LENGTH_RESPONSE),
    readResponse('response, 7 fields, 1 KiB in 4 chunks', CHUNKED_RESPONSE),
    passOn('request, 9 fields, passed on', BROWSER_REQUEST),
  ];
}

function readRequest(name: string, bytes: Buffer): Http1Case {
  const reader = new RequestReader();
  const peer = new LlhttpReader('REQUEST');
  return {
    name,
    messageBytes: bytes.length,
    ours: () => readAll(reader, bytes),
    llhttp: () => peer.read(bytes),
  };
}

function readResponse(name: string, bytes: Buffer): Http1Case {
  const reader = new ResponseReader();
  const peer = new LlhttpReader('RESPONSE');
  const ours = (): void => {
    reader.expectResponse(GET);
    readAll(reader, bytes);
  };
  return { name, messageBytes: bytes.length, ours, llhttp: () => peer.read(bytes) };
}

function passOn(name: string, bytes: Buffer): Http1Case {
  const reader = new RequestReader();
  const writer = new HeadWriter();
  const output = Buffer.alloc(OUTPUT_BYTES);
  const dropped = new Uint8Array(128);
  const onHead = (): void => {
    const { head } = reader;
    markHopByHop(head, dropped, 'drop');
    writer.begin(output, 0);
    writer.requestLineOf(head);
    writer.fieldsOf(head, dropped);
    writer.field(ADDED[0], ADDED[1]);
    if (writer.end() < 0) throw new BenchError('unreadable-output', 'the head was not written');
  };
  const peer = new LlhttpReader('REQUEST', (head) => void output.write(textOf(head), 0, 'latin1'));
  return {
    name,
    messageBytes: bytes.length,
    ours: () => readAll(reader, bytes, onHead),
    llhttp: () => peer.read(bytes),
  };
}

/** The head again as one string, which is how `node:http` writes it. */
function textOf({ method, url, fields }: LlhttpHead): string {
  let text = `${method} ${url} HTTP/1.1\r\n`;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (name.toLowerCase() !== 'connection') text += `${name}: ${fields[index + 1]}\r\n`;
  }
  return `${text}${ADDED[0]}: ${ADDED[1]}\r\n\r\n`;
}

/** Reads a buffer that holds exactly one message. */
function readAll(reader: RequestReader | ResponseReader, bytes: Buffer, onHead?: () => void): void {
  for (let at = 0; ; at = reader.at) {
    const step = reader.read(bytes, at, bytes.length);
    if (step === 'head') onHead?.();
    if (step === 'end') return;
    if (step === 'more' || step === 'fault') {
      throw new BenchError('unreadable-output', 'a message was not read', { data: { step, code: reader.fault?.code } });
    }
  }
}
