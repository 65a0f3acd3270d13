import type { NormalPath } from '../model/normal-path.ts';
import { replacePath } from './replace-path.ts';
import type { RedirectFilter } from './rule.ts';

/** What a redirect is made from, beside its filter. */
export interface RedirectFacts {
  /** Of the request as the client sent it: a mesh's clients speak HTTP, whatever carries it. */
  readonly scheme: 'http' | 'https';
  /** As the client named it, without a port; brackets around IPv6. */
  readonly host: string;
  /** The port that the parent listens on: the Service's, or the Gateway's listener's. */
  readonly listenerPort: number;
  readonly path: NormalPath;
  /** What follows `?`; empty without. */
  readonly query: string;
  /** The prefix that the rule matched by. */
  readonly matched: string;
}

export interface RedirectAnswer {
  readonly status: number;
  /** Of the header `Location`. */
  readonly location: string;
}

const WELL_KNOWN_PORTS = { http: 80, https: 443 } as const;

/** The answer of a RequestRedirect filter. A port that its scheme implies is left out; the query stays. */
export function decideRedirect(filter: RedirectFilter, facts: RedirectFacts): RedirectAnswer {
  const scheme = filter.scheme ?? facts.scheme;
  const port = filter.port ?? (filter.scheme === null ? facts.listenerPort : WELL_KNOWN_PORTS[filter.scheme]);
  const authority = `${filter.hostname ?? facts.host}${port === WELL_KNOWN_PORTS[scheme] ? '' : `:${port}`}`;
  const path = replacePath(facts.path, filter.path, facts.matched);
  const query = facts.query === '' ? '' : `?${facts.query}`;
  return { status: filter.statusCode, location: `${scheme}://${authority}${path}${query}` };
}
