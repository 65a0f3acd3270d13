import type { RequestFacts } from '../model/authorize.ts';
import { normalPath } from './route-builder.ts';

/** What a test is about; the rest is `GET http://web.shop/`. */
export interface Asked {
  readonly method?: string;
  readonly host?: string;
  readonly path?: string;
  /** Lines of one name by line ends. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request as policies see it. */
export function requestFacts({ method = 'GET', host = 'web.shop', path = '/', headers = {} }: Asked): RequestFacts {
  return {
    method,
    host,
    path: normalPath(path),
    header: (name) => headers[name]?.replaceAll('\n', ', ') ?? null,
    lines: (name) => headers[name]?.split('\n') ?? [],
  };
}
