import type { Clock } from './clock.ts';
import type { LineSink } from './line-sink.ts';
import { safeValue } from './log-fields.ts';
import { isLevelFilter, type LineLevel, type LogFilter, parseLogFilter } from './log-filter.ts';
import { formatTextLine } from './log-text.ts';
import { LineLimiter } from './line-limiter.ts';
import type { LineOptions, LogFields, Logger } from './logger.ts';

export { isLevelFilter };
export type LogFormat = 'text' | 'json';

/** The process's logger; children share its filter and sink. */
export interface RootLogger extends Logger {
  /** The filter in force, as text. */
  readonly filter: string;
  /** @throws RangeError when the text is no filter. */
  setFilter(text: string): void;
  /** Back to the filter of the start. */
  resetFilter(): void;
  /** Lines lost because the reader was too slow. */
  readonly dropped: number;
  /** Lines left out since there were too many of their kind; others tell of them. */
  readonly suppressed: number;
  flush(): Promise<void>;
  flushSync(): void;
}

export interface RootLoggerOptions {
  readonly format: LogFormat;
  /** `LEVEL[,scope=LEVEL...]`. */
  readonly filter: string;
  readonly sink: LineSink;
  readonly clock: Clock;
  /** Scope of lines whose logger has none: the name of the process. */
  readonly scope: string;
}

type WriteLine = (level: LineLevel, scope: string, message: string, fields: LogFields) => void;

/**
 * Field `scope` of a child names the subsystem and becomes the line's scope. Fields named like secrets are redacted. The JSON
 * writer is loaded only when asked for.
 */
export async function createRootLogger(options: RootLoggerOptions): Promise<RootLogger> {
  const write = options.format === 'text' ? textWriter(options) : await jsonWriter(options);
  return new FilteredRoot(options, write);
}

function textWriter({ sink, clock }: RootLoggerOptions): WriteLine {
  return (level, scope, message, fields) => {
    sink.write(formatTextLine(new Date(clock.now()).toISOString(), level, scope, message, fields));
  };
}

async function jsonWriter({ sink, clock }: RootLoggerOptions): Promise<WriteLine> {
  // The default export is the one that Node and the bundler agree on for this CommonJS package.
  const { default: pino } = await import('pino');
  const logger = pino(
    {
      base: null,
      level: 'debug',
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
    },
    { write: (line: string) => sink.write(line) },
  );
  return (level, scope, message, fields) => {
    const safe: Record<string, unknown> = { scope };
    for (const key of Object.keys(fields)) safe[key] = safeValue(key, fields[key]);
    logger[level](safe, message);
  };
}

/** What all loggers of a process share. */
interface Shared {
  filter: LogFilter;
  readonly limiter: LineLimiter;
}

class FilteredLogger implements Logger {
  protected readonly root: Shared;
  readonly #write: WriteLine;
  readonly #scope: string;
  readonly #fields: LogFields;

  constructor(root: Shared, write: WriteLine, scope: string, fields: LogFields) {
    this.root = root;
    this.#write = write;
    this.#scope = scope;
    this.#fields = fields;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }

  info(message: string, fields?: LogFields, options?: LineOptions): void {
    this.#log('info', message, fields, options);
  }

  warn(message: string, fields?: LogFields, options?: LineOptions): void {
    this.#log('warn', message, fields, options);
  }

  error(message: string, fields?: LogFields, options?: LineOptions): void {
    this.#log('error', message, fields, options);
  }

  child(fields: LogFields): Logger {
    const { scope, ...rest } = fields;
    const name = typeof scope === 'string' ? scope : this.#scope;
    return new FilteredLogger(this.root, this.#write, name, { ...this.#fields, ...rest });
  }

  #log(level: LineLevel, message: string, fields: LogFields | undefined, { limitBy }: LineOptions = {}): void {
    if (!this.root.filter.allows(level, this.#scope)) return;
    const all = fields === undefined ? this.#fields : { ...this.#fields, ...fields };
    if (limitBy === undefined) {
      this.#write(level, this.#scope, message, all);
      return;
    }
    this.root.limiter.add(`${this.#scope} ${message}`, limitBy, (suppressed) =>
      this.#write(level, this.#scope, message, suppressed === 0 ? all : { ...all, suppressed }),
    );
  }
}

class FilteredRoot extends FilteredLogger implements RootLogger {
  readonly #initial: LogFilter;
  readonly #sink: LineSink;

  constructor(options: RootLoggerOptions, write: WriteLine) {
    const initial = parseLogFilter(options.filter);
    super({ filter: initial, limiter: new LineLimiter(options.clock) }, write, options.scope, {});
    this.#initial = initial;
    this.#sink = options.sink;
  }

  get filter(): string {
    return this.root.filter.text;
  }

  setFilter(text: string): void {
    this.root.filter = parseLogFilter(text);
  }

  resetFilter(): void {
    this.root.filter = this.#initial;
  }

  get dropped(): number {
    return this.#sink.dropped;
  }

  get suppressed(): number {
    return this.root.limiter.left;
  }

  flush(): Promise<void> {
    this.root.limiter.flush();
    return this.#sink.flush();
  }

  flushSync(): void {
    this.root.limiter.flush();
    this.#sink.flushSync();
  }
}
