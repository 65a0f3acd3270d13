import type { RouteBackend, ServiceBackend } from './backend.ts';
import type { CompiledBackend, CompiledRule } from './compile-rule.ts';
import type { Session } from './decide-session.ts';

/** What there is of a backend: the endpoint of the session; others alone; none that takes requests. */
export type SessionPlace = 'endpoint' | 'others' | 'none';

/** The name of a backend in tokens: the same wherever it stands in its rule, and whatever its weight. */
export function sessionBackendName({ service, port, version }: ServiceBackend): string {
  return `${service}:${port}${version === null ? '' : `@${version}`}`;
}

/**
 * The backend that a session keeps to, if it is still one of the rule's. Its endpoint holds a session whatever the weights have become,
 * 0 as well (GEP-1619). Without its endpoint a session goes to others of the same backend, so that nobody meets another version because
 * a pod was replaced, unless that backend is to get nothing any more. Null: the weights decide.
 */
export function decideSessionBackend(
  { backends }: Pick<CompiledRule<RouteBackend>, 'backends'>,
  session: Session,
  placeOf: (backend: ServiceBackend, endpoint: string) => SessionPlace,
): CompiledBackend<RouteBackend> | null {
  if (session.kind !== 'bound') return null;
  const { target } = session;
  const named = backends.filter(
    ({ backend }) => backend.kind === 'service' && sessionBackendName(backend) === target.backend,
  );
  // A rule may name a backend twice, with different filters.
  const found = named.find(({ weight }) => weight > 0) ?? named[0];
  if (found === undefined || found.backend.kind !== 'service') return null;
  const place = placeOf(found.backend, target.endpoint);
  return place === 'endpoint' || (place === 'others' && found.weight > 0) ? found : null;
}
