import { openIdleConnections } from '../load/idle-connections.ts';
import { readMemory, type Memory } from '../measure/process-usage.ts';
import { CLIENT_CORE, REQUEST_PORT, type Peer, type RunningPeer, type Site } from './peer.ts';
import type { MemorySample } from './samples.ts';

/** Time for start-up garbage and one-off work to be over before memory is read. */
const SETTLE_MS = 500;

/** Reads the memory of freshly started proxies at rest, then with `count` idle connections through them. */
export async function runMemory(
  peer: Peer,
  running: RunningPeer,
  site: Site,
  options: { readonly count: number; readonly node: string },
): Promise<MemorySample> {
  const read = (): { client: Memory; server: Memory } => ({
    client: readMemory(running.clientPids),
    server: readMemory(running.serverPids),
  });
  await pause(SETTLE_MS);
  const rest = read();
  await using connections = await openIdleConnections({
    netns: site.pair.clientNetns,
    core: CLIENT_CORE,
    address: site.pair.serverAddress,
    port: REQUEST_PORT,
    count: options.count,
    node: options.node,
    signal: site.signal,
  });
  await pause(SETTLE_MS);
  running.assertAlive();
  const idle = read();
  return {
    peer: peer.name,
    clientAtRest: rest.client,
    serverAtRest: rest.server,
    idleConnectionCount: connections.count,
    clientIdle: idle.client,
    serverIdle: idle.server,
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
