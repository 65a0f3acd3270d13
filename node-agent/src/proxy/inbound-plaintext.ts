import type { Socket } from 'node:net';
import type { MeshView, SocketAddress } from '@ambit/mesh/model';
import { ConnectionRecord, recordRefusal } from './connection-record.ts';
import { applicationDial } from './application-dial.ts';
import { dialPlain } from './dial.ts';
import type { FailureReason } from './failures.ts';
import { KEEPALIVE_MS } from './keepalive.ts';
import {
  type Admission,
  admitPlaintext,
  type InboundConnection,
  NOT_ANSWERED,
  type ProbeAdmission,
} from './inbound-admission.ts';
import { settleInbound } from './inbound-demand.ts';
import { inboundSubject, refusedSubject } from './inbound-subject.ts';
import { PlainSplice, type SpliceResult } from './plain-splice.ts';
import { ProbeServer } from './probes/probe-server.ts';
import { type PodContext, refuseSocket, reportDryRun, workloadOf } from './pod-context.ts';
import { inboundTap } from './inbound-tap.ts';
import { originalDestinationOf, remoteAddressOf } from './socket-addresses.ts';

type Plaintext = InboundConnection & { readonly peer: null };

/** Port 15006 of one pod: connections that came in plaintext, admitted without an identity. */
export class InboundPlaintextProxy {
  readonly #context: PodContext;
  readonly #probes: ProbeServer;

  constructor(context: PodContext) {
    this.#context = context;
    this.#probes = new ProbeServer(context);
  }

  /** Probes that are being served. */
  get probeCount(): number {
    return this.#probes.count;
  }

  /** Takes over an accepted, paused socket. */
  accept(socket: Socket): void {
    socket.setKeepAlive(true, KEEPALIVE_MS);
    const source = remoteAddressOf(socket);
    if (source === null) {
      socket.destroy();
      return;
    }
    let destination: SocketAddress;
    try {
      destination = originalDestinationOf(socket);
    } catch {
      refuseSocket(socket);
      return;
    }
    this.#admit(socket, { source, destination, peer: null }).catch((error: unknown) => {
      this.#context.logger.error(
        'inbound plaintext connection failed unexpectedly',
        { error },
        { limitBy: String(error) },
      );
      refuseSocket(socket);
    });
  }

  /** Ends probes at once; carried connections are the pod's to end. */
  close(): void {
    this.#probes.close();
  }

  #decide(connection: Plaintext, view: MeshView = this.#context.state.view): Admission | ProbeAdmission {
    const context = this.#context;
    return admitPlaintext(view, workloadOf(context), connection, context.pod.nodeAddresses);
  }

  async #admit(socket: Socket, connection: Plaintext): Promise<void> {
    const context = this.#context;
    const startedMs = context.clock.monotonic();
    while (workloadOf(context) === undefined) {
      const deadlineMs = startedMs + context.settings.patienceMs;
      if ((await context.state.nextChange(deadlineMs, context)) !== 'changed') break;
    }
    const isSettled =
      context.demand === null ||
      (await settleInbound(context, connection.source.ip, (view) => this.#decide(connection, view), startedMs));
    if (context.isClosed() || socket.destroyed) return refuseSocket(socket);
    const admission = isSettled ? this.#decide(connection) : NOT_ANSWERED;
    reportDryRun(context, admission, connection);
    if (admission.kind === 'refused') {
      this.#refuse(socket, connection, admission, admission.reason, startedMs);
      return;
    }
    if (admission.kind === 'probe') {
      this.#probes.serve(socket, connection, admission, startedMs);
      return;
    }
    dialPlain(
      context.netns,
      applicationDial(context, connection.source.ip, admission.target),
      (destination) => this.#carry(socket, destination, connection, admission, startedMs),
      ({ reason, detail }) => this.#refuse(socket, connection, admission, reason, startedMs, detail),
    );
  }

  #carry(
    socket: Socket,
    destination: Socket,
    connection: Plaintext,
    admission: Admission & { readonly kind: 'allowed' },
    startedMs: number,
  ): void {
    const context = this.#context;
    destination.on('error', () => {});
    // The policy may have changed while the application was being dialled.
    const again = this.#decide(connection);
    if (again.kind !== 'allowed' || context.isClosed() || socket.destroyed) {
      destination.destroy();
      // What is left when the pod stays and may be called: its caller is gone.
      const reason = again.kind === 'allowed' ? (context.isClosed() ? 'pod-removed' : 'copy') : again.reason;
      this.#refuse(socket, connection, again, reason, startedMs);
      return;
    }
    const tap = inboundTap(context, connection, admission, true);
    const done = ({ error }: SpliceResult): void => {
      context.live.delete(record);
      record.end(error === null ? null : 'copy');
    };
    const splice = new PlainSplice(socket, destination, done, tap, { destination: context.sendRate });
    const record = new ConnectionRecord(context.sinks, inboundSubject(context, connection, admission, null), splice, {
      sendsRequest: true,
      admitted: { workload: admission.workload.uid, connection, policyTarget: admission.policyTarget },
      tap,
    });
    context.live.add(record);
  }

  #refuse(
    socket: Socket,
    connection: Plaintext,
    admission: Admission | ProbeAdmission,
    reason: FailureReason,
    startedMs: number,
    detail?: string,
  ): void {
    const context = this.#context;
    const durationMs = context.clock.monotonic() - startedMs;
    const policy =
      admission.decision !== undefined && 'policy' in admission.decision ? admission.decision.policy : undefined;
    const subject =
      admission.kind === 'allowed'
        ? inboundSubject(context, connection, admission, null)
        : refusedSubject(context, connection, false);
    recordRefusal(context.sinks, subject, reason, durationMs, detail ?? policy);
    refuseSocket(socket);
  }
}
