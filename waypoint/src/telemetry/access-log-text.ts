import type { AccessVerdict } from '@ambit/mesh/policies';
import type { WritableLine } from '@ambit/mesh/runtime';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES } from '../http/failures.ts';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';
import type { CallerRecord } from './caller-record.ts';
import { fieldBytesMax, LineWriter, textField } from './line-writer.ts';

const PATH = Buffer.from(' path=');
const POLICY = Buffer.from(' policy=');
const POLICY_NOTES = Buffer.from(' policy_notes=');
const BYTES_RECV = Buffer.from(' bytes_recv=');
const BYTES_SENT = Buffer.from(' bytes_sent=');
const DURATION_MS = Buffer.from(' duration_ms=');
const REQUEST_ID = Buffer.from(' request_id=');
const LINE_FEED = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);
/** Everything of a line but what others say and what is named in it: the time, the names of fields, numbers. */
const REST_BYTES_MAX = 512;

/**
 * Lines of text, each made of bytes: what repeats is kept as such, and no text is put together. One per thread: it is the line of the
 * exchange that it was given last.
 */
export class AccessLogText implements WritableLine {
  bytesMax = 0;
  readonly #writer = new LineWriter();
  readonly #beginning = new Beginning();
  readonly #outcome = new Outcome();
  readonly #destination = new Destination();
  readonly #userAgent = new UserAgent();
  #exchange: ExchangeFacts | undefined;
  #begin: Uint8Array = NOTHING;
  #caller: Uint8Array = NOTHING;
  #status: Uint8Array = NOTHING;
  #to: Uint8Array = NOTHING;
  #agent: Uint8Array = NOTHING;

  /** The line of this exchange, as long as its facts hold. */
  of(exchange: ExchangeFacts, caller: CallerRecord, timeMs: number): this {
    this.#exchange = exchange;
    this.#begin = this.#beginning.bytes(exchange.status, timeMs);
    this.#caller = caller.named(exchange);
    this.#status = this.#outcome.bytes(exchange);
    this.#to = this.#destination.bytes(exchange);
    this.#agent = this.#userAgent.bytes(exchange);
    const { target, access } = exchange;
    const id = exchange.ownRequestId?.length ?? fieldBytesMax(exchange.requestId);
    const kept = this.#caller.length + this.#status.length + this.#to.length + this.#agent.length;
    this.bytesMax = REST_BYTES_MAX + kept + fieldBytesMax(target) + id + (tells(access) ? accessBytesMax(access) : 0);
    return this;
  }

  writeTo(memory: Buffer, at: number): number {
    const e = this.#exchange;
    if (e === undefined) return at;
    const writer = this.#writer;
    writer.begin(memory, at);
    writer.bytes(this.#begin);
    writer.bytes(this.#caller);
    if (e.target !== '') writer.field(PATH, e.target);
    writer.bytes(this.#status);
    if (tells(e.access)) writeAccess(writer, e.access);
    writer.bytes(BYTES_RECV);
    writer.whole(e.requestBytes);
    writer.bytes(BYTES_SENT);
    writer.whole(e.responseBytes);
    writer.bytes(DURATION_MS);
    writer.milliseconds(e.durationMs);
    writer.bytes(this.#to);
    writeRequestId(writer, e);
    writer.bytes(this.#agent);
    writer.bytes(LINE_FEED);
    return writer.end;
  }
}

function writeRequestId(writer: LineWriter, exchange: ExchangeFacts): void {
  const { ownRequestId } = exchange;
  if (ownRequestId !== null) {
    writer.bytes(REQUEST_ID);
    writer.bytes(ownRequestId);
    return;
  }
  // Asked for only now, since it may be made then.
  const { requestId } = exchange;
  if (requestId !== '') writer.field(REQUEST_ID, requestId);
}

const DATE_CHARS = '2026-11-26T10:00:00.'.length;
const MS_PER_SECOND = 1000;

/** The time in RFC 3339, in UTC with milliseconds, and the level. Lines of one second share all above the milliseconds. */
class Beginning {
  readonly #info = Buffer.from(`${' '.repeat(DATE_CHARS)}000Z\tinfo\taccess\trequest\t`);
  readonly #error = Buffer.from(`${' '.repeat(DATE_CHARS)}000Z\terror\taccess\trequest\t`);
  #second = -1;

  bytes(status: number, timeMs: number): Uint8Array {
    const second = Math.floor(timeMs / MS_PER_SECOND);
    if (second !== this.#second) {
      this.#second = second;
      const date = timestamp(second * MS_PER_SECOND);
      for (const line of [this.#info, this.#error]) line.write(date.slice(0, DATE_CHARS), 0, 'latin1');
    }
    const line = status === 0 || status >= 500 ? this.#error : this.#info;
    let rest = Math.floor(timeMs - second * MS_PER_SECOND);
    for (let at = DATE_CHARS + 2; at >= DATE_CHARS; at -= 1) {
      const tenth = Math.floor(rest / 10);
      line[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    return line;
  }
}

const ZERO = 0x30;

/** RFC 3339 in UTC with milliseconds. */
export function timestamp(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** Part of a line, whose values are most often those of the line before. */
abstract class RepeatedPart {
  #bytes: Uint8Array = NOTHING;

  bytes(exchange: ExchangeFacts): Uint8Array {
    if (!this.take(exchange)) this.#bytes = Buffer.from(this.format(exchange));
    return this.#bytes;
  }

  /** Takes the values over; true when they were these before. */
  protected abstract take(exchange: ExchangeFacts): boolean;
  protected abstract format(exchange: ExchangeFacts): string;
}

class Outcome extends RepeatedPart {
  #protocol = '';
  #status = -1;
  #grpcStatus: number | null = null;
  #reason: ExchangeFacts['reason'] = null;

  protected override take({ protocol, status, grpcStatus, reason }: ExchangeFacts): boolean {
    const same = this.#protocol === protocol && this.#status === status && this.#grpcStatus === grpcStatus;
    if (same && this.#reason === reason) return true;
    this.#grpcStatus = grpcStatus;
    this.#protocol = protocol;
    this.#status = status;
    this.#reason = reason;
    return false;
  }

  protected override format({ protocol, status, grpcStatus, reason }: ExchangeFacts): string {
    const ofCall = grpcStatus === null ? '' : ` grpc_status=${grpcStatus}`;
    const failure = reason === null ? '' : ` flags=${FAILURES[reason].flag} reason=${reason}`;
    return ` protocol=${protocol} status=${status}${ofCall}${failure}`;
  }
}

class Destination extends RepeatedPart {
  #cluster: Cluster | null = null;
  #endpoint: Endpoint | null = null;
  #attempts = 0;
  #route = '';

  protected override take({ decision, endpoint, attempts }: ExchangeFacts): boolean {
    const cluster = clusterOf(decision);
    const route = decision?.route ?? '';
    const isSame =
      this.#cluster === cluster && this.#endpoint === endpoint && this.#attempts === attempts && this.#route === route;
    if (isSame) return true;
    this.#cluster = cluster;
    this.#endpoint = endpoint;
    this.#attempts = attempts;
    this.#route = route;
    return false;
  }

  protected override format({ decision, endpoint, attempts }: ExchangeFacts): string {
    const cluster = clusterOf(decision);
    return (
      (cluster === null ? '' : ` dst.service=${cluster.name}`) +
      (endpoint === null ? '' : ` dst.addr=${endpoint.address}`) +
      (attempts > 1 ? ` attempts=${attempts}` : '') +
      (decision === null || decision.route === '' ? '' : ` route=${decision.route}`)
    );
  }
}

class UserAgent extends RepeatedPart {
  #value = '';

  protected override take({ userAgent }: ExchangeFacts): boolean {
    if (userAgent === this.#value) return true;
    this.#value = userAgent;
    return false;
  }

  protected override format({ userAgent }: ExchangeFacts): string {
    return textField('user_agent', userAgent);
  }
}

function clusterOf(decision: ExchangeFacts['decision']): Cluster | null {
  return decision?.kind === 'forward' ? decision.cluster : null;
}

/** The policy that refused the request; null without one. */
export function refusedBy({ refusal, by }: AccessVerdict): string | null {
  return refusal === null || by === '' ? null : by;
}

/** What policies that refuse nobody had to tell. */
export function notesText({ notes }: AccessVerdict): string {
  return notes.map(({ effect, policy }) => `${effect}:${policy}`).join(',');
}

/** Not of nearly all requests. */
function tells(access: AccessVerdict | null): access is AccessVerdict {
  return access !== null && (access.refusal !== null || access.notes.length > 0);
}

function accessBytesMax(access: AccessVerdict): number {
  return fieldBytesMax(access.by) + fieldBytesMax(notesText(access));
}

function writeAccess(writer: LineWriter, access: AccessVerdict): void {
  const refused = refusedBy(access);
  if (refused !== null) writer.field(POLICY, refused);
  const notes = notesText(access);
  if (notes !== '') writer.field(POLICY_NOTES, notes);
}
