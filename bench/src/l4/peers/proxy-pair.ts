import type { RunningPeer, Site } from '../peer.ts';

interface PairSide {
  readonly netns: string;
  readonly core: number;
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts one process per side, server first. They are stopped with the peer, or with `site.children`. */
export function startPair(
  site: Site,
  pair: {
    readonly client: PairSide;
    readonly server: PairSide;
    readonly accessLogs: readonly string[];
    readonly tunnelPort: number;
  },
): RunningPeer {
  const name = site.directory.slice(site.directory.lastIndexOf('/') + 1);
  const server = site.children.start({ name: `${name}-server`, ...pair.server });
  const client = site.children.start({ name: `${name}-client`, ...pair.client });
  return {
    clientPids: [client.pid],
    serverPids: [server.pid],
    accessLogs: pair.accessLogs,
    tunnelPort: pair.tunnelPort,
    assertAlive(): void {
      client.assertAlive();
      server.assertAlive();
    },
    async stop(): Promise<void> {
      await Promise.all([client.stop(), server.stop()]);
    },
  };
}
