import { isIP } from 'node:net';
import { type IpAddress, parseIpAddress } from '@ambit/mesh/model';
import type { Clock } from '@ambit/mesh/runtime';
import { WaitingPlaces } from '../state/waiting-places.ts';

/** One address of a name, and how long it may be kept. */
export interface NamedAddress {
  readonly ip: IpAddress;
  readonly ttlMs: number;
}

/** Asks for a name's addresses of both families; none when there are none. Rejects when nobody could say. */
export type LookUpName = (hostname: string) => Promise<readonly NamedAddress[]>;

export const NAME_LIMITS = {
  /** Beyond these the one that was asked for first is forgotten. */
  namesMax: 1024,
  /** Beyond these nothing is looked up: the name has no address. */
  lookupsMax: 256,
  /** Those that one pod began among them. */
  lookupsPerPodMax: 64,
  /** Connections that wait for any of them; for one more the name has no address. */
  waitingMax: 10_000,
  /** Those of one pod among them. */
  waitingPerPodMax: 2500,
  ttlMinMs: 1000,
  ttlMaxMs: 300_000,
  /** Of a name without addresses, or of which nobody could say. */
  failureTtlMs: 1000,
  waitMs: 5000,
} as const;

interface Known {
  readonly addresses: readonly IpAddress[];
  readonly untilMs: number;
}

const NOTHING: readonly IpAddress[] = [];

/** Addresses of workloads that are known by name alone, looked up when somebody connects to one and kept for a while. */
export class ResolvedNames {
  readonly #clock: Clock;
  readonly #lookUp: LookUpName;
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<readonly IpAddress[]>>();
  readonly #places = new WaitingPlaces({ inAll: NAME_LIMITS.waitingMax, perPod: NAME_LIMITS.waitingPerPodMax });
  readonly #lookups = new WaitingPlaces({ inAll: NAME_LIMITS.lookupsMax, perPod: NAME_LIMITS.lookupsPerPodMax });
  /** Lookups begun so far; those that came from what is kept do not count. */
  lookupCount = 0;

  constructor(options: { readonly clock: Clock; readonly lookUp: LookUpName }) {
    this.#clock = options.clock;
    this.#lookUp = options.lookUp;
  }

  /** For a connection of `pod`, always the same one for the same pod. Empty: it has none, or nobody could say in time. Never rejects. */
  resolve(hostname: string, pod: object): Promise<readonly IpAddress[]> {
    const literal = isIP(hostname) === 0 ? undefined : [parseIpAddress(hostname)];
    if (literal !== undefined) return Promise.resolve(literal);
    const known = this.#known.get(hostname);
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return Promise.resolve(known.addresses);
    if (!this.#places.take(pod)) return Promise.resolve(NOTHING);
    const lookup = this.#underWay.get(hostname) ?? this.#begin(hostname, pod) ?? Promise.resolve(NOTHING);
    return lookup.finally(() => this.#places.giveBack(pod));
  }

  #begin(hostname: string, pod: object): Promise<readonly IpAddress[]> | null {
    if (!this.#lookups.take(pod)) return null;
    const lookup = this.#ask(hostname).finally(() => {
      this.#underWay.delete(hostname);
      this.#lookups.giveBack(pod);
    });
    this.#underWay.set(hostname, lookup);
    return lookup;
  }

  async #ask(hostname: string): Promise<readonly IpAddress[]> {
    this.lookupCount++;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<null>();
    using _timer = this.#clock.setTimer(NAME_LIMITS.waitMs, () => giveUp(null));
    let found: readonly NamedAddress[] | null;
    try {
      found = await Promise.race([this.#lookUp(hostname), late]);
    } catch {
      found = null;
    }
    const addresses = found === null || found.length === 0 ? NOTHING : found.map(({ ip }) => ip);
    const ttlMs = found === null || found.length === 0 ? NAME_LIMITS.failureTtlMs : ttlOf(found);
    this.#keep(hostname, { addresses, untilMs: this.#clock.monotonic() + ttlMs });
    return addresses;
  }

  #keep(hostname: string, known: Known): void {
    this.#known.delete(hostname);
    this.#known.set(hostname, known);
    if (this.#known.size <= NAME_LIMITS.namesMax) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }
}

function ttlOf(addresses: readonly NamedAddress[]): number {
  const least = Math.min(...addresses.map(({ ttlMs }) => ttlMs));
  return Math.min(NAME_LIMITS.ttlMaxMs, Math.max(NAME_LIMITS.ttlMinMs, least));
}
