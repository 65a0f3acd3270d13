import type { RequestFacts } from '../http1/response-reader.ts';

/** Messages of every kind, mostly legal, and ways to break them. Same numbers from `random`, same bytes. */
type Random = () => number;

const pick = <T>(random: Random, list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const METHODS = ['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'SEARCH'] as const;
const TARGETS = ['/', '/a', '/a/b?c=d&e=%20', '/%2e%2e/x', '//x', '/a;b=c', 'http://h.svc:8080/p', '/?'] as const;
const NAMES = ['X-A', 'accept', 'Cookie', 'x-request-id', 'Via', "!#$%&'*+-.^_`|~1", 'TE', 'Trailer'] as const;
const VALUES = [
  '',
  'a',
  'b c',
  '  x\t',
  'a, b',
  'gzip;q=1',
  '\xe9\xff',
  '"q\\"',
  'trailers',
  ':;,',
  '1'.repeat(40),
] as const;
const CONNECTIONS = ['close', 'keep-alive', 'Keep-Alive, X-A', 'upgrade', 'TE', ' , close ,'] as const;
const REASONS = ['OK', '', 'Not Found', 'a b\tc', '\xe9'] as const;
const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="b c";d', ';a="\\""'] as const;

function fieldLines(random: Random): string {
  let text = '';
  for (let count = upTo(random, 4); count > 0; count -= 1) {
    text += `${pick(random, NAMES)}:${pick(random, ['', ' ', '\t', '  '])}${pick(random, VALUES)}\r\n`;
  }
  if (random() < 0.3) text += `Connection: ${pick(random, CONNECTIONS)}\r\n`;
  if (random() < 0.1) text += 'Upgrade: websocket\r\n';
  return text;
}

function bodyBytes(random: Random): Buffer {
  const length = pick(random, [0, 1, 2, 15, 16, 17, 100]);
  // Bytes that look like the end of something are the interesting ones.
  return Buffer.from(Array.from({ length }, () => pick(random, [97, 13, 10, 48, 0, 255, upTo(random, 255)])));
}

function chunked(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let count = upTo(random, 3); count > 0; count -= 1) {
    const data = bodyBytes(random);
    if (data.length === 0) continue;
    const size = data.length.toString(16);
    const digits = pick(random, [size, size.toUpperCase(), size.padStart(4, '0')]);
    parts.push(bytes(`${digits}${pick(random, EXTENSIONS)}\r\n`), data, bytes('\r\n'));
  }
  const trailers = random() < 0.3 ? pick(random, ['X-T: 1\r\n', 'x-t:\r\nX-U: a b \r\n', 'grpc-status: 0\r\n']) : '';
  parts.push(bytes(`${pick(random, ['0', '0', '000', '0;a=b'])}\r\n${trailers}\r\n`));
  return Buffer.concat(parts);
}

/** The lines that frame a body, and the body. */
function framed(random: Random): readonly [fields: string, body: Buffer] {
  const kind = random();
  if (kind < 0.4) return ['', bytes('')];
  if (kind < 0.7) {
    const body = bodyBytes(random);
    return [`${pick(random, ['Content-Length', 'content-length'])}: ${body.length}\r\n`, body];
  }
  return [`Transfer-Encoding: ${pick(random, ['chunked', 'Chunked'])}\r\n`, chunked(random)];
}

/** One to three requests, one after the other. */
export function anyRequests(random: Random): Buffer {
  return Buffer.concat(Array.from({ length: 1 + upTo(random, 2) }, () => anyRequest(random)));
}

function anyRequest(random: Random): Buffer {
  if (random() < 0.05) return bytes(`CONNECT h.svc:80 HTTP/1.1\r\n${fieldLines(random)}Host: h.svc:80\r\n\r\n`);
  const target = pick(random, TARGETS);
  const host = target.startsWith('http')
    ? 'h.svc:8080'
    : pick(random, ['a', 'shop.svc.cluster.local:80', '10.0.0.1', '[::1]:9']);
  const old = random() < 0.1;
  const [fields, body] = old ? (['', bytes('')] as const) : framed(random);
  const lines = [`Host: ${host}\r\n`, fields, fieldLines(random)];
  if (random() < 0.5) lines.reverse();
  const head = `${pick(random, METHODS)} ${target} HTTP/1.${old ? 0 : 1}\r\n${lines.join('')}\r\n`;
  return Buffer.concat([bytes(head), body]);
}

/** One to three responses with the requests they answer. */
export function anyResponses(random: Random): { readonly bytes: Buffer; readonly requests: readonly RequestFacts[] } {
  const requests: RequestFacts[] = [];
  const parts: Buffer[] = [];
  for (let count = 1 + upTo(random, 2); count > 0; count -= 1) {
    const method = pick(random, ['GET', 'GET', 'POST', 'HEAD']);
    requests.push({ method, upgrade: false });
    if (random() < 0.2)
      parts.push(bytes(`HTTP/1.1 ${pick(random, ['100 Continue', '103 Early Hints'])}\r\n${fieldLines(random)}\r\n`));
    const status = pick(random, [200, 200, 204, 304, 404, 500]);
    let [fields, body] = framed(random);
    if (fields === '' && count > 1) fields = 'Content-Length: 0\r\n';
    if (method === 'HEAD' || status === 204 || status === 304) body = bytes('');
    parts.push(bytes(`HTTP/1.1 ${status} ${pick(random, REASONS)}\r\n${fields}${fieldLines(random)}\r\n`), body);
  }
  return { bytes: Buffer.concat(parts), requests };
}

/** What smugglers are made of. */
const POISON = [
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '\r\n',
  '\r\n ',
  ':',
  ',',
  '#',
  '\x0b',
  'Content-Length: 5\r\n',
  'Content-Length: +5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Host: b\r\n',
  '0\r\n\r\n',
  '0x1',
  ';',
  'f',
] as const;

/** The same bytes with some changed, cut out, repeated or slipped in. */
export function mutated(random: Random, source: Buffer, count: number): Buffer {
  let result = Buffer.from(source);
  for (let left = count; left > 0 && result.length > 0; left -= 1) {
    const at = upTo(random, result.length - 1);
    const end = Math.min(result.length, at + 1 + upTo(random, 12));
    switch (upTo(random, 4)) {
      case 0:
        result[at] = upTo(random, 255);
        break;
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(end)]);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, end), result.subarray(at)]);
        break;
      case 3:
        result = Buffer.concat([
          result.subarray(0, lineFrom(result, at)),
          bytes(pick(random, POISON)),
          result.subarray(lineFrom(result, at)),
        ]);
        break;
      default:
        result = Buffer.concat([result.subarray(0, at), bytes(pick(random, POISON)), result.subarray(at)]);
    }
  }
  return result;
}

/** The beginning of the line after `at`. */
function lineFrom(source: Buffer, at: number): number {
  const end = source.indexOf('\n', at);
  return end < 0 ? at : end + 1;
}
