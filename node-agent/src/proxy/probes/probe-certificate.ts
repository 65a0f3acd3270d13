import tls, { type SecureContext } from 'node:tls';
import {
  certificateToPem,
  createCertificate,
  createKeyPair,
  privateKeyToPem,
  secureContextDefaults,
} from '@ambit/mesh/tls';

const VALID_MS = 10 * 365 * 24 * 3_600_000;
const CLOCK_SKEW_MS = 24 * 3_600_000;

let context: Promise<SecureContext> | null = null;

/**
 * What probes over HTTPS are answered under: a certificate of nobody, made for this thread when it is first needed. A kubelet
 * verifies none, and the pod's own would vouch for more than a probe.
 */
export function probeSecureContext(nowMs: number): Promise<SecureContext> {
  context ??= createContext(nowMs);
  return context;
}

async function createContext(nowMs: number): Promise<SecureContext> {
  const { privateKey, publicKey } = await createKeyPair();
  const certificate = createCertificate(
    {
      commonName: 'probe',
      publicKey,
      notBeforeMs: nowMs - CLOCK_SKEW_MS,
      notAfterMs: nowMs + VALID_MS,
      usage: { kind: 'leaf', purposes: ['server'] },
    },
    { kind: 'itself', privateKey },
  );
  return tls.createSecureContext({
    ...secureContextDefaults,
    key: privateKeyToPem(privateKey),
    cert: certificateToPem(certificate),
  });
}
