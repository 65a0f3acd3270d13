export type { LeaderGate, LeaderWork } from './leader-gate.ts';
export { LeaderElection, type LeaderElectionOptions, LEASE_TIMING, type LeaseTiming } from './leader-election.ts';
export { LeaderTasks } from './leader-tasks.ts';
