import type { RequestHead } from '@ambit/mesh/http1';
import type { AnswerWriter } from './answer-writer.ts';
import type { CurrentRequest } from './current-request.ts';
import type { Caller, RequestPipeline } from './pipeline.ts';
import type { WorkerContext } from './worker-context.ts';

/** What an exchange is made with. */
export interface ExchangeOptions {
  readonly context: WorkerContext;
  readonly pipeline: RequestPipeline;
  readonly caller: Caller;
  /** Where the head of each request is when it begins. */
  readonly head: RequestHead;
  readonly createWriter: (request: CurrentRequest) => AnswerWriter;
}

/** What an exchange needs of the client's connection. */
export interface ExchangeHost {
  /** The request may be read on, if it may at all. */
  onReadable(): void;
  /** The request is to be read no further for now. */
  onUnreadable(): void;
  /** Both directions are bytes from now on. */
  onTunnel(): void;
  /** The answer has been written whole; another request may follow or not. */
  onAnswered(mayGoOn: boolean): void;
  /** The answer could not be completed: its connection, or its stream with this code, must end so that the client knows. */
  onCut(http2Code: number): void;
}
