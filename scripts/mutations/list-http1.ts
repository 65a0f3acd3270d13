import type { Mutation } from './mutation.ts';

const HTTP1 = 'mesh/src/http1';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({
    area: 'http1',
    file: `${HTTP1}/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${HTTP1}/${test}`),
  });

const REQUESTS = ['request-reader.test.ts', 'request-refusals.test.ts'] as const;
const RESPONSES = 'response-reader.test.ts';
const SPLITS = 'split.property.test.ts';
const fields = inFile('field-reader.ts', ...REQUESTS);
const meaning = inFile('head-fields.ts', ...REQUESTS);
const length = inFile('content-length.ts', ...REQUESTS);
const section = inFile('section-reader.ts', ...REQUESTS, SPLITS);
const chunk = inFile('chunk-line.ts', ...REQUESTS);
const body = inFile('body-reader.ts', ...REQUESTS, SPLITS);
const requestLine = inFile('request-line.ts', ...REQUESTS, SPLITS);
const response = inFile('response-reader.ts', RESPONSES);
const authority = inFile('authority.ts', ...REQUESTS);
const writer = inFile('head-writer.ts', 'head-writer.test.ts');
const hop = inFile('hop-by-hop.ts', 'hop-by-hop.test.ts');
const persistence = inFile('decide-persistence.ts', 'decide.test.ts');
const framing = inFile('decide-framing.ts', 'decide.test.ts');

/** One way to read a message (RFC 9112), and one to write it. */
export const HTTP1_MUTATIONS: readonly Mutation[] = [
  fields('first === SP || first === HT', 'first === SP'),
  fields('bytes[at] !== COLON || at === nameStart', 'bytes[at] !== COLON'),
  fields('this.block.count === this.countMax', 'this.block.count > this.countMax'),
  fields("if (bytes[at] !== LF) return this.fail('line-end', at);", ''),
  meaning("if (this.lengthField >= 0) return 'content-length-duplicate';", ''),
  meaning("if (this.encodingField >= 0) return 'transfer-encoding-duplicate';", ''),
  meaning("if (head.versionMinor === 0) return 'transfer-encoding-version';", ''),
  meaning("return head.hasContentLength ? 'length-and-chunked' : undefined;", 'return undefined;'),
  length('bytes[start] === ZERO && end - start > 1', 'bytes[start] === ZERO && end - start > 2'),
  length('(byte - ZERO)', '(byte - ZERO + 1)'),
  meaning('return bytes[head.valueEnd(index)] === CR;', 'return true;'),
  meaning('if (bytes[at] !== SP) return false;', ''),
  meaning('chunkedCount === 1 && codingCount > 1', 'codingCount > 1'),
  meaning('if (this.secondHost >= 0) {', 'if (this.secondHost > head.count) {'),
  meaning("head.form === 'absolute' || head.form === 'authority'", "head.form === 'authority'"),
  meaning("else if (NEVER_HOP_BY_HOP.has(fieldIdOf(bytes, list.start, list.end))) return 'connection-invalid';", ''),
  meaning(
    'this.upgradeOption && this.upgradeField && head.versionMinor === 1',
    'this.upgradeOption && this.upgradeField',
  ),
  section('this.line?.moveBack(start);', ''),
  section('at - start >= this.maxBytes', 'at - start > this.maxBytes'),
  section('start + this.maxBytes - before', 'start + this.maxBytes'),
  chunk('this.digits > LENGTH_DIGITS_MAX || this.size > Number.MAX_SAFE_INTEGER', 'this.digits > LENGTH_DIGITS_MAX'),
  chunk('this.lineBytes === this.limits.chunkLineMaxBytes', 'this.lineBytes > this.limits.chunkLineMaxBytes'),
  chunk("if (byte !== LF) this.fault = 'line-end';", ''),
  chunk('return byte === SEMICOLON ? EXTENSION_NAME_FIRST : -1;', 'return EXTENSION_NAME_FIRST;'),
  body('this.state === CHUNK_CR ? CR : LF', 'this.state === CHUNK_CR ? LF : LF'),
  body('this.trailerReader?.begin();', ''),
  body('if (forbidden >= 0) {', 'if (forbidden > 0) {'),
  body(' && !this.trailersBegun()', ''),
  requestLine('bytes[at] === CR ? EMPTY_LF : METHOD_FIRST', 'METHOD_FIRST'),
  requestLine(
    "if (at > end) return this.fail('target-length', end);",
    "if (at >= end) return this.fail('target-length', end);",
  ),
  response(
    "status < 200 || status === 204 || status === 304 || method === 'HEAD'",
    "status === 204 || status === 304 || method === 'HEAD'",
  ),
  response(
    "if (status < 200 || status === 204 || status === 304 || method === 'HEAD')",
    "if (status < 200 || status === 204 || method === 'HEAD')",
  ),
  response("method === 'CONNECT' && status >= 200 && status < 300", "method === 'CONNECT'"),
  response('request?.upgrade !== true', 'request === undefined'),
  response('this.interimCount > this.limits', 'this.interimCount >= this.limits'),
  authority("return port === 'optional';", 'return true;'),
  authority('port >= 1 && port <= PORT_MAX', 'port <= PORT_MAX'),
  authority('at - first >= IPV6_MIN_BYTES', 'at > first'),
  writer('code > 255 || allowed[code] !== 1', 'allowed[code & 255] !== 1'),
  writer("if (isFramingName(name)) this.fail('framing-field');", ''),
  writer('id === FieldId.contentLength || id === FieldId.transferEncoding', 'id === FieldId.transferEncoding'),
  writer("if (this.framed || this.inTrailers) this.fail('framing-twice');", ''),
  writer("if (this.at + length > this.limit) return this.fail('no-room');", ''),
  hop('if (!head.namesFields) return;', 'return;'),
  hop("return upgrade === 'drop';", 'return true;'),
  hop('id === FieldId.te || id === FieldId.upgrade', 'id === FieldId.upgrade'),
  persistence("if (exchange.method === 'CONNECT') return 'connect-refused';", ''),
  persistence('versionMinor === 0 && !keepAlive', 'versionMinor === 0'),
  persistence("if (!exchange.responseComplete) return 'response-incomplete';", ''),
  framing("clientVersionMinor === 1 ? 'chunked' : 'until-close'", "'chunked'"),
  framing('if (status < 200 || status === 204) return', 'if (status < 200) return'),
];
