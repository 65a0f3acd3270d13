import { constants } from 'node:crypto';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { type Carrier, CarrierDuplex } from '@ambit/mesh/hbone';
import type { BackendTls } from '@ambit/mesh/routes';
import type { Clock } from '@ambit/mesh/runtime';
import type { InnerProtocol } from '../upstream/connector.ts';
import { SecureError } from './errors.ts';
import { SecureCarrier } from './secure-carrier.ts';
import { hasWantedName } from './verify-server.ts';

/**
 * Does the handshake on a carrier and believes the server only by the settings. Owns the carrier: on failure it is reset, and
 * nothing of the application has been sent. @throws SecureError, also when the signal gives up.
 */
export function openSecure(
  carrier: Carrier,
  settings: BackendTls,
  protocol: InnerProtocol,
  signal: AbortSignal,
  clock: Clock,
): Promise<Carrier> {
  const duplex = new CarrierDuplex(carrier, clock);
  return new Promise((resolve, reject) => {
    let refusal: SecureError | undefined;
    let socket: TLSSocket | undefined;
    const fail = (error: SecureError): void => {
      signal.removeEventListener('abort', onAbort);
      socket?.destroy();
      duplex.cut();
      reject(error);
    };
    const onAbort = (): void => fail(new SecureError('aborted'));
    // What it says later is the socket's business; nobody else would hear it.
    duplex.on('error', () => {});
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      socket = tls.connect({
        socket: duplex,
        servername: settings.serverName,
        secureContext: contextOf(settings),
        ...(protocol === null ? {} : { ALPNProtocols: [protocol] }),
        checkServerIdentity: (_hostname, { raw }) =>
          hasWantedName(raw, settings) ? undefined : (refusal = new SecureError('name')),
      });
    } catch (error) {
      return fail(new SecureError('handshake', reasonOf(error)));
    }
    const opened = socket;
    opened.allowHalfOpen = true;
    const onError = (error: Error): void => fail(refusal ?? new SecureError('handshake', reasonOf(error)));
    const onClose = (): void => fail(new SecureError('handshake', 'ECONNRESET'));
    opened.on('error', onError);
    opened.on('close', onClose);
    opened.once('secureConnect', () => {
      const agreed = opened.alpnProtocol;
      if (!speaks(protocol, agreed)) return fail(new SecureError('protocol'));
      signal.removeEventListener('abort', onAbort);
      const inside = new SecureCarrier(opened, () => duplex.cut());
      opened.off('error', onError);
      opened.off('close', onClose);
      resolve(inside);
    });
  });
}

/** Servers of HTTP/1.1 alone may know nothing of the agreement; those of HTTP/2 do (RFC 9113 3.2). */
function speaks(protocol: InnerProtocol, agreed: string | false | null): boolean {
  return protocol === null || agreed === protocol || (protocol === 'http/1.1' && !agreed);
}

const contexts = new WeakMap<BackendTls, SecureContext>();

/** Made once per settings object and thread. */
function contextOf(settings: BackendTls): SecureContext {
  let context = contexts.get(settings);
  if (context === undefined) {
    const { roots } = settings;
    context = tls.createSecureContext({
      minVersion: 'TLSv1.2',
      ca: roots.kind === 'pem' ? roots.pem : systemRoots(),
      // Who has been believed once is not somebody else later.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      // An authority that is named is believed, also when somebody else has signed it.
      allowPartialTrustChain: true,
    });
    contexts.set(settings, context);
  }
  return context;
}

let trusted: string[] | undefined;

/** Those of the machine; in an image without any, those that come with Node. */
function systemRoots(): string[] {
  if (trusted === undefined) {
    const system = tls.getCACertificates('system');
    trusted = system.length > 0 ? system : tls.getCACertificates('bundled');
  }
  return trusted;
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
