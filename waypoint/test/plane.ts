import type { PoolTarget } from '@ambit/mesh/hbone';
import { createTrustDomains, DEFAULT_TRUST_DOMAIN } from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { dial, identityOf } from '@ambit/mesh/testing';
import { secureContextOf, type Svid } from '@ambit/mesh/tls';
import { DataPlane, type DataPlaneOptions } from '../src/worker/data-plane.ts';

/** A data worker without its thread; `options` in place of what tests mostly do not care about. */
export function createPlane(options: Partial<DataPlaneOptions> = {}): DataPlane {
  return new DataPlane({
    clock: systemClock,
    logger: silentLogger,
    log: { suppressed: 0 },
    config: {
      network: '',
      trustDomains: createTrustDomains(DEFAULT_TRUST_DOMAIN),
      forwardsClientCertificate: false,
      watchesRevocation: true,
      accessLogFormat: 'text',
    },
    ownAddresses: [],
    overload: { refusal: () => null, isMemoryShort: false, shares: { memory: 0, lag: 0 } },
    accessLog: null,
    random: () => 0,
    ...options,
  });
}

/** An access log that is read as it is written. */
export function logTo(take: (line: string) => void): NonNullable<DataPlaneOptions['accessLog']> {
  return {
    dropped: 0,
    write: take,
    writeLine(line) {
      const memory = Buffer.alloc(line.bytesMax);
      take(memory.toString('utf8', 0, line.writeTo(memory, 0)));
    },
  };
}

/** A waypoint on a port of this host, as a client with this certificate asks it. */
export function waypointAt(port: number, client: Svid): PoolTarget<string> {
  return {
    key: client.id,
    openSocket: () => dial(port),
    secureContext: () => secureContextOf(client),
    verifyPeer: identityOf,
  };
}
