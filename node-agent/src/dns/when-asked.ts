import type { Clock } from '@ambit/mesh/runtime';
import type { NameDemand } from '../state/name-demand.ts';
import { DNS_LIMITS } from './dns-limits.ts';

/** Resolves once there is nothing more to wait for; a question that nobody answers in time is one that the mesh knows nothing of. */
export function whenAsked(
  { demand, clock }: { readonly demand: NameDemand | null; readonly clock: Clock },
  names: readonly string[],
  pod: object,
): Promise<unknown> {
  return demand?.wait(names, clock.monotonic() + DNS_LIMITS.askMs, pod) ?? Promise.resolve();
}
