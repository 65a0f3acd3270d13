/** What is read, passed on as a proxy does, and read again is the same message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyRequests, anyResponses } from '../testing/http1-corpus.ts';
import { cutAt, type FieldList, type Http1Event, requestEvents, responseEvents } from '../testing/http1-steps.ts';
import { randomOf } from '../testing/random.ts';
import { CHUNK_OVERHEAD_MAX_BYTES, LAST_CHUNK, writeChunk } from './chunk-writer.ts';
import { decideRequestFraming, decideResponseFraming, type OutgoingFraming } from './decide-framing.ts';
import type { MessageHead } from './head.ts';
import { HeadWriter } from './head-writer.ts';
import { markHopByHop } from './hop-by-hop.ts';
import type { MessageReader } from './message-reader.ts';
import { RequestReader } from './request-reader.ts';
import { type RequestFacts, ResponseReader } from './response-reader.ts';

const SEED = 20261126;
const RUNS = 2000;

/** Copies messages from a reader to bytes. */
class Forwarder {
  readonly parts: Buffer[] = [];
  private readonly writer = new HeadWriter();
  private readonly memory = Buffer.alloc(4096);
  private framing: OutgoingFraming = 'none';

  head(head: MessageHead, framing: OutgoingFraming, writeStartLine: (to: HeadWriter) => void): void {
    const { writer, memory } = this;
    this.framing = framing;
    const dropped = new Uint8Array(head.count);
    markHopByHop(head, dropped, 'drop');
    writer.begin(memory, 0);
    writeStartLine(writer);
    writer.fieldsOf(head, dropped);
    if (framing === 'length' || framing === 'declared' || framing === 'empty') writer.contentLength(head.contentLength);
    if (framing === 'chunked') writer.chunked();
    this.take(writer.end());
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.framing !== 'chunked') this.parts.push(Buffer.from(bytes.subarray(start, end)));
    else {
      const out = Buffer.alloc(CHUNK_OVERHEAD_MAX_BYTES + end - start);
      this.parts.push(out.subarray(0, writeChunk(out, 0, bytes, start, end)));
    }
  }

  end(trailers: MessageReader<MessageHead>['trailers']): void {
    if (this.framing !== 'chunked') return;
    if (trailers === undefined) this.parts.push(LAST_CHUNK);
    else {
      this.writer.beginTrailers(this.memory, 0);
      this.writer.fieldsOf(trailers);
      this.take(this.writer.end());
    }
  }

  private take(end: number): void {
    assert.ok(end > 0, this.writer.problem);
    this.parts.push(Buffer.from(this.memory.subarray(0, end)));
  }
}

function forward(
  reader: MessageReader<MessageHead>,
  pieces: readonly Buffer[],
  onHead: (to: Forwarder) => void,
  onEnd: () => void = () => {},
): Buffer {
  const forwarder = new Forwarder();
  for (const piece of pieces) {
    for (let at = 0, step = ''; step !== 'more'; at = reader.at) {
      step = reader.read(piece, at, piece.length);
      assert.notEqual(step, 'fault', reader.fault?.code);
      if (step === 'head') onHead(forwarder);
      else if (step === 'data') forwarder.data(piece, reader.dataStart, reader.dataEnd);
      else if (step === 'trailers') forwarder.end(reader.trailers);
      else if (step === 'end') {
        if (reader.trailers === undefined) forwarder.end(undefined);
        onEnd();
      }
    }
  }
  if (reader.finish() === 'end') forwarder.end(undefined);
  return Buffer.concat(forwarder.parts);
}

const HOP_BY_HOP = /^(?:connection|transfer-encoding|content-length|upgrade)$/i;

/** What must not change: everything but the fields of this hop and the framing. */
function essence(events: readonly Http1Event[]): readonly unknown[] {
  const endToEnd = (fields: FieldList, connection: readonly string[]): FieldList =>
    fields.filter(
      ([name, value]) =>
        !HOP_BY_HOP.test(name) &&
        !(name.toLowerCase() === 'te' && value !== 'trailers') &&
        !connection.includes(name.toLowerCase()),
    );
  return events.map((event) => {
    if (typeof event === 'string' || 'data' in event || 'trailers' in event || 'fault' in event) return event;
    const named = event.fields
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(/[ ,]+/));
    const { fields, ...rest } = event;
    const start = 'request' in rest ? rest.request : rest.response;
    return [
      start,
      endToEnd(
        fields,
        named.filter((name) => name !== 'te'),
      ),
    ];
  });
}

const seed = fc.integer({ min: 0, max: 2 ** 31 });
const cuts = fc.array(fc.nat(600), { maxLength: 6 });

test('requests that are passed on are the same requests', () => {
  fc.assert(
    fc.property(seed, cuts, (from, positions) => {
      const input = anyRequests(randomOf(from));
      const reader = new RequestReader();
      const output = forward(reader, cutAt(input, positions), (to) => {
        to.head(reader.head, decideRequestFraming(reader.head), (writer) => writer.requestLineOf(reader.head));
      });
      assert.deepEqual(essence(requestEvents([output])), essence(requestEvents([input])));
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test('responses that are passed on are the same responses', () => {
  fc.assert(
    fc.property(seed, cuts, (from, positions) => {
      const { bytes, requests } = anyResponses(randomOf(from));
      const reader = new ResponseReader();
      const waiting = [...requests];
      let request: RequestFacts | undefined;
      const ask = (): void => {
        request = waiting.shift();
        if (request !== undefined) reader.expectResponse(request);
      };
      ask();
      const onHead = (to: Forwarder): void => {
        const { head } = reader;
        const { status, framing, hasContentLength } = head;
        const method = request?.method ?? '';
        const outgoing = decideResponseFraming({ status, framing, hasContentLength, method, clientVersionMinor: 1 });
        to.head(head, outgoing, (writer) => writer.statusLineOf(head));
      };
      const output = forward(reader, cutAt(bytes, positions), onHead, ask);
      // What went up to the end of the connection is chunked now, and the connection goes on.
      const same = (events: readonly Http1Event[]): readonly unknown[] =>
        essence(events).filter((event) => event !== 'idle');
      assert.deepEqual(same(responseEvents([output], requests)), same(responseEvents([bytes], requests)));
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
