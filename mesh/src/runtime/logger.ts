/** Values of a log line. Keys are dotted and stable; values never hold keys, tokens or private data. */
export type LogFields = Readonly<Record<string, unknown>>;

/** About one line, beside what it says. */
export interface LineOptions {
  /**
   * For a line that somebody else can cause as often as they like: few with the same message and the same key are written, the
   * others are counted. Usually a reason and an address; it may be anything. Where there are too many keys, those with the same first word
   * count as one, so that should be what nobody can make up.
   */
  readonly limitBy?: string;
}

/**
 * Structured log. `message` is constant text; what varies goes into `fields`. Levels: error (a human must act),
 * warn (degraded), info (state changed), debug. An `error` field holding an Error is written with code and causes.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields, options?: LineOptions): void;
  warn(message: string, fields?: LogFields, options?: LineOptions): void;
  error(message: string, fields?: LogFields, options?: LineOptions): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

const ignore = (): void => {};

/** Discards everything. */
export const silentLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => silentLogger,
};
