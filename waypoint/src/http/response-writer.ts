import type { Carrier } from '@ambit/mesh/hbone';
import {
  connectionOption,
  decideClientPersistence,
  decideResponseFraming,
  type FieldBlock,
  type HeadWriter,
  LAST_CHUNK,
  markHopByHop,
  type OutgoingFraming,
  passesInterim,
  type Persistence,
  type ResponseHead,
} from '@ambit/mesh/http1';
import { Http2ResponseHead, markForbiddenTrailers } from '@ambit/mesh/http2';
import type { AnswerWriter } from './answer-writer.ts';
import type { CurrentRequest } from './current-request.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { appendEdited, type CompiledEdits, dropEdited, NO_COMPILED_EDITS } from './header-edits.ts';
import { reasonPhrase } from './reason-phrase.ts';
import type { HeadComposer } from './outgoing-batch.ts';
import { WEBSOCKET_ACCEPT, websocketAccept } from './websocket.ts';
import type { WorkerContext } from './worker-context.ts';

/** RFC 9110 15.2.2. */
const SWITCHING_PROTOCOLS = 101;

export const ALLOWED_METHODS: string = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE';

type Part = 'interim' | 'response' | 'answer' | 'trailers';

/** Writes answers to a client of HTTP/1.1, through the batch of its thread. */
export class ResponseWriter implements AnswerWriter, HeadComposer {
  status = 0;
  begun = false;
  readonly #context: WorkerContext;
  readonly #carrier: Carrier;
  readonly #request: CurrentRequest;
  #part: Part = 'response';
  #head: ResponseHead | undefined;
  #block: FieldBlock | undefined;
  #edits: CompiledEdits = NO_COMPILED_EDITS;
  #versionMinor: 0 | 1 = 1;
  #text = '';
  #hasTrailers = false;
  #persistence: Persistence = 'keep';
  #framing: OutgoingFraming = 'none';

  constructor(context: WorkerContext, carrier: Carrier, request: CurrentRequest) {
    this.#context = context;
    this.#carrier = carrier;
    this.#request = request;
  }

  get isTunnel(): boolean {
    return this.#framing === 'tunnel';
  }

  get mayGoOn(): boolean {
    return this.#persistence === 'keep';
  }

  begin(): void {
    this.begun = false;
    this.status = 0;
    this.#persistence = 'keep';
    this.#hasTrailers = false;
  }

  interim(head: ResponseHead): void {
    if (!passesInterim(this.#request.head.versionMinor)) return;
    this.#head = head;
    this.#writeHead('interim');
  }

  response(head: ResponseHead, edits: CompiledEdits, requestComplete: boolean): boolean {
    const { method } = this.#request;
    const { versionMinor } = this.#request.head;
    this.#head = head;
    this.#edits = edits;
    this.#framing = decideResponseFraming({
      framing: head.framing,
      hasContentLength: head.hasContentLength,
      status: head.status,
      method,
      clientVersionMinor: versionMinor,
    });
    this.#decidePersistence(requestComplete);
    this.status = this.#grantsWebsocket ? SWITCHING_PROTOCOLS : head.status;
    this.begun = this.#writeHead('response');
    return this.begun;
  }

  data(memory: Buffer, start: number, end: number): void {
    const { batch } = this.#context;
    batch.begin(this.#carrier);
    if (this.#framing === 'chunked') batch.chunk(memory, start, end);
    else batch.bytes(memory, start, end);
  }

  /** An answer to HTTP/1.0 has no place for them. */
  trailers(block: FieldBlock): void {
    if (this.#framing !== 'chunked') return;
    markForbiddenTrailers(block, this.#context.dropped);
    this.#block = block;
    this.#hasTrailers = this.#writeHead('trailers');
  }

  end(): void {
    if (this.#framing !== 'chunked' || this.#hasTrailers) return;
    const { batch } = this.#context;
    batch.begin(this.#carrier);
    batch.bytes(LAST_CHUNK, 0, LAST_CHUNK.length);
  }

  answer(reason: FailureReason | null, requestComplete: boolean, status: number, headers: CompiledEdits): number {
    this.#text = reason === null ? '' : `${FAILURES[reason].text}\n`;
    this.#edits = headers;
    this.#framing = this.#request.method === 'HEAD' ? 'declared' : 'length';
    this.#decidePersistence(requestComplete);
    this.status = status;
    this.begun = true;
    this.#writeHead('answer');
    if (this.#framing !== 'length' || reason === null) return 0;
    const body = Buffer.from(this.#text, 'latin1');
    this.#context.batch.bytes(body, 0, body.length);
    return body.length;
  }

  flush(): boolean {
    return this.#context.batch.flush();
  }

  tunnelData(memory: Buffer, start: number, end: number): boolean {
    return this.#carrier.write(memory, start, end);
  }

  tunnelEnd(): void {
    this.#carrier.end();
  }

  compose(writer: HeadWriter, memory: Buffer, at: number): void {
    switch (this.#part) {
      case 'interim':
        writer.begin(memory, at);
        if (this.#head !== undefined) this.#copyHead(writer, this.#head, NO_COMPILED_EDITS);
        return;
      case 'response':
        writer.begin(memory, at);
        if (this.#head !== undefined) this.#composeResponse(writer, this.#head);
        return;
      case 'answer':
        writer.begin(memory, at);
        this.#composeAnswer(writer);
        return;
      case 'trailers':
        writer.beginTrailers(memory, at);
        if (this.#block !== undefined) writer.fieldsOf(this.#block, this.#context.dropped);
    }
  }

  /** A server of HTTP/2 has granted what is told to the client in the words of HTTP/1.1. */
  get #grantsWebsocket(): boolean {
    return this.#framing === 'tunnel' && this.#head instanceof Http2ResponseHead;
  }

  #writeHead(part: Part): boolean {
    const { batch, writer } = this.#context;
    this.#part = part;
    batch.begin(this.#carrier);
    return batch.head(writer, this);
  }

  #composeResponse(writer: HeadWriter, head: ResponseHead): void {
    this.#copyHead(writer, head, this.#edits, this.status);
    switch (this.#framing) {
      case 'length':
      case 'declared':
        writer.contentLength(head.contentLength);
        break;
      case 'empty':
        writer.contentLength(0);
        break;
      case 'chunked':
        writer.chunked();
        break;
      case 'tunnel':
        writer.field('connection', 'Upgrade');
        if (!this.#grantsWebsocket) break;
        writer.field('upgrade', 'websocket');
        writer.field(WEBSOCKET_ACCEPT, websocketAccept(this.#request.websocketKey));
        break;
      case 'none':
      case 'until-close':
        break;
    }
    this.#composeOption(writer);
    appendEdited(writer, this.#edits);
  }

  #copyHead(writer: HeadWriter, head: ResponseHead, edits: CompiledEdits, status = head.status): void {
    const { dropped } = this.#context;
    // There are no reasons in HTTP/2, and people read them.
    if (head instanceof Http2ResponseHead) writer.statusLine(status, reasonPhrase(status));
    else writer.statusLineOf(head);
    markHopByHop(head, dropped, head.status === 101 ? 'pass-on' : 'drop');
    dropEdited(head, dropped, edits);
    writer.fieldsOf(head, dropped);
  }

  #composeAnswer(writer: HeadWriter): void {
    writer.statusLine(this.status, reasonPhrase(this.status));
    if (this.#text !== '') writer.field('content-type', 'text/plain');
    if (this.status !== 204) writer.contentLength(this.#text.length);
    if (this.status === 405) writer.field('allow', ALLOWED_METHODS);
    this.#composeOption(writer);
    appendEdited(writer, this.#edits);
  }

  #composeOption(writer: HeadWriter): void {
    const option = connectionOption(this.#persistence, this.#versionMinor);
    if (option !== undefined) writer.field('connection', option);
  }

  #decidePersistence(requestComplete: boolean): void {
    const { head, method } = this.#request;
    this.#versionMinor = head.versionMinor;
    this.#persistence = decideClientPersistence({
      versionMinor: head.versionMinor,
      close: head.close,
      keepAlive: head.keepAlive,
      method,
      requestComplete,
      framing: this.#framing,
      draining: this.#context.draining,
    });
  }
}
