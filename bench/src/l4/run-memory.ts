import { openIdleConnections, type IdleConnections } from '../load/idle-connections.ts';
import { readMemory, type Memory } from '../measure/process-usage.ts';
import { CLIENT_CORE, REQUEST_PORT, type Peer, type RunningPeer, type Site } from './peer.ts';
import type { MemorySample } from './samples.ts';

export interface MemoryOptions {
  /** Connections opened first, so that what grows once is not charged to the others. */
  readonly firstCount: number;
  /** Connections whose memory counts. */
  readonly count: number;
  readonly settleMs: number;
  readonly node: string;
}

/** Reads the memory of freshly started proxies at rest, and what idle connections through them add. */
export async function runMemory(
  peer: Peer,
  running: RunningPeer,
  site: Site,
  options: MemoryOptions,
): Promise<MemorySample> {
  const open = (count: number): Promise<IdleConnections> =>
    openIdleConnections({
      netns: site.pair.clientNetns,
      core: CLIENT_CORE,
      address: site.pair.serverAddress,
      port: REQUEST_PORT,
      count,
      node: options.node,
      signal: site.signal,
    });
  const settled = async (): Promise<{ client: Memory; server: Memory }> => {
    await pause(options.settleMs);
    running.assertAlive();
    return { client: readMemory(running.clientPids), server: readMemory(running.serverPids) };
  };
  const rest = await settled();
  await using _first = await open(options.firstCount);
  const first = await settled();
  await using connections = await open(options.count);
  const idle = await settled();
  return {
    peer: peer.name,
    clientAtRest: rest.client,
    serverAtRest: rest.server,
    clientFirstIdle: first.client,
    serverFirstIdle: first.server,
    idleConnectionCount: connections.count,
    clientIdle: idle.client,
    serverIdle: idle.server,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
