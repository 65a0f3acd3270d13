/** One kind of load: GET of 1 KiB, one request under way per stream. Through HBONE, or in plaintext with wrk. */
export interface L7Load {
  readonly name: L7LoadName;
  readonly kind: 'hbone' | 'plain';
  readonly connections: number;
  readonly streams: number;
}

export type L7LoadName = 'hbone-32x1' | 'hbone-1x32' | 'hbone-1x1' | 'plain-32' | 'plain-1';
export type L7PeerName = 'envoy' | 'nginx' | 'ambit';

/** In the order in which they run. */
export const L7_LOADS: readonly L7Load[] = [
  { name: 'hbone-32x1', kind: 'hbone', connections: 32, streams: 32 },
  { name: 'hbone-1x32', kind: 'hbone', connections: 1, streams: 32 },
  { name: 'hbone-1x1', kind: 'hbone', connections: 1, streams: 1 },
  { name: 'plain-32', kind: 'plain', connections: 32, streams: 32 },
  { name: 'plain-1', kind: 'plain', connections: 1, streams: 1 },
];

export const L7_PEERS: readonly L7PeerName[] = ['envoy', 'nginx', 'ambit'];

/** What one run of the L7 bench does. Times are whole seconds because wrk takes no others. */
export interface L7Plan {
  readonly peers: readonly L7PeerName[];
  readonly loads: readonly L7Load[];
  readonly rounds: number;
  readonly loadSeconds: number;
  /** A proxy is judged as it runs, not as it starts: seconds of each load before anything counts. */
  readonly warmUpSeconds: number;
  /** Loads after the first round are left out once the run has taken this long; absent: never. */
  readonly budgetMs?: number;
}

export const L7_FULL_PLAN: L7Plan = { peers: L7_PEERS, loads: L7_LOADS, rounds: 5, loadSeconds: 3, warmUpSeconds: 3 };

/** Ends within 55 s on a prepared machine. */
export const L7_QUICK_PLAN: L7Plan = {
  peers: L7_PEERS,
  loads: L7_LOADS.filter(({ name }) => name !== 'plain-1'),
  rounds: 2,
  loadSeconds: 1,
  warmUpSeconds: 1,
  budgetMs: 42_000,
};

/** nginx speaks no HBONE. */
export function carries(peer: L7PeerName, load: L7Load): boolean {
  return peer !== 'nginx' || load.kind === 'plain';
}

/** Peers of one round, in order. Every other round runs backwards, so that a drift of the machine favours nobody. */
export function peersOf(plan: L7Plan, load: L7Load, round: number): readonly L7PeerName[] {
  const peers = plan.peers.filter((peer) => carries(peer, load));
  return round % 2 === 0 ? peers : peers.toReversed();
}
