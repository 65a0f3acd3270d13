import type { IncomingMessage } from 'node:http';
import { KubeApiError } from './errors.ts';
import { malformed } from './foreign-errors.ts';

const NEWLINE = 10;

/** The whole body. @throws KubeApiError `too-large` beyond `bytesMax`; the connection is then given up. */
export async function readBody(response: IncomingMessage, call: string, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response)) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(call, bytesMax);
    chunks.push(chunk);
  }
  // A body that was cut off ends like one that is whole.
  if (!response.complete) throw new KubeApiError('unreachable', { data: { call, reason: 'cut-off' } });
  return Buffer.concat(chunks, bytes);
}

/**
 * The lines of a body, as they arrive, without their ends and without empty ones. Returns when the peer ends the body.
 * @throws KubeApiError `too-large` for a line beyond `bytesMax`, `unreachable` when the body ends in the middle of one.
 */
export async function* readLines(response: IncomingMessage, call: string, bytesMax: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(response)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      bytes += end - start;
      if (bytes > bytesMax) throw tooLarge(call, bytesMax);
      if (bytes > 0) yield Buffer.concat(parts, bytes);
      parts = [];
      bytes = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > bytesMax) throw tooLarge(call, bytesMax);
  }
  if (bytes > 0 || !response.complete) throw new KubeApiError('unreachable', { data: { call, reason: 'cut-off' } });
}

/** @throws KubeApiError `malformed-response`. */
export function parseJson(bytes: Buffer, call: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's message quotes the text, which may hold a secret.
    throw malformed(call, `${bytes.length} bytes that are not JSON`);
  }
}

async function* chunksOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('bug: a response with an encoding');
    yield chunk;
  }
}

function tooLarge(call: string, bytesMax: number): KubeApiError {
  return new KubeApiError('too-large', { data: { call, bytesMax } });
}
