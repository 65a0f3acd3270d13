import { readFileSync, statSync } from 'node:fs';
import { type IpAddress, parseIpAddress, parsePort, type Port } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';

export interface Nameserver {
  readonly ip: IpAddress;
  readonly port: Port;
  /** It listens on the loopback interface of the agent's own namespace, which no pod can reach from its. */
  readonly isOwn: boolean;
}

/** As the C library has it: those after the third are not asked. */
export const NAMESERVERS_MAX = 3;
const DNS_PORT = parsePort(53);
/** How old what is known of the file may be. */
const CHECK_MS = 5000;
const FILE_BYTES_MAX = 64 << 10;

/** The name servers a resolv.conf names, in its order. Lines that name none, for whatever reason, are skipped. */
export function parseResolvConf(text: string): readonly Nameserver[] {
  const found: Nameserver[] = [];
  for (const line of text.split('\n')) {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
    if (address === undefined || found.length === NAMESERVERS_MAX) continue;
    const ip = tryParse(address);
    if (ip !== null) found.push({ ip, port: DNS_PORT, isOwn: ip.startsWith('127.') || ip === '::1' });
  }
  return found;
}

function tryParse(text: string): IpAddress | null {
  try {
    return parseIpAddress(text);
  } catch {
    return null; // An address with a zone, for example: the zone is the agent's, and means nothing in a pod.
  }
}

/** The name servers of a resolv.conf as it is now: read again, when asked for them, after it has changed. */
export class Nameservers {
  readonly #options: { readonly path: string; readonly clock: Clock; readonly logger: Logger };
  #servers: readonly Nameserver[] = [];
  #version = '';
  #checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly path: string; readonly clock: Clock; readonly logger: Logger }) {
    this.#options = options;
  }

  /** What was last read, while the file cannot be read; empty when it never could. */
  current(): readonly Nameserver[] {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - this.#checkedAtMs < CHECK_MS) return this.#servers;
    this.#checkedAtMs = nowMs;
    const { path, logger } = this.#options;
    try {
      // Some microseconds of two system calls, at most every few seconds: not worth a thread and the order that goes with it.
      const { ino, mtimeMs, size } = statSync(path);
      const version = `${ino} ${mtimeMs} ${size}`;
      if (version === this.#version) return this.#servers;
      const servers = parseResolvConf(readFileSync(path, 'utf8').slice(0, FILE_BYTES_MAX));
      this.#version = version;
      if (servers.length === 0) logger.warn('the file names no name server', { path }, { limitBy: path });
      else this.#servers = servers;
    } catch (error) {
      this.#version = '';
      logger.warn('the file with name servers cannot be read', { path, error }, { limitBy: path });
    }
    return this.#servers;
  }
}
