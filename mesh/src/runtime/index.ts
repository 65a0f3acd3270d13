export * from './access-log.ts';
export * from './admin-sections.ts';
export * from './admin-server.ts';
export * from './backoff.ts';
export * from './bounded-queue.ts';
export { Fifo } from './fifo.ts';
export * from './clock.ts';
export * from './collect-alone.ts';
export * from './compact-once.ts';
export * from './connection-metrics.ts';
export * from './cpu-profile.ts';
export * from './drain.ts';
export * from './environment.ts';
export * from './errors.ts';
export * from './heap.ts';
export * from './histogram-rows.ts';
export { HeapSnapshotError, writeSnapshot } from './heap-snapshot.ts';
export * from './lifetime.ts';
export * from './line-sink.ts';
export * from './local-config.ts';
export { type SerializedError, serializeError } from './log-fields.ts';
export { type LineLevel, LOG_LEVELS, type LogLevel } from './log-filter.ts';
export { formatTextLine } from './log-text.ts';
export * from './logger.ts';
export * from './named-file.ts';
export {
  type Counter,
  counter,
  type Gauge,
  gauge,
  type Histogram,
  type HistogramSample,
  histogram,
  type Instruments,
  type MetricCell,
  type MetricFormat,
  type MetricGroup,
  type MetricKind,
  Metrics,
  type MetricSample,
  type MetricSpec,
} from './metrics.ts';
export * from './process-metrics.ts';
export { readArguments } from './read-arguments.ts';
export * from './readiness.ts';
export * from './request-metrics.ts';
export * from './resting-heap.ts';
export * from './root-logger.ts';
export * from './run-main.ts';
export { type ProcessStart, runProcess } from './run-process.ts';
export * from './series-rows.ts';
export * from './settings.ts';
export * from './share-reads.ts';
export * from './sum-samples.ts';
export * from './turn-end.ts';
export * from './usable-host.ts';
export * from './wide.ts';
export { answerWorkerCalls, postWorkerEvent, type WorkerHandlers } from './worker-calls.ts';
export * from './worker-pool.ts';
