import { connectHbone, type HboneSession } from '@ambit/mesh/hbone';
import { dialInNetns } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { secureContextOf, type Svid } from '@ambit/mesh/tls';
import type { PodWorld } from './pod-world.ts';
import { TEST_PACKET_MARK } from './redirect.ts';

/**
 * A tunnel connection out of a pod's namespace, past its capture, with whatever certificate: the most that a hostile application could
 * have. To the second pod unless said.
 */
export function openSession(
  world: PodWorld,
  from: string,
  svid: Svid,
  destination = '10.77.0.2:15008',
): Promise<HboneSession<null>> {
  return connectHbone<null>({
    clock: systemClock,
    logger: silentLogger,
    openSocket: () =>
      dialInNetns(world.pod(from).handle, { destination: parseSocketAddress(destination), mark: TEST_PACKET_MARK }),
    secureContext: secureContextOf(svid),
    verifyPeer: () => null,
  });
}
