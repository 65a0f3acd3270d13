/** A client's connection, whatever it speaks. */
export interface ClientSession {
  /**
   * Ends after what is under way. One that has no word for it but an answer, HTTP/1.1, waits for a next request for `idleMs`: whoever
   * sends one at the moment when the connection is closed loses it.
   */
  drain(idleMs: number): void;
  /** Of what either side has sent and the other does not take, or that does not make sense yet, as far as it is held here. */
  readonly heldBytes: number;
  /** There is no request, nor the beginning of one: `drain(0)` takes nothing from anybody. */
  readonly isIdle: boolean;
  /** Policies have changed: cuts upgrades, which may live for ever, that they do not want any more. */
  recheck(): void;
  /** Ends everything at once. */
  destroy(): void;
}
