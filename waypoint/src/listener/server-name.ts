import type { CarrierReader } from '@ambit/mesh/hbone';
import { readServerName } from '@ambit/mesh/tls';
import type { FirstBytes } from './inbound-stream.ts';

/** Serves a client by the name that its TLS hello says; null where there is none, or no hello. */
export function byServerName(serve: (serverName: string | null) => CarrierReader): FirstBytes {
  return {
    tell: (memory, start, end) => {
      const result = readServerName(memory.subarray(start, end));
      return result.kind === 'more' ? null : serve(result.serverName);
    },
    giveUp: () => serve(null),
  };
}
