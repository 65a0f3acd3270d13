import { CONTROLLER_SERVER_NAME } from '@ambit/mesh/grpc';
import { secureContextDefaults } from '@ambit/mesh/tls';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { ReplicaProgress } from '../status/mesh-progress.ts';
import { PeerError } from './errors.ts';
import { MARK_HEADER, type PeerTls, processOfMark, REPORT_PATH, REPORT_TOO_LARGE } from './peer-server.ts';
import { findExcess, parseReport } from './report.ts';

export interface PeerQuestion {
  readonly host: string;
  readonly port: number;
  /** Mark of the state that is known; the answer comes when there is another. Empty: none is. */
  readonly after: string;
  /** Our certificate, and the roots that the peer's must chain to. */
  readonly tls: PeerTls;
}

export interface PeerAnswer {
  readonly mark: string;
  /** Null when the state is still that of the question. */
  readonly report: ReplicaProgress | null;
}

/** Asks one replica, on a connection of its own. @throws PeerError, or the signal's reason. */
export async function askPeer(question: PeerQuestion, signal: AbortSignal): Promise<PeerAnswer> {
  try {
    const response = await open(question, signal);
    const mark = String(response.headers[MARK_HEADER] ?? '');
    if (response.statusCode === 204) {
      response.resume();
      return { mark, report: null };
    }
    if (response.statusCode === REPORT_TOO_LARGE) throw new PeerError('too-large', { data: { 'found.by': 'peer' } });
    if (response.statusCode !== 200) throw new PeerError('refused', { data: { status: response.statusCode } });
    const read = parseReport(await readText(response));
    if (read.kind === 'malformed') throw new PeerError('malformed');
    if (read.kind === 'too-large') throw new PeerError('too-large', { data: { ...read.excess } });
    return { mark, report: { ...read.report, id: processOfMark(mark) } };
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof PeerError ? error : new PeerError('unreachable', { cause: error });
  }
}

function open({ host, port, after, tls }: PeerQuestion, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({
    ...secureContextDefaults,
    host,
    port,
    path: `${REPORT_PATH}?after=${encodeURIComponent(after)}`,
    agent: false,
    // What proves a controller is the name that every one of them has, not its address.
    servername: CONTROLLER_SERVER_NAME,
    key: tls.privateKeyPem,
    cert: tls.chainPem,
    ca: tls.clientRootsPem,
    signal,
  })
    .on('error', reject)
    .on('response', resolve)
    .end();
  return promise;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  refuseExcess(response, Number(response.headers['content-length'] ?? 0));
  for await (const chunk of response) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- without an encoding chunks are buffers
    const bytes = chunk as Buffer;
    size += bytes.length;
    refuseExcess(response, size);
    chunks.push(bytes);
  }
  if (!response.complete) throw new PeerError('unreachable', { data: { reason: 'cut-off' } });
  return Buffer.concat(chunks).toString('utf8');
}

/** @throws PeerError when these are too many; nothing more is read then. */
function refuseExcess(response: IncomingMessage, bytes: number): void {
  const excess = findExcess({ bytes });
  if (excess === null) return;
  response.destroy();
  throw new PeerError('too-large', { data: { ...excess } });
}
