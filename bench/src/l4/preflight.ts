import { readFileSync, statSync } from 'node:fs';
import { runCommand } from '../host/command.ts';
import { BenchError } from '../errors.ts';
import { REQUEST_PORT, type Peer, type RunningPeer, type Site } from './peer.ts';

const READY_TIMEOUT_MS = 15_000;
const RETRY_PAUSE_MS = 50;
const PROBE = new URL('../load/idle-hold/main.ts', import.meta.url).pathname;
/** Access logs are written through buffers that every proxy flushes by time. */
const LOG_TIMEOUT_MS = 15_000;

/** Waits until a request of the client pod is answered through the peer. Throws `not-ready` after 15 s. */
export async function waitUntilReady(peer: Peer, running: RunningPeer, site: Site, node: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    site.signal.throwIfAborted();
    running.assertAlive();
    try {
      const probe = [node, PROBE, site.pair.serverAddress, String(REQUEST_PORT), '1'];
      await runCommand('nsenter', [`--net=/run/netns/${site.pair.clientNetns}`, ...probe], {
        timeoutMs: 3_000,
        input: '',
      });
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new BenchError('not-ready', 'a peer carries no traffic', { cause, data: { peer: peer.name } });
      }
    }
    await pause(RETRY_PAUSE_MS);
  }
}

/**
 * Proves that both proxies saw the traffic: their access logs are not empty. Throws `peer-failed` when a log stays empty,
 * for then the figures would be those of a shortcut.
 */
export async function assertOnPath(peer: Peer, running: RunningPeer, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + LOG_TIMEOUT_MS;
  for (const log of running.accessLogs) {
    while (!hasContent(log)) {
      signal.throwIfAborted();
      if (Date.now() > deadline) {
        throw new BenchError('peer-failed', 'a peer logged no connection: it was not on the path', {
          data: { peer: peer.name, log },
        });
      }
      await pause(RETRY_PAUSE_MS);
    }
  }
}

/** The first line of an access log, as a witness of what it records. */
export function firstLine(file: string): string {
  return readFileSync(file, 'utf8').split('\n', 1)[0] ?? '';
}

function hasContent(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
