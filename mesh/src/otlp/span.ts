/** One thing that happened, as a trace shows it. Plain data, it crosses thread boundaries. */
export interface SpanRecord {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Whose part it was; `null` at the beginning of a trace. */
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: 'client' | 'server';
  /** Milliseconds of the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Why it failed; `null`: it did not. */
  readonly error: string | null;
}

/** What an exporter does with spans. */
export interface SpanExport {
  /** Resolves with what became of them; never rejects. */
  export(spans: readonly SpanRecord[]): Promise<'exported' | 'failed'>;
}
