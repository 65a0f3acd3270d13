import { DatagramExchange, type NetnsHandle } from '@ambit/mesh/linux';
import type { Clock } from '@ambit/mesh/runtime';
import { countForwarded, type DnsRow } from './dns-counts.ts';
import { DNS_LIMITS } from './dns-limits.ts';
import { answersMessage, STREAM_BYTES_MAX } from './dns-message.ts';
import type { Nameserver, Nameservers } from './nameservers.ts';

/** How many questions are with name servers: of all pods of a worker, or of one of them within these, whichever way they came. */
export class OutstandingBudget {
  readonly #max: number;
  readonly #whole: OutstandingBudget | null;
  #taken = 0;

  constructor(max: number = DNS_LIMITS.outstandingInAll, whole: OutstandingBudget | null = null) {
    this.#max = max;
    this.#whole = whole;
  }

  /** The share of one pod, which leaves room for others. */
  forPod(): OutstandingBudget {
    return new OutstandingBudget(DNS_LIMITS.outstandingPerPod, this);
  }

  /** Null when there is no room. Dispose it once the question is over. */
  take(): Disposable | null {
    if (this.#taken >= this.#max) return null;
    const place = this.#whole?.take();
    if (place === null) return null;
    this.#taken++;
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        this.#taken--;
        place?.[Symbol.dispose]();
      },
    };
  }

  get taken(): number {
    return this.#taken;
  }
}

export interface DnsForwarderOptions {
  readonly clock: Clock;
  readonly netns: NetnsHandle;
  readonly packetMark: number;
  readonly nameservers: Pick<Nameservers, 'current'>;
  /** Of this pod. */
  readonly budget: OutstandingBudget;
}

/** Called once with the answer, which holds during the call, or null when there is none. */
export type OnForwarded = (answer: Buffer | null) => void;

/** Per thread: an answer is passed on in the turn it is read in. */
const received = Buffer.allocUnsafeSlow(STREAM_BYTES_MAX);

/**
 * Sends questions of one pod to the name servers of the node agent, from the pod's own namespace, byte for byte. Each has a socket and
 * with it a port of its own, so that nobody can guess where an answer is waited for, and ids stay what they are. The next name server is
 * asked as well when one does not answer soon, and at once when it does not listen; the first answer counts.
 */
export class DnsForwarder implements Disposable {
  readonly #options: DnsForwarderOptions;
  readonly #pending = new Map<PendingQuestion, Disposable>();
  /** Name servers that did not answer, until when they are asked last. */
  readonly #avoided = new Map<string, number>();

  constructor(options: DnsForwarderOptions) {
    this.#options = options;
  }

  get outstanding(): number {
    return this.#pending.size;
  }

  /** `message` is kept. Counts in `row`. */
  forward(message: Buffer, row: DnsRow, done: OnForwarded): void {
    row.forwarded++;
    const { clock, budget } = this.#options;
    const place = budget.take();
    const servers = this.servers();
    if (place === null || servers.length === 0) {
      place?.[Symbol.dispose]();
      countForwarded(row, 0, false);
      done(null);
      return;
    }
    const startedAtMs = clock.monotonic();
    const question = new PendingQuestion(this.#options, message, servers, {
      onSilent: (server) => this.avoid(server),
      onOver: (answer) => {
        this.#pending.delete(question);
        place[Symbol.dispose]();
        countForwarded(row, clock.monotonic() - startedAtMs, answer !== null);
        done(answer);
      },
    });
    this.#pending.set(question, place);
    question.start();
  }

  /** Who is to be asked, in that order. */
  servers(): readonly Nameserver[] {
    const servers = this.#options.nameservers.current();
    if (this.#avoided.size === 0) return servers;
    const nowMs = this.#options.clock.monotonic();
    for (const [ip, untilMs] of this.#avoided) if (untilMs <= nowMs) this.#avoided.delete(ip);
    return servers.toSorted((a, b) => Number(this.#avoided.has(a.ip)) - Number(this.#avoided.has(b.ip)));
  }

  avoid({ ip }: Nameserver): void {
    // At most as many as name servers of all the versions of a file within half a minute.
    this.#avoided.set(ip, this.#options.clock.monotonic() + DNS_LIMITS.avoidMs);
  }

  /** Nobody is answered any more. */
  [Symbol.dispose](): void {
    for (const [question, place] of this.#pending) {
      question[Symbol.dispose]();
      place[Symbol.dispose]();
    }
    this.#pending.clear();
  }
}

interface QuestionEvents {
  readonly onSilent: (server: Nameserver) => void;
  readonly onOver: OnForwarded;
}

class PendingQuestion implements Disposable {
  readonly #options: DnsForwarderOptions;
  readonly #message: Buffer;
  readonly #events: QuestionEvents;
  readonly #waiting: Nameserver[];
  readonly #asked = new Map<Nameserver, DatagramExchange>();
  #next: Disposable | null = null;
  #deadline: Disposable | null = null;
  #over = false;

  constructor(options: DnsForwarderOptions, message: Buffer, servers: readonly Nameserver[], events: QuestionEvents) {
    this.#options = options;
    this.#message = message;
    this.#waiting = [...servers];
    this.#events = events;
  }

  start(): void {
    this.#deadline = this.#options.clock.setTimer(DNS_LIMITS.timeoutMs, () => {
      for (const server of this.#asked.keys()) this.#events.onSilent(server);
      this.#end(null);
    });
    this.#askNext();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#next?.[Symbol.dispose]();
    this.#deadline?.[Symbol.dispose]();
    for (const exchange of this.#asked.values()) exchange[Symbol.dispose]();
    this.#asked.clear();
  }

  #askNext(): void {
    this.#next?.[Symbol.dispose]();
    this.#next = null;
    for (let server = this.#waiting.shift(); server !== undefined; server = this.#waiting.shift()) {
      if (!this.#ask(server)) continue;
      if (this.#waiting.length > 0) {
        this.#next = this.#options.clock.setTimer(DNS_LIMITS.nextServerMs, () => {
          this.#events.onSilent(server);
          this.#askNext();
        });
      }
      return;
    }
    if (this.#asked.size === 0) this.#end(null);
  }

  /** False when it cannot be reached from here. */
  #ask(server: Nameserver): boolean {
    const { netns, packetMark } = this.#options;
    try {
      const exchange = new DatagramExchange(
        server.isOwn ? null : netns,
        { destination: server, ...(server.isOwn ? {} : { mark: packetMark }) },
        () => this.#receive(server, exchange),
      );
      this.#asked.set(server, exchange);
      if (exchange.send(this.#message)) return true;
      this.#drop(server, exchange);
      return false;
    } catch {
      return false; // No route, no family, no descriptor: the next one may be better off.
    }
  }

  #receive(server: Nameserver, exchange: DatagramExchange): void {
    for (;;) {
      if (this.#over) return;
      const length = exchange.receive(received);
      if (length === 'none') return;
      if (length === 'refused') {
        this.#drop(server, exchange);
        this.#events.onSilent(server);
        this.#askNext();
        return;
      }
      const answer = received.subarray(0, length);
      // Anything else is a forgery that came too early, or nonsense: the real one may still come.
      if (answersMessage(answer, this.#message)) this.#end(answer);
    }
  }

  #drop(server: Nameserver, exchange: DatagramExchange): void {
    this.#asked.delete(server);
    exchange[Symbol.dispose]();
  }

  #end(answer: Buffer | null): void {
    if (this.#over) return;
    this[Symbol.dispose]();
    this.#events.onOver(answer);
  }
}
