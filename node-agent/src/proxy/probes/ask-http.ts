import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { formatSocketAddress, type HttpProbe, type SocketAddress } from '@ambit/mesh/model';
import { PROBE_LIMITS } from './limits.ts';
import { nextBytes } from './socket-bytes.ts';

/** A connection to the probed port of the application. Rejects when there is none. */
export type DialApplication = () => Promise<Socket>;

/**
 * Performs a declared HTTP probe and gives the status the kubelet would have judged by: redirects to another path of the same
 * port are followed, as it does; one that leads elsewhere is itself the answer, which counts as success there too. Rejects when
 * there is no answer. The body is not read: nobody is given it.
 */
export async function askHttp(
  probe: HttpProbe,
  address: SocketAddress,
  dial: DialApplication,
  signal: AbortSignal,
): Promise<number> {
  let target = probe.target;
  for (let hops = 0; ; hops++) {
    const { status, location } = await askOnce(probe, target, address, await dial(), signal);
    const next = location === undefined || !isRedirect(status) ? null : localTarget(probe, target, location, address);
    if (next === null) return status;
    if (hops >= PROBE_LIMITS.redirects) throw new Error('too many redirects');
    target = next;
  }
}

interface Answer {
  readonly status: number;
  readonly location?: string;
}

async function askOnce(
  probe: HttpProbe,
  target: string,
  address: SocketAddress,
  dialled: Socket,
  signal: AbortSignal,
): Promise<Answer> {
  const socket = probe.secure ? secure(dialled) : dialled;
  socket.on('error', () => {});
  try {
    socket.write(formatRequest(probe, target, address));
    let bytes: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = await nextBytes(socket, signal);
      if (chunk === null) throw new Error('the application ended without an answer');
      bytes = Buffer.concat([bytes, chunk]);
      const answer = parseAnswer(bytes.toString('latin1'));
      if (answer !== null) return answer;
      if (bytes.length > PROBE_LIMITS.answerBytes) throw new Error("the application's answer is too long");
    }
  } finally {
    socket.destroy();
    dialled.destroy();
  }
}

/** A kubelet verifies no certificate either: it could not know the names. */
function secure(socket: Socket): Socket {
  return connectTls({ socket, rejectUnauthorized: false });
}

function formatRequest({ headers }: HttpProbe, target: string, address: SocketAddress): string {
  const declared = (name: string): string | undefined => headers.find((header) => header.name === name)?.value;
  const host = declared('host') || formatSocketAddress(address);
  const lines = [`GET ${target} HTTP/1.1`, `host: ${host}`];
  // Declared empty, these two are not sent at all.
  for (const [name, fallback] of [
    ['user-agent', 'kube-probe/ambit'],
    ['accept', '*/*'],
  ] as const) {
    const value = declared(name) ?? fallback;
    if (value !== '') lines.push(`${name}: ${value}`);
  }
  const own = new Set(['host', 'user-agent', 'accept', 'connection', 'content-length', 'transfer-encoding']);
  for (const { name, value } of headers) if (!own.has(name)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`;
}

/** Null while the head is not whole. Informational answers are passed over. @throws Error for what is no HTTP. */
export function parseAnswer(text: string): Answer | null {
  const head = /^([\s\S]*?)\r?\n\r?\n/.exec(text);
  if (head === null) {
    if (text.length >= 5 && !text.startsWith('HTTP/')) throw new Error('the application does not speak HTTP');
    return null;
  }
  const [first = '', ...lines] = (head[1] ?? '').split(/\r?\n/);
  const status = Number(/^HTTP\/1\.[01] ([1-9]\d\d)(?: |$)/.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error('the application does not speak HTTP');
  if (status < 200 && status !== 101) return parseAnswer(text.slice(head[0].length));
  const location = lines.find((line) => /^location:/i.test(line))?.slice('location:'.length);
  return { status, ...(location === undefined ? {} : { location: location.trim() }) };
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Where a redirect leads at this very port; null when it leads elsewhere. */
export function localTarget(
  { secure: isSecure, headers }: Pick<HttpProbe, 'secure' | 'headers'>,
  from: string,
  location: string,
  address: SocketAddress,
): string | null {
  const scheme = isSecure ? 'https' : 'http';
  const base = `${scheme}://${formatSocketAddress(address)}`;
  const url = URL.parse(location, `${base}${from}`);
  if (url === null) return null;
  const declaredHost = headers.find((header) => header.name === 'host')?.value;
  const ours = [base, ...(declaredHost === undefined ? [] : [`${scheme}://${declaredHost}`])];
  const isOurs = ours.some((text) => URL.parse(text)?.origin === url.origin);
  return isOurs ? `${url.pathname}${url.search}` : null;
}
