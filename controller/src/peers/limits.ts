type PeerLimit =
  | 'peersMax'
  | 'holdMs'
  | 'answerMs'
  | 'pauseMs'
  | 'staleMs'
  | 'firstRoundMs'
  | 'reportNodesMax'
  | 'reportVersionsMax'
  | 'reportRefusalsMax'
  | 'reportAddressesMax'
  | 'reportBytesMax'
  | 'textLengthMax'
  | 'requestMs'
  | 'keepAliveMs'
  | 'connectionsMax'
  | 'unacceptedMax'
  | 'perSourceMax'
  | 'timeoutMs'
  | 'perCallerMax'
  | 'headersBytesMax';

/** Bounds of what replicas tell each other. */
export const PEER_LIMITS: Readonly<Record<PeerLimit, number>> = {
  /** Replicas that are asked; more count as silent. */
  peersMax: 16,
  /** How long a question waits for something new. */
  holdMs: 5000,
  /** How long the leader waits for the whole answer, of which the peer may take `holdMs` before it begins. */
  answerMs: 10_000,
  /** Between two questions to one peer: what changes all the time is told at most this often. */
  pauseMs: 1000,
  /** A report older than this counts no more. */
  staleMs: 15_000,
  /** How long the first statuses of a term wait for the first answers. */
  firstRoundMs: 3000,
  /**
   * Of one report: as many nodes as a replica has streams for, all of them with it, 50,000 objects of ours, and every node refusing 20 policies, which
   * is what a mesh of mixed versions comes to. That and long names are under the bytes.
   */
  reportNodesMax: 10_000,
  reportVersionsMax: 50_000,
  reportRefusalsMax: 200_000,
  /** Refused addresses that are named, all nodes together: each has its share, and of one that refuses more nothing is named. */
  reportAddressesMax: 20_000,
  reportBytesMax: 20 * 1024 * 1024,
  /** Of a name in a report; the longest key has a kind, a namespace and a name. */
  textLengthMax: 512,
  /** From the first byte of a question to its last. */
  requestMs: 5000,
  keepAliveMs: 1000,
  connectionsMax: 256,
  /** Of those the ones on which no controller has proved itself, of all addresses and of one; and how long they live. */
  unacceptedMax: 192,
  perSourceMax: 4,
  timeoutMs: 5000,
  /** Every replica may have the same certificate. */
  perCallerMax: 64,
  headersBytesMax: 4096,
};
