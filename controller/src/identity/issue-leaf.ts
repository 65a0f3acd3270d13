import { CONTROLLER_SERVER_NAME, type GrpcServerTls } from '@ambit/mesh/grpc';
import type { SpiffeId } from '@ambit/mesh/model';
import {
  type AltName,
  type CertificatePurpose,
  certificateToPem,
  createCertificate,
  createKeyPairSync,
  privateKeyToPem,
  readCertificateFields,
  readSerial,
} from '@ambit/mesh/tls';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { type KeptCertificate, wholeSecond } from './authority.ts';
import { BACKDATE_MS_MAX, BACKDATE_SHARE } from './limits.ts';

/** A certificate as it leaves the authority. */
export interface IssuedLeaf {
  readonly leafPem: string;
  readonly serial: string;
  readonly notAfterMs: number;
}

/** What a leaf says. */
export interface LeafProfile {
  readonly publicKey: KeyObject;
  readonly validityMs: number;
  readonly altNames: readonly AltName[];
  readonly purposes: readonly CertificatePurpose[];
}

/** Never valid beyond its issuer. */
export function issueLeaf(issuer: KeptCertificate, nowMs: number, leaf: LeafProfile): IssuedLeaf {
  const backdateMs = Math.min(BACKDATE_MS_MAX, leaf.validityMs * BACKDATE_SHARE);
  const notBeforeMs = Math.max(wholeSecond(nowMs - backdateMs), issuer.notBeforeMs);
  const notAfterMs = Math.min(wholeSecond(nowMs + leaf.validityMs), issuer.notAfterMs);
  const certificate = createCertificate(
    {
      publicKey: leaf.publicKey,
      notBeforeMs,
      notAfterMs,
      altNames: leaf.altNames,
      usage: { kind: 'leaf', purposes: leaf.purposes },
    },
    { kind: 'authority', certificate: issuer.certificate, privateKey: issuer.privateKey },
  );
  const fields = readCertificateFields(certificate);
  return {
    leafPem: certificateToPem(certificate),
    serial: fields === undefined ? '' : readSerial(certificate, fields),
    notAfterMs,
  };
}

/** The certificate of a workload, for both ends of a tunnel. */
export function issueWorkloadCertificate(
  issuer: KeptCertificate,
  nowMs: number,
  request: { readonly publicKey: KeyObject; readonly identity: SpiffeId; readonly validityMs: number },
): IssuedLeaf {
  const { publicKey, identity, validityMs } = request;
  const altNames: readonly AltName[] = [{ kind: 'uri', value: identity }];
  return issueLeaf(issuer, nowMs, { publicKey, validityMs, altNames, purposes: ['server', 'client'] });
}

/** A fresh key and certificate for the controller's own listeners, and when it is to be replaced. */
export interface ServerCertificateIssue {
  readonly tls: GrpcServerTls;
  readonly refreshAtMs: number;
}

/**
 * The certificate of the controller's own listeners, with which it also asks other replicas. It carries the name that every
 * controller has besides, and those of loopback.
 */
export function issueServerCertificate(
  issuer: KeptCertificate,
  nowMs: number,
  request: {
    readonly names: readonly string[];
    readonly validityMs: number;
    /** What is shown behind the leaf. */
    readonly issuersPem: string;
    /** Roots of client certificates, where there are such. */
    readonly clientRootsPem?: string;
  },
): ServerCertificateIssue {
  const { names, validityMs, issuersPem, clientRootsPem } = request;
  const { publicKey, privateKey } = createKeyPairSync();
  const altNames = [CONTROLLER_SERVER_NAME, 'localhost', '127.0.0.1', '::1', ...names].map(toAltName);
  const leaf = issueLeaf(issuer, nowMs, { publicKey, validityMs, altNames, purposes: ['server', 'client'] });
  return {
    tls: {
      privateKeyPem: privateKeyToPem(privateKey),
      chainPem: leaf.leafPem + issuersPem,
      ...(clientRootsPem === undefined ? {} : { clientRootsPem }),
    },
    refreshAtMs: nowMs + (leaf.notAfterMs - nowMs) / 2,
  };
}

function toAltName(name: string): AltName {
  return isIP(name) === 0 ? { kind: 'dns', value: name } : { kind: 'ip', value: name };
}
