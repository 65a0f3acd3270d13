/** What is asked for. All but bodies are of 1 KiB, and one is under way per stream; of streamed messages, several. */
export type L7Traffic = 'http1' | 'http2' | 'grpc' | 'grpc-stream' | 'download' | 'upload';

/** One kind of load: through HBONE, or in plaintext with wrk. */
export interface L7Load {
  readonly name: L7LoadName;
  readonly kind: 'hbone' | 'plain';
  readonly traffic: L7Traffic;
  readonly connections: number;
  readonly streams: number;
}

export type L7LoadName =
  | 'hbone-32x1'
  | 'hbone-1x32'
  | 'hbone-1x1'
  | 'h2-8x4'
  | 'grpc-8x4'
  | 'grpc-stream-8'
  | 'download'
  | 'upload'
  | 'plain-32'
  | 'plain-1';
/** `ambit-5000`: with so many routes. */
export type L7PeerName = 'envoy' | 'nginx' | 'ambit' | 'ambit-5000';

/** In the order in which they run. */
export const L7_LOADS: readonly L7Load[] = [
  { name: 'hbone-32x1', kind: 'hbone', traffic: 'http1', connections: 32, streams: 32 },
  { name: 'hbone-1x32', kind: 'hbone', traffic: 'http1', connections: 1, streams: 32 },
  { name: 'hbone-1x1', kind: 'hbone', traffic: 'http1', connections: 1, streams: 1 },
  { name: 'h2-8x4', kind: 'hbone', traffic: 'http2', connections: 8, streams: 32 },
  { name: 'grpc-8x4', kind: 'hbone', traffic: 'grpc', connections: 8, streams: 32 },
  { name: 'grpc-stream-8', kind: 'hbone', traffic: 'grpc-stream', connections: 8, streams: 8 },
  { name: 'download', kind: 'hbone', traffic: 'download', connections: 1, streams: 1 },
  { name: 'upload', kind: 'hbone', traffic: 'upload', connections: 1, streams: 1 },
  { name: 'plain-32', kind: 'plain', traffic: 'http1', connections: 32, streams: 32 },
  { name: 'plain-1', kind: 'plain', traffic: 'http1', connections: 1, streams: 1 },
];

export const L7_PEERS: readonly L7PeerName[] = ['envoy', 'nginx', 'ambit', 'ambit-5000'];

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

/** What a sample of a load counts. */
export function unitOf({ traffic }: L7Load): 'requests' | 'messages' | 'MiB' {
  if (traffic === 'grpc-stream') return 'messages';
  return traffic === 'download' || traffic === 'upload' ? 'MiB' : 'requests';
}

const QUICK_LOADS: readonly L7LoadName[] = ['hbone-32x1', 'h2-8x4', 'plain-32'];

/** Ends within 55 s on a prepared machine. */
export const L7_QUICK_PLAN: L7Plan = {
  peers: ['envoy', 'nginx', 'ambit'],
  loads: L7_LOADS.filter(({ name }) => QUICK_LOADS.includes(name)),
  rounds: 2,
  loadSeconds: 1,
  warmUpSeconds: 1,
  budgetMs: 42_000,
};

/** nginx speaks no HBONE; what many routes cost is seen at one load. */
export function carries(peer: L7PeerName, load: L7Load): boolean {
  if (peer === 'ambit-5000') return load.name === 'hbone-32x1';
  return peer !== 'nginx' || load.kind === 'plain';
}

/** Peers of one round, in order. Every other round runs backwards, so that a drift of the machine favours nobody. */
export function peersOf(plan: L7Plan, load: L7Load, round: number): readonly L7PeerName[] {
  const peers = plan.peers.filter((peer) => carries(peer, load));
  return round % 2 === 0 ? peers : peers.toReversed();
}
