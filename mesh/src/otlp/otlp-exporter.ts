import { type SpanContext, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Logger } from '../runtime/logger.ts';
import type { SpanExport, SpanRecord } from './span.ts';

type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number];

export interface OtlpExporterOptions {
  /** Of OTLP over HTTP, with its path: `http://collector:4318/v1/traces`. */
  readonly endpoint: string;
  /** Attributes of the process that all spans come from, such as `service.name`. */
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  readonly logger: Logger;
}

/** For one batch, with the attempts of its retries. */
const TIMEOUT_MS = 10_000;
/** Of the library, whose code for success this is. */
const SUCCESS = 0;

/** Sends spans to a collector in OTLP over HTTP. Holds nothing but batches under way, each for its time at most. */
export class OtlpExporter implements SpanExport {
  readonly #exporter: OTLPTraceExporter;
  readonly #logger: Logger;
  readonly #common: Pick<ReadableSpan, 'resource' | 'instrumentationScope'>;

  constructor({ endpoint, resource, version, logger }: OtlpExporterOptions) {
    this.#exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: TIMEOUT_MS, concurrencyLimit: 1 });
    this.#logger = logger;
    this.#common = {
      resource: {
        attributes: resource,
        merge: (other) => other ?? this.#common.resource,
        getRawAttributes: () => Object.entries(resource),
      },
      instrumentationScope: { name: 'ambit', version },
    };
  }

  export(spans: readonly SpanRecord[]): Promise<'exported' | 'failed'> {
    return new Promise((resolve) => {
      this.#exporter.export(
        spans.map((span) => this.#readable(span)),
        ({ code, error }) => {
          if (code === SUCCESS) return resolve('exported');
          this.#logger.warn('traces could not be exported', { error, spans: spans.length }, { limitBy: 'export' });
          resolve('failed');
        },
      );
    });
  }

  #readable(span: SpanRecord): ReadableSpan {
    const context = (spanId: string): SpanContext => ({
      traceId: span.traceId,
      spanId,
      traceFlags: TraceFlags.SAMPLED,
    });
    return {
      ...this.#common,
      name: span.name,
      kind: span.kind === 'client' ? SpanKind.CLIENT : SpanKind.SERVER,
      spanContext: () => context(span.spanId),
      ...(span.parentSpanId === null ? {} : { parentSpanContext: { ...context(span.parentSpanId), isRemote: true } }),
      startTime: hrTime(span.startMs),
      endTime: hrTime(span.endMs),
      duration: hrTime(span.endMs - span.startMs),
      status:
        span.error === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: span.error },
      attributes: { ...span.attributes },
      links: [],
      events: [],
      ended: true,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

/** Whole seconds, and the nanoseconds beside them. */
function hrTime(ms: number): [seconds: number, nanos: number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
