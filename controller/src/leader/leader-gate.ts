/** Work that only one replica may do. `signal` aborts the moment this replica no longer leads: write nothing after that. */
export type LeaderWork = (signal: AbortSignal) => Promise<void>;

/**
 * Where writes to the API server go through: of all replicas only the leader makes them. Pass the work's own signal to every
 * call of KubeClient, so that one that is under way when leadership is lost ends with it.
 */
export interface LeaderGate {
  /** Whether this replica may write now. */
  readonly isLeading: boolean;
  /**
   * Runs `work` in every term of this replica, from its beginning; now, if it leads. Work that returns is done for the
   * term; work that throws is logged under `name` and begun again after a growing pause. Never two runs at once.
   */
  whileLeading(name: string, work: LeaderWork): void;
}
