import type { GrpcServerTls } from '@ambit/mesh/grpc';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { SigningAuthority } from './signing-authority.ts';

/** How often the lives of our own certificates are looked at. */
const RENEWAL_POLL_MS = 60_000;

/** The listener's certificate, replaced at half of its life or with the intermediate that signed it. */
export class ServerCertificate implements Disposable {
  readonly listeners: ((tls: GrpcServerTls) => void)[] = [];
  current: GrpcServerTls;
  readonly #authority: SigningAuthority;
  readonly #names: readonly string[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  #refreshAtMs: number;
  #timer: Disposable;

  constructor(authority: SigningAuthority, names: readonly string[], clock: Clock, logger: Logger) {
    this.#authority = authority;
    this.#names = names;
    this.#clock = clock;
    this.#logger = logger;
    const first = authority.issueServer(names);
    this.current = first.tls;
    this.#refreshAtMs = first.refreshAtMs;
    this.#timer = this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #schedule(): Disposable {
    const dueInMs = Math.max(0, this.#refreshAtMs - this.#clock.now());
    return this.#clock.setTimer(Math.min(RENEWAL_POLL_MS, dueInMs), () => {
      try {
        this.#renewWhenDue();
      } catch (error) {
        this.#logger.error('server certificate not renewed', { error });
        this.#refreshAtMs = this.#clock.now() + RENEWAL_POLL_MS;
      }
      this.#timer = this.#schedule();
    });
  }

  #renewWhenDue(): void {
    const isNewIntermediate = this.#authority.renewIntermediate();
    if (!isNewIntermediate && this.#clock.now() < this.#refreshAtMs) return;
    const next = this.#authority.issueServer(this.#names);
    this.current = next.tls;
    this.#refreshAtMs = next.refreshAtMs;
    for (const listener of this.listeners) listener(next.tls);
    this.#logger.info('server certificate renewed', { 'refresh.at': new Date(next.refreshAtMs) });
  }
}
