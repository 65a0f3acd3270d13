/** A request on its way to a server and its answer, whatever they are sent in. It ends with the end of the answer. */
export interface UpstreamCall {
  /** The request has been sent to its end. */
  requestComplete: boolean;
  /** What a client of HTTP/2 is told when its answer is cut because the call has failed. */
  readonly http2Code: number;
  /** False: wait for `onUpstreamDrain`. */
  write(memory: Buffer, start: number, end: number): boolean;
  /** Asks for no more of the answer until `resume`. */
  pause(): void;
  resume(): void;
  /** Nobody wants an answer any more; nothing more is heard. */
  abandon(): void;
  /** An upgrade was granted: bytes both ways. */
  enterTunnel(): void;
  endTunnel(): void;
}
