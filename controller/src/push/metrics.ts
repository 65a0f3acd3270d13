import { type Counter, counter, type Gauge, gauge, type Histogram, histogram, type Metrics } from '@ambit/mesh/runtime';

/** What the push side counts. */
export interface PushMetrics {
  readonly subscribers: Gauge;
  readonly responses: Counter;
  readonly resources: Counter;
  readonly removals: Counter;
  readonly bytes: Counter;
  readonly answers: Counter;
  readonly streamEnds: Counter;
  readonly settledSeconds: Histogram;
}

const TYPE = ['type'];
const END_REASONS = ['client', 'unanswered', 'limits', 'refused', 'dropped', 'failed'];

export function createPushMetrics(metrics: Metrics): PushMetrics {
  return metrics.register({
    subscribers: gauge({ name: 'ambit_xds_subscribers', help: 'Open discovery streams.' }),
    responses: counter({ name: 'ambit_xds_responses_total', help: 'Discovery responses sent.', labels: TYPE }),
    resources: counter({
      name: 'ambit_xds_resources_sent_total',
      help: 'Resources in discovery responses.',
      labels: TYPE,
    }),
    removals: counter({
      name: 'ambit_xds_removals_sent_total',
      help: 'Removals in discovery responses.',
      labels: TYPE,
    }),
    bytes: counter({
      name: 'ambit_xds_resource_bytes_total',
      help: 'Bytes of content in discovery responses.',
      labels: TYPE,
    }),
    answers: counter({
      name: 'ambit_xds_answers_total',
      help: 'Answers of subscribers to discovery responses.',
      labels: ['type', 'answer'],
    }),
    streamEnds: counter({
      name: 'ambit_xds_stream_ends_total',
      help: 'Discovery streams that ended, by reason.',
      labels: ['reason'],
      initial: END_REASONS.map((reason) => [reason]),
    }),
    settledSeconds: histogram({
      name: 'ambit_xds_settled_seconds',
      help: 'Time from a change until every connected node has acknowledged it.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    }),
  });
}
