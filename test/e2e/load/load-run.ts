import { decideDueCount, decideShare, type Pace, plannedAtMs } from './decide-due.ts';
import type { StreamOpener } from './echo-stream.ts';
import { GrpcStreams } from './grpc-streams.ts';
import { Http1Requests } from './http1-requests.ts';
import { Http2Requests } from './http2-requests.ts';
import { Ledger } from './ledger.ts';
import {
  checkPlan,
  isStreams,
  type LoadPlan,
  type LoadTarget,
  type RequestTarget,
  type StreamTarget,
} from './load-plan.ts';
import type { LoadReport } from './load-report.ts';
import type { RequestSender } from './request-sender.ts';
import { StreamLoad } from './stream-load.ts';
import { TcpStreams } from './tcp-streams.ts';
import { WebSocketStreams } from './websocket-streams.ts';

/** How exactly planned times are kept. */
const STEP_MS = 2;
/** Shared connections of gRPC streams, which are as many as these at a time on each. */
const GRPC_STREAMS_PER_CONNECTION = 10;

/** Something that leaves at planned times. */
interface Flow {
  readonly pace: Pace;
  readonly account: ReturnType<Ledger['account']>;
  sentCount: number;
  send(index: number, plannedMs: number): void;
}

/**
 * A run of a plan in this process. Open loop: a request leaves when its time has come, however many before it are
 * unanswered, and its latency counts from that time; a server that stands still makes all of them slow, not one.
 */
export class LoadRun {
  readonly #plan: LoadPlan;
  readonly #ledger: Ledger;
  readonly #flows: Flow[] = [];
  readonly #requests: RequestSender[] = [];
  readonly #streams: StreamLoad[] = [];
  readonly #startMs = performance.now();
  #endMs: number;

  /** @throws RangeError for a plan out of bounds. */
  constructor(plan: LoadPlan) {
    this.#plan = checkPlan(plan);
    this.#endMs = this.#startMs + plan.seconds * 1000;
    this.#ledger = new Ledger(this.#startMs, new Date().toISOString());
    for (const target of plan.targets) this.#addTarget(target);
  }

  mark(name: string): void {
    this.#ledger.mark(name, performance.now());
  }

  get soFar(): LoadReport {
    return this.#ledger.report(performance.now());
  }

  /** Nothing new leaves from now on; `run` resolves when what is under way is over. */
  stop(): void {
    this.#endMs = Math.min(this.#endMs, performance.now());
  }

  /** Resolves when the time is over and everything that has left is answered or has failed. */
  async run(): Promise<LoadReport> {
    for (const streams of this.#streams) streams.start(this.#startMs);
    while (performance.now() < this.#endMs) {
      this.#step(performance.now());
      await sleep(STEP_MS);
    }
    this.#step(this.#endMs);
    for (const streams of this.#streams) streams.endAll();
    const overMs = performance.now();
    while (this.#ledger.inFlight > 0 || this.#streams.some(({ liveCount }) => liveCount > 0)) {
      for (const streams of this.#streams) streams.step(performance.now());
      // Everything has its own time limit; this one is for a mistake of ours.
      if (performance.now() - overMs > 2 * this.#plan.timeoutMs) break;
      await sleep(STEP_MS);
    }
    for (const streams of this.#streams) streams.close();
    for (const requests of this.#requests) requests.close();
    return this.soFar;
  }

  #step(nowMs: number): void {
    for (const streams of this.#streams) streams.step(nowMs);
    for (const flow of this.#flows) {
      const dueCount = decideDueCount(flow.pace, nowMs);
      for (; flow.sentCount < dueCount; flow.sentCount++) {
        if (this.#ledger.inFlight >= this.#plan.inFlightMax) this.#ledger.overflowed(flow.account, nowMs);
        else flow.send(flow.sentCount, plannedAtMs(flow.pace, flow.sentCount));
      }
    }
  }

  #addTarget(target: LoadTarget): void {
    const send = isStreams(target) ? this.#streamFlow(target) : this.#requestFlow(target);
    const pace = { startMs: this.#startMs, endMs: this.#endMs, perSecond: target.perSecond };
    this.#flows.push({ pace, account: this.#ledger.account(target.protocol), sentCount: 0, send });
  }

  #requestFlow(target: RequestTarget): Flow['send'] {
    const { timeoutMs, inFlightMax, newConnectionShare } = this.#plan;
    const sender =
      target.protocol === 'http1'
        ? new Http1Requests(target, this.#ledger, timeoutMs, inFlightMax)
        : new Http2Requests(target, this.#ledger, timeoutMs);
    this.#requests.push(sender);
    return (index, plannedMs) => {
      const bodyBytes = decideShare(index, target.postShare) ? target.bodyBytes : 0;
      sender.send({ number: index, bodyBytes }, plannedMs, decideShare(index, newConnectionShare));
    };
  }

  #streamFlow(target: StreamTarget): Flow['send'] {
    const streams = new StreamLoad(target, this.#plan, this.#ledger, this.#openerOf(target));
    this.#streams.push(streams);
    return (index, plannedMs) => streams.send(index, plannedMs);
  }

  #openerOf(target: StreamTarget): StreamOpener {
    switch (target.protocol) {
      case 'tcp':
        return new TcpStreams(target);
      case 'websocket':
        return new WebSocketStreams(target);
      case 'grpc': {
        const connections = Math.ceil(target.streams / GRPC_STREAMS_PER_CONNECTION);
        return new GrpcStreams(target, connections, this.#ledger.account('grpc').connections);
      }
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
