/** What a test asks an app program to do: one JSON object per line on its standard input. */
export type AppCommand =
  | {
      readonly id: number;
      readonly op: 'http';
      readonly ip: string;
      readonly port: number;
      readonly path: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Sent as the request body, repeated until `bodyBytes` are there. */
      readonly body?: string;
      readonly bodyBytes?: number;
      readonly timeoutMs: number;
    }
  | {
      readonly id: number;
      readonly op: 'line';
      readonly ip: string;
      readonly port: number;
      readonly line: string;
      readonly timeoutMs: number;
    }
  /** Opens a connection to a line server and exchanges a line every `intervalMs` until it breaks or `release` names it. */
  | {
      readonly id: number;
      readonly op: 'hold';
      readonly ip: string;
      readonly port: number;
      readonly intervalMs: number;
      readonly timeoutMs: number;
    }
  | { readonly id: number; readonly op: 'release'; readonly hold: number }
  /** Sends `bytes` of a pattern to a bulk server while it sends as many; both compare every byte with what it must be. */
  | {
      readonly id: number;
      readonly op: 'bulk';
      readonly ip: string;
      readonly port: number;
      readonly bytes: number;
      readonly timeoutMs: number;
    }
  /** Opens `count` connections to a line server, `concurrency` at a time; each waits for the greeting and closes. */
  | {
      readonly id: number;
      readonly op: 'churn';
      readonly ip: string;
      readonly port: number;
      readonly count: number;
      readonly concurrency: number;
      readonly timeoutMs: number;
    }
  /**
   * Exchanges `count` lines with a line server, one every `intervalMs` or later, each once the one before it is answered: on one
   * connection, or each on a new one.
   */
  | {
      readonly id: number;
      readonly op: 'ping';
      readonly ip: string;
      readonly port: number;
      readonly count: number;
      readonly intervalMs: number;
      readonly isEachNew: boolean;
      readonly timeoutMs: number;
    };

/** Answer to one command. `localAddress` is the caller's own `ip:port`, which its node agent logs as `src.addr`. */
export interface AppResult {
  readonly id: number;
  readonly ok: boolean;
  readonly ms: number;
  readonly localAddress: string;
  /** HTTP status, when an answer came. */
  readonly status?: number;
  /** Which app answered, in its own words. */
  readonly servedBy?: string;
  /** The caller's address as the answering app saw it. */
  readonly seenSource?: string;
  /** Of `http`: the first cookie of the answer, as it is brought back. */
  readonly cookie?: string;
  /** Of `bulk`: bytes that arrived here and were as they must be. */
  readonly receivedBytes?: number;
  /** Of `churn`: connections that were greeted and ended well. */
  readonly completed?: number;
  /** Of `ping`: how long each exchange took, in milliseconds, sorted; of new connections with their opening. */
  readonly latenciesMs?: readonly number[];
  /** Node's error code, or what was wrong with the answer. */
  readonly error?: string;
}

/** What an app program writes: one JSON object per line on its standard output. */
export type AppEvent =
  | { readonly event: 'listening'; readonly name: string }
  | { readonly event: 'result'; readonly result: AppResult }
  /** A held connection ended: by `release` (`error` absent) or because something cut it. */
  | { readonly event: 'held-ended'; readonly id: number; readonly lines: number; readonly error?: string }
  | {
      readonly event: 'served';
      readonly kind: 'http' | 'line' | 'bulk';
      readonly source: string;
      readonly what: string;
    };

export interface AppOptions {
  readonly name: string;
  readonly httpPort?: number;
  readonly linePort?: number;
  readonly bulkPort?: number;
}

/** Largest body a command may ask for: the demo needs a few MB. */
export const BODY_BYTES_MAX: number = 64 << 20;
