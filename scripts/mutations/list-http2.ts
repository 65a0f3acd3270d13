import type { Mutation } from './mutation.ts';

const HTTP2 = 'mesh/src/http2';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({
    area: 'http2',
    file: `${HTTP2}/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${HTTP2}/${test}`),
  });

const DECODING = 'field-decoder.test.ts';
const MEANING = 'interpret.test.ts';
const ENCODING = 'head-encoder.test.ts';
const ENDS = ['exchange.test.ts', 'violation.test.ts'] as const;
const TRANSLATION = 'translate.test.ts';
const decoder = inFile('field-decoder.ts', DECODING);
const table = inFile('line-table.ts', DECODING, ENCODING);
const kinds = inFile('field-kinds.ts', DECODING);
const request = inFile('interpret-request.ts', MEANING);
const response = inFile('interpret-response.ts', MEANING);
const encoder = inFile('field-encoder.ts', ENCODING);
const head = inFile('head-encoder.ts', ENCODING);
const exchange = inFile('exchange.ts', ...ENDS);
const server = inFile('server.ts', ...ENDS);
const message = inFile('translate-message.ts', TRANSLATION);

/** One way to understand a message (RFC 9113 8), one to say it, and no end that is missed. */
export const HTTP2_MUTATIONS: readonly Mutation[] = [
  decoder('this.fieldCount > 0 || sizeUpdates > 2', 'sizeUpdates > 2'),
  decoder('let flags = (table.flags[slot] ?? 0) & BAD_NAME;', 'let flags = 0;'),
  decoder('this.head.count > 0 || this.crumbs.length > 0', 'this.head.count > 0'),
  decoder("if (this.has(kind)) this.fault ??= 'pseudo-duplicate';", ''),
  decoder('this.listBytes > this.listMaxBytes', 'this.listBytes >= this.listMaxBytes'),
  decoder('this.fieldCount > this.limits.headerCountMax', 'this.fieldCount >= this.limits.headerCountMax'),
  decoder('EXPANSION_FACTOR_MAX * this.limits.headerBlockMaxBytes', 'Number.POSITIVE_INFINITY'),
  decoder('this.crumbsAreSensitive ||= sensitive;', ''),
  table('const number = this.next - (index - STATIC_COUNT);', 'const number = this.next - (index - STATIC_COUNT) - 1;'),
  table('this.evict(this.capacityBytes - bytes);', ''),
  table('to += bytes;', 'to += bytes + 1;'),
  kinds('isSpace(bytes[start]) || isSpace(bytes[end - 1])', 'isSpace(bytes[start])'),
  kinds('byte >= 65 && byte <= 90 ? 0 : allowed', 'allowed'),
  request("head.method === 'CONNECT' && !decoder.has(FieldKind.protocol)", "head.method === 'CONNECT'"),
  request(
    "if (endsStream) return head.contentLength > 0 ? 'body-length' : undefined;",
    'if (endsStream) return undefined;',
  ),
  request("undefined : 'host-mismatch'", 'undefined : undefined'),
  request("bytes[start] === ASTERISK && method === 'OPTIONS'", 'bytes[start] === ASTERISK'),
  request("return said ? undefined : 'authority-missing';", 'return undefined;'),
  inFile('interpret-length.ts', MEANING)("if (length < 0) return 'content-length-invalid';", ''),
  response('status < 100 || status === SWITCHING_PROTOCOLS', 'status < 100'),
  response("status !== 304 && method !== 'HEAD'", 'status !== 304'),
  inFile('interpret-trailers.ts', MEANING)("if (decoder.hasPseudo) return 'pseudo-forbidden';", ''),
  encoder('this.seen[place] === hash && bytes', 'bytes'),
  encoder('keep ? PLAIN : NEVER_KEPT', 'PLAIN'),
  encoder('if (this.binding) {', 'if (this.at < 0) {'),
  encoder('if (this.untoldBytes < this.capacityBytes) this.putInteger(SIZE_UPDATE, 0x1f, this.untoldBytes);', ''),
  head("if (isFramingName(name)) return this.fail('framing-field');", ''),
  head('listBytes > this.peerListMaxBytes', 'listBytes >= this.peerListMaxBytes'),
  head('const keep = sensitive[index] !== 1 && !isSecret', 'const keep = !isSecret'),
  exchange("if (!this.peerHeadSeen) return 'response-missing';", ''),
  exchange("?? (this.isShort() ? 'body-length' : undefined)", ''),
  exchange("if (error?.code === 'protocol') this.owner.noteFault(reason?.fault);", ''),
  exchange('this.release(this.heldBytes);', ''),
  exchange('if (stream.isSendBlocked) {', 'if (stream.closed) {'),
  server('connection.writer.waitingBytes > limits.unsentMaxBytes', 'connection.writer.waitingBytes < 0'),
  server('if (!endStream) stream.abort(Http2Code.noError);', ''),
  inFile('client.ts', ...ENDS)(
    'Math.min(limits.clientStreamsMax, connection.peerStreamsMax)',
    'limits.clientStreamsMax',
  ),
  message(
    "request.kind === 'websocket' && request.version === 'http/2' && status >= 200",
    "request.kind === 'upgrade' && status >= 200",
  ),
  message("framing === 'none' && BODY_METHODS.has(head.method)", "framing === 'none' && head.method === ''"),
  inFile('translate-failure.ts', 'translate-failure.test.ts')(
    'if (error.isUnprocessed)',
    "if (error.code === 'goaway')",
  ),
];
