/** Every bound of the DNS proxy; `node-agent/README.md` lists them. */
export const DNS_LIMITS = {
  /** Questions that are forwarded and not answered yet, of one pod and of all pods of a worker. Further ones fail at once. */
  outstandingPerPod: 500,
  outstandingInAll: 4000,
  /** Connections over TCP of one pod, per family. Further ones are closed. */
  streamsPerPod: 64,
  /** Forwarded and not answered of one of them: nothing more is read from it meanwhile. */
  outstandingPerStream: 64,
  /** How long a question waits for what the controller knows of its name, where that has to be asked. */
  askMs: 2000,
  /** When the next name server is asked too. */
  nextServerMs: 1500,
  /** When a question fails that no name server answered. */
  timeoutMs: 5000,
  /** Connections over TCP on which nothing happens. */
  idleMs: 5000,
  /** How long a name server that did not answer is asked last. */
  avoidMs: 30_000,
  /** Answers kept per pod, and how long question and answer may be for that. */
  remembered: 256,
  rememberedBytes: 512,
  /** Datagrams read in one turn of the event loop, in batches. */
  batchesPerTurn: 2,
  /** Room for questions that wait for the event loop. */
  receiveBufferBytes: 1_048_576,
  /** Series of counters. */
  series: 10_000,
} as const;
