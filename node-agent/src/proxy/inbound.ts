import { Socket } from 'node:net';
import {
  acceptHbone,
  type CarrierResult,
  HandshakeLimit,
  type HboneConnection,
  HboneError,
  type HboneEnvironment,
  type PlainSocket,
  type TunnelEnd,
  type TunnelRequest,
} from '@ambit/mesh/hbone';
import type { MeshView, SocketAddress } from '@ambit/mesh/model';
import { bug } from '@ambit/mesh/runtime';
import { secureContextOf, type TunnelPeer, validUntilMs } from '@ambit/mesh/tls';
import { formatProxyHeader } from '@ambit/mesh/wire';
import type { ServerEnd } from '../same-node/server-ends.ts';
import type { ServedPod } from '../same-node/shortcuts.ts';
import { ConnectionRecord, recordRefusal } from './connection-record.ts';
import { applicationDial } from './application-dial.ts';
import { type DialFailure, dialInsideBare, dialPlain } from './dial.ts';
import { FAILURES, type FailureReason, failureOfTunnel, peerRefusalOf } from './failures.ts';
import { type Admission, admitInbound, type InboundConnection, NOT_ANSWERED } from './inbound-admission.ts';
import { settleInbound } from './inbound-demand.ts';
import { inboundSubject, refusedSubject, sourceOf } from './inbound-subject.ts';
import { type PodContext, refuseSocket, reportDryRun, svidLater, svidNow, workloadOf } from './pod-context.ts';
import { inboundTap } from './inbound-tap.ts';
import { localAddressOf, remoteAddressOf } from './socket-addresses.ts';
import { destinationHeaders } from './tunnel-headers.ts';

type Request = TunnelRequest<TunnelPeer, TunnelEnd>;

/** Port 15008 of one pod: mutual TLS, then one admission per tunnel request. */
export class InboundProxy {
  readonly #context: PodContext;
  readonly #environment: HboneEnvironment;
  /** Accepted connections that are still open, for the drain. */
  readonly #connections = new Set<HboneConnection<TunnelPeer>>();
  readonly #handshakes = new HandshakeLimit();
  /** Ends handshakes that run when the pod goes. */
  readonly #abort = new AbortController();
  #draining = false;

  constructor(context: PodContext, environment: HboneEnvironment) {
    this.#context = context;
    this.#environment = environment;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** This pod for clients of the same process. */
  get served(): ServedPod {
    return {
      workload: this.#context.pod.workload,
      accepts: () => !this.#draining && !this.#context.isClosed(),
      serve: (request, end) => this.#take(request, end),
    };
  }

  /** Takes over an accepted, paused socket. */
  accept(socket: Socket): void {
    const source = remoteAddressOf(socket);
    const destination = localAddressOf(socket);
    if (source === null || destination === null) {
      socket.destroy();
      return;
    }
    if (!this.#handshakes.enter(source.ip)) {
      // Counted and no line in the log: who does this does it many times.
      const { inbound } = this.#context.sinks.refusals;
      inbound.set('too-many-handshakes', (inbound.get('too-many-handshakes') ?? 0) + 1);
      this.#context.sinks.account.refuse();
      refuseSocket(socket);
      return;
    }
    this.#serve(socket, source, destination)
      .catch((error: unknown) => {
        this.#context.logger.error('inbound connection failed unexpectedly', { error }, { limitBy: String(error) });
        refuseSocket(socket);
      })
      .finally(() => this.#handshakes.leave(source.ip));
  }

  /** Open connections take no new tunnels and close after their last one. */
  drain(): void {
    this.#draining = true;
    this.askToLeave();
  }

  /** Open connections take no new tunnels and close after their last one; others may come. */
  askToLeave(): void {
    for (const connection of this.#connections) connection.drain();
  }

  /** Connections that are accepted from now on take tunnels again. */
  resume(): void {
    this.#draining = false;
  }

  /** Closes everything at once. */
  close(): void {
    this.#abort.abort();
    for (const connection of [...this.#connections]) connection.destroy(new HboneError('draining'));
  }

  /** Ends connections of matching peers at once. Returns how many. */
  cut(matches: (peer: TunnelPeer) => boolean): number {
    const matching = [...this.#connections].filter(({ peer }) => matches(peer));
    const reason = new HboneError('cut', { data: { reason: FAILURES['peer-revoked'].message } });
    for (const connection of matching) connection.destroy(reason);
    return matching.length;
  }

  /** Resolves when the handshake is over, whatever came of it. */
  async #serve(socket: Socket, source: SocketAddress, destination: SocketAddress): Promise<void> {
    const context = this.#context;
    const startedMs = context.clock.monotonic();
    const use = svidNow(context) ?? (await svidLater(context));
    if (context.isClosed() || socket.destroyed) return refuseSocket(socket);
    const refuse = (reason: FailureReason, detail?: string): void => {
      const subject = refusedSubject(context, { source, destination, peer: null }, true);
      recordRefusal(context.sinks, subject, reason, context.clock.monotonic() - startedMs, detail);
    };
    if (use.kind === 'none') {
      refuse(use.reason);
      return refuseSocket(socket);
    }
    let peerUntilMs = 0;
    // The wall clock may be set back, which makes no certificate younger.
    let peerLatestMs = 0;
    context.sinks.account.handshake();
    try {
      const connection = await acceptHbone<TunnelPeer>(socket, {
        ...this.#environment,
        secureContext: secureContextOf(use.svid),
        verifyPeer: (certificate, issuers) => {
          peerUntilMs = validUntilMs(certificate);
          peerLatestMs = context.clock.monotonic() + peerUntilMs - context.clock.now();
          return context.peers.verifyClient(certificate, issuers);
        },
        // A client may ask for a hundred at once.
        onTunnel: (request) =>
          context.starts.tunnels.begin(() => {
            if (request.aborted) return;
            const isOver = context.clock.monotonic() >= peerLatestMs;
            this.#take(request, { source, destination, peerUntilMs: isOver ? 0 : peerUntilMs });
          }),
        onClose: (closed) => {
          this.#connections.delete(closed);
          context.shortcuts?.closed(closed);
        },
        signal: this.#abort.signal,
      });
      if (connection.state === 'closed') return;
      this.#connections.add(connection);
      const { peer } = connection;
      context.shortcuts?.accepted(connection, { instance: context.instance, source, destination, peer, peerUntilMs });
      if (context.isClosed()) connection.destroy(new HboneError('draining'));
      // A list may have come between the handshake and now.
      else if (context.peers.isRevoked(connection.peer))
        context.peers.rejections.destination += this.cut((peer) => peer === connection.peer);
      else if (this.#draining) connection.drain();
    } catch (error) {
      if (!(error instanceof HboneError)) throw error;
      // A peer that only looked whether the port is open is not worth a line.
      if (error.code !== 'aborted') refuse(failureOfTunnel(error), peerRefusalOf(error));
    }
  }

  /** TLS has looked at certificates once, when the connection began; it may outlive them, its new tunnels may not. */
  #expired(peerUntilMs: number): FailureReason | null {
    const context = this.#context;
    if (context.clock.now() >= peerUntilMs) return 'peer-expired';
    return context.svids.lookup(context.pod.identity).kind === 'expired' ? 'svid-expired' : null;
  }

  /** A request over the connection `end`, by CONNECT or from this process. */
  #take(request: Request, { source, destination, peerUntilMs }: Omit<ServerEnd, 'instance' | 'peer'>): void {
    // A list may be in force here and not yet where the connection was accepted.
    const isRevoked = this.#context.peers.isRevoked(request.connection.peer);
    const refusal = this.#expired(peerUntilMs) ?? (isRevoked ? 'peer-revoked' : null);
    this.#answer(request, source, destination, refusal);
    if (refusal !== null) request.connection.drain();
  }

  #answer(request: Request, source: SocketAddress, destination: SocketAddress, refusal: FailureReason | null): void {
    const startedMs = this.#context.clock.monotonic();
    const { id, aliases } = request.connection.peer;
    const connection: InboundConnection = { source, destination, peer: id, peerAliases: aliases };
    if (refusal !== null) {
      request.reject(FAILURES[refusal].status);
      const subject = refusedSubject(this.#context, connection, true);
      recordRefusal(this.#context.sinks, { ...subject, hboneAddress: request.authority }, refusal, 0);
      return;
    }
    this.#admit(request, connection, startedMs).catch((error: unknown) => {
      this.#context.logger.error('tunnel request failed unexpectedly', { error }, { limitBy: String(error) });
      if (!request.aborted && !request.answered) request.reject(503);
    });
  }

  async #admit(request: Request, connection: InboundConnection, startedMs: number): Promise<void> {
    const context = this.#context;
    const deadlineMs = startedMs + context.settings.patienceMs;
    while (workloadOf(context) === undefined) {
      if ((await context.state.nextChange(deadlineMs, context)) !== 'changed') break;
    }
    const isSettled = context.demand === null || (await this.#settle(request, connection, startedMs));
    if (request.aborted) return;
    const { view } = context.state;
    const { epoch } = view;
    const admission = isSettled ? this.#decide(view, request, connection) : NOT_ANSWERED;
    reportDryRun(context, admission, connection);
    if (admission.kind === 'refused') {
      this.#reject(request, connection, admission.reason, startedMs, admission);
      return;
    }
    this.#dial(request, connection, admission, epoch, startedMs);
  }

  #settle(request: Request, connection: InboundConnection, startedMs: number): Promise<boolean> {
    const source = sourceOf(this.#context, connection, request);
    return settleInbound(this.#context, source, (view) => this.#decide(view, request, connection), startedMs);
  }

  #decide(view: MeshView, { authority }: Request, connection: InboundConnection): Admission {
    return admitInbound(view, workloadOf(this.#context), connection, authority, this.#context.settings);
  }

  #dial(
    request: Request,
    connection: InboundConnection,
    admission: Admission & { readonly kind: 'allowed' },
    epoch: number,
    startedMs: number,
  ): void {
    const context = this.#context;
    const options = applicationDial(context, connection.source.ip, admission.target);
    const failed = ({ reason, detail }: DialFailure): void =>
      this.#reject(request, connection, reason, startedMs, admission, detail);
    const carry = (socket: PlainSocket): void =>
      this.#carry(request, connection, this.#confirm(request, connection, admission, epoch), socket, startedMs);
    // A bare socket cannot be written to before it is spliced.
    const dial = admission.applicationTunnel === undefined ? dialInsideBare : dialPlain;
    const dialing = dial(context.netns, options, carry, failed);
    request.onAborted(() => dialing.cancel());
  }

  /** The policy may have changed while the application was being dialled: then it is asked again. */
  #confirm(request: Request, connection: InboundConnection, admission: Admission, epoch: number): Admission {
    const context = this.#context;
    const { view } = context.state;
    if (view.epoch === epoch) return admission;
    const again = this.#decide(view, request, connection);
    return again.kind === 'refused' ? again : admission;
  }

  #carry(
    request: Request,
    connection: InboundConnection,
    admission: Admission,
    socket: PlainSocket,
    startedMs: number,
  ): void {
    const context = this.#context;
    if (request.aborted || context.isClosed()) {
      socket.destroy();
      if (!request.aborted) this.#reject(request, connection, 'pod-removed', startedMs, admission);
      return;
    }
    if (admission.kind === 'refused') {
      socket.destroy();
      this.#reject(request, connection, admission.reason, startedMs, admission);
      return;
    }
    const { workload, policyTarget, applicationTunnel } = admission;
    const stream = request.accept(destinationHeaders(workload));
    const tap = inboundTap(context, connection, admission, false);
    const record = new ConnectionRecord(
      context.sinks,
      inboundSubject(context, connection, admission, request),
      stream,
      {
        sendsRequest: false,
        admitted: { workload: workload.uid, connection, policyTarget },
        peer: request.connection.peer,
        tap,
      },
    );
    context.live.add(record);
    if (applicationTunnel !== undefined) {
      if (!(socket instanceof Socket)) bug('who calls cannot be written to a bare socket');
      socket.write(formatProxyHeader(applicationTunnel));
    }
    const done = (result: CarrierResult): void => {
      context.live.delete(record);
      record.end(result.error === undefined ? null : failureOfTunnel(result.error));
    };
    stream.splice(socket, done, tap, context.sendRate);
  }

  #reject(
    request: Request,
    connection: InboundConnection,
    reason: FailureReason,
    startedMs: number,
    admission: Admission,
    detail?: string,
  ): void {
    const context = this.#context;
    if (!request.aborted) request.reject(FAILURES[reason].status);
    const subject = inboundSubject(context, connection, admission, request);
    recordRefusal(context.sinks, subject, reason, context.clock.monotonic() - startedMs, detail ?? policyOf(admission));
  }
}

/** The policy behind a refusal, for our own log. */
function policyOf(admission: Admission): string | undefined {
  const decision = admission.decision;
  return decision !== undefined && 'policy' in decision ? decision.policy : undefined;
}
