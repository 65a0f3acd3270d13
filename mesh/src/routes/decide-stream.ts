import type { ServiceBackend } from './backend.ts';
import { pickBackend } from './pick-backend.ts';
import type { StreamRoute } from './service-routes.ts';

/** Where a connection goes. */
export type StreamDecision =
  | {
      readonly kind: 'forward';
      readonly routeKey: string;
      readonly backend: ServiceBackend;
    }
  /** `no-route`: no route wants it; `faulty-route`: the backend that was drawn is none, or there is none with a weight. */
  | { readonly kind: 'refuse'; readonly routeKey: string; readonly reason: 'no-route' | 'faulty-route' };

/**
 * Decides of a connection by the name that its TLS handshake says, null without one. The most specific server name wins, the
 * longer wildcard before the shorter one, then the first route, which is the oldest. `draw` is in [0, 1).
 */
export function decideStream(routes: readonly StreamRoute[], serverName: string | null, draw: number): StreamDecision {
  const route = bestOf(routes, serverName);
  if (route === undefined) return { kind: 'refuse', routeKey: '', reason: 'no-route' };
  const { routeKey, backends } = route;
  const weightTotal = backends.reduce((sum, { weight }) => sum + weight, 0);
  const backend = pickBackend({ backends, weightTotal }, draw)?.backend;
  if (backend?.kind !== 'service') return { kind: 'refuse', routeKey, reason: 'faulty-route' };
  return { kind: 'forward', routeKey, backend };
}

/** Whether somebody has to wait for the name of the server. */
export function asksForServerName(routes: readonly StreamRoute[]): boolean {
  return routes.some(({ serverNames }) => serverNames.length > 0);
}

function bestOf(routes: readonly StreamRoute[], serverName: string | null): StreamRoute | undefined {
  let best: StreamRoute | undefined;
  let bestRank = -1;
  for (const route of routes) {
    const rank = route.serverNames.length === 0 ? 0 : rankAmong(route.serverNames, serverName);
    if (rank <= bestRank) continue;
    best = route;
    bestRank = rank;
  }
  return best;
}

/** -1 when none matches. */
function rankAmong(names: readonly string[], serverName: string | null): number {
  if (serverName === null) return -1;
  return names.reduce((rank, name) => Math.max(rank, rankOf(name, serverName)), -1);
}

function rankOf(name: string, serverName: string): number {
  if (name === serverName) return Number.MAX_SAFE_INTEGER;
  // `*.` stands for one label or more.
  return name.startsWith('*.') && serverName.endsWith(name.slice(1)) ? name.length : -1;
}
