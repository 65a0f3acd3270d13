import { type Counter, counter, type Gauge, gauge, type Metrics } from '@ambit/mesh/runtime';

/** What the leader counts of its questions to other replicas. */
export interface PeerMetrics {
  readonly questions: Counter;
  readonly silent: Gauge;
}

export type QuestionResult = 'report' | 'unchanged' | 'failed' | 'too-large';

const RESULTS: readonly QuestionResult[] = ['report', 'unchanged', 'failed', 'too-large'];

export function createPeerMetrics(metrics: Metrics): PeerMetrics {
  const created = metrics.register({
    questions: counter({
      name: 'ambit_peer_questions_total',
      help: 'Questions of the leader to other replicas, by what came of them.',
      labels: ['result'],
      initial: RESULTS.map((result) => [result]),
    }),
    silent: gauge({ name: 'ambit_peers_silent', help: 'Replicas that do not tell the leader of their node agents.' }),
  });
  created.silent.set([], 0);
  return created;
}
