import type { NormalPath } from '../model/normal-path.ts';

/** What routing sees of a request. */
export interface RouteRequest {
  readonly method: string;
  /** What the client named (Host or `:authority`), in lower case and without a port. */
  readonly host: string;
  readonly path: NormalPath;
  /** What follows `?`; empty without. */
  readonly query: string;
  /**
   * The value of a header by its name in lower case, lines with the same name joined by a comma and a space; null when it is
   * not there. `host` is the authority as sent, whatever the version of HTTP.
   */
  header(name: string): string | null;
  /** Whether `header` would give this text, which costs less than to have it made. */
  headerIs(name: string, text: string): boolean;
}
