import type { MessagePort } from 'node:worker_threads';
import { type SerializedError, serializeError } from './log-fields.ts';

/** What the main thread may ask of a worker, by name: plain data, since it crosses a thread boundary. */
export type WorkerCallsOf<Calls> = {
  readonly [Call in keyof Calls]: { readonly args: unknown; readonly result: unknown };
};

/** A worker's side: one function per call. */
export type WorkerHandlers<Calls extends WorkerCallsOf<Calls>> = {
  readonly [Call in keyof Calls]: (args: Calls[Call]['args']) => Calls[Call]['result'] | Promise<Calls[Call]['result']>;
};

/** On the wire between threads. */
export interface WorkerRequest {
  readonly id: number;
  readonly call: string;
  readonly args: unknown;
}

export type WorkerResponse =
  | { readonly id: number; readonly kind: 'result'; readonly result: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly error: SerializedError };

/** What a worker says unasked. */
export interface WorkerEventMessage {
  readonly kind: 'event';
  readonly event: unknown;
}

/** Tells the main thread something that it did not ask for; plain data. */
export function postWorkerEvent(port: MessagePort, event: unknown): void {
  port.postMessage({ kind: 'event', event } satisfies WorkerEventMessage);
}

/** Answers the main thread's calls from now on. They are begun in order of arrival; answers may overtake each other. */
export function answerWorkerCalls<Calls extends WorkerCallsOf<Calls>>(
  port: MessagePort,
  handlers: WorkerHandlers<Calls>,
): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- WorkerPool sends calls of these names with their arguments
  const byName = handlers as unknown as Readonly<Record<string, (args: unknown) => unknown>>;
  const answer = async ({ id, call, args }: WorkerRequest): Promise<WorkerResponse> => {
    try {
      return { id, kind: 'result', result: await byName[call]?.(args) };
    } catch (error) {
      return { id, kind: 'error', error: serializeError(error) };
    }
  };
  port.on('message', (request: WorkerRequest) => {
    void answer(request).then((response) => port.postMessage(response));
  });
}
