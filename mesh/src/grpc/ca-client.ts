import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { SpiffeId } from '../model/spiffe-id.ts';
import { createCertificateRequest } from '../tls/certificate-request.ts';
import { TlsError } from '../tls/errors.ts';
import { createKeyPair, privateKeyToPem } from '../tls/key-pair.ts';
import { parseSvid, type Svid } from '../tls/svid.ts';
import { parseTrustBundle } from '../tls/trust-bundle.ts';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../wire/gen/istio/v1/auth/certificate_pb.ts';
import type { ControllerAccess } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { UnaryCaller } from './unary-caller.ts';

/** gRPC path of the one method of the certificate service. */
export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
/** Key of the request's metadata: whose certificate a node agent asks for. */
export const IMPERSONATED_IDENTITY = 'ImpersonatedIdentity';

/** An issued certificate as PEM: what is shown to peers, and the roots that go with it. */
export interface IssuedCertificate {
  readonly chainPem: string;
  readonly rootsPem: string;
}

/** Whose certificate is asked for. */
export interface WantedSvid {
  readonly identity: SpiffeId;
  readonly validitySeconds: number;
  /** It is the caller's own, by its bearer token; else the caller asks on behalf of a workload of its node. */
  readonly isOwn?: boolean;
}

export interface CaClient extends Disposable {
  /** @throws GrpcError: `unauthenticated` and `permission-denied` are the CA's refusals and say no more. */
  createCertificate(request: WantedSvid & { readonly csrPem: string }, signal: AbortSignal): Promise<IssuedCertificate>;
}

/** A client of `istio.v1.auth.IstioCertificateService`. Disposing it closes its connection. */
export function createCaClient(access: ControllerAccess): CaClient {
  const caller = new UnaryCaller(access);
  return {
    async createCertificate({ identity, csrPem, validitySeconds, isOwn = false }, signal) {
      const request = create(IstioCertificateRequestSchema, {
        csr: csrPem,
        validityDuration: BigInt(validitySeconds),
        ...(isOwn ? {} : { metadata: { [IMPERSONATED_IDENTITY]: identity } }),
      });
      const answer = await caller.call(
        CREATE_CERTIFICATE_PATH,
        toBinary(IstioCertificateRequestSchema, request),
        signal,
      );
      return splitChain(readChain(answer));
    },
    [Symbol.dispose]: () => caller[Symbol.dispose](),
  };
}

/**
 * A fresh key, its certificate from the CA, and the check that the answer is what was asked for.
 * @throws GrpcError as `createCertificate`, and `malformed-response` when key, certificate, identity or roots do not fit.
 */
export async function requestSvid(client: CaClient, wanted: WantedSvid, signal: AbortSignal): Promise<Svid> {
  const keyPair = await createKeyPair();
  const csrPem = createCertificateRequest({ keyPair, uri: wanted.identity });
  const issued = await client.createCertificate({ ...wanted, csrPem }, signal);
  try {
    const svid = parseSvid({
      privateKeyPem: privateKeyToPem(keyPair.privateKey),
      chainPem: issued.chainPem,
      trustBundle: parseTrustBundle([issued.rootsPem]),
    });
    if (svid.id === wanted.identity) return svid;
  } catch (cause) {
    if (cause instanceof TlsError) throw new GrpcError('malformed-response', { cause });
    throw cause;
  }
  throw new GrpcError('malformed-response', { data: { reason: 'other-identity' } });
}

function readChain(answer: Uint8Array): readonly string[] {
  try {
    return fromBinary(IstioCertificateResponseSchema, answer).certChain;
  } catch (cause) {
    throw new GrpcError('malformed-response', { cause });
  }
}

/** The last element holds the roots, everything before it is the chain (protocol.md 3.6). */
function splitChain(certificates: readonly string[]): IssuedCertificate {
  const rootsPem = certificates.at(-1);
  if (rootsPem === undefined || certificates.length < 2) {
    throw new GrpcError('malformed-response', { data: { certificates: certificates.length } });
  }
  return { chainPem: certificates.slice(0, -1).map(endLine).join(''), rootsPem };
}

function endLine(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
