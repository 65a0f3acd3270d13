import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { type Probe, parsePort } from '@ambit/mesh/model';
import { recordProbe, recordRefusal } from '../connection-record.ts';
import { applicationDial } from '../application-dial.ts';
import { type DialFailure, dialPlain } from '../dial.ts';
import type { FailureReason } from '../failures.ts';
import type { InboundConnection, ProbeAdmission } from '../inbound-admission.ts';
import { refusedSubject } from '../inbound-subject.ts';
import { type PodContext, refuseSocket } from '../pod-context.ts';
import { answerHttp, TLS_HANDSHAKE } from './answer-http.ts';
import { askHttp } from './ask-http.ts';
import { NotAProbeError } from './errors.ts';
import { PROBE_LIMITS } from './limits.ts';
import { nextBytes } from './socket-bytes.ts';

type Plaintext = InboundConnection & { readonly peer: null };
type ProbeKind = Probe['kind'];

/** One probing connection. */
interface Exchange {
  readonly socket: Socket;
  readonly connection: Plaintext;
  readonly admission: ProbeAdmission;
  readonly startedMs: number;
  readonly abort: AbortController;
  deadline: Disposable;
  /** Undefined until the caller has said what it asks. */
  kind: ProbeKind | undefined;
}

/** Of a health check's answer. */
const SERVING = 1;
/** HTTP/2 begins with this, whatever follows. */
const HTTP2_PREFACE = 'PRI';

class ExchangeEnd extends Error {
  override readonly name = 'ExchangeEnd';
  readonly reason: FailureReason;

  constructor(reason: FailureReason) {
    super('the probe was ended');
    this.reason = reason;
  }
}

class DialError extends Error {
  override readonly name = 'DialError';
  readonly failure: DialFailure;

  constructor(failure: DialFailure) {
    super('the application could not be reached');
    this.failure = failure;
  }
}

/**
 * Connections to one pod that may do nothing but probe it. The agent asks the application itself, as declared, and passes on
 * the bare verdict; no byte of the caller reaches the application and none of the application the caller.
 */
export class ProbeServer {
  readonly #context: PodContext;
  readonly #exchanges = new Set<Exchange>();

  constructor(context: PodContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#exchanges.size;
  }

  /** Takes over an accepted, paused socket. */
  serve(socket: Socket, connection: Plaintext, admission: ProbeAdmission, startedMs: number): void {
    if (!this.#makeRoom()) {
      this.#refuse(socket, connection, startedMs, 'too-many-probes');
      return;
    }
    const abort = new AbortController();
    const exchange: Exchange = {
      ...{ socket, connection, admission, startedMs, abort },
      deadline: this.#deadline(abort, PROBE_LIMITS.requestMs),
      kind: undefined,
    };
    this.#exchanges.add(exchange);
    this.#run(exchange)
      .catch((error: unknown) => this.#fail(exchange, error))
      .finally(() => {
        exchange.deadline[Symbol.dispose]();
        this.#exchanges.delete(exchange);
      });
  }

  /** Ends every exchange at once. */
  close(): void {
    for (const { abort } of this.#exchanges) abort.abort(new ExchangeEnd('pod-removed'));
  }

  /** Whoever shares the kubelet's address must not keep it out by connecting and saying nothing. */
  #makeRoom(): boolean {
    if (this.#exchanges.size < PROBE_LIMITS.concurrent) return true;
    for (const exchange of this.#exchanges) {
      if (exchange.kind !== undefined) continue;
      this.#exchanges.delete(exchange);
      exchange.abort.abort(new ExchangeEnd('too-many-probes'));
      return true;
    }
    return false;
  }

  #deadline(abort: AbortController, ms: number): Disposable {
    return this.#context.clock.setTimer(ms, () => abort.abort(new ExchangeEnd('probe-timeout')));
  }

  async #run(exchange: Exchange): Promise<void> {
    const { socket, admission, abort } = exchange;
    const { probes } = admission;
    const tcp = probes.find(({ kind }) => kind === 'tcp');
    // Where nothing may be said, nothing is listened to.
    if (tcp !== undefined && probes.length === 1) return this.#serveTcp(exchange, tcp);
    const first = await nextBytes(socket, abort.signal);
    if (first === null) {
      if (tcp === undefined) throw new NotAProbeError('ended without a request');
      return this.#serveTcp(exchange, tcp);
    }
    socket.unshift(first);
    const isHttp2 = first.toString('latin1', 0, HTTP2_PREFACE.length) === HTTP2_PREFACE;
    if (isHttp2 && probes.some(({ kind }) => kind === 'grpc')) return this.#serveGrpc(exchange);
    const isTls = first[0] === TLS_HANDSHAKE;
    const mayBeHttp = probes.some((probe) => probe.kind === 'http' && probe.secure === isTls);
    if (isHttp2 || !mayBeHttp) throw new NotAProbeError('not a declared kind of probe');
    return this.#serveHttp(exchange, isTls);
  }

  async #serveTcp(exchange: Exchange, probe: Probe): Promise<void> {
    this.#begin(exchange, probe);
    (await this.#dial(exchange)).destroy();
    this.#record(exchange, 'tcp', true);
    exchange.socket.destroySoon();
  }

  async #serveHttp(exchange: Exchange, isTls: boolean): Promise<void> {
    const { socket, admission, abort } = exchange;
    const secureContext = isTls ? await this.#secureContext() : null;
    const status = await answerHttp(
      socket,
      admission.probes,
      secureContext,
      (probe) => {
        this.#begin(exchange, probe);
        return askHttp(probe, admission.policyTarget, () => this.#dial(exchange), abort.signal);
      },
      abort.signal,
    );
    // As a kubelet judges.
    this.#record(exchange, 'http', status >= 200 && status < 400, `status ${status}`);
    socket.destroySoon();
  }

  async #serveGrpc(exchange: Exchange): Promise<void> {
    const { socket, admission, abort } = exchange;
    // Few nodes have such probes, and the messages of gRPC and what reads them take memory in every worker.
    const [{ answerGrpc }, { askGrpc }] = await Promise.all([import('./answer-grpc.ts'), import('./ask-grpc.ts')]);
    const answer = await answerGrpc(
      socket,
      admission.probes,
      async (probe) => {
        this.#begin(exchange, probe);
        return askGrpc(probe, admission.policyTarget, await this.#dial(exchange), abort.signal);
      },
      abort.signal,
    );
    const detail = answer.kind === 'health' ? `health ${answer.health}` : `code ${answer.code}`;
    this.#record(exchange, 'grpc', answer.kind === 'health' && answer.health === SERVING, detail);
  }

  /** Where nobody asks by TLS, nothing that makes certificates is loaded. */
  async #secureContext(): Promise<SecureContext> {
    const { probeSecureContext } = await import('./probe-certificate.ts');
    return probeSecureContext(this.#context.clock.now());
  }

  /** The caller has said what it asks: from now on it waits for the application as long as it declared it would. */
  #begin(exchange: Exchange, probe: Probe): void {
    exchange.kind = probe.kind;
    exchange.deadline[Symbol.dispose]();
    exchange.deadline = this.#deadline(exchange.abort, probe.timeoutMs);
  }

  #dial({ connection, admission, abort }: Exchange): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const { ip, port } = admission.policyTarget;
    const dialing = dialPlain(
      this.#context.netns,
      applicationDial(this.#context, connection.source.ip, { ip, port: parsePort(port) }),
      (socket) => {
        socket.on('error', () => {});
        resolve(socket);
      },
      (failure) => reject(new DialError(failure)),
    );
    const onAbort = (): void => {
      dialing.cancel();
      reject(abort.signal.reason);
    };
    abort.signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => abort.signal.removeEventListener('abort', onAbort));
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { socket, connection, startedMs, kind, abort } = exchange;
    const reason: unknown = abort.signal.reason;
    if (error instanceof NotAProbeError) {
      this.#refuse(socket, connection, startedMs, 'probe-only', error.message);
    } else if (kind === undefined) {
      // Nothing was asked: whatever broke, it was the caller.
      if (reason instanceof ExchangeEnd) this.#refuse(socket, connection, startedMs, reason.reason);
      else this.#refuse(socket, connection, startedMs, 'probe-only', 'ended without a request');
    } else {
      this.#record(exchange, kind, false, detailOf(reason instanceof ExchangeEnd ? reason : error));
      refuseSocket(socket);
    }
  }

  #record({ connection, startedMs }: Exchange, kind: ProbeKind, passed: boolean, detail?: string): void {
    const context = this.#context;
    const subject = refusedSubject(context, connection, false);
    recordProbe(context.sinks, subject, { kind, passed, durationMs: context.clock.monotonic() - startedMs, detail });
  }

  #refuse(socket: Socket, connection: Plaintext, startedMs: number, reason: FailureReason, detail?: string): void {
    const context = this.#context;
    const subject = refusedSubject(context, connection, false);
    recordRefusal(context.sinks, subject, reason, context.clock.monotonic() - startedMs, detail);
    refuseSocket(socket);
  }
}

function detailOf(error: unknown): string {
  if (error instanceof DialError) return error.failure.detail ?? error.failure.reason;
  if (error instanceof ExchangeEnd) return error.reason;
  return error instanceof Error ? error.message : 'failed';
}
