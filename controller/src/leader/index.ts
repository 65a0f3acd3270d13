export type { LeaderGate, LeaderWork } from './leader-gate.ts';
export { LeaderElection, type LeaderElectionOptions } from './leader-election.ts';
export { LeaderTasks } from './leader-tasks.ts';
