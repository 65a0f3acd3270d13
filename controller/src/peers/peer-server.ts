import { ConnectionGate, CONTROLLER_SERVER_NAME } from '@ambit/mesh/grpc';
import type { Clock, Logger } from '@ambit/mesh/runtime';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkServerIdentity, TLSSocket } from 'node:tls';
import { endResponse, type HttpsServer, type HttpsServerTls, openHttpsServer } from '../https-server.ts';
import { PEER_LIMITS } from './limits.ts';
import { encodeReport, type Report } from './report.ts';

/** Where a report is; the number is that of its form. */
export const REPORT_PATH = '/v1/progress';
/** Status of an answer: there is more to tell than may be told. */
export const REPORT_TOO_LARGE = 507;
/** Header of an answer: the state it shows. */
export const MARK_HEADER = 'ambit-mark';

/** Of the process whose state it marks: different for every one. */
export function processOfMark(mark: string): string {
  const [process = ''] = mark.split('.');
  return process;
}

/** What a replica shows to others, whichever of the two asks, and the roots that theirs must chain to. */
export type PeerTls = Required<HttpsServerTls>;

export interface PeerServerOptions {
  readonly host: string;
  /** 0 picks one. */
  readonly port: number;
  /** With client roots: whoever asks must show a certificate of a controller. */
  readonly tls: PeerTls;
  readonly report: () => Report;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PeerServer extends HttpsServer {
  /** The report has changed. */
  changed(): void;
}

/**
 * Tells other replicas what this one has in force and which of its node agents have it: `GET /v1/progress?after=MARK` answers
 * at once when the state is not that of the mark, else when it changes, or after a while with 204. Callers prove with their
 * certificate that they are controllers of the same mesh. Rejects when the address cannot be bound.
 */
export async function openPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const { logger } = options;
  const gate = new ConnectionGate(PEER_LIMITS, (address, reason) =>
    logger.debug('peer refused', { 'peer.address': address, reason }),
  );
  const reports = new Reports(options, gate);
  const server = await openHttpsServer({
    ...options,
    gate,
    name: 'peers',
    limits: PEER_LIMITS,
    handle: (request, response) => void reports.serve(request, response),
  });
  return { ...server, changed: () => reports.changed() };
}

class Reports {
  readonly #options: PeerServerOptions;
  readonly #gate: ConnectionGate;
  /** Different for every process: a mark of another one, or of the one before, is never ours. */
  readonly #self = randomUUID();
  readonly #waiting = new Set<AbortController>();
  #changes = 0;

  constructor(options: PeerServerOptions, gate: ConnectionGate) {
    this.#options = options;
    this.#gate = gate;
  }

  changed(): void {
    this.#changes++;
    for (const waiting of this.#waiting) waiting.abort();
  }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    request.on('error', () => response.destroy()).resume();
    if (!isController(request.socket)) {
      const { remoteAddress } = request.socket;
      const refusal = { 'peer.address': remoteAddress, reason: 'no-controller' };
      this.#options.logger.warn('peer refused', refusal, { limitBy: remoteAddress ?? '' });
      endResponse(response, 403, 'refused\n');
      return;
    }
    const { remoteAddress = '', remotePort = 0 } = request.socket;
    this.#gate.accepted(`${remoteAddress}:${remotePort}`, CONTROLLER_SERVER_NAME);
    const [path = '', query = ''] = (request.url ?? '').split('?');
    if (path !== REPORT_PATH || request.method !== 'GET') return endResponse(response, 404, `GET ${REPORT_PATH}\n`);
    const after = new URLSearchParams(query).get('after');
    if (after === this.#mark) await this.#change(response);
    if (response.destroyed) return;
    response.setHeader(MARK_HEADER, this.#mark);
    if (after !== this.#mark) return this.#tell(response);
    response.writeHead(204).end();
  }

  #tell(response: ServerResponse): void {
    const encoded = encodeReport(this.#options.report());
    if (encoded.kind === 'report') return endResponse(response, 200, encoded.text, 'application/json');
    const { what, count, countMax } = encoded.excess;
    const message = 'report is too large, the leader hears of no node agent of ours';
    this.#options.logger.warn(message, { what, count, countMax }, { limitBy: what });
    endResponse(response, REPORT_TOO_LARGE, `${count} ${what}, at most ${countMax}\n`);
  }

  get #mark(): string {
    return `${this.#self}.${this.#changes}`;
  }

  /** Resolves at the next change, when the caller goes, or after a while. */
  async #change(response: ServerResponse): Promise<void> {
    const woken = new AbortController();
    this.#waiting.add(woken);
    response.once('close', () => woken.abort());
    await this.#options.clock.sleep(PEER_LIMITS.holdMs, woken.signal).catch(() => {});
    this.#waiting.delete(woken);
  }
}

/** The chain is verified by then. Workloads and node agents have certificates of the same roots, but none with a DNS name. */
function isController(socket: IncomingMessage['socket']): boolean {
  if (!(socket instanceof TLSSocket)) return false;
  return checkServerIdentity(CONTROLLER_SERVER_NAME, socket.getPeerCertificate()) === undefined;
}
