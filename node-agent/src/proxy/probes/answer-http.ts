import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { HttpProbe, Probe } from '@ambit/mesh/model';
import { NotAProbeError } from './errors.ts';
import { matchHttpProbe, parseProbeRequest } from './match-probe.ts';
import { nextBytes } from './socket-bytes.ts';

/** The first byte of a TLS handshake. */
export const TLS_HANDSHAKE = 0x16;

/**
 * Serves one HTTP probe on `socket` and ends it: `ask` gives the status of the application's answer, and the caller is
 * given that status and nothing else. `secureContext` when the caller has begun to speak TLS.
 * @throws NotAProbeError for any other request; the caller then gets no answer. Rejects alike when `ask` does.
 */
export async function answerHttp(
  socket: Socket,
  probes: readonly Probe[],
  secureContext: SecureContext | null,
  ask: (probe: HttpProbe) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  const wire = secureContext === null ? socket : new TLSSocket(socket, { isServer: true, secureContext });
  wire.on('error', () => {});
  const probe = await readRequest(wire, probes, secureContext !== null, signal);
  const status = await ask(probe);
  const ended = new Promise((resolve) => wire.once('finish', resolve).once('close', resolve));
  wire.end(formatAnswer(status));
  await ended;
  return status;
}

async function readRequest(
  wire: Socket,
  probes: readonly Probe[],
  secure: boolean,
  signal: AbortSignal,
): Promise<HttpProbe> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const chunk = await nextBytes(wire, signal);
    if (chunk === null) throw new NotAProbeError('ended without a request');
    bytes = Buffer.concat([bytes, chunk]);
    const parsed = parseProbeRequest(bytes);
    if (parsed.kind === 'refused') throw new NotAProbeError(parsed.reason);
    if (parsed.kind === 'incomplete') continue;
    const probe = matchHttpProbe(probes, secure, parsed.request);
    if (probe === undefined) throw new NotAProbeError('not a declared path, or without its headers');
    return probe;
  }
}

function formatAnswer(status: number): string {
  // These have no body by definition, and may not say how long it is.
  const length = status === 204 || status === 304 ? '' : 'content-length: 0\r\n';
  // The reason is left empty, as the protocol allows.
  return `HTTP/1.1 ${status} \r\n${length}connection: close\r\n\r\n`;
}
