import type { FieldBlock, ResponseHead } from '@ambit/mesh/http1';
import type { FailureReason } from './failures.ts';
import type { CompiledEdits } from './header-edits.ts';

/** Writes the answers of one exchange after the other in the protocol of its client. What is written leaves with `flush`. */
export interface AnswerWriter {
  /** Of the final head; 0 before. */
  readonly status: number;
  /** The final head has been written. */
  readonly begun: boolean;
  /** The answer has granted an upgrade: bytes follow, both ways. */
  readonly isTunnel: boolean;
  /** Another request may follow on the connection when this answer is complete. */
  readonly mayGoOn: boolean;
  /** A new exchange. */
  begin(): void;
  interim(head: ResponseHead): void;
  /** False when the head cannot be written. */
  response(head: ResponseHead, edits: CompiledEdits, requestComplete: boolean): boolean;
  data(memory: Buffer, start: number, end: number): void;
  /** Dropped where there is no place for them. */
  trailers(block: FieldBlock): void;
  end(): void;
  /** A whole answer of ours, without a body when there is no reason that it would tell. Gives the bytes of the body. */
  answer(reason: FailureReason | null, requestComplete: boolean, status: number, headers: CompiledEdits): number;
  /** False: the client takes no more for now; its connection will say when it does. */
  flush(): boolean;
  /** Bytes of a tunnel, which need no `flush`. False as there. */
  tunnelData(memory: Buffer, start: number, end: number): boolean;
  tunnelEnd(): void;
}
