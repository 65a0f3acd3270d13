import type { Peer } from '../peer.ts';

/** Plain TCP between the pods over the same path: what the machine, the generator and the applications can do at all. */
export function createDirectPeer(kernel: string): Peer {
  return {
    name: 'direct',
    about: { version: `Linux ${kernel}`, features: ['plain TCP, no capture, no encryption, no policy'] },
    start: async () => ({
      clientPids: [],
      serverPids: [],
      accessLogs: [],
      assertAlive: () => {},
      stop: async () => {},
    }),
  };
}
