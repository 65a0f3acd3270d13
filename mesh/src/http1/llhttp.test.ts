/**
 * The same bytes to this codec and to llhttp, Node's own parser, as strict as it can be. What both accept they must frame the
 * same way: same messages, same fields, same bodies, same ends. Whatever else differs is in the two lists below with its reason.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { anyRequests, anyResponses, mutated } from '../testing/http1-corpus.ts';
import { type Http1Event, requestEvents, responseEvents } from '../testing/http1-steps.ts';
import { randomOf } from '../testing/random.ts';
import type { RequestFacts } from './response-reader.ts';

const SEED = 20261126;
const RUNS = 20_000;

/** A message as both sides show it. */
interface Message {
  readonly start: string;
  readonly fields: readonly string[];
  body: string;
  trailers: readonly string[];
  complete: boolean;
}

interface Outcome {
  readonly messages: readonly Message[];
  /** Why no more was read; undefined when all was. */
  readonly fault: string | undefined;
}

interface LlhttpError extends Error {
  readonly code: string;
  readonly bytesParsed: number;
}

/** The undocumented class under node:http. */
interface Llhttp {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  execute(bytes: Buffer): number | LlhttpError;
  finish(): undefined | LlhttpError;
  [callback: number]: (...values: never[]) => number | undefined;
}

const { HTTPParser, methods: METHODS } = createRequire(import.meta.url)('_http_common') as {
  readonly HTTPParser: (new () => Llhttp) & Readonly<Record<string, number>>;
  readonly methods: readonly string[];
};
const HEADER_BYTES_MAX = 1 << 20;

type HeadValues = readonly [
  major: number,
  minor: number,
  fields: readonly string[] | undefined,
  method: number,
  url: string | undefined,
  status: number,
  reason: string,
];

/** What llhttp makes of it; goes on after an upgrade that nobody took, as a server does that ignores it. */
function llhttpOutcome(type: 'REQUEST' | 'RESPONSE', input: Buffer, requests: readonly RequestFacts[]): Outcome {
  const messages: Message[] = [];
  const waiting = [...requests];
  let at = 0;
  for (;;) {
    let pending: readonly string[] = [];
    let pendingUrl = '';
    const parser = new HTTPParser();
    const last = (): Message => messages.at(-1) ?? assert.fail('llhttp: body before head');
    parser.initialize(HTTPParser[type] ?? assert.fail(), {}, HEADER_BYTES_MAX, 0);
    const on = (name: string, callback: (...values: never[]) => number | undefined): void => {
      parser[HTTPParser[name] ?? assert.fail(name)] = callback;
    };
    // Called before the head when it has very many fields or the last message had trailers.
    on('kOnHeaders', (fields: readonly string[], url: string) => {
      pending = [...pending, ...fields];
      pendingUrl += url;
      return undefined;
    });
    on('kOnHeadersComplete', (...[, minor, fields, method, url, status, reason]: HeadValues) => {
      const start = type === 'REQUEST' ? `${METHODS[method]} ${url ?? pendingUrl}` : `${status} ${reason}`;
      messages.push({
        start: `1.${minor} ${start}`,
        fields: fields ?? pending,
        body: '',
        trailers: [],
        complete: false,
      });
      pending = [];
      pendingUrl = '';
      const interim = type === 'RESPONSE' && status < 200;
      const request = interim ? waiting[0] : waiting.shift();
      return type === 'RESPONSE' && (interim || request?.method === 'HEAD') ? 1 : 0;
    });
    on('kOnBody', (bytes: Buffer) => {
      last().body += bytes.toString('latin1');
      return undefined;
    });
    on('kOnMessageComplete', () => {
      last().trailers = pending;
      last().complete = true;
      pending = [];
      pendingUrl = '';
      return undefined;
    });
    const result = parser.execute(input.subarray(at));
    // It refuses what follows a message that says close; whether to read that is not a parser's to decide.
    const goOn = typeof result === 'number' || result.code === 'HPE_CLOSED_CONNECTION';
    if (!goOn) return { messages, fault: result.code };
    // The byte that it refused counts as parsed.
    const taken = typeof result === 'number' ? result : result.bytesParsed - 1;
    at += taken;
    if (at < input.length && taken > 0) continue;
    return { messages, fault: parser.finish()?.code };
  }
}

function oursOutcome(events: readonly Http1Event[]): Outcome {
  const messages: Message[] = [];
  const list = (fields: readonly (readonly [string, string])[]): string[] => fields.flat();
  for (const event of events) {
    const last = messages.at(-1);
    if (event === 'idle') continue;
    if (event === 'end') {
      if (last !== undefined) last.complete = true;
    } else if ('fault' in event) return { messages, fault: event.fault.code };
    else if ('data' in event) (last ?? assert.fail()).body = event.data;
    else if ('trailers' in event) (last ?? assert.fail()).trailers = list(event.trailers);
    else {
      const [version] = event.facts.split(' ');
      const start = 'request' in event ? targetOf(event.request) : event.response.replace(/ interim$/, '');
      const complete = 'response' in event && event.response.endsWith(' interim');
      messages.push({ start: `${version} ${start}`, fields: list(event.fields), body: '', trailers: [], complete });
    }
  }
  return { messages, fault: undefined };
}

/** The target again, of its parts. */
function targetOf(request: string): string {
  const [method, form, scheme, authority, path] = request.split(' ');
  if (form === 'absolute') return `${method} ${scheme}://${authority}${path}`;
  return `${method} ${form === 'authority' ? authority : path}`;
}

/** What llhttp reads and we refuse, as our fault. Each of them occurs in what is generated here. */
const STRICTER: Readonly<Record<'REQUEST' | 'RESPONSE', Readonly<Record<string, string>>>> = {
  REQUEST: {
    'connect-body': 'what frames a body means nothing to llhttp in CONNECT',
    'connection-invalid': 'llhttp looks for the options it knows in Connection and does not mind what else is there',
    'content-length-invalid': 'tabs before the number and spaces after it, of which others make something else',
    'host-duplicate': 'llhttp does not look at Host',
    'host-invalid': 'llhttp does not look at Host',
    'host-mismatch': 'llhttp does not look at Host',
    'host-missing': 'llhttp does not look at Host; node:http does after it',
    'line-end': 'a CR before the request line, of which llhttp skips any number',
    method: 'empty lines before the request line: one is skipped, llhttp skips any number, and bare LF',
    target: 'fragments',
    'target-form': 'schemes that nobody proxies, and users in the authority',
    'trailer-forbidden': 'llhttp hands on any trailer',
    'transfer-encoding-invalid': 'codings that end with another one than chunked, and tabs',
    truncated: 'an empty line, and then the end: llhttp does not count it as the beginning of a request',
    version: 'HTTP/0.9, a request line of method and target',
  },
  RESPONSE: {
    'chunk-extension': 'control characters in quoted values of extensions',
    'connection-invalid': 'as in requests',
    'content-length-invalid': 'as in requests',
    reason: 'control characters in the reason phrase',
    'trailer-forbidden': 'as in requests',
    'transfer-encoding-duplicate': 'llhttp goes by the last one',
    'transfer-encoding-invalid':
      'of a response with another coding than chunked the end is the end of the connection, says llhttp',
    truncated: 'the end of the connection after an interim response',
    unsolicited: 'line ends after a response, which llhttp skips',
    version: 'line ends before a response, which llhttp skips',
  },
};

/** What we accept and llhttp refuses, as its error. */
const LAXER: Readonly<Record<'REQUEST' | 'RESPONSE', Readonly<Record<string, string>>>> = {
  REQUEST: { HPE_INVALID_METHOD: 'llhttp has a list of methods; a proxy passes any on' },
  RESPONSE: {},
};

/** Compares what both have read; says which of them refused the rest. */
function compare(input: Buffer, ours: Outcome, theirs: Outcome): string {
  const show = JSON.stringify(input.toString('latin1'));
  const whole = ({ messages }: Outcome): readonly Message[] => messages.filter(({ complete }) => complete);
  const common = Math.min(whole(ours).length, whole(theirs).length);
  assert.deepEqual(whole(ours).slice(0, common), whole(theirs).slice(0, common), show);
  // Of a message that one of them did not finish, both have seen the same head, and the same body as far as they came.
  const [oursNext, theirsNext] = [ours.messages[common], theirs.messages[common]];
  if (oursNext !== undefined && theirsNext !== undefined) {
    const length = Math.min(oursNext.body.length, theirsNext.body.length);
    const seen = ({ start, fields, body }: Message): unknown => ({ start, fields, body: body.slice(0, length) });
    assert.deepEqual(seen(oursNext), seen(theirsNext), show);
  }
  // A head that llhttp does not take counts, whatever we found in what follows it.
  if (theirs.fault !== undefined && (ours.fault === undefined || ours.messages.length > theirs.messages.length)) {
    return `laxer ${theirs.fault}`;
  }
  if (theirs.fault !== undefined) return 'both refuse';
  if (ours.fault !== undefined) return `stricter ${ours.fault}`;
  assert.deepEqual(ours.messages, theirs.messages, show);
  return 'both accept';
}

function compareAll(
  type: 'REQUEST' | 'RESPONSE',
  make: (random: () => number) => readonly [input: Buffer, ours: Outcome, theirs: Outcome],
): void {
  const counts = new Map<string, number>();
  for (let i = 0; i < RUNS; i += 1) {
    const what = compare(...make(randomOf(SEED + i)));
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const found = [...counts.keys()].filter((what) => !what.startsWith('both')).toSorted();
  const listed = [
    ...Object.keys(LAXER[type]).map((code) => `laxer ${code}`),
    ...Object.keys(STRICTER[type]).map((code) => `stricter ${code}`),
  ];
  assert.deepEqual(found, listed.toSorted());
  assert.ok((counts.get('both accept') ?? 0) > RUNS / 5, 'the corpus must not be refused as a whole');
}

test(`${RUNS} generated requests, many of them broken, are framed as llhttp frames them`, () => {
  compareAll('REQUEST', (random) => {
    const input = mutated(random, anyRequests(random), Math.floor(random() * 4));
    return [input, oursOutcome(requestEvents([input])), llhttpOutcome('REQUEST', input, [])];
  });
});

test(`${RUNS} generated responses, many of them broken, are framed as llhttp frames them`, () => {
  compareAll('RESPONSE', (random) => {
    const { bytes, requests } = anyResponses(random);
    const input = mutated(random, bytes, Math.floor(random() * 4));
    return [input, oursOutcome(responseEvents([input], requests)), llhttpOutcome('RESPONSE', input, requests)];
  });
});
