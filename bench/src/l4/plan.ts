import { bug } from '@ambit/mesh/runtime';
import { PEER_NAMES, type PeerName } from './peer.ts';

/** What is carried through one peer alone. Requests carry 1 KiB each way; bulk is an upload. */
export type PeerLoad =
  | {
      readonly kind: 'requests';
      readonly name: RequestLoadName;
      readonly connections: number;
      readonly closeEach: boolean;
    }
  | { readonly kind: 'bulk'; readonly name: BulkLoadName; readonly streams: number };

/** The same requests on one connection of every peer of a round: all stand side by side and have traffic by turns. */
export interface TurnsLoad {
  readonly kind: 'turns';
  readonly name: TurnsLoadName;
  /** Of each peer. */
  readonly connections: 1;
  /** Whether something else happens on both hosts now and then, as on any node (`load/chores-main.ts`), or nothing at all. */
  readonly hosts: 'lived-in' | 'silent';
}

/** One kind of load. */
export type Load = PeerLoad | TurnsLoad;

export type TurnsLoadName = 'c1' | 'c1-silent';
export type RequestLoadName = TurnsLoadName | 'c32' | 'c128' | 'churn';
export type BulkLoadName = 'bulk1' | 'bulk4';
export type LoadName = RequestLoadName | BulkLoadName;

/** In the order in which they run: first what is up to speed first. */
export const LOADS: readonly Load[] = [
  { kind: 'requests', name: 'c32', connections: 32, closeEach: false },
  { kind: 'requests', name: 'c128', connections: 128, closeEach: false },
  { kind: 'bulk', name: 'bulk1', streams: 1 },
  { kind: 'bulk', name: 'bulk4', streams: 4 },
  // With one connection a peer differs from another one by less than the machine from one second to the next.
  { kind: 'turns', name: 'c1', connections: 1, hosts: 'lived-in' },
  { kind: 'turns', name: 'c1-silent', connections: 1, hosts: 'silent' },
  { kind: 'requests', name: 'churn', connections: 16, closeEach: true },
];

/** One connection of one peer alone: to warm up, and where there are no others to take turns with. */
const ALONE_C1: PeerLoad = { kind: 'requests', name: 'c1', connections: 1, closeEach: false };

/** The load of this name as it is carried through one peer alone. */
export function namedLoad(name: LoadName): PeerLoad {
  const found = LOADS.find((load) => load.name === name) ?? bug(`no load ${name}`);
  return found.kind === 'turns' ? ALONE_C1 : found;
}

/** The loads of `base`, or those of these names, also if the base leaves them out. */
export function chosenLoads(base: L4Plan, names: readonly LoadName[] | undefined): readonly Load[] {
  return names === undefined ? base.loads : LOADS.filter(({ name }) => names.includes(name));
}

/** What one run of the L4 bench does. Times are whole seconds because wrk takes no others. */
export interface L4Plan {
  readonly peers: readonly PeerName[];
  /** How often all of it is done with fresh proxies; memory only at the first time. */
  readonly starts: number;
  /** Of each start. */
  readonly rounds: number;
  readonly loads: readonly Load[];
  /** Of each peer, so that one with turns takes this long for every peer of the round. */
  readonly loadSeconds: number;
  /** Loads that run through all peers at once before anything counts: a proxy is judged as it runs, not as it starts. */
  readonly warmUp: readonly { readonly load: PeerLoad; readonly seconds: number }[];
  /** Idle connections opened before those whose memory counts. */
  readonly idleFirstCount: number;
  readonly idleConnectionCount: number;
  /** How long nothing happens before memory is read: collectors of garbage come to rest only after several seconds. */
  readonly memorySettleMs: number;
  /** Loads after the first round are left out once the run has taken this long; absent: never. */
  readonly budgetMs?: number;
  /** Direct TCP is a yardstick of the machine, not a rival: one round is enough where time is short. */
  readonly directRounds?: number;
}

export const FULL_PLAN: L4Plan = {
  peers: PEER_NAMES,
  starts: 1,
  rounds: 5,
  loads: LOADS,
  loadSeconds: 3,
  warmUp: [
    { load: namedLoad('bulk1'), seconds: 2 },
    { load: namedLoad('c1'), seconds: 2 },
    { load: namedLoad('churn'), seconds: 8 },
    { load: namedLoad('c32'), seconds: 4 },
    { load: namedLoad('bulk4'), seconds: 4 },
    { load: namedLoad('churn'), seconds: 8 },
  ],
  idleFirstCount: 1_000,
  idleConnectionCount: 2_000,
  memorySettleMs: 15_000,
};

/** Ends within 55 s on a prepared machine; nginx has no part in the ratios and is left out. */
export const QUICK_PLAN: L4Plan = {
  peers: ['direct', 'envoy', 'ambit'],
  starts: 1,
  rounds: 2,
  loads: LOADS.filter(({ name }) => name !== 'c1-silent'),
  loadSeconds: 1,
  warmUp: [
    { load: namedLoad('c32'), seconds: 1 },
    { load: namedLoad('churn'), seconds: 6 },
  ],
  idleFirstCount: 1_000,
  idleConnectionCount: 2_000,
  memorySettleMs: 500,
  budgetMs: 50_000,
  directRounds: 1,
};

/**
 * Peers of one round, in order. Every other round runs backwards so that a drift of the machine (heat, neighbours) does
 * not always favour the same peer.
 */
export function roundOrder(plan: L4Plan, round: number): readonly PeerName[] {
  const peers = plan.peers.filter(
    (peer) => peer !== 'direct' || round < (plan.directRounds ?? plan.rounds * plan.starts),
  );
  return round % 2 === 0 ? peers : peers.toReversed();
}
