import { createHash } from 'node:crypto';
import tls, { type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { ALPN_H2 } from '../tls/handshake.ts';
import { secureContextDefaults } from '../tls/secure-context.ts';
import { CHAIN_CERTIFICATES_MAX } from '../tls/trust-bundle.ts';
import { certificateToPem } from '../tls/certificate-builder.ts';
import { CONTROLLER_SERVER_NAME, splitAddress } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { CONNECT_TIMEOUT_MS } from './limits.ts';

/**
 * Asks the controller at `address` for its chain and returns the certificate in it whose SHA-256 is the pinned one, as
 * PEM. Nothing is sent and nothing else is believed: the caller connects again, verifying against that root.
 * @throws GrpcError `untrusted-controller` when the chain does not hold it, `unavailable`; or the signal's reason.
 */
export async function fetchPinnedRoot(address: string, rootSha256: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const { host, port } = splitAddress(address);
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const unavailable = (cause?: Error): void =>
    reject(new GrpcError('unavailable', cause === undefined ? {} : { cause }));
  const socket = tls
    .connect({
      ...secureContextDefaults,
      host,
      port,
      servername: CONTROLLER_SERVER_NAME,
      ALPNProtocols: [ALPN_H2],
      rejectUnauthorized: false,
      timeout: CONNECT_TIMEOUT_MS,
    })
    .on('error', unavailable)
    .once('close', () => unavailable())
    .once('timeout', () => reject(new GrpcError('deadline-exceeded', { data: { phase: 'connect' } })))
    .once('secureConnect', () => resolve(socket));
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const root = findInChain(await promise, rootSha256);
    if (root === undefined) {
      throw new GrpcError('untrusted-controller', { data: { address, hint: 'the token is for another controller' } });
    }
    return certificateToPem(root);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}

function findInChain(socket: TLSSocket, sha256: string): Buffer | undefined {
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  for (let i = 0; i < CHAIN_CERTIFICATES_MAX && certificate?.raw !== undefined; i++) {
    if (createHash('sha256').update(certificate.raw).digest('hex') === sha256) return certificate.raw;
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return undefined;
}
