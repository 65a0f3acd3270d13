import type { MeshView, Workload } from '@ambit/mesh/model';
import type { MeshState } from '../state/mesh-state.ts';
import type { NameDemand } from '../state/name-demand.ts';
import { decideDnsAnswer, type DnsClient, type DnsDecision, type DnsNaming } from './decide-dns-answer.ts';
import type { DnsCounts, DnsProtocol, DnsRow } from './dns-counts.ts';
import { DNS_LIMITS } from './dns-limits.ts';
import {
  type DnsMessage,
  type DnsQuery,
  readDnsMessage,
  STREAM_BYTES_MAX,
  writeDnsAnswer,
  writeDnsFailure,
} from './dns-message.ts';

export type DnsVerdict =
  /** The first `length` bytes of the buffer given are the answer. */
  | { readonly kind: 'answer'; readonly length: number; readonly row: DnsRow }
  | { readonly kind: 'forward'; readonly row: DnsRow }
  /** The controller has to be asked for these names first; then once more, with `asked`. */
  | { readonly kind: 'ask'; readonly names: readonly string[] }
  | { readonly kind: 'drop' };

const NOTHING: readonly string[] = [];
const DROP: DnsVerdict = { kind: 'drop' };

export interface DnsResponderOptions {
  readonly state: MeshState;
  /** Null: the view has the whole mesh. */
  readonly demand: NameDemand | null;
  readonly naming: DnsNaming;
  readonly counts: DnsCounts;
  /** Network of who is not known yet. */
  readonly network: string;
  readonly namespace: string;
  /** The pod as the mesh view has it now. */
  readonly workload: () => Workload | undefined;
  /** [0, 1). */
  readonly random: () => number;
}

interface Remembered {
  readonly verdict: DnsVerdict;
  /** Null: to be forwarded. */
  readonly answer: Buffer | null;
}

/**
 * Answers the questions of one pod from the mesh view. An application asks the same few things over and over, so what was answered over
 * UDP is remembered by the bytes of the question until the view changes: nothing has to be read or decided again. Not where the view has only
 * what was asked for: there an answer that nobody has a name counts for a while alone, and the view does not change when it is over.
 */
export class DnsResponder {
  readonly #options: DnsResponderOptions;
  readonly #remembered = new Map<string, Remembered>();
  readonly #rows = { udp: new Map<string, DnsRow>(), tcp: new Map<string, DnsRow>() };
  #epoch = -1;
  #client: DnsClient;
  #workload: Workload | undefined;

  constructor(options: DnsResponderOptions) {
    this.#options = options;
    this.#client = options;
  }

  /**
   * Decides about one message of a client; counts it. `into` has room for the longest answer over the protocol. `asked`: whatever it had to
   * be asked for is known, or will not be in time. Never throws.
   */
  respond(message: Buffer, into: Buffer, protocol: DnsProtocol, asked = false): DnsVerdict {
    if (this.#options.state.view.epoch !== this.#epoch) this.#startEpoch();
    if (asked) return this.#decide(message, into, protocol, undefined, true);
    // What was asked for by name counts for a while, not until the view changes.
    const isKept = protocol === 'udp' && this.#options.demand === null && message.length <= DNS_LIMITS.rememberedBytes;
    if (!isKept) return this.#decide(message, into, protocol);
    // All but the id.
    const key = message.toString('latin1', 2);
    const known = this.#remembered.get(key);
    if (known === undefined) return this.#decide(message, into, protocol, key);
    if (known.verdict.kind === 'answer' || known.verdict.kind === 'forward') known.verdict.row.requests++;
    if (known.answer !== null) {
      known.answer.copy(into, 2, 2);
      into[0] = message[0] ?? 0;
      into[1] = message[1] ?? 0;
    }
    return known.verdict;
  }

  #startEpoch(): void {
    const { state, workload, network, namespace } = this.#options;
    this.#epoch = state.view.epoch;
    this.#remembered.clear();
    this.#rows.udp.clear();
    this.#rows.tcp.clear();
    this.#workload = workload();
    this.#client = { namespace, network: this.#workload?.network ?? network };
  }

  #decide(message: Buffer, into: Buffer, protocol: DnsProtocol, key?: string, asked = false): DnsVerdict {
    const read = readDnsMessage(message);
    if (read.kind === 'noise') return DROP;
    const row = this.#row(read, protocol);
    if (!asked) row.requests++;
    if (read.kind === 'malformed') {
      return { kind: 'answer', length: writeDnsFailure(into, message, 'format-error'), row };
    }
    const forward: DnsVerdict = { kind: 'forward', row };
    const found = read.kind === 'other' ? null : this.#look(read);
    if (found !== null && found.missing.length > 0 && !asked) return { kind: 'ask', names: found.missing };
    const decision = found?.decision ?? null;
    if (read.kind === 'other' || decision === null || decision.kind === 'forward') {
      return this.#remember(key, forward, null);
    }
    const bytesMax = protocol === 'tcp' ? STREAM_BYTES_MAX : read.datagramBytes;
    const length = writeDnsAnswer(into, message, read, decision, bytesMax);
    if (length === null) return this.#remember(key, forward, null);
    const verdict: DnsVerdict = { kind: 'answer', length, row };
    const isFixed = decision.kind === 'port' || decision.order === 'given' || decision.addresses.length < 2;
    return isFixed && length <= DNS_LIMITS.rememberedBytes
      ? this.#remember(key, verdict, Buffer.from(into.subarray(0, length)))
      : verdict;
  }

  #look({ question }: DnsQuery): { readonly decision: DnsDecision; readonly missing: readonly string[] } {
    const { state, demand, naming, random, namespace } = this.#options;
    const decide = (view: MeshView): DnsDecision => decideDnsAnswer(view, question, this.#client, naming);
    const { decision, missing } =
      demand === null ? { decision: decide(state.view), missing: NOTHING } : demand.look(namespace, decide);
    if (decision.kind !== 'addresses' || decision.order === 'given') return { decision, missing };
    return { decision: { ...decision, addresses: shuffled(decision.addresses, random) }, missing };
  }

  #remember(key: string | undefined, verdict: DnsVerdict, answer: Buffer | null): DnsVerdict {
    if (key === undefined) return verdict;
    // Whoever asks for so many names asks for most of them once.
    if (this.#remembered.size >= DNS_LIMITS.remembered) this.#remembered.clear();
    this.#remembered.set(key, { verdict, answer });
    return verdict;
  }

  #row(message: DnsMessage, protocol: DnsProtocol): DnsRow {
    const type = message.kind === 'query' ? message.question.type : message.kind === 'other' ? message.type : 'other';
    const rows = this.#rows[protocol];
    const known = rows.get(type);
    if (known !== undefined) return known;
    const row = this.#options.counts.row(type, protocol, this.#workload ?? null);
    rows.set(type, row);
    return row;
  }
}

function shuffled<T>(list: readonly T[], random: () => number): readonly T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [result[i], result[j]];
    if (a === undefined || b === undefined) continue;
    result[i] = b;
    result[j] = a;
  }
  return result;
}
