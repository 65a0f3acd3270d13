import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { runCommand } from '../host/command.ts';
import { BenchError } from '../errors.ts';
import { REQUEST_PORT, type Peer, type RunningPeer, type Site } from './peer.ts';

const READY_TIMEOUT_MS = 15_000;
const RETRY_PAUSE_MS = 100;
const PROGRAM_TIMEOUT_MS = 5_000;
const LINE_FEED = 10;
/** A log may lose this much: a bounded buffer is right to drop lines rather than to hold up data. */
const LOG_SHARE_MIN = 0.99;
const INTRUDER = new URL('../load/intruder-main.ts', import.meta.url).pathname;
const PROBE = new URL('../load/idle-hold-main.ts', import.meta.url).pathname;
/** Access logs are written through buffers that every proxy flushes by time. */
const LOG_TIMEOUT_MS = 15_000;

/** Waits until a request of the client pod is answered through the peer. Throws `not-ready` after 15 s. */
export async function waitUntilReady(
  peer: Pick<Peer, 'name'>,
  running: RunningPeer,
  site: Pick<Site, 'pair' | 'signal'>,
  node: string,
): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    site.signal.throwIfAborted();
    running.assertAlive();
    try {
      const probe = [node, PROBE, site.pair.serverAddress, String(REQUEST_PORT), '1'];
      await runCommand('nsenter', [`--net=/run/netns/${site.pair.clientNetns}`, ...probe], {
        timeoutMs: PROGRAM_TIMEOUT_MS,
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
 * Proves that access is granted by principal: the client's was (or nothing would be ready), another one of the same trust
 * domain is refused. Throws `peer-failed` when it is let in.
 */
export async function assertRefusesOthers(peer: Peer, running: RunningPeer, site: Site, node: string): Promise<void> {
  if (running.tunnelPort === undefined) return;
  const { certificates, pair } = site;
  const { certificate, key } = certificates.intruder;
  const where = [pair.serverAddress, String(running.tunnelPort), String(REQUEST_PORT)];
  const intruder = [node, INTRUDER, ...where, certificate, key, certificates.authority];
  const told = await runCommand('nsenter', [`--net=/run/netns/${pair.clientNetns}`, ...intruder], {
    timeoutMs: PROGRAM_TIMEOUT_MS,
    signal: site.signal,
  });
  if (told.trim() !== 'refused') {
    throw new BenchError('peer-failed', 'a peer let in a principal without access', { data: { peer: peer.name } });
  }
}

/**
 * Proves that both proxies carried every connection: each access log has at least `connectionCount` lines, give or take
 * {@link LOG_SHARE_MIN}. Throws `peer-failed` otherwise, for then the figures would be those of a shortcut.
 */
export async function assertOnPath(
  peer: Peer,
  running: RunningPeer,
  connectionCount: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + LOG_TIMEOUT_MS;
  for (const log of running.accessLogs) {
    for (;;) {
      signal.throwIfAborted();
      const lineCount = countLines(log);
      if (lineCount > 0 && lineCount >= connectionCount * LOG_SHARE_MIN) break;
      if (Date.now() > deadline) {
        throw new BenchError('peer-failed', 'a peer logged too few connections: it was not on the path', {
          data: { peer: peer.name, log: basename(log), lineCount, connectionCount },
        });
      }
      await pause(RETRY_PAUSE_MS);
    }
  }
}

function countLines(file: string): number {
  try {
    return readFileSync(file).reduce((count, byte) => (byte === LINE_FEED ? count + 1 : count), 0);
  } catch {
    // Not created yet.
    return 0;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
