type PushLimit =
  | 'subscribedNamesMax'
  | 'nameLengthMax'
  | 'responseBytesMax'
  | 'acknowledgeMs'
  | 'subscribersMax'
  | 'subscribersPerNodeMax'
  | 'refusalLengthMax'
  | 'refusedNamesMax'
  | 'timedChangesMax';

/** Bounds of the push side. */
export const PUSH_LIMITS: Readonly<Record<PushLimit, number>> = {
  /** Names one stream may subscribe to; a client that wants more asks for everything. */
  subscribedNamesMax: 100_000,
  /** Longest name in a request; the longest we give out is below. */
  nameLengthMax: 2048,
  /** Resources in one response, by bytes of their content; clients take messages of 200 MiB. */
  responseBytesMax: 64 * 1024 * 1024,
  /** A client that has not answered a response by then is cut off: it will come back. */
  acknowledgeMs: 60_000,
  /** Streams at a time: two per node of a large mesh. */
  subscribersMax: 10_000,
  /**
   * Of them of one node: an agent, the one that takes over from it, and what is left of those before until it is noticed
   * that they are gone. The oldest gives way.
   */
  subscribersPerNodeMax: 8,
  /** Characters of a refusal that go into the log. */
  refusalLengthMax: 1000,
  /** Refused resources remembered per stream and type, for the status of policies. */
  refusedNamesMax: 1000,
  /** Changes whose way to all nodes is being timed. */
  timedChangesMax: 1000,
};
