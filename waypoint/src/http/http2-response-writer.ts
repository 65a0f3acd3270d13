import {
  decideResponseFraming,
  type FieldBlock,
  markHopByHop,
  type OutgoingFraming,
  type ResponseHead,
} from '@ambit/mesh/http1';
import {
  endsWithHead,
  type HeadEncoder,
  markForbiddenTrailers,
  type ServerExchange,
  translateResponse,
} from '@ambit/mesh/http2';
import type { AnswerWriter } from './answer-writer.ts';
import type { CurrentRequest } from './current-request.ts';
import { FAILURES, type FailureReason } from './failures.ts';
import { grpcStatusFor } from './grpc-status.ts';
import { type CompiledEdits, dropEdited, dropNamed, NO_COMPILED_EDITS } from './header-edits.ts';
import { ALLOWED_METHODS } from './response-writer.ts';
import { WEBSOCKET_ACCEPT } from './websocket.ts';
import type { WorkerContext } from './worker-context.ts';

/** Writes the answer of one stream of a client's HTTP/2 connection after the other. */
export class Http2ResponseWriter implements AnswerWriter {
  status = 0;
  begun = false;
  isTunnel = false;
  /** Whatever becomes of this answer, there are other streams. */
  readonly mayGoOn = true;
  readonly #context: WorkerContext;
  readonly #request: CurrentRequest;
  #stream: ServerExchange | undefined;
  /** The client takes more. */
  #taken = true;

  constructor(context: WorkerContext, request: CurrentRequest) {
    this.#context = context;
    this.#request = request;
  }

  /** Where answers go from now on. */
  open(stream: ServerExchange): void {
    this.#stream = stream;
  }

  begin(): void {
    this.begun = false;
    this.status = 0;
    this.#taken = true;
    this.isTunnel = false;
  }

  interim(head: ResponseHead): void {
    const stream = this.#stream;
    if (stream === undefined || this.begun) return;
    this.#writeHead(stream.head, head, NO_COMPILED_EDITS, head.status);
    if (stream.head.end()) stream.interim();
  }

  response(head: ResponseHead, edits: CompiledEdits): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    const translated = this.#translate(head);
    if (translated === null) return false;
    const { framing, status } = translated;
    const encoder = stream.head;
    this.#writeHead(encoder, head, edits, status);
    // What no body follows needs no length to be said, which would be one more thing to go wrong for answers that are only trailers.
    if (framing === 'length' || framing === 'declared' || (framing === 'empty' && head.hasContentLength))
      encoder.contentLength(head.contentLength);
    appendFields(encoder, edits);
    if (!encoder.end()) return false;
    this.begun = true;
    this.status = status;
    this.isTunnel = framing === 'tunnel';
    stream.respond(endsWithHead(framing));
    return true;
  }

  data(memory: Buffer, start: number, end: number): void {
    if (this.#stream?.write(memory, start, end) === false) this.#taken = false;
  }

  trailers(block: FieldBlock): void {
    const { dropped } = this.#context;
    if (markForbiddenTrailers(block, dropped) > 0) this.#stream?.trailers(block, dropped);
  }

  end(): void {
    this.#stream?.end();
  }

  answer(reason: FailureReason | null, _requestComplete: boolean, status: number, headers: CompiledEdits): number {
    const stream = this.#stream;
    if (stream === undefined) return 0;
    const encoder = stream.head;
    this.begun = true;
    this.status = status;
    encoder.begin();
    if (reason !== null && this.#request.isGrpc) {
      this.status = GRPC_STATUS_OK;
      composeGrpc(encoder, reason, status);
    } else {
      const text = reason === null ? '' : `${FAILURES[reason].text}\n`;
      encoder.status(status);
      if (text !== '') encoder.field('content-type', 'text/plain');
      if (status !== 204) encoder.contentLength(text.length);
      if (status === 405) encoder.field('allow', ALLOWED_METHODS);
      appendFields(encoder, headers);
      if (encoder.end() && text !== '' && this.#request.method !== 'HEAD') {
        const body = Buffer.from(text, 'latin1');
        stream.respond(false);
        stream.write(body, 0, body.length, true);
        return body.length;
      }
    }
    if (encoder.end()) stream.respond(true);
    else stream.reset();
    return 0;
  }

  flush(): boolean {
    const taken = this.#taken;
    this.#taken = true;
    return taken;
  }

  tunnelData(memory: Buffer, start: number, end: number): boolean {
    return this.#stream?.write(memory, start, end) ?? true;
  }

  tunnelEnd(): void {
    this.#stream?.end();
  }

  /** Null when the answer cannot be given to the client. */
  #translate(head: ResponseHead): { readonly status: number; readonly framing: OutgoingFraming } | null {
    const { method, isWebsocket } = this.#request;
    const { status, framing, hasContentLength } = head;
    if (!isWebsocket) {
      const framed = decideResponseFraming({ framing, hasContentLength, status, method, clientVersionMinor: 1 });
      return { status, framing: framed };
    }
    const translated = translateResponse(head, { method, version: 'http/2', kind: 'websocket' });
    return translated.replaced ? null : translated;
  }

  #writeHead(encoder: HeadEncoder, head: ResponseHead, edits: CompiledEdits, status: number): void {
    const { dropped } = this.#context;
    encoder.begin();
    encoder.status(status);
    markHopByHop(head, dropped, 'drop');
    if (this.#request.isWebsocket) dropNamed(head, dropped, WEBSOCKET_ACCEPT);
    dropEdited(head, dropped, edits);
    encoder.fieldsOf(head, dropped);
  }
}

/** A call of gRPC fails in its trailers, never by the status of HTTP. */
const GRPC_STATUS_OK = 200;

function composeGrpc(encoder: HeadEncoder, reason: FailureReason, status: number): void {
  encoder.status(GRPC_STATUS_OK);
  encoder.field('content-type', 'application/grpc');
  encoder.field('grpc-status', String(grpcStatusFor(reason, status)));
  encoder.field('grpc-message', FAILURES[reason].text);
}

function appendFields(encoder: HeadEncoder, edits: CompiledEdits): void {
  if (edits.appendedFields !== undefined) encoder.fieldsOf(edits.appendedFields);
}
