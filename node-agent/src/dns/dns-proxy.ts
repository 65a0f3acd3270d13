import net, { type Server, type Socket } from 'node:net';
import {
  DatagramBatch,
  DATAGRAMS_PER_BATCH_MAX,
  DatagramListener,
  listenInNetns,
  type NetnsHandle,
  sendDatagram,
  SyscallError,
} from '@ambit/mesh/linux';
import { parseIpAddress, parsePort, type SocketAddress, type Workload } from '@ambit/mesh/model';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import type { MeshState } from '../state/mesh-state.ts';
import type { NameDemand } from '../state/name-demand.ts';
import type { DnsNaming } from './decide-dns-answer.ts';
import { DnsCounts, type DnsRow } from './dns-counts.ts';
import { DnsForwarder, type DnsForwarderOptions, OutstandingBudget } from './dns-forwarder.ts';
import { DNS_LIMITS } from './dns-limits.ts';
import { DATAGRAM_BYTES_MAX, writeDnsFailure } from './dns-message.ts';
import { DnsResponder } from './dns-responder.ts';
import { DnsStream, type DnsStreamOptions } from './dns-stream.ts';
import { Nameservers } from './nameservers.ts';
import { whenAsked } from './when-asked.ts';

/** Where DNS is redirected to inside a pod. */
export const DNS_PORT = 15053;
const ADDRESSES: readonly SocketAddress[] = ['127.0.0.1', '::1'].map((ip) => ({
  ip: parseIpAddress(ip),
  port: parsePort(DNS_PORT),
}));
/** Somebody may look for a moment whether the port is free. */
const BIND_ATTEMPTS = 5;
const BIND_PAUSE_MS = 20;
/** More than the buffer of the socket holds. */
const LAST_BATCHES = 256;

export interface DnsSettings {
  readonly naming: DnsNaming;
  /** File with the name servers that questions are forwarded to. */
  readonly resolvConf: string;
}

/** What the DNS proxies of a worker share. */
export interface DnsWorld {
  readonly clock: Clock;
  readonly state: MeshState;
  /** Null: the view has the whole mesh. */
  readonly demand: NameDemand | null;
  readonly counts: DnsCounts;
  readonly naming: DnsNaming;
  readonly network: string;
  readonly packetMark: number;
  readonly random: () => number;
  readonly nameservers: Nameservers;
  /** Of all pods. */
  readonly budget: OutstandingBudget;
  readonly batch: DatagramBatch;
}

export function createDnsWorld(
  options: Pick<DnsWorld, 'clock' | 'state' | 'demand' | 'network' | 'packetMark' | 'random'> & {
    readonly logger: Logger;
  },
  { naming, resolvConf }: DnsSettings,
): DnsWorld {
  const { clock, logger } = options;
  return {
    ...options,
    naming,
    counts: new DnsCounts(),
    nameservers: new Nameservers({ path: resolvConf, clock, logger: logger.child({ scope: 'dns' }) }),
    budget: new OutstandingBudget(),
    batch: new DatagramBatch(DATAGRAM_BYTES_MAX),
  };
}

export interface DnsPod {
  readonly netns: NetnsHandle;
  readonly namespace: string;
  readonly workload: () => Workload | undefined;
  readonly logger: Logger;
}

/** DNS of one captured pod: UDP and TCP on its loopback addresses, where its questions are redirected to. */
export class DnsProxy implements Disposable {
  readonly #world: DnsWorld;
  readonly #pod: DnsPod;
  readonly #responder: DnsResponder;
  readonly #forwarder: DnsForwarder;
  readonly #streamOptions: DnsForwarderOptions & Pick<DnsStreamOptions, 'demand' | 'pod'>;
  readonly #listeners: DatagramListener[] = [];
  readonly #servers: Server[] = [];
  readonly #streams = new Set<DnsStream>();
  /** Questions whose names the controller was asked for. */
  #held = 0;
  /** While another agent is to take over. */
  #retirement: Disposable | null = null;

  /** `pod.netns` stays the caller's. */
  constructor(world: DnsWorld, pod: DnsPod) {
    this.#world = world;
    this.#pod = pod;
    this.#responder = new DnsResponder({ ...world, namespace: pod.namespace, workload: pod.workload });
    this.#streamOptions = { ...world, pod, netns: pod.netns, budget: world.budget.forPod() };
    this.#forwarder = new DnsForwarder(this.#streamOptions);
  }

  /**
   * Listens. An application that has the port keeps it: then its DNS is not served, since without its other connections a pod would be
   * worse off. @throws whatever else stands in the way.
   */
  async open(): Promise<void> {
    this.#retirement?.[Symbol.dispose]();
    this.#retirement = null;
    if (this.#listeners.length > 0) this.#closePorts();
    for (let attempt = 1; ; attempt++) {
      try {
        for (const address of ADDRESSES) await this.#listen(address);
        return;
      } catch (error) {
        this.#closePorts();
        if (!(error instanceof SyscallError) || error.errno !== 'EADDRINUSE') throw error;
        if (attempt === BIND_ATTEMPTS) {
          this.#pod.logger.warn('DNS of a pod is not served: its port is taken', { port: DNS_PORT, error });
          return;
        }
      }
      await this.#world.clock.sleep(BIND_PAUSE_MS);
    }
  }

  /** Another agent is to answer: stops as soon as no forwarded question is waited for, or after the longest that one may take. */
  retire(): void {
    if (this.#retirement !== null) return;
    this.#retirement = this.#world.clock.setTimer(DNS_LIMITS.timeoutMs, () => this.#closePorts());
    for (const server of this.#servers.splice(0)) server.close();
    this.#closeWhenIdle();
  }

  /** Answers what has arrived, then closes. Questions that were forwarded are not answered any more. */
  [Symbol.dispose](): void {
    this.#retirement?.[Symbol.dispose]();
    this.#closePorts();
    this.#forwarder[Symbol.dispose]();
    for (const stream of this.#streams) stream[Symbol.dispose]();
  }

  #closeWhenIdle(): void {
    if (this.#retirement !== null && this.#forwarder.outstanding + this.#held === 0) this.#closePorts();
  }

  /** What has arrived by then is answered. */
  #closePorts(): void {
    for (const listener of this.#listeners.splice(0)) {
      this.#serve(listener, LAST_BATCHES);
      listener[Symbol.dispose]();
    }
    for (const server of this.#servers.splice(0)) server.close();
  }

  async #listen(address: SocketAddress): Promise<void> {
    const { netns, logger } = this.#pod;
    const mark = this.#world.packetMark;
    const options = { address, mark, reusePort: true, receiveBufferBytes: DNS_LIMITS.receiveBufferBytes };
    try {
      const listener = new DatagramListener(netns, options, () => this.#serve(listener));
      this.#listeners.push(listener);
    } catch (error) {
      // A pod without IPv6.
      const isAbsent = error instanceof SyscallError && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.errno);
      if (isAbsent && address.ip === '::1') return;
      throw error;
    }
    const fd = listenInNetns(netns, { address: address.ip, port: DNS_PORT, mark, reusePort: true });
    const server = net
      .createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
      .on('error', (error) => logger.error('pod listener failed', { port: DNS_PORT, error }));
    server.maxConnections = DNS_LIMITS.streamsPerPod;
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ fd }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const options = { ...this.#streamOptions, responder: this.#responder, forwarder: this.#forwarder };
    const stream = new DnsStream(socket, options, () => this.#streams.delete(stream));
    this.#streams.add(stream);
  }

  #serve(listener: DatagramListener, batches: number = DNS_LIMITS.batchesPerTurn): void {
    const { batch } = this.#world;
    for (let done = 0; done < batches; done++) {
      const count = batch.receive(listener);
      for (let i = 0; i < count; i++) {
        const message = batch.datagram(i);
        const verdict = this.#responder.respond(message, batch.replyBuffer(), 'udp');
        if (verdict.kind === 'answer') batch.reply(i, verdict.length);
        else if (verdict.kind === 'forward')
          this.#forward(listener, Buffer.from(message), batch.sender(i), verdict.row);
        else if (verdict.kind === 'ask') this.#hold(listener, Buffer.from(message), batch.sender(i), verdict.names);
      }
      batch.flush(listener);
      if (count < DATAGRAMS_PER_BATCH_MAX) return;
    }
  }

  #hold(listener: DatagramListener, message: Buffer, sender: Buffer, names: readonly string[]): void {
    this.#held++;
    void whenAsked(this.#world, names, this.#pod).then(() => {
      this.#held--;
      if (listener.isClosed) return;
      const verdict = this.#responder.respond(message, held, 'udp', true);
      if (verdict.kind === 'answer') sendDatagram(listener, held.subarray(0, verdict.length), sender);
      else if (verdict.kind === 'forward') this.#forward(listener, message, sender, verdict.row);
      this.#closeWhenIdle();
    });
  }

  #forward(listener: DatagramListener, message: Buffer, sender: Buffer, row: DnsRow): void {
    this.#forwarder.forward(message, row, (answer) => {
      if (listener.isClosed) return;
      if (answer !== null) sendDatagram(listener, answer, sender);
      else sendDatagram(listener, failure.subarray(0, writeDnsFailure(failure, message, 'server-failure')), sender);
      this.#closeWhenIdle();
    });
  }
}

/** Per thread: an answer is sent before the turn ends. */
const held = Buffer.allocUnsafeSlow(DATAGRAM_BYTES_MAX);
/** Per thread. */
const failure = Buffer.allocUnsafeSlow(600);
