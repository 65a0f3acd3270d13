import type { FieldList } from './http1-steps.ts';

/** Messages of every kind, mostly legal, and ways to break them. Same numbers from `random`, same messages. */
type Random = () => number;

const pick = <T>(random: Random, list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
const upTo = (random: Random, max: number): number => Math.floor(random() * (max + 1));

/** A message as frames carry it. */
export interface Http2Case {
  readonly fields: FieldList;
  /** Pieces of the body; none: END_STREAM is on the head. */
  readonly body: readonly string[] | undefined;
  readonly trailers: FieldList | undefined;
}

const METHODS = ['GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'SEARCH'] as const;
const PATHS = ['/', '/a', '/a/b?c=d&e=%20', '/%2e%2e/x', '//x', '/a;b=c', '/?'] as const;
const AUTHORITIES = ['a', 'shop.svc.cluster.local:80', '10.0.0.1', '[::1]:9'] as const;
const NAMES = ['x-a', 'accept', 'cookie', 'x-request-id', 'via', "!#$%&'*+-.^_`|~1", 'expect', 'user-agent'] as const;
const VALUES = ['', 'a', 'b c', 'a, b', 'gzip;q=1', '\xe9\xff', '"q\\"', 'a\tb', ':;,', '1'.repeat(40)] as const;
const STATUSES = ['200', '200', '201', '204', '206', '302', '304', '404', '500', '999'] as const;

function regular(random: Random): FieldList {
  const fields: FieldList = Array.from({ length: upTo(random, 4) }, () => [pick(random, NAMES), pick(random, VALUES)]);
  return random() < 0.1 ? [...fields, ['te', 'trailers']] : fields;
}

function pieces(random: Random): readonly string[] {
  return Array.from({ length: upTo(random, 3) }, () => 'x'.repeat(pick(random, [0, 1, 2, 15, 100])));
}

function withLength(random: Random, fields: FieldList, body: readonly string[] | undefined): FieldList {
  if (random() < 0.5) return fields;
  return [...fields, ['content-length', String(body?.join('').length ?? 0)]];
}

function trailersOf(random: Random, body: readonly string[] | undefined): FieldList | undefined {
  if (body === undefined || random() < 0.7) return undefined;
  return pick<FieldList>(random, [
    [['x-t', '1']],
    [['grpc-status', '0']],
    [
      ['x-t', ''],
      ['x-u', 'a b'],
    ],
  ]);
}

export function anyHttp2Request(random: Random): Http2Case {
  const body = random() < 0.5 ? undefined : pieces(random);
  const authority = pick(random, AUTHORITIES);
  const method = pick(random, METHODS);
  const path = method === 'OPTIONS' && random() < 0.5 ? '*' : pick(random, PATHS);
  const host: FieldList = random() < 0.1 ? [['host', authority]] : [];
  const named: FieldList = host.length > 0 && random() < 0.5 ? [] : [[':authority', authority]];
  const pseudo: FieldList = [
    [':method', method],
    [':scheme', pick(random, ['http', 'https'])],
    [':path', path],
    ...named,
  ];
  const ordered = random() < 0.3 ? pseudo.toReversed() : pseudo;
  const fields = withLength(random, [...ordered, ...host, ...regular(random)], body);
  return { fields, body, trailers: trailersOf(random, body) };
}

/** A response to a request of this method. */
export function anyHttp2Response(random: Random, method: string): Http2Case {
  const status = pick(random, STATUSES);
  const bodiless = method === 'HEAD' || status === '204' || status === '304';
  const body = random() < 0.3 ? undefined : bodiless ? [] : pieces(random);
  const fields: FieldList = [[':status', status], ...regular(random).filter(([name]) => name !== 'te')];
  return { fields: withLength(random, fields, body), body, trailers: trailersOf(random, body) };
}

/** What is slipped in: the materials of downgrade smuggling. */
const POISON: readonly [readonly [string, string], ...(readonly [string, string])[]] = [
  ['X-A', '1'],
  ['', 'a'],
  ['x a', '1'],
  ['x\r\ny', '1'],
  ['x:', '1'],
  ['x', 'a\r\nb: c'],
  ['x', 'a\nb'],
  ['x', '\0'],
  ['x', ' a'],
  ['x', 'a\t'],
  ['x', '\x7f'],
  ['connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['keep-alive', '1'],
  ['proxy-connection', 'x'],
  ['upgrade', 'h2c'],
  ['te', 'gzip'],
  ['te', ''],
  ['host', 'b'],
  ['host', 'a'],
  ['content-length', '5'],
  ['content-length', '+5'],
  ['content-length', '05'],
  ['content-length', ''],
  ['content-length', '5, 5'],
  ['content-length', '99999999999999999999'],
  ['content-length', '9007199254740993'],
  [':path', '/x'],
  [':path', ''],
  [':path', 'x'],
  [':path', '/a b'],
  [':path', '/a#b'],
  [':path', '/\xe9'],
  [':path', '*'],
  [':method', 'GE T'],
  [':method', ''],
  [':method', 'CONNECT'],
  [':scheme', 'ftp'],
  [':scheme', ''],
  [':scheme', 'h ttp'],
  [':authority', 'u@a'],
  [':authority', ''],
  [':authority', 'a:'],
  [':authority', 'a b'],
  [':authority', 'a/b'],
  [':authority', 'a%2f'],
  [':protocol', 'websocket'],
  [':status', '200'],
  [':status', '2x0'],
  [':status', '101'],
  [':status', '20'],
  [':x', '1'],
];

/** The same message with some of it changed, left out, repeated, moved or slipped in. */
export function spoiled(random: Random, source: Http2Case, count: number): Http2Case {
  let { fields, body, trailers } = source;
  for (let left = count; left > 0; left -= 1) {
    const at = upTo(random, Math.max(0, fields.length - 1));
    const poison = pick(random, POISON);
    switch (upTo(random, 7)) {
      case 0:
        fields = fields.toSpliced(at, 1);
        break;
      case 1:
        fields = [...fields, fields[at] ?? poison];
        break;
      case 2:
        fields = [fields[at] ?? poison, ...fields.toSpliced(at, 1)];
        break;
      case 3:
      case 4:
        fields = fields.some(([name]) => name === poison[0])
          ? fields.map((field) => (field[0] === poison[0] ? poison : field))
          : fields.toSpliced(at + 1, 0, poison);
        break;
      case 5:
        fields = fields.toSpliced(at + 1, 0, poison);
        break;
      case 6:
        body = body === undefined ? ['y'] : [...body, 'z'];
        break;
      default:
        trailers = body === undefined ? undefined : [...(trailers ?? []), poison];
    }
  }
  return { fields, body, trailers };
}
