import type { AccessVerdict } from '@ambit/mesh/policies';
import type { ExchangeFacts } from '../http/exchange-facts.ts';
import { FAILURES } from '../http/failures.ts';
import type { Caller } from '../http/pipeline.ts';
import type { Cluster, Endpoint } from '../upstream/cluster.ts';

/** One line in text, with its newline. */
export function textLine(e: ExchangeFacts, timeMs: number): string {
  return (
    timestamp(timeMs) +
    (e.status === 0 || e.status >= 500 ? '\terror\taccess\trequest\t' : '\tinfo\taccess\trequest\t') +
    beginning(e) +
    textField('path', e.target) +
    OUTCOME.text(e) +
    accessText(e.access) +
    ` bytes_recv=${e.requestBytes} bytes_sent=${e.responseBytes} duration_ms=${milliseconds(e.durationMs)}` +
    DESTINATION.text(e) +
    textField('request_id', e.requestId) +
    USER_AGENT.text(e) +
    '\n'
  );
}

/** What a character asks for: nothing, quotes around the text, or more than that. */
const PLAIN = 0;
const QUOTED = 1;
const ESCAPED = 2;
const ASKS: Uint8Array = new Uint8Array(256).fill(ESCAPED);
ASKS.fill(PLAIN, 0x21, 0x7f);
ASKS[0x20] = QUOTED;
ASKS['='.charCodeAt(0)] = QUOTED;
ASKS['"'.charCodeAt(0)] = ESCAPED;
ASKS['\\'.charCodeAt(0)] = ESCAPED;

/** ` name=text`, quoted where it could be taken for anything else; nothing for nothing. */
export function textField(name: string, text: string): string {
  if (text === '') return '';
  let asks = PLAIN;
  for (let i = 0; i < text.length && asks !== ESCAPED; i += 1) {
    const one = ASKS[text.charCodeAt(i)] ?? ESCAPED;
    if (one > asks) asks = one;
  }
  if (asks === PLAIN) return ` ${name}=${text}`;
  return asks === QUOTED ? ` ${name}="${text}"` : ` ${name}=${JSON.stringify(text)}`;
}

/** `.001` to `.999` without zeros at the end, and nothing for 0. */
const FRACTIONS: readonly string[] = Array.from({ length: 1000 }, (_, us) => String(us / 1000).slice(1));

/** To the microsecond. Whole numbers become text faster than fractions. */
function milliseconds(durationMs: number): string {
  const us = Math.round(durationMs * 1000);
  const whole = Math.floor(us / 1000);
  return `${whole}${FRACTIONS[us - whole * 1000] ?? ''}`;
}

/** The same text. What V8 puts together stays a tree of its parts, which would be walked with every line it is part of. */
function inOnePiece(text: string): string {
  return Buffer.from(text).toString();
}

/** Part of a line, whose values are most often those of the line before. */
abstract class RepeatedPart {
  #text = '';

  text(exchange: ExchangeFacts): string {
    if (!this.take(exchange)) this.#text = inOnePiece(this.format(exchange));
    return this.#text;
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

const OUTCOME = new Outcome();
const DESTINATION = new Destination();
const USER_AGENT = new UserAgent();

function clusterOf(decision: ExchangeFacts['decision']): Cluster | null {
  return decision?.kind === 'forward' ? decision.cluster : null;
}

/** What a connection said last of itself. */
interface Beginning {
  readonly method: string;
  readonly authority: string;
  readonly text: string;
}

const beginnings = new WeakMap<Caller, Beginning>();

/** A connection has one caller, whose requests mostly begin alike. */
function beginning({ caller, method, authority }: ExchangeFacts): string {
  const known = beginnings.get(caller);
  if (known !== undefined && known.method === method && known.authority === authority) return known.text;
  const identity = caller.identity === null ? '' : ` src.identity="${caller.identity}"`;
  const text = inOnePiece(
    `src.addr=${caller.address}${identity}${textField('method', method)}${textField('authority', authority)}`,
  );
  beginnings.set(caller, { method, authority, text });
  return text;
}

/** The policy that refused the request; null without one. */
export function refusedBy({ refusal, by }: AccessVerdict): string | null {
  return refusal === null || by === '' ? null : by;
}

/** What policies that refuse nobody had to tell. */
export function notesText({ notes }: AccessVerdict): string {
  return notes.map(({ effect, policy }) => `${effect}:${policy}`).join(',');
}

/** Nothing for nearly all requests. */
function accessText(access: AccessVerdict | null): string {
  if (access === null || (access.refusal === null && access.notes.length === 0)) return '';
  return textField('policy', refusedBy(access) ?? '') + textField('policy_notes', notesText(access));
}

const THREE_DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'));

let lastSecond = -1;
let lastPrefix = '';

/** RFC 3339 in UTC with milliseconds. Lines of one second share the text of everything above the milliseconds. */
export function timestamp(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastPrefix = new Date(second * 1000).toISOString().slice(0, 20);
  }
  return `${lastPrefix}${THREE_DIGITS[Math.floor(timeMs - second * 1000)] ?? ''}Z`;
}
