import type { Carrier } from '@ambit/mesh/hbone';
import type { Cluster, Endpoint } from './cluster.ts';

/** How many endpoints are tried for one connection. */
const ATTEMPTS_MAX = 3;

/**
 * A connection to an endpoint that can be reached; `onTry` hears of each before it is tried. Rejects when several could not be,
 * there is none, or the signal gives up.
 */
export async function openSomewhere(
  cluster: Pick<Cluster, 'pick'>,
  signal: AbortSignal,
  onTry: (endpoint: Endpoint) => void = () => {},
): Promise<Carrier> {
  let tried: Endpoint | undefined;
  let error: unknown = new RangeError('no endpoint');
  for (let attempt = 0; attempt < ATTEMPTS_MAX && !signal.aborted; attempt += 1) {
    const endpoint = cluster.pick(tried);
    if (endpoint === undefined || endpoint === tried) break;
    tried = endpoint;
    onTry(endpoint);
    try {
      return await endpoint.open(signal);
    } catch (cause) {
      error = cause;
    }
  }
  throw error;
}
