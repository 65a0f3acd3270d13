import { accessPolicy, type ManifestDirectory } from '../scenarios/manifests.ts';
import {
  jobs,
  type Replica,
  REPLICAS,
  replicaPods,
  type ReplicaState,
  routes,
  type Version,
  VERSIONS,
} from './soak-mesh.ts';

/** What changes in turn: routes most often, as canaries do. */
const CYCLE = ['routes', 'readiness', 'routes', 'jobs', 'routes', 'readiness', 'routes', 'policy'] as const;
/** Which replicas of a version are ready, in turn: never none. */
const READY_TURNS: readonly (readonly Replica[])[] = [REPLICAS, [1], REPLICAS, [2]];

/** Edits the manifests of a mesh, one thing at a time. Each edit is one event. */
export class Churn {
  readonly #manifests: ManifestDirectory;
  readonly #routeTurns: [number, number, number] = [50, 50, 50];
  readonly #readyTurns: Record<Version, number> = { 'web-a': 0, 'web-b': 0 };
  /** A replica that is being replaced, and how it is; the other one of its version is ready meanwhile. */
  #replaced: { readonly version: Version; readonly replica: Replica; readonly state: ReplicaState } | null = null;
  #turn = 0;
  #events = 0;

  constructor(manifests: ManifestDirectory) {
    this.#manifests = manifests;
    this.#writeAll();
  }

  get events(): number {
    return this.#events;
  }

  /** The next change of the cycle. */
  next(): void {
    const turn = this.#turn++;
    this.#events++;
    switch (CYCLE[turn % CYCLE.length]) {
      case 'readiness': {
        const version = VERSIONS[(turn >> 2) % 2] ?? 'web-a';
        this.#readyTurns[version]++;
        this.#writePods();
        return;
      }
      case 'jobs':
        this.#manifests.write('jobs.yaml', ...jobs(turn));
        return;
      case 'policy':
        this.#writePolicy(turn);
        return;
      default: {
        this.#routeTurns[(turn >> 1) % 3] = turn;
        this.#manifests.write('routes.yaml', ...routes(this.#routeTurns));
      }
    }
  }

  /** One step of replacing a pod: unready, gone, there again but unready; null when it is like any other again. */
  replace(version: Version, replica: Replica, state: ReplicaState | null): void {
    this.#replaced = state === null ? null : { version, replica, state };
    this.#events++;
    this.#writePods();
  }

  /** Everything as it was at first, so that what processes hold can be compared. */
  reset(): void {
    this.#replaced = null;
    for (const version of VERSIONS) this.#readyTurns[version] = 0;
    this.#routeTurns.fill(50);
    this.#writeAll();
  }

  #writeAll(): void {
    this.#writePods();
    this.#writePolicy(0);
    this.#manifests.write('routes.yaml', ...routes(this.#routeTurns));
    this.#manifests.write('jobs.yaml');
  }

  #writePods(): void {
    this.#manifests.write('pods.yaml', ...replicaPods((version, replica) => this.#stateOf(version, replica)));
  }

  #writePolicy(turn: number): void {
    const rules = [{ from: [{ serviceAccounts: ['wp-ambit-waypoint', 'client', `other-${turn}`] }] }];
    this.#manifests.write('policy.yaml', accessPolicy('callers', 'web-a', { action: 'Allow', rules }));
  }

  #stateOf(version: Version, replica: Replica): ReplicaState {
    const replaced = this.#replaced;
    if (replaced?.version === version) return replaced.replica === replica ? replaced.state : 'ready';
    const turns = this.#readyTurns[version];
    return READY_TURNS[turns % READY_TURNS.length]?.includes(replica) === true ? 'ready' : 'unready';
  }
}
