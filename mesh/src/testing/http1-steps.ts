import type { Http1Fault } from '../http1/errors.ts';
import type { FieldBlock } from '../http1/field-block.ts';
import type { MessageHead } from '../http1/head.ts';
import type { Http1Limits } from '../http1/limits.ts';
import type { MessageReader } from '../http1/message-reader.ts';
import { RequestReader } from '../http1/request-reader.ts';
import { type RequestFacts, ResponseReader } from '../http1/response-reader.ts';

export type FieldList = readonly (readonly [name: string, value: string])[];

/** What a reader said, in values that outlive it. Data that came in several steps is one event. */
export type Http1Event =
  | { readonly request: string; readonly fields: FieldList; readonly framing: string; readonly facts: string }
  | { readonly response: string; readonly fields: FieldList; readonly framing: string; readonly facts: string }
  | { readonly data: string }
  | { readonly trailers: FieldList }
  | { readonly fault: Http1Fault }
  | 'end'
  | 'idle';

/** Steps that one read may make before something is wrong. */
const STEPS_MAX = 1_000_000;

export function fieldsOf(block: FieldBlock): FieldList {
  return Array.from({ length: block.count }, (_, index) => [block.name(index), block.value(index)] as const);
}

/** Reads requests from bytes that arrive in these pieces, to the end of the connection. */
export function requestEvents(pieces: readonly Buffer[], limits?: Http1Limits): Http1Event[] {
  const reader = new RequestReader(limits);
  const { head } = reader;
  return eventsOf(reader, pieces, () => ({
    request: `${head.method} ${head.form} ${head.scheme} ${head.authority} ${head.path}`,
    fields: fieldsOf(head),
    framing: framingOf(head),
    facts: `${factsOf(head)} expect=${head.expect}`,
  }));
}

/** Reads the responses to these requests, to the end of the connection. */
export function responseEvents(
  pieces: readonly Buffer[],
  requests: readonly RequestFacts[],
  limits?: Http1Limits,
): Http1Event[] {
  const reader = new ResponseReader(limits);
  const { head } = reader;
  const waiting = [...requests];
  const ask = (): void => {
    const next = waiting.shift();
    if (next !== undefined) reader.expectResponse(next);
  };
  ask();
  return eventsOf(
    reader,
    pieces,
    () => ({
      response: `${head.status} ${head.reason}${head.interim ? ' interim' : ''}`,
      fields: fieldsOf(head),
      framing: framingOf(head),
      facts: factsOf(head),
    }),
    ask,
  );
}

/**
 * Each piece lies somewhere within memory that is overwritten after the read, as a socket's shared read buffer is: a reader
 * that still points there is found out.
 */
function eventsOf(
  reader: MessageReader<MessageHead>,
  pieces: readonly Buffer[],
  headEvent: () => Http1Event,
  onEnd: () => void = () => {},
): Http1Event[] {
  const events: Http1Event[] = [];
  const data = (text: string): void => {
    const last = events.at(-1);
    if (typeof last === 'object' && 'data' in last) events[events.length - 1] = { data: last.data + text };
    else events.push({ data: text });
  };
  let steps = 0;
  for (const [index, piece] of pieces.entries()) {
    const start = index % 7;
    const memory = Buffer.concat([Buffer.alloc(start, 0x58), piece, Buffer.alloc(3, 0x59)]);
    const end = start + piece.length;
    for (let at = start; ; at = reader.at) {
      const step = reader.read(memory, at, end);
      steps += 1;
      if (steps > STEPS_MAX) throw new Error('the reader goes round in circles');
      if (step === 'more' && reader.at !== end) throw new Error('the reader says more but has left bytes');
      if (step === 'fault' && reader.fault !== undefined) return [...events, { fault: reader.fault }];
      if (step === 'more') break;
      if (step === 'head') events.push(headEvent());
      else if (step === 'data') data(memory.toString('latin1', reader.dataStart, reader.dataEnd));
      else if (step === 'trailers') events.push({ trailers: fieldsOf(reader.trailers ?? reader.head) });
      else {
        events.push('end');
        onEnd();
      }
    }
    memory.fill(0xaa);
  }
  const finish = reader.finish();
  if (finish === 'fault' && reader.fault !== undefined) return [...events, { fault: reader.fault }];
  return [...events, finish === 'fault' ? 'idle' : finish];
}

function framingOf(head: MessageHead): string {
  const declared = head.hasContentLength ? ` ${head.contentLength}` : '';
  return `${head.framing}${declared}`;
}

function factsOf(head: MessageHead): string {
  const { close, keepAlive, upgrade, namesFields } = head;
  const set = Object.entries({ close, keepAlive, upgrade, namesFields }).filter(([, value]) => value);
  return [`1.${head.versionMinor}`, ...set.map(([name]) => name)].join(' ');
}

/** Cuts bytes at these positions. */
export function cutAt(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const cuts = [...new Set(positions.filter((at) => at > 0 && at < bytes.length))].toSorted((a, b) => a - b);
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length));
}
